"""Progress of transfers, on a terminal's stderr."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

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
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        # What goes to stdout is not text.
        redirect_stdout=False,
        redirect_stderr=False,
    )
    task = bar.add_task(label, total=None)
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
