"""The API of a hub, in all its generations."""
