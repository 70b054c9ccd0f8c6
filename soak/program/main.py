"""The program of the soak: `echo`, `source`, `talker` or `digest`, by its first argument."""

import asyncio
import contextlib
import hashlib
import json
import os
import sys

from scramjet.pyfca import MultipleEnd
from scramjet.streams import Stream

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from content import content, pieces  # noqa: E402

output_type = "application/octet-stream"  # read by hub 0.x
provides = {"provides": "", "contentType": "application/octet-stream"}  # read by hub 1.x


class SteadyStream(Stream):
    """A stream that waits for its reader, where the runners' own would pile up data in memory."""

    linger = 0.0

    async def write_to(self, target):
        on_hub_0 = hasattr(target, "write_eof")  # an asyncio.StreamWriter; 1.x has channels
        flush = getattr(target, "drain" if on_hub_0 else "sync", None)
        if on_hub_0:
            # drain() shall wait until all is sent: the 0.x runner exits without sending the rest.
            target.transport.set_write_buffer_limits(high=0)
        async for chunk in self:
            target.write(chunk)
            if flush:
                await flush()
        if on_hub_0:
            # Hub 0.x forgets an instance, and output that nobody has read yet, when it exits.
            target.write_eof()
            await asyncio.sleep(self.linger)
        return target


def spoiled(piece, at, sabotage):
    """Return a piece that begins at an offset, with the tenth byte of the stream lost, or given twice."""
    spot = 10 - at
    if not sabotage or not 0 <= spot < len(piece):
        return piece
    return (
        piece[:spot]
        + (b"" if sabotage == "lose" else piece[spot : spot + 1] * 2)
        + piece[spot + 1 :]
    )


async def echo(input, sabotage):
    at = 0
    async for chunk in input:
        data = chunk.encode() if isinstance(chunk, str) else chunk
        yield spoiled(data, at, sabotage)
        at += len(data)


async def digest():
    with open(os.path.join(HERE, "data.bin"), "rb") as file:
        yield hashlib.sha256(file.read()).hexdigest().encode()


async def written(data, seed, sabotage):
    at = 0
    for piece in pieces(data, seed):
        yield spoiled(piece, at, sabotage)
        at += len(piece)


def talk(context):
    """Log, emit and count by order of events; all messages are JSON in a string, which every hub carries."""
    counted = []

    def log(message):
        order = json.loads(message)
        for n in range(order["count"]):
            context.logger.info(f"soak {order['id']} {n} {'x' * (n * 7 % 100)}.")

    def emit(message):
        order = json.loads(message)
        for n in range(order["count"]):
            context.emit(
                order["name"], json.dumps({"id": order["id"], "n": n, "text": "ü" * (n % 50)})
            )

    def report(message):
        context.emit("counted", json.dumps({"id": message, "counted": counted}))

    context.on("log", log)
    context.on("emit", emit)
    context.on("count", counted.append)
    context.on("report", report)
    context.emit("ready", "yes")
    return Stream()


def run(context, input, kind, sabotage="", linger=0, seed=0, size=0, text=True):
    if kind == "talker":
        output = talk(context)
    elif kind == "echo":
        output = SteadyStream.read_from(echo(input, sabotage), max_parallel=4)
    elif kind == "digest":
        output = SteadyStream.read_from(digest(), max_parallel=4)
    else:
        sys.stdout.write(content(seed + 1, 2000, text=True).decode())
        sys.stdout.flush()
        data = content(seed, size, text=text)
        output = SteadyStream.read_from(written(data, seed, sabotage), max_parallel=4)
    output.linger = float(linger)

    async def stop(timeout=None, can_keep_alive=None):
        output.linger = 0
        with contextlib.suppress(MultipleEnd):
            output.end()

    context.set_stop_handler(stop)
    return output
