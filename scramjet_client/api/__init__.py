"""What the API of a hub says, in all its generations."""
