"""The servers that the contestants talk to: in C where there is a compiler, otherwise in Python."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

SOURCE = Path(__file__).with_name("server.c")
_ROOT = Path(__file__).resolve().parent.parent.parent
_IN_PYTHON = [sys.executable, "-m", "benchmarks.server.fallback"]


@attrs.frozen(kw_only=True)
class Server:
    """A server that runs.

    Attributes:
        port: On loopback.
        program: The path of the C program, which is a client too, or None: the server is in Python.
        scheme: "http", or "https" for the one in Python.
    """

    port: int
    program: str | None
    scheme: str = "http"

    @property
    def language(self) -> str:
        """What it is written in."""
        return "C" if self.program else "Python"

    def base(self, options: str = "") -> str:
        """Return the URL of its API where it does what the options say."""
        return f"{self.scheme}://127.0.0.1:{self.port}/{options or 'plain'}/api/v1"

    def received(self) -> Any:
        """Return what was uploaded since it was asked last: bodies, bytes, and the waits of stamped items."""
        with urllib.request.urlopen(self.base() + "/received", timeout=60) as answer:
            return json.load(answer)


def compiled(folder: Path) -> str | None:
    """Compile the server into a folder and return its path; None if there is no C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return None
    program = str(folder / "server")
    subprocess.run([compiler, "-O2", "-pthread", "-o", program, str(SOURCE)], check=True)
    return program


@contextmanager
def serving(folder: Path, *, program: bool = True) -> Iterator[Server]:
    """Run the server.

    Args:
        folder: Where to put what is compiled.
        program: Whether it may be the one in C.
    """
    path = compiled(folder) if program else None
    with _started([path] if path else _IN_PYTHON) as port:
        yield Server(port=port, program=path)


@contextmanager
def serving_tls(certificate: str, key: str) -> Iterator[Server]:
    """Run a server for TLS, which is in Python, with the PEM files of a certificate and its key."""
    with _started([*_IN_PYTHON, certificate, key]) as port:
        yield Server(port=port, program=None, scheme="https")


@contextmanager
def _started(command: list[str]) -> Iterator[int]:
    """Run a server; gives the port that it prints."""
    environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.stdin.close()  # which ends it
            process.wait()
