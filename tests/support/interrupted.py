"""Python programs that are sent a real SIGINT while they block."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.support.waiting import LIMIT

_ROOT = Path(__file__).resolve().parent.parent.parent
_LOOKS = 5
_PAUSE = 0.03
"""So often in a row a thread must be asleep, with so many seconds between, to count as blocked."""


def wait_until_blocked(pid: int) -> None:
    """Return when the main thread of a program waits for something; where that can't be seen, after a while.

    A signal that comes before is no failure, but proves less.
    """
    status = Path(f"/proc/{pid}/task/{pid}/stat")
    if not status.exists():
        time.sleep(1.0)
        return
    asleep = 0
    deadline = time.monotonic() + LIMIT
    with contextlib.suppress(OSError):
        while asleep < _LOOKS and time.monotonic() < deadline:
            time.sleep(_PAUSE)
            state = status.read_text().rpartition(")")[2].split()[0]
            asleep = asleep + 1 if state == "S" else 0


def interrupt(code: str, *args: str, early: bool = False) -> tuple[int, str]:
    """Run a program, send it SIGINT when it blocks after it has printed "ready", and wait for its end.

    Its stdin is a pipe to which nothing comes.

    Args:
        code: The program, which must catch what comes from "ready" on.
        args: Its arguments.
        early: Whether the signal comes directly after "ready".

    Returns:
        Its exit code, and what it printed after "ready".
    """
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", code, *args],
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
    )
    try:
        assert process.stdout is not None
        said = b""
        while b"ready\n" not in said:
            ready, _, _ = select.select([process.stdout], [], [], LIMIT)
            piece = os.read(process.stdout.fileno(), 4096) if ready else b""
            assert piece, f"it did not become ready: {said.decode()}"
            said += piece
        if not early:
            wait_until_blocked(process.pid)
        process.send_signal(signal.SIGINT)
        status = process.wait(LIMIT)
        return status, (said.partition(b"ready\n")[2] + process.stdout.read()).decode()
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
