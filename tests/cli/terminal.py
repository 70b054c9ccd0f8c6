"""Commands in a real pseudo-terminal, and the `scramjet` command for shells."""

from __future__ import annotations

import contextlib
import os
import re
import select
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

with contextlib.suppress(ImportError):  # Windows has no such terminals
    import fcntl
    import termios

ROOT = Path(__file__).resolve().parent.parent.parent

LIMIT = 60.0
"""Seconds in which whatever is waited for must have come."""

COMMAND = [sys.executable, "-m", "scramjet_client"]

# Makes the terminal at its stderr the controlling one, from which signals come, and becomes the command.
_OWN_TERMINAL = (
    "import fcntl, os, sys, termios;"
    "fcntl.ioctl(2, termios.TIOCSCTTY, 0);"
    "os.execv(sys.argv[1], sys.argv[1:])"
)

_ESCAPES = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|[=>])")


def environment(home: Path, url: str | None, **further: str) -> dict[str, str]:
    """Return the environment of a command that knows nothing but a hub."""
    own = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SCRAMJET_", "SI_", "COV_"))
        and name not in ("NO_COLOR", "COLUMNS", "LINES", "TERM", "FORCE_COLOR")
        and not name.startswith("XDG_")
    }
    where = {} if url is None else {"SCRAMJET_API_URL": url}
    return {**own, **where, "HOME": str(home), "PYTHONPATH": str(ROOT), "TERM": "xterm", **further}


class Terminal:
    """A command with a pseudo-terminal as its controlling one: what is typed, and what is seen.

    Args:
        arguments: What is typed after the command's name.
        env: Its environment.
        columns: Width of the terminal.
        stdin: A file in the place of the terminal.
        stdout: The same.
        command: Another command in the place of `scramjet`.
        cwd: Where it runs.
    """

    def __init__(
        self,
        arguments: list[str],
        env: Mapping[str, str],
        *,
        columns: int = 100,
        stdin: int | None = None,
        stdout: int | None = None,
        command: Sequence[str] = COMMAND,
        cwd: Path = ROOT,
    ) -> None:
        self._ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        self.raw = ""
        self.process = subprocess.Popen(
            [sys.executable, "-c", _OWN_TERMINAL, *command, *arguments],
            cwd=cwd,
            env=dict(env),
            stdin=theirs if stdin is None else stdin,
            stdout=theirs if stdout is None else stdout,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)

    @property
    def seen(self) -> str:
        """What has come, without colours and movements."""
        return _ESCAPES.sub("", self.raw).replace("\r\n", "\n")

    def type(self, text: str) -> None:
        r"""Type something; "\x03" is Ctrl-C, "\x04" Ctrl-D."""
        os.write(self._ours, text.encode())

    def until(self, text: str) -> None:
        """Wait until something is seen."""
        deadline = time.monotonic() + LIMIT
        while text not in self.seen:
            assert self._more(deadline), f"{text!r} was not seen, but: {self.seen!r}"

    def until_end_matches(self, pattern: str, since: int) -> None:
        """Wait until the last line is as a pattern says, with a line or more since `raw` was so long."""
        deadline = time.monotonic() + LIMIT
        while not (
            "\n" in self.raw[since:] and re.search(pattern, self.seen.rpartition("\n")[2].rstrip())
        ):
            assert self._more(deadline), f"no {pattern!r} was seen, but: {self.seen!r}"

    def end(self) -> int:
        """Wait until the command has ended, and return its exit code."""
        deadline = time.monotonic() + LIMIT
        while self._more(deadline):
            pass
        return self.process.wait(LIMIT)

    def hang_up(self) -> None:
        """Close the terminal, as somebody who closes its window."""
        os.close(self._ours)
        self._ours = -1

    def close(self) -> None:
        """Kill what still runs."""
        self.process.kill()
        self.process.wait()
        if self._ours != -1:
            self.hang_up()

    def _more(self, deadline: float) -> bool:
        if self._ours == -1:
            return False
        ready, _, _ = select.select([self._ours], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return False
        try:
            piece = os.read(self._ours, 65536)
        except OSError:
            # EIO is what Linux says when the other side has gone.
            piece = b""
        self.raw += piece.decode("utf-8", "replace")
        return bool(piece)


@contextlib.contextmanager
def terminal(arguments: list[str], env: Mapping[str, str], **options: Any) -> Iterator[Terminal]:
    """Run a command in a terminal while the block runs."""
    made = Terminal(arguments, env, **options)
    try:
        yield made
    finally:
        made.close()
