"""Waiting for what happens elsewhere, with a limit that only a hang reaches."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

LIMIT = 60.0
"""Seconds of every wait that is to end by itself: half of what a test may take, and far beyond any slow machine."""


def eventually(probe: Callable[[], Any], limit: float = LIMIT) -> Any:
    """Return the first true value of `probe`, asked again and again for `limit` seconds."""
    deadline = time.monotonic() + limit
    while True:
        value = probe()
        if value or time.monotonic() > deadline:
            assert value, "it did not happen in time"
            return value
        time.sleep(0.01)
