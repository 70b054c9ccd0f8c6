"""How quickly LocalHub and its instances start."""

from __future__ import annotations

import time
from typing import Any

from benchmarks.timing import spread
from scramjet_client.hub import LocalHub

RUNS = 9


def idle(context: Any, input: Any) -> Any:
    """Echo."""
    return input


def main() -> None:
    """Print the table."""
    first_answers, starts = [], []
    for _ in range(RUNS):
        began = time.perf_counter()
        with LocalHub() as hub, hub.client() as host:
            host.get_version()
            first_answers.append(time.perf_counter() - began)
            sequence = host.get_sequence_client(hub.add_sequence("idle", idle))
            began = time.perf_counter()
            sequence.start()
            starts.append(time.perf_counter() - began)
    print("LocalHub, milliseconds: median (minimum-maximum)")
    print(f"  start to first answer   {spread(first_answers, scale=1000)}")
    print(f"  start of an instance    {spread(starts, scale=1000)}")
