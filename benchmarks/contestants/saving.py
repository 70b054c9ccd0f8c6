"""From a saved file to the first output of the new version: `scramjet dev`, and those who restart servers."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.contestants import Done, Job, Way

_PROGRAM = """
async def run(context, input):
    yield "version NUMBER\\n"
    async for text in input:
        yield text
"""

_APP = """
from flask import Flask
app = Flask(__name__)
print("version NUMBER", flush=True)
"""

_SCRIPT = """
console.log("version NUMBER");
require("http").createServer(() => {}).listen(0, "127.0.0.1");
"""

_REST = 0.3
"""Seconds between two saves: some look at the times of files, and some are busy for a moment after a start."""


def nodemon() -> str | None:
    """Return the command of nodemon, if it is installed."""
    local = Path(__file__).resolve().parent.parent / "node" / "node_modules" / ".bin" / "nodemon"
    return str(local) if local.exists() else shutil.which("nodemon")


def _saving(job: Job, name: str, text: str, command: Sequence[str]) -> Done:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, name)
        file.write_text(text.replace("NUMBER", "0."), "utf-8")
        own = {
            "PYTHONUNBUFFERED": "1",
            # Kept bytecode of a source of the same size and second counts as new: Flask would run the last version.
            "PYTHONDONTWRITEBYTECODE": "1",
            "TMPDIR": tempfile.gettempdir(),
        }
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **own},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            return _waits(job, process, file, text)
        finally:
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _waits(job: Job, process: subprocess.Popen[bytes], file: Path, text: str) -> Done:
    assert process.stdout is not None

    def until(number: int) -> None:
        assert process.stdout is not None
        wanted = f"version {number}.".encode()
        for line in process.stdout:
            if wanted in line:
                return
        raise RuntimeError(f"{process.args!r} has ended")

    until(0)
    waits = []
    for number in range(1, job.times + 1):
        time.sleep(_REST)
        began = time.monotonic_ns()
        file.write_text(text.replace("NUMBER", f"{number}."), "utf-8")
        until(number)
        waits.append(time.monotonic_ns() - began)
    return Done(items=job.times, waits=waits)


def dev(job: Job) -> Done:
    """Save a program of `scramjet dev`."""
    command = [sys.executable, "-m", "scramjet_client", "dev", "app.py", "--port", "0"]
    return _saving(job, "app.py", _PROGRAM, command)


def flask(job: Job) -> Done:
    """Save an application of `flask --debug run`."""
    command = [sys.executable, "-m", "flask", "--debug", "run", "--port", "0"]
    return _saving(job, "app.py", _APP, command)


def node(job: Job) -> Done:
    """Save a script of nodemon."""
    return _saving(job, "app.js", _SCRIPT, [nodemon() or "nodemon", "--quiet", "app.js"])


CASES: dict[str, Way] = {"dev": dev, "flask": flask, "nodemon": node}
