"""Noticing that a wait makes no progress."""

from __future__ import annotations

from collections.abc import Callable

from scramjet_client._common.clock import monotonic


class Standstill:
    """Calls a function once if nothing moves for some time while somebody waits.

    Args:
        limit: Seconds, such as `Tuning.run_silence`.
        moved: Returns something that changes when anything moves.
        tell: Warns, unless such a wait is normal.
    """

    def __init__(
        self, limit: float, moved: Callable[[], object], tell: Callable[[], object]
    ) -> None:
        self._limit = limit
        self._moved = moved
        self._tell = tell
        self._seen: object = None
        self._since: float | None = None
        self._told = False

    def look(self) -> None:
        """Look whether something has moved since the last look. The time counts from the first look."""
        if self._told:
            return
        now, seen = monotonic(), self._moved()
        if self._since is None or seen != self._seen:
            self._seen, self._since = seen, now
        elif now - self._since >= self._limit:
            self._told = True
            self._tell()
