"""Tail the output of many instances live, by one thread.

python examples/tail_many.py [URL]
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Any

from _common import open_host

from scramjet_client import Multiplexer

SENSORS, READINGS = 5, 20


async def sensor(context: Any, input: Any, number: int, readings: int) -> AsyncIterator[str]:
    """Give readings, every sensor at its own pace, once somebody listens."""
    async for _ in input:
        pass
    for reading in range(readings):
        yield f"{20 + (number * 7 + reading * 3) % 10} degrees\n"
        await asyncio.sleep(0.005 * number)


with open_host() as host, ExitStack() as stack:
    sequence = host.deploy(sensor)
    instances = [sequence.start(args=[number, READINGS]) for number in range(1, SENSORS + 1)]
    names = {
        stack.enter_context(instance.get_stream("output")): f"sensor {number}"
        for number, instance in enumerate(instances, 1)
    }
    for instance in instances:
        instance.send_input(b"", type="text/plain", end=True)
    counts: Counter[str] = Counter()
    for stream, lines in stack.enter_context(Multiplexer(names)):
        counts[names[stream]] += len(lines)
        print(f"{names[stream]}: {lines[-1].decode()}")
    print("readings:", ", ".join(f"{name} {count}" for name, count in sorted(counts.items())))
