"""What travels in packages and runs on hubs; nothing here is imported by the client."""
