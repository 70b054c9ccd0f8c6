"""Raise while loading."""

raise RuntimeError("raised while loading")


def run(context, input):
    """Never be called."""
