"""Python programs that are sent a real SIGINT while they block."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent.parent
_LIMIT = 60.0
"""Seconds in which a program must have come to its blocking call, and to its end."""


def interrupt(code: str, *args: str, after: float = 0.5) -> tuple[int, str, float]:
    """Run a program, send it SIGINT some time after it has printed "ready", and wait for its end.

    Its stdin is a pipe to which nothing comes.

    Args:
        code: The program.
        args: Its arguments.
        after: Seconds between "ready" and the signal: the blocking call that follows cannot say that it
            blocks. Too early a signal is no failure, as it then comes before the call.

    Returns:
        Its exit code, what it printed after "ready", and the seconds from the signal to its end.
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
            ready, _, _ = select.select([process.stdout], [], [], _LIMIT)
            piece = os.read(process.stdout.fileno(), 4096) if ready else b""
            assert piece, f"it did not become ready: {said.decode()}"
            said += piece
        time.sleep(after)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        status = process.wait(_LIMIT)
        seconds = time.monotonic() - began
        return status, (said.partition(b"ready\n")[2] + process.stdout.read()).decode(), seconds
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
