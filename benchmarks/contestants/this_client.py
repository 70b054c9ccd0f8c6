"""scramjet_client, as its README shows it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Semaphore

from benchmarks.contestants import CrowdWatch, Done, Job, MemoryWatch, UploadWatch, Way
from scramjet_client import HostClient, InstanceClient, OutputStream

_LATE = InstanceClient
"""A class that the package imports at its first use; how long that takes is a case of its own."""


@contextmanager
def _output(job: Job) -> Iterator[OutputStream]:
    with HostClient(job.base) as host:
        stream = host.get_instance_client(job.instance).get_stream("output")
        with stream:
            yield stream


def chunks(job: Job) -> Done:
    """Read the output as it comes."""
    with _output(job) as stream:
        return Done(bytes=sum(map(len, stream.chunks())))


def lines(job: Job) -> Done:
    """Read the output by lines."""
    count = size = 0
    with _output(job) as stream:
        for line in stream:
            count += 1
            size += len(line)
    return Done(bytes=size, items=count)


def records(job: Job) -> Done:
    """Read the records of the hub's log."""
    count = 0
    with HostClient(job.base) as host, host.get_log_stream() as stream:
        for record in stream.records():
            count += record["from"] == "Host"
    return Done(items=count)


def upload(job: Job) -> Done:
    """Send items from a generator."""
    with HostClient(job.base) as host:
        host.get_instance_client(job.instance).send_input(job.items(), end=True)
    return Done(items=job.times)


def lone_items(job: Job) -> Done:
    """Send items, each with the time at which it was made, that come after a pause."""

    def stamped() -> Iterator[bytes]:
        for _ in range(job.times):
            time.sleep(job.options["pause"])
            yield b"%020d\n" % time.monotonic_ns()

    with HostClient(job.base) as host:
        host.get_instance_client(job.instance).send_input(stamped(), end=True)
    return Done(items=job.times)


def ping_pong(job: Job) -> Done:
    """Send a line when the last one has come back."""
    item, came = job.item, Semaphore(0)
    waits = []
    sent_at = 0

    def pings() -> Iterator[bytes]:
        nonlocal sent_at
        for _ in range(job.times):
            sent_at = time.monotonic_ns()
            yield item
            came.acquire()

    with HostClient(job.base) as host:
        stream = host.get_instance_client(job.instance).inout(pings(), type="text/plain", end=False)
        for _ in range(job.times):
            assert stream.readline() == item
            waits.append(time.monotonic_ns() - sent_at)
            came.release()
        stream.close()
    return Done(items=job.times, waits=waits)


def both_ways(job: Job) -> Done:
    """Send items, and read what comes back meanwhile."""
    size, wanted = 0, job.size * job.times
    with HostClient(job.base) as host:
        instance = host.get_instance_client(job.instance)
        with instance.inout(job.items(), type="text/plain", end=False) as stream:
            for chunk in stream.chunks():
                size += len(chunk)
                if size >= wanted:
                    break
    return Done(bytes=size)


def ways_apart(job: Job) -> Done:
    """Send items, and then read as many."""
    upload(job)
    return chunks(job)


def calls(job: Job) -> Done:
    """Ask for the version again and again."""
    with HostClient(job.base) as host:
        for _ in range(job.times):
            assert host.get_version().version
    return Done(items=job.times)


def delays(job: Job) -> Done:
    """Say how long each line was on its way from the hub into the loop."""
    waits = []
    with _output(job) as stream:
        for line in stream:
            waits.append(time.monotonic_ns() - int(line[:20]))
    return Done(items=len(waits), waits=waits)


def memory(job: Job) -> Done:
    """Read a long output, and watch the memory."""
    watch = MemoryWatch(job)
    with _output(job) as stream:
        for chunk in stream.chunks():
            watch.saw(len(chunk))
    return watch.done()


def many(job: Job) -> Done:
    """Follow many streams at once."""
    # Here, so that the other cases can run with a version that has no such module (--before).
    from scramjet_client.streams.multiplex import Multiplexer  # noqa: PLC0415

    count = 0
    with HostClient(job.base, verify=job.options["ca"]) as host, Multiplexer() as multiplexer:
        watch = CrowdWatch(job)
        for number in range(job.times):
            instance = host.get_instance_client(f"{job.instance}-{number}")
            multiplexer.add(instance.get_stream("output"))
        watch.opened()
        for _, lines in multiplexer:
            count += len(lines)
            watch.look()
    return watch.done(count)


def many_uploads(job: Job) -> Done:
    """Send many uploads at once."""
    watch = UploadWatch(job)
    with HostClient(job.base) as host:
        uploads = [
            host.get_instance_client(f"{job.instance}-{number}").submit_input(
                watch.items(), type="application/octet-stream", end=True
            )
            for number in range(job.times)
        ]
        for upload in uploads:
            upload.result()
    return watch.done()


CASES: dict[str, Way] = {
    "chunks": chunks,
    "lines": lines,
    "records": records,
    "upload": upload,
    "lone": lone_items,
    "ping-pong": ping_pong,
    "both-ways": both_ways,
    "ways-apart": ways_apart,
    "calls": calls,
    "delays": delays,
    "memory": memory,
    "many": many,
    "many-uploads": many_uploads,
}
