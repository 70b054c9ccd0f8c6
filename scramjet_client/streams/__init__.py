"""Reading: output and event streams, lines, reconnecting, and many streams at once."""

from scramjet_client.streams.output import EventStream, OutputStream

__all__ = ["EventStream", "OutputStream"]
