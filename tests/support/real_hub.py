"""The real Transform Hub 0.18.7, installed from npm and run on loopback, for tests and the demo.

``python -m tests.support.real_hub`` starts one, prints its URL, and runs it until Ctrl-C or the end
of stdin. Linux and macOS only: the hub's process adapter needs ``/usr/bin/env``.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn

from tests.support import npm
from tests.support.npm import NodeUnavailable

if TYPE_CHECKING:
    from typing_extensions import Self

_HUB_DIR = Path(__file__).resolve().parent.parent / "real_hub"

_START_TIMEOUT = 60.0  # seconds
_LOG_TAIL = 4000  # characters of a log that an error message repeats

# Waits for the end of its stdin, which comes with stop() or with the death of the Python process,
# by whatever cause. Then no process of the hub's group lives on, and its files are gone.
_REAPER = 'cat; kill -9 "-$1"; rm -rf -- "$2"'

# Variables that change what the hub or its runners do.
_FOREIGN_VARIABLES = ("DEVELOPMENT", "PRODUCTION", "ESBUILD", "NODE_OPTIONS", "NODE_PATH")

RealHubUnavailable = NodeUnavailable


class RealHub:
    """One real hub in a process of its own, with the instances that it starts.

    Call ``start()`` and ``stop()``, or use it in a ``with`` statement. A stopped hub may be started
    again; it is then a new, empty one on another port. Only one thread may start or stop it.

    No process outlives ``stop()``, nor the Python process that called ``start()``, however that
    ends: hub and runners are one process group, and a reaper outside of it kills the group as soon
    as this side of its pipe is closed.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._reaper: subprocess.Popen[bytes] | None = None
        self._root: Path | None = None
        self._url = ""
        self._log = ""

    def __repr__(self) -> str:
        return f"<RealHub {self._url or 'stopped'}>"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Return the base URL of the hub's API, e.g. ``http://127.0.0.1:41234/api/v1``."""
        if not self._url:
            raise RuntimeError("the real hub is not started")
        return self._url

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """Return the hub's own process, which leads the process group of its runners."""
        if self._process is None:
            raise RuntimeError("the real hub is not started")
        return self._process

    def start(self) -> None:
        """Install the hub if that is needed, start it, and wait until it listens.

        Blocks for about half a second, and for the time of an ``npm ci`` before the first start.

        Raises:
            RealHubUnavailable: Node.js or npm is missing, too old, or could not install the hub.
            RuntimeError: The hub ended, or did not listen within 60 s; the message has the tail
                of its log.
        """
        if self._process is not None:
            raise RuntimeError("the real hub is started already")
        node = install()
        self._log = ""
        self._root = Path(tempfile.mkdtemp(prefix="scramjet-real-hub-"))
        try:
            sequences = self._root / "sequences"
            sequences.mkdir()
            with open(self._root / "hub.log", "wb") as log:
                self._process = subprocess.Popen(
                    [node, str(_HUB_DIR / "launcher.js"), str(sequences)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    cwd=self._root,  # the Python runner leaves a log file where it is started
                    env=_environment(),
                    start_new_session=True,
                )
            self._reaper = subprocess.Popen(
                ["/bin/sh", "-c", _REAPER, "sh", str(self._process.pid), str(self._root)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            self._url = self._read_url(self._process)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Kill the hub and all its instances, and remove their files. Safe to call twice."""
        process, reaper, root = self._process, self._reaper, self._root
        self._log = self.log()
        self._process = self._reaper = self._root = None
        self._url = ""
        if reaper is not None and reaper.stdin is not None:
            reaper.stdin.close()
            reaper.wait()
        if process is not None:
            process.kill()  # of use only if start() failed before there was a reaper
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
        if root is not None:
            shutil.rmtree(root, ignore_errors=True)

    def kill(self) -> None:
        """Kill the hub's process alone and wait until it is dead; stop() then ends its runners."""
        self.process.kill()
        # Left as a zombie, the process keeps its id, by which the reaper finds the group, from
        # being given to another process.
        os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT)

    def log(self) -> str:
        """Return what the hub has logged since its last start, also after ``stop()``."""
        if self._root is None:
            return self._log
        try:
            return (self._root / "hub.log").read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""

    def _read_url(self, process: subprocess.Popen[bytes]) -> str:
        """Wait for the launcher's one line and return the URL in it."""
        assert process.stdout is not None
        deadline = time.monotonic() + _START_TIMEOUT
        line = b""
        while not line.endswith(b"\n"):
            left = max(0.0, deadline - time.monotonic())
            ready, _, _ = select.select([process.stdout], [], [], left)
            if not ready:
                self._fail(f"did not listen within {_START_TIMEOUT:.0f} s")
            chunk = os.read(process.stdout.fileno(), 4096)
            if not chunk:
                self._fail(f"ended with exit code {process.wait()} before it listened")
            line += chunk
        url = json.loads(line)["url"]
        assert isinstance(url, str)
        return url

    def _fail(self, what: str) -> NoReturn:
        raise RuntimeError(f"the real hub {what}; the end of its log:\n{self.log()[-_LOG_TAIL:]}")


def install() -> str:
    """Install the hub's packages unless they are there, and return the path of the node command.

    Blocks while npm works.

    Raises:
        RealHubUnavailable: Node.js or npm is missing, too old, or failed; the text says what to do.
    """
    return npm.install(_HUB_DIR, "to run the real Transform Hub")


def _environment() -> dict[str, str]:
    """Return the hub's environment, in which this Python is ``python3`` and can run sequences."""
    environment = {k: v for k, v in os.environ.items() if k not in _FOREIGN_VARIABLES}
    python_first = (os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath))
    environment["PATH"] = os.pathsep.join(python_first)
    environment["PYTHONPATH"] = str(_HUB_DIR / "python")
    return environment


def main() -> None:
    """Run a hub until Ctrl-C or the end of stdin; its URL is the one line on stdout."""
    try:
        with RealHub() as hub:
            print(hub.url, flush=True)
            while os.read(sys.stdin.fileno(), 4096):
                pass
    except KeyboardInterrupt:
        pass
    except RealHubUnavailable as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
