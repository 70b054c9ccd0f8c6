"""Files that travel in packages and run on hubs; the client imports nothing from here."""
