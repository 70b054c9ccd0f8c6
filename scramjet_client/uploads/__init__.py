"""Sending: sources, the options of a send, and the handles of uploads."""

from scramjet_client.uploads.upload import Upload

__all__ = ["Upload"]
