"""The ways of doing each case. One module a client; it imports that client and the standard library alone.

A module has `CASES`: for each case that the client can do, a function that takes a `Job` and returns what it
did. It runs in a process of its own (`__main__`), which measures it.
"""

from __future__ import annotations

import os
import resource
import ssl
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

READ = 65536
"""Bytes of one read, for every client that lets its user choose."""


class Job(NamedTuple):
    """What to do.

    Attributes:
        base: URL of the hub's API.
        instance: Id of the instance.
        size: Bytes of one item that is sent.
        times: How many items to send, calls to make, or lines to wait for.
        options: What else the case says.
    """

    base: str
    instance: str
    size: int
    times: int
    options: dict[str, Any]

    def url(self, route: str) -> str:
        """Return the URL of a route of the instance."""
        return f"{self.base}/instance/{self.instance}/{route}"

    @property
    def item(self) -> bytes:
        """One item: a line, whatever its size."""
        return b"x" * (self.size - 1) + b"\n"

    def items(self) -> Iterator[bytes]:
        """Yield what is to be sent."""
        item = self.item
        for _ in range(self.times):
            yield item


class Done(NamedTuple):
    """What was done, counted by the client's user: it has to be what was asked for.

    Attributes:
        bytes: How many came, or 0 where they are counted elsewhere.
        items: How many lines, records, items or calls.
        waits: Nanoseconds of each round trip or delay.
        notes: Other figures, by name.
    """

    bytes: int = 0
    items: int = 0
    waits: Sequence[int] = ()
    notes: Mapping[str, float] = MappingProxyType({})


def peak_memory() -> int:
    """Return the most bytes of memory that this process has used.

    What getrusage() says on Linux includes the process that started this one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def memory_now() -> int:
    """Return the bytes of memory that this process uses, where the system says it, or its peak."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return peak_memory()
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class MemoryWatch:
    """A reader that watches the memory of its process, and is slow if the job says so.

    The slow one stops for a second at first, and then again and again, so that the server is always
    ahead of it.
    """

    EVERY = 16 << 20
    """Bytes between two looks."""

    def __init__(self, job: Job) -> None:
        self._slow = bool(job.options["slow"])
        self._bytes = 0
        self._next = self.EVERY
        self._used: list[int] = []

    def saw(self, count: int) -> None:
        """Learn that some bytes have come."""
        self._bytes += count
        if self._bytes >= self._next:
            self._next += self.EVERY
            if self._slow:
                time.sleep(0.02 if self._used else 1.0)
            self._used.append(memory_now())

    def done(self) -> Done:
        """Return what was seen: how much the memory has grown since the first look."""
        used = [*self._used, memory_now()]
        return Done(bytes=self._bytes, notes={"growth": max(used) - used[0]})


class CrowdWatch:
    """What following many streams costs: memory and processor time of opening them, and threads.

    The streams are silent until it is told that all of them are open.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._memory = memory_now()
        self._cpu = time.process_time()
        self._opening = 0.0
        self._threads = 0
        self._looks = 0

    def opened(self) -> None:
        """Learn that all streams are open, and have the server begin with their lines."""
        self._opening = time.process_time() - self._cpu
        ca = self._job.options["ca"]
        context = ssl.create_default_context(cafile=ca) if ca else None
        with urllib.request.urlopen(
            f"{self._job.base}/begin", timeout=60, context=context
        ) as answer:
            answer.read()

    def look(self) -> None:
        """Count the threads, now and then."""
        if self._looks % 1000 == 0:
            self._threads = max(self._threads, threading.active_count())
        self._looks += 1

    def done(self, lines: int) -> Done:
        """Return what was seen."""
        notes = {
            "opening_cpu": self._opening,
            "bytes_per_stream": (peak_memory() - self._memory) / self._job.times,
            "threads": float(self._threads),
        }
        return Done(items=lines, notes=notes)


class UploadWatch:
    """What many uploads at once cost: memory and threads, when all of them have begun."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._memory = memory_now()
        self._threads = 0
        self._begun = threading.Barrier(job.times, self._look, timeout=60)

    def _look(self) -> None:
        self._threads = threading.active_count()

    def items(self) -> Iterator[bytes]:
        """Yield the items of one upload, when the others have begun too."""
        self._begun.wait()
        for _ in range(self._job.options["items"]):
            yield self._job.item

    def done(self) -> Done:
        """Return what was seen."""
        notes = {
            "bytes_each": (peak_memory() - self._memory) / self._job.times,
            "threads": float(self._threads),
        }
        return Done(items=self._job.times, notes=notes)


Way = Callable[[Job], Done]

INPUT_HEADERS = {"Content-Type": "application/octet-stream", "x-end-stream": "true"}
"""What every client says with an upload."""
