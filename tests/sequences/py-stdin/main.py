"""Copy stdin to stdout, and to stderr with "err:" before each line, until stdin ends."""

import asyncio
import contextlib
import sys

from scramjet.pyfca import MultipleEnd
from scramjet.streams import Stream


async def lines(chunks):
    rest = ""
    async for chunk in chunks:
        *whole, rest = (rest + chunk).split("\n")
        for line in whole:
            yield line + "\n"
    if rest:
        yield rest


def below(stream):
    """Return the asyncio.StreamWriter that the runner of a real hub writes to; 1.0 has two layers on stderr."""
    while hasattr(stream, "stream"):
        stream = stream.stream
    return stream


async def flush(stream):
    """Wait until the hub has what was written, as far as the runner offers that."""
    writer = below(stream)
    if hasattr(writer, "drain"):
        writer.transport.set_write_buffer_limits(high=0)
        await writer.drain()
    elif hasattr(stream, "sync"):  # LocalHub
        await stream.sync()


def run(context, input, linger=10):
    """On hub 0.x the instance lives on `linger` seconds, as a Node one does, for late readers."""
    output = Stream()

    async def copy():
        async for line in lines(sys.stdin):
            sys.stdout.write(line)
            sys.stderr.write("err:" + line)
            await flush(sys.stdout)
            await flush(sys.stderr)
        if hasattr(below(sys.stdout), "write_eof"):
            # Hub 0.x forgets an instance, and what nobody has read yet, when it exits.
            below(sys.stdout).write_eof()
            below(sys.stderr).write_eof()
            await asyncio.sleep(float(linger))
        await stop()

    async def stop(timeout=None, can_keep_alive=None):
        with contextlib.suppress(MultipleEnd):
            output.end()

    context.set_stop_handler(stop)
    context.copying = asyncio.ensure_future(copy())  # asyncio itself keeps no hold of a task
    return output
