"""LocalHub and the real hub, each in a process of its own, with an echo on it and this client in front."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from benchmarks.contestants import Done, Job, Way
from scramjet_client import HostClient, InstanceClient, SequenceClient

_LINE = b"x" * 99 + b"\n"


def _host(job: Job, hub: str) -> HostClient:
    where = job.options[hub]
    return HostClient(where["base"], token=where["token"], timeout=300)


def _sequence(job: Job, host: HostClient, hub: str) -> SequenceClient:
    return host.get_sequence_client(job.options[hub]["sequence"])


def echo(hub: str, job: Job) -> Done:
    """Send items through an instance, and read what comes back meanwhile."""
    size, wanted = 0, job.size * job.times
    with _host(job, hub) as host:
        instance = _sequence(job, host, hub).start()
        upload = instance.submit_input(job.items(), type="application/octet-stream", end=True)
        with instance.get_stream("output") as output:
            for chunk in output.chunks():
                size += len(chunk)
                if size >= wanted:
                    break
        upload.result()
        instance.kill()
    return Done(bytes=size)


def _first_line(instance: InstanceClient) -> None:
    """Send a line to an instance, and wait until it comes back."""
    upload = instance.submit_input([_LINE], type="application/octet-stream", end=True)
    with instance.get_stream("output") as output:
        assert output.readline() == _LINE
    upload.result()


def start(hub: str, job: Job) -> Done:
    """Start instances one after the other, each until its first line of output."""
    waits = []
    with _host(job, hub) as host:
        sequence = _sequence(job, host, hub)
        for _ in range(job.times):
            began = time.monotonic_ns()
            instance = sequence.start()
            _first_line(instance)
            waits.append(time.monotonic_ns() - began)
            instance.kill()
    return Done(items=job.times, waits=waits)


def at_once(hub: str, job: Job) -> Done:
    """Start many instances at once, each until its first line of output."""
    with _host(job, hub) as host, ThreadPoolExecutor(job.times) as threads:
        sequence = _sequence(job, host, hub)

        def one(_number: int) -> InstanceClient:
            instance = sequence.start()
            _first_line(instance)
            return instance

        for instance in list(threads.map(one, range(job.times))):
            instance.kill()
    return Done(items=job.times)


CASES: dict[str, Way] = {
    f"{name}-{hub}": partial(way, hub)
    for hub in ("local", "python", "node")
    for name, way in (("echo", echo), ("start", start), ("at-once", at_once))
}
