"""Sequences for the tests of the hub, as text."""

ECHO = """
provides = {"provides": "", "contentType": "application/octet-stream"}
async def run(context, input):
    async for chunk in input:
        yield chunk.encode() if isinstance(chunk, str) else chunk
"""

IDLE = """
from scramjet.streams import Stream
def run(context, input):
    return Stream()
"""

EVENTS = """
from scramjet.streams import Stream
def run(context, input):
    context.on("ping", lambda message: context.emit("pong", {"echo": message}))
    context.on("emit", lambda order: context.emit(order["name"], order.get("message")))
    context.emit("ready", "yes")
    return Stream()
"""

STDIN = """
import sys
from scramjet.streams import Stream
async def run(context, input):
    async for text in sys.stdin:
        sys.stdout.write(text)
        sys.stderr.write("err:" + text)
"""

FLOOD = """
provides = {"provides": "", "contentType": "application/octet-stream"}
async def run(context, input, size):
    for n in range(size // 65536):
        if n % 64 == 0:
            context.emit("written", {"bytes": n * 65536})
        yield bytes(65536)
"""
