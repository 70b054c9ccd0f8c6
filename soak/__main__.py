"""Random operations on hubs, through faults, for minutes: `python -m soak`."""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Optional

from scramjet_client import HostClient
from soak.accounts import Ledger, Resources, measurable_memory
from soak.operations import OPERATIONS
from soak.workers import HANG, Watch, Worker
from soak.world import Hub, local_hub, packed
from tests.support.real_hub import RealHub

_WARM = 60.0
"""Seconds at most, and no more than a fifth of the time, before the first measurement."""

_SETTLE = 5.0
"""Seconds in which threads and descriptors have to go away."""

HUBS = ("local", "real")
Pids = dict[str, Optional[int]]
"""Processes by their names; None is this one."""

Measured = dict[str, Resources]

_HERE = "this process"
_ALIVE = ("starting", "running", "stopping")

SABOTAGE = ("lose", "repeat", "leak", "hang")


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__)
    parser.add_argument(
        "--minutes", type=float, default=10.0, help="how long (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, help="what everything is drawn from (default: another each time)"
    )
    parser.add_argument("--hubs", nargs="+", choices=HUBS, default=list(HUBS), help="on which hubs")
    parser.add_argument(
        "--workers", type=int, default=2, help="threads for each hub (default: %(default)s)"
    )
    parser.add_argument(
        "--only", nargs="+", choices=list(OPERATIONS), default=[], help="operations"
    )
    parser.add_argument(
        "--hang", type=float, default=HANG, help="seconds after which an operation hangs"
    )
    parser.add_argument(
        "--sabotage",
        choices=SABOTAGE,
        default="",
        help="do something wrong, to see it found: lose or repeat a byte, leak sockets, hang",
    )
    return parser.parse_args(given)


@contextlib.contextmanager
def _hub(name: str, sabotage: str) -> Iterator[Hub]:
    with contextlib.ExitStack() as stack:
        if name == "local":
            url, pid = stack.enter_context(local_hub())
        else:
            real = stack.enter_context(RealHub())
            url, pid = real.url, real.process.pid
        with HostClient(url) as host:
            modern = host.get_version().api_version is not None
            sequence = host.send_sequence([packed("soak")]).id
        spoil = sabotage if sabotage in ("lose", "repeat") else ""
        yield Hub(name, url, pid, modern, sequence, spoil)


def _work(workers: list[Worker], seconds: float) -> None:
    """Have all workers do operations for so long."""
    end = time.monotonic() + seconds
    threads = [
        threading.Thread(
            target=each.run, args=[lambda: time.monotonic() > end], name=f"soak-{each.name}"
        )
        for each in workers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _measured(pids: Pids) -> Measured:
    return {name: Resources.of(pid) for name, pid in pids.items()}


def _grown(hubs: list[Hub], start: Measured, end: Measured) -> list[str]:
    """Return what should have gone away: of this process, and instances; what else a hub keeps is shown."""
    found = [f"{_HERE}: {each}" for each in end[_HERE].grown(start[_HERE])]
    for hub in hubs:
        with HostClient(hub.url) as host:
            alive = [each.id for each in host.list_instances() if each.status in _ALIVE]
        if alive:
            found.append(f"{hub.name} hub: {len(alive)} instances live on")
    return found


def _settled(hubs: list[Hub], pids: Pids, start: Measured | None = None) -> Measured:
    """Measure when what was closed is gone: at the end nothing is more than at the start, there nothing changes."""
    deadline = time.monotonic() + _SETTLE
    before = _measured(pids)
    while True:
        time.sleep(0.5)
        now = _measured(pids)
        if not _grown(hubs, before if start is None else start, now):
            return now
        if time.monotonic() > deadline:
            return now
        before = now


def main(given: Sequence[str] | None = None) -> int:
    """Run the soak and print what has come of it; return 0 if nothing was wrong."""
    arguments = _arguments(given)
    seed = random.randrange(2**32) if arguments.seed is None else arguments.seed
    seconds = 60 * arguments.minutes
    warm = min(_WARM, seconds / 5)
    print(f"soak: seed {seed}, {seconds:g} s on {', '.join(arguments.hubs)}", flush=True)
    measurable_memory()
    ledger = Ledger()
    with contextlib.ExitStack() as stack:
        hubs = [stack.enter_context(_hub(each, arguments.sabotage)) for each in arguments.hubs]
        workers = [
            Worker(
                f"{hub.name}-{n}",
                hub,
                ledger,
                seed=seed,
                only=arguments.only,
                sabotage=arguments.sabotage,
            )
            for hub in hubs
            for n in range(arguments.workers)
        ]
        # Instances end with their hubs, and hubs with this process.
        watch = Watch(workers, arguments.hang, lambda: os._exit(2))
        stack.callback(watch.close)
        pids: Pids = {_HERE: None, **{f"{hub.name} hub": hub.pid for hub in hubs}}
        _work(workers, warm)
        start = _settled(hubs, pids)
        _work(workers, seconds - warm)
        end = _settled(hubs, pids, start)
        for each in _grown(hubs, start, end):
            ledger.failed(each)
    print(ledger.report())
    for name in pids:
        print(f"\n{name} after {warm:g} s: {start[name]}\n{name} at the end: {end[name]}")
    for each in ledger.failures:
        print(f"\nFAILED: {each}")
    if ledger.failures:
        print(f"\n{len(ledger.failures)} failures; again with --seed {seed}")
    return 1 if ledger.failures else 0


if __name__ == "__main__":
    sys.exit(main())
