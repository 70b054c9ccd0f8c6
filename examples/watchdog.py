"""Watch a program's health, and start it anew when it is ill or has ended.

python examples/watchdog.py [URL]
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any

from _common import open_host

from scramjet_client import InstanceClient, InstanceNotFoundError


async def worker(context: Any, input: Any, life: int) -> None:
    """Work that goes wrong: the first life leaks, the second crashes, the third is well."""
    leaked = worked = 0
    context.set_health_check(lambda: {"healthy": leaked < 50, "message": f"{leaked} MB leaked"})
    while life != 2 or worked < 100:
        await asyncio.sleep(0.02)  # its work
        worked, leaked = worked + 1, leaked + (10 if life == 1 else 0)
    raise RuntimeError("out of luck")


def illness(instance: InstanceClient) -> str:
    """Return what is wrong with an instance, "" for nothing."""
    try:
        health = instance.get_health().status  # first: it may wait, and the end come meanwhile
        ended = instance.get_info().status not in ("starting", "running")
    except InstanceNotFoundError:  # an old hub forgets it at once
        ended = True
    return "it has ended" if ended else "" if health == "healthy" else f"it is {health}"


with open_host() as host:
    sequence = host.deploy(worker)
    for life in (1, 2):  # a watchdog of yours goes on for ever
        instance = sequence.start(args=[life])
        while not (wrong := illness(instance)):
            time.sleep(0.2)
        print(f"life {life}: {wrong}, starting anew")
        with suppress(InstanceNotFoundError):
            instance.kill()
    instance = sequence.start(args=[3])
    print("life 3:", illness(instance) or "it is well")
    instance.kill()
