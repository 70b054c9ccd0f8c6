"""Where other frameworks meet the client; each module needs an extra of its own, and is imported by name."""
