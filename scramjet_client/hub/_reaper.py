"""The end of every instance when the hub's process ends without a word."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

# Reads "add PGID" and "del PGID"; at the end of its input no process of those groups lives on, and the hub's
# own folder is gone. The runners end by themselves too, but not one whose interpreter is busy in C code.
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


class Reaper:
    """A process of its own that outlives the hub's by a moment.

    Args:
        folder: A folder to remove at the end, or None.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; from now on the folder goes at the end, whatever the end is."""
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", _SCRIPT, "sh", str(self._folder or "")],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def add(self, group: int) -> None:
        """Have a process group killed at the end."""
        self._say(f"add {group}\n")

    def discard(self, group: int) -> None:
        """Forget a group that has ended: its number may become another's."""
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
        """Let it do its work, and wait for that."""
        process, self._process = self._process, None
        if process is not None:
            process.communicate()
