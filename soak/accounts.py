"""What the soak holds against what it sees: bytes by their content, errors by the fault, resources by their start."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import itertools
import operator
import threading
from collections import Counter

import attrs
import psutil

_REPLACED = "\ufffd\ufffd\ufffd".encode()
"""What a hub may make of the bytes of a character that is not whole."""

_SLACK = 16 * 2**20
"""Bytes of memory that may be kept, as the allocator of small blocks gives nothing back that is in pieces."""


_MMAP_THRESHOLD, _ARENA_MAX = -3, -8
"""Of glibc's mallopt."""


class Wrong(Exception):
    """Something that must not happen has happened."""


class Received:
    """What has come of a content: never anything else than its beginning.

    Args:
        expected: The content.
        what: What it is, for messages.
        cut_text: Whether its last character may have been cut, and replaced by a hub that decodes.
    """

    def __init__(self, expected: bytes, what: str, *, cut_text: bool = False) -> None:
        self._expected = expected
        self._what = what
        self._cut_text = cut_text
        self.size = 0

    @property
    def missing(self) -> int:
        """How many bytes have not come."""
        return len(self._expected) - self.size

    def add(self, data: bytes) -> None:
        """Take the next piece, and raise Wrong at the first byte that is not the one that was sent."""
        expected = self._expected[self.size : self.size + len(data)]
        if data != expected:
            same = sum(1 for _ in itertools.takewhile(bool, map(operator.eq, data, expected)))
            rest = data[same:]
            if self._cut_text and _REPLACED.startswith(rest):
                self.size += same
                return
            raise Wrong(
                f"byte {self.size + same} of {len(self._expected)} of {self._what} is not the one that was sent:"
                f" {rest[:40]!r} instead of {expected[same : same + 40]!r}"
            )
        self.size += len(data)

    def whole(self) -> None:
        """Raise Wrong unless all has come."""
        if self.missing:
            raise Wrong(
                f"{self._what} ended as if it were whole after {self.size} of {len(self._expected)} bytes"
            )


@attrs.frozen
class Resources:
    """What a process holds: threads, descriptors, bytes of memory, processes, and (of this one) objects of Python."""

    threads: int
    descriptors: int
    memory: int
    processes: int
    objects: int

    @classmethod
    def of(cls, pid: int | None = None) -> Resources:
        """Measure a process, this one by default."""
        own = pid is None
        if own:
            gc.collect()
            _trim()
        process = psutil.Process(pid)
        return cls(
            threading.active_count() if own else process.num_threads(),
            process.num_fds(),
            process.memory_info().rss,
            len(process.children(recursive=True)),
            len(gc.get_objects()) if own else 0,
        )

    def __str__(self) -> str:
        objects = f", {self.objects} objects" if self.objects else ""
        return (
            f"{self.threads} threads, {self.descriptors} descriptors,"
            f" {self.memory / 2**20:.1f} MB, {self.processes} processes{objects}"
        )

    def grown(self, start: Resources) -> list[str]:
        """Return what is more than it was at the start."""
        found = []
        if self.threads > start.threads:
            found.append(f"threads: {start.threads} became {self.threads}")
        if self.descriptors > start.descriptors:
            found.append(f"descriptors: {start.descriptors} became {self.descriptors}")
        if self.memory > start.memory + _SLACK:
            found.append(f"memory: {start.memory >> 20} MB became {self.memory >> 20} MB")
        return found


def measurable_memory() -> None:
    """Have the C library give large blocks back at once, so that memory shows what is held, not what was once used."""
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(_MMAP_THRESHOLD, 65536)
        library.mallopt(_ARENA_MAX, 1)


def _trim() -> None:
    """Have the C library give back what nobody uses, where it is one that can."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


class Ledger:
    """What has been done and what has come of it; safe to write to from any thread."""

    def __init__(self) -> None:
        # Guards all of it.
        self._lock = threading.Lock()
        self.operations: Counter[tuple[str, str]] = Counter()
        self.faults: Counter[str] = Counter()
        self.errors: Counter[tuple[str, str]] = Counter()
        self.sent = 0
        self.received = 0
        self.failures: list[str] = []

    def done(self, hub: str, operation: str) -> None:
        """Count an operation."""
        with self._lock:
            self.operations[hub, operation] += 1

    def struck(self, fault: str) -> None:
        """Count a fault that has happened."""
        with self._lock:
            self.faults[fault] += 1

    def error(self, error: str, fault: str) -> None:
        """Count an error that was expected of a fault."""
        with self._lock:
            self.errors[error, fault] += 1

    def moved(self, *, sent: int = 0, received: int = 0) -> None:
        """Count bytes that were found to be the right ones at the other end."""
        with self._lock:
            self.sent += sent
            self.received += received

    def failed(self, what: str) -> None:
        """Keep what must not have happened."""
        with self._lock:
            self.failures.append(what)

    def report(self) -> str:
        """Return all of it as text."""
        with self._lock:
            hubs = sorted({hub for hub, _ in self.operations})
            names = sorted({name for _, name in self.operations})
            lines = ["", f"{'operation':14}" + "".join(f"{hub:>8}" for hub in hubs)]
            for name in names:
                counts = "".join(f"{self.operations[hub, name]:8}" for hub in hubs)
                lines.append(f"{name:14}{counts}")
            lines.append(f"{'all':14}" + "".join(f"{self._of(hub):8}" for hub in hubs))
            lines += ["", "faults that happened:"]
            lines += [f"{count:8} {name}" for name, count in self.faults.most_common()]
            lines += ["", "errors, and the faults that they came of:"]
            types = Counter[str]()
            for (error, _), count in self.errors.items():
                types[error] += count
            for error, count in types.most_common():
                causes = sorted(
                    (-n, fault) for (name, fault), n in self.errors.items() if name == error
                )
                lines.append(
                    f"{count:8} {error}: " + ", ".join(f"{fault} {-n}" for n, fault in causes)
                )
            lines += [
                "",
                f"bytes found whole or a true beginning: {self.sent:,} sent, {self.received:,} received",
            ]
            return "\n".join(lines)

    def _of(self, hub: str) -> int:
        return sum(count for (name, _), count in self.operations.items() if name == hub)
