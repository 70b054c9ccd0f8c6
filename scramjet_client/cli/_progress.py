"""Progress of transfers, on a terminal's stderr."""

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
"""Told the bytes that are through, and the bytes in all, where they are known."""

_EVERY = 0.05
"""Seconds between two changes of a bar."""


@contextlib.contextmanager
def progress(session: Session, label: str, *, shown: bool = True) -> Iterator[Report]:
    """Show how a transfer goes while the block runs, and what it was at its end.

    Args:
        session: Who asks; nothing is shown but to somebody at a terminal.
        label: What is transferred.
        shown: Whether the terminal is free for it.
    """
    if not (shown and session.talks):
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
    """Stderr for a bar: where the terminal is gone, there is nobody to be shown it, and no reason to fail."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> int:
        """Write what can be written."""
        with contextlib.suppress(OSError, ValueError):
            self._file.write(text)
        return len(text)

    def flush(self) -> None:
        """Send it on its way."""
        with contextlib.suppress(OSError, ValueError):
            self._file.flush()

    def isatty(self) -> bool:
        """Say whether it is a terminal."""
        return self._file.isatty()

    def fileno(self) -> int:
        """Return the number of the file, by which its width is found."""
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
        # What goes to stdout is not text.
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


def stdout_is_free() -> bool:
    """Say whether a bar would not be mixed with what is printed."""
    return not sys.stdout.isatty()


def stdin_is_free() -> bool:
    """Say whether nobody types while a bar is shown."""
    return not sys.stdin.isatty()
