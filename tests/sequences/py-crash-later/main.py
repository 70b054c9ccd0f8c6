"""Write one line to output, and raise after args[0] seconds."""

import asyncio

from scramjet.streams import Stream

output_type = "application/octet-stream"  # read by hub 0.x
provides = {"provides": "", "contentType": "application/octet-stream"}  # read by hub 1.x


class CrashingStream(Stream):
    """A stream whose reader gets the error; one raised by a source would only end a task unseen."""

    delay = 0.0

    async def __aiter__(self):
        yield b"before the crash\n"
        await asyncio.sleep(self.delay)
        raise RuntimeError("raised while running")

    async def write_to(self, target):
        async for chunk in self:
            target.write(chunk)


def run(context, input, delay=0.5):
    output = CrashingStream()
    output.delay = float(delay)
    return output
