"""One running program: its streams, events, lifecycle and end."""
