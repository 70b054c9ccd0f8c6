"""The script: round after round it runs a program on a hub, and logs what goes wrong as most scripts do.

It says after each round what it holds, as a line of JSON on stdout, and ends when its stdin ends. A line on its
stdin has it do what cannot be done to it from outside: "full" fills its disk for a round, "jump" sets its clock.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import queue
import sys
import threading
import time
from pathlib import Path

from scramjet_client import HostClient, ScramjetError, SequenceClient, SequenceNotFoundError

log = logging.getLogger("day")
FULL = Path("/dev/full")
JUMP = 86_400.0
"""Seconds by which the clock jumps."""

_real_time = time.time


async def count(context, input):
    """Give the number of each chunk's bytes, and say something."""
    async for chunk in input:
        context.logger.info("a chunk")
        yield f"{len(chunk)}\n"


def jump() -> None:
    """Have the wall clock of this process be a day later; what measures durations does not know of it."""
    time.time = lambda: _real_time() + JUMP
    log.info("the clock jumps")


def held() -> dict[str, int]:
    """Return what this process holds."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "memory": pages * os.sysconf("SC_PAGE_SIZE"),
        "threads": threading.active_count(),
        "descriptors": len(os.listdir("/proc/self/fd")),
    }


def one_round(host: HostClient, sequence: SequenceClient | None, target: Path) -> SequenceClient:
    """Run the program once; return the sequence for the next round."""
    if sequence is None:
        sequence = host.deploy(count)
    instance = sequence.start()
    with target.open("wb", buffering=0) as file, instance.follow(output=file) as following:
        instance.send_input([b"x" * 1000] * 20, end=True)
        following.wait(30)
    return sequence


def main(url: str, folder: str) -> None:
    """Go on until stdin ends."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s"
    )
    orders: queue.Queue[str] = queue.Queue()

    def listen() -> None:
        for line in sys.stdin:
            orders.put(line.strip())
        orders.put("end")

    threading.Thread(target=listen, daemon=True).start()
    sequence: SequenceClient | None = None
    done = failed = 0
    with HostClient(url, timeout=5) as host:
        while True:
            order = "" if orders.empty() else orders.get()
            if order == "end":
                break
            if order == "jump":
                jump()
            try:
                target = FULL if order == "full" else Path(folder) / "output"
                sequence = one_round(host, sequence, target)
                done += 1
            except SequenceNotFoundError:
                log.info("the hub has been restarted without the sequence: it is sent again")
                sequence = None
            except (ScramjetError, OSError) as error:
                failed += 1
                log.error("a round failed: %s", error)
                time.sleep(0.5)
            print(json.dumps({"done": done, "failed": failed, **held()}), flush=True)
            time.sleep(0.2)
    log.info("the day is over: %d rounds, %d failed", done, failed)


if __name__ == "__main__":
    main(*sys.argv[1:])
