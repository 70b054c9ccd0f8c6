"""Write "tick N" to output, stdout, stderr and log every args[0] milliseconds, until stopped."""

import asyncio
import contextlib
import itertools
import sys

from scramjet.pyfca import MultipleEnd
from scramjet.streams import Stream


def run(context, input, interval=100):
    output = Stream()

    async def tick():
        for n in itertools.count():
            output.write(f"tick {n}\n")
            sys.stdout.write(f"tick {n}\n")
            sys.stderr.write(f"tick {n}\n")
            context.logger.info(f"tick {n}")
            await asyncio.sleep(float(interval) / 1000)

    async def stop(timeout=None, can_keep_alive=None):
        ticking.cancel()
        with contextlib.suppress(MultipleEnd):
            output.end()

    ticking = asyncio.ensure_future(tick())
    context.set_stop_handler(stop)
    return output
