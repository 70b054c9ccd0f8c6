"""Writing small pieces together, without holding any of them back for long.

A piece that comes after a pause goes out at once. One that comes directly after another is held, with those
that follow, until there are enough of them or a millisecond has passed; a thread of its own sees to
that, because the source may by then be waiting for something.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

ENOUGH = 65536
"""Bytes that go out together at the most."""

_PAUSE = 0.000025
"""Seconds since the last write after which a piece is not part of a burst: many times what a generator takes
for an item, and a part of what a round trip takes."""

_HOLD = 0.0005
"""Seconds that a piece is held: half of what is promised, because a thread does not wake up on time."""


class Gathering:
    """Holds pieces for one writing thread.

    Args:
        write: Writes bytes, waiting as long as that takes; returns whether it did.
        failed: Told of what `write` raised on the thread that flushes.
        name: Of that thread.
        clock: What a pause and a hold are told by, in seconds.
        hold: Seconds that a piece is held.
    """

    def __init__(
        self,
        write: Callable[[bytes | memoryview], bool],
        failed: Callable[[BaseException], None],
        name: str,
        clock: Callable[[], float] = time.perf_counter,
        hold: float = _HOLD,
    ) -> None:
        self._write = write
        self._failed = failed
        self._name = name
        self._clock = clock
        self._hold = hold
        self._held: list[bytes | memoryview] = []
        self._size = 0
        self._since = 0.0
        self._over = False
        self._wrote_at = float("-inf")
        self._thread: threading.Thread | None = None
        # Guards _held, _size, _since and _over; notified when the first piece is held, and at the end.
        self._changed = threading.Condition()
        # Held from taking pieces out until they are written: two flushes must not change places.
        self._writing = threading.Lock()

    def put(self, piece: bytes | memoryview) -> bool:
        """Write a piece, now or soon; return False where writing is over.

        Called by one thread alone.
        """
        now = self._clock()
        at_once = not self._held and (now - self._wrote_at > _PAUSE or len(piece) >= ENOUGH)
        if at_once or (self._thread is None and not self._start()):
            with self._writing:
                done = self._write(piece)
                self._wrote_at = self._clock()
            return done
        with self._changed:
            if not self._held:
                self._since = now
                self._changed.notify()
            self._held.append(piece)
            self._size += len(piece)
            full = self._size >= ENOUGH or now - self._since > self._hold
        return self.flush() if full else True

    def flush(self) -> bool:
        """Write what is held; return False where writing is over."""
        with self._writing:
            with self._changed:
                held, self._held, self._size = self._held, [], 0
            if not held:
                return True
            done = self._write(held[0] if len(held) == 1 else b"".join(held))
            self._wrote_at = self._clock()
            return done

    def close(self) -> None:
        """End the thread; what is held is left."""
        with self._changed:
            self._over = True
            self._changed.notify()

    def _start(self) -> bool:
        """Start the thread that flushes, with the first burst; return whether there is one."""
        if not threading.main_thread().is_alive():
            # The interpreter is ending, and Python 3.12.0 and 3.12.1 then refuse to start threads.
            return False
        self._thread = threading.Thread(target=self._watch, name=self._name, daemon=True)
        self._thread.start()
        return True

    def _watch(self) -> None:
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._held or self._over)
                    if self._over:
                        return
                    since = self._since
                    remaining = since + self._hold - self._clock()
                    if remaining > 0:
                        self._changed.wait(remaining)
                    due = self._held and self._since == since
                if due and not self.flush():
                    return
        except BaseException as error:
            self._failed(error)
