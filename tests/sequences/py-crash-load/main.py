"""Raise while loading."""

raise RuntimeError("raised while loading")
