"""LocalHub: how long it takes to start."""

from __future__ import annotations

import time
from typing import Any

from benchmarks.contestants import Done, Job, Way
from scramjet_client.hub import LocalHub


def idle(context: Any, input: Any) -> Any:
    """Echo."""
    return input


def hub(job: Job) -> Done:
    """Start a hub and ask it its version."""
    waits = []
    for _ in range(job.times):
        began = time.monotonic_ns()
        with LocalHub() as started, started.client() as host:
            host.get_version()
            waits.append(time.monotonic_ns() - began)
    return Done(items=job.times, waits=waits)


def instance(job: Job) -> Done:
    """Start an instance of a sequence."""
    waits = []
    with LocalHub() as started, started.client() as host:
        sequence = host.get_sequence_client(started.add_sequence("idle", idle))
        for _ in range(job.times):
            began = time.monotonic_ns()
            running = sequence.start()
            waits.append(time.monotonic_ns() - began)
            running.kill()
    return Done(items=job.times, waits=waits)


CASES: dict[str, Way] = {"hub": hub, "instance": instance}
