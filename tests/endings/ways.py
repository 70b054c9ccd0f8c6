"""The five ways to move data, each as a program would write it, and what its user sees of the end."""

from __future__ import annotations

import gc
import re
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from scramjet_client import InstanceClient, Upload
from tests.support.threads import client_threads
from tests.support.waiting import LIMIT, eventually

PACE = 0.001
"""Seconds between two items: a source with a rate, not a flood."""


class Items:
    """A source as a generator: "one", and "more" until it is told that it is enough, or to raise."""

    def __init__(self, running: threading.Event) -> None:
        self.given = b""
        self._running = running
        self.enough = threading.Event()
        self.broken = threading.Event()
        self.closed = threading.Event()
        self.alive: weakref.ref[Iterator[bytes]] | None = None

    def start(self) -> Iterator[bytes]:
        """Return the generator."""
        generator = self._generate()
        self.alive = weakref.ref(generator)
        return generator

    def _generate(self) -> Iterator[bytes]:
        try:
            yield self._noted(b"one\n")
            while not self.enough.wait(PACE):
                if self.broken.is_set():
                    raise KeyError("x")
                yield self._noted(b"more\n")
                self._running.set()
        finally:
            self.closed.set()

    def _noted(self, item: bytes) -> bytes:
        self.given += item
        return item


def _named(error: BaseException | None) -> str:
    return "" if error is None else type(error).__name__


class Transfer:
    """One transfer by one of the ways.

    Attributes:
        handle: What the user holds while it runs: an `Upload`, an `UploadWriter`, an `OutputStream`; else None.
        running: Set when it can be ended: the handle is there, and something has been read or written.
        got: Lines that were read.
        written: Bytes that the hub is said to have taken.
        error: What the user's code met.
    """

    def __init__(self, way: str, instance: InstanceClient) -> None:
        self.running = threading.Event()
        self.items = Items(self.running if way == "send" else threading.Event())
        self.handle: Any = None
        self.got: list[bytes] = []
        self.written: int | None = None
        self.error: BaseException | None = None
        self._instance = instance
        self._way: Callable[[], None] = getattr(self, way)

    def run(self) -> None:
        """Do it, and keep what it raises."""
        try:
            self._way()
        except BaseException as error:
            self.error = error

    def send(self) -> None:
        """Send and wait."""
        self.written = self._instance.send_input(self.items.start()).bytes_written

    def submit(self) -> None:
        """Send in the background, and ask for the result."""
        self.begin_submit()
        self.written = self.handle.result().bytes_written

    def begin_submit(self) -> None:
        """Send in the background."""
        self.handle = self._instance.submit_input(self.items.start())
        self.running.set()

    def writer(self) -> None:
        """Write to the input as to a file."""
        with self._instance.open_input() as self.handle:
            for item in self.items.start():
                self.handle.write(item)
                self.running.set()
        self.written = self.handle.upload.result().bytes_written

    def inout(self) -> None:
        """Send and read at once."""
        with self._instance.inout(self.items.start(), end=False) as self.handle:
            for line in self.handle:
                self.got.append(line)
                self.running.set()

    def output(self) -> None:
        """Read."""
        with self._instance.get_stream("output") as self.handle:
            for line in self.handle:
                self.got.append(line)
                self.running.set()

    @property
    def upload(self) -> Upload[Any] | None:
        """The upload that runs below, where the user can hold it."""
        if isinstance(self.handle, Upload):
            return self.handle
        return getattr(self.handle, "upload", None)

    def seen(self) -> dict[str, Any]:
        """Return what the user sees, and let go of the transfer: from then on nothing of it may be alive."""
        upload = self.upload
        closed = None if self.items.alive is None else self.items.closed.wait(LIMIT)
        facts = {
            "error": _named(self.error),
            "code": getattr(self.error, "code", ""),
            "upload": "" if upload is None else _named(upload.exception(LIMIT)),
            "got": b"".join(self.got).decode(),
            "written": self.written,
            "given": self.items.given.decode(),
            "closed": closed,
        }
        upload = None
        self.error = self.handle = None
        if self.items.alive is not None:
            eventually(self._generator_is_gone)
        return facts

    def _generator_is_gone(self) -> bool:
        gc.collect()
        return self.items.alive is not None and self.items.alive() is None


def scramjet_threads() -> list[threading.Thread]:
    """Return the client's threads that run now."""
    return client_threads()


def kinds_of_threads() -> list[str]:
    """Return the names of the client's threads without their numbers."""
    return sorted(re.sub(r"-\d+$", "-N", each.name) for each in scramjet_threads())


def wait_until_threads_are_gone() -> None:
    """Return when no thread of the client runs any more."""
    eventually(lambda: scramjet_threads() == [])
