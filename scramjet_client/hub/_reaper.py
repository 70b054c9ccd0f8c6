"""Kills all instances when the hub's process ends unexpectedly."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path

# Reads "add PGID" and "del PGID". When its input ends, it kills all processes of those groups and removes the hub's
# own folder. The runners also end by themselves, except when their interpreter is busy in C code.
_SCRIPT = """
groups=
while read -r what group; do
    if [ "$what" = add ]; then groups="$groups $group"
    else
        rest=
        for each in $groups; do [ "$each" = "$group" ] || rest="$rest $each"; done
        groups=$rest
    fi
done
for each in $groups; do kill -9 "-$each" 2>/dev/null; done
[ -z "$1" ] || rm -rf -- "$1"
"""


_LIMIT = 10.0
"""Seconds for its work, which takes milliseconds."""


class Reaper:
    """A separate process that outlives the hub's process by a moment; after `limit` seconds `close` does its work."""

    def __init__(self, folder: Path | None, limit: float = _LIMIT) -> None:
        self._folder = folder
        self._limit = limit
        self._groups: set[int] = set()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it removes the folder at the end, whatever the end is."""
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", _SCRIPT, "sh", str(self._folder or "")],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def add(self, group: int) -> None:
        """Add a process group to kill at the end."""
        self._groups.add(group)
        self._say(f"add {group}\n")

    def discard(self, group: int) -> None:
        """Forget a group that has ended: the system may reuse its number."""
        self._groups.discard(group)
        self._say(f"del {group}\n")

    def _say(self, line: str) -> None:
        if self._process is None:
            self.start()
        assert self._process is not None
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()

    def close(self) -> None:
        """Let it do its work, and wait until that is done."""
        process, self._process = self._process, None
        if process is not None:
            try:
                process.communicate(timeout=self._limit)
            except subprocess.TimeoutExpired:
                # Something in this process, such as a mock of its files, keeps the end of its input from it.
                for group in self._groups:
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.killpg(group, signal.SIGKILL)
                process.kill()
                process.wait()
