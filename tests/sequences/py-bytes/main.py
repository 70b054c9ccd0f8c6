"""Write args[0] bytes of text, in lines of 100 bytes that hold their number, and end."""

import asyncio
import contextlib

from scramjet.pyfca import MultipleEnd
from scramjet.streams import Stream

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


async def lines(size):
    for first in range(0, size, 100 * 640):
        block = b"".join(b"%099d\n" % n for n in range(first // 100, first // 100 + 640))
        yield block[: size - first]


def run(context, input, size=1_000_000, linger=10):
    """On hub 0.x the instance lives on `linger` seconds, as a Node one does, for late readers."""
    output = SteadyStream.read_from(lines(int(size)), max_parallel=4)
    output.linger = float(linger)

    async def stop(timeout=None, can_keep_alive=None):
        output.linger = 0
        with contextlib.suppress(MultipleEnd):
            output.end()

    context.set_stop_handler(stop)
    return output
