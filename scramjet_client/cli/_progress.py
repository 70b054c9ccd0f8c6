"""Progress of transfers, on stderr if it is a terminal."""

from __future__ import annotations

import contextlib
import io
import sys
import time
from collections.abc import Callable, Iterator
from typing import TextIO, cast

from scramjet_client._base import printable
from scramjet_client.cli._output import size
from scramjet_client.cli._session import Session

Report = Callable[[int, "int | None"], None]
"""Receives the bytes transferred, and the total bytes if known."""

_EVERY = 0.05
"""Seconds between two updates of a bar."""


@contextlib.contextmanager
def progress(
    session: Session, label: str, *, source: str = "", printed: bool = False
) -> Iterator[Report]:
    """Show the progress of a transfer while the block runs, and a summary at its end.

    Only a user at a terminal sees it, while nobody types the `source` "-", and nothing is `printed`, on this terminal.
    """
    typed = source == "-" and sys.stdin.isatty()
    if not session.talks or typed or (printed and sys.stdout.isatty()):
        yield lambda _done, _total: None
        return
    began = time.monotonic()
    through = 0

    with _bar(label) as move:

        def report(done: int, total: int | None) -> None:
            nonlocal through
            through = done
            move(done, total)

        yield report
    seconds = max(time.monotonic() - began, 1e-6)
    session.note(f"{label}: {size(through)} in {seconds:.1f} s, {size(through / seconds)}/s")


class _Unbroken(io.TextIOBase):
    """Stderr for a bar. If the terminal is gone, nobody can see the bar, so errors are ignored."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError, ValueError):
            self._file.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._file.flush()

    def isatty(self) -> bool:
        return self._file.isatty()

    def fileno(self) -> int:
        """Return the file descriptor; rich uses it to find the terminal's width."""
        return self._file.fileno()


@contextlib.contextmanager
def _bar(label: str) -> Iterator[Report]:
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(file=cast("TextIO", _Unbroken(sys.stderr))),
        transient=True,
        # Stdout does not receive text here.
        redirect_stdout=False,
        redirect_stderr=False,
    )
    task = bar.add_task(printable(label), total=None)
    changed_at = float("-inf")

    def move(done: int, total: int | None) -> None:
        nonlocal changed_at
        now = time.monotonic()
        if now - changed_at >= _EVERY or done == total:
            changed_at = now
            bar.update(task, completed=done, total=total)

    with bar:
        yield move
