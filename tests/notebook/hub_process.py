"""A LocalHub in a process of its own, whose sockets are not those of the tests."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator

_LIMIT = 60.0
"""Seconds for its end, which only a failure uses up."""


@contextlib.contextmanager
def hub_process() -> Iterator[str]:
    """Run a hub, and give its URL."""
    command = [sys.executable, "-m", "scramjet_client.hub", "--port", "0", "--no-token"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()
            process.wait(_LIMIT)
