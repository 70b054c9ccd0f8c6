"""The servers that the contestants talk to: in C where there is a compiler, otherwise in Python."""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import trustme

SOURCE = Path(__file__).with_name("server.c")
_ROOT = Path(__file__).resolve().parent.parent.parent
_IN_PYTHON = [sys.executable, "-m", "benchmarks.server.fallback"]


@attrs.frozen(kw_only=True)
class Server:
    """A server that runs.

    Attributes:
        port: On loopback.
        program: The path of the C program, which is a client too, or None: the server is in Python.
        ca: Path of the CA to trust; None means that there is no TLS.
    """

    port: int
    program: str | None
    ca: str | None = None

    @property
    def language(self) -> str:
        """What it is written in."""
        return "C" if self.program else "Python"

    def base(self, options: str = "") -> str:
        """Return the URL of its API where it does what the options say."""
        scheme = "https" if self.ca else "http"
        return f"{scheme}://127.0.0.1:{self.port}/{options or 'plain'}/api/v1"

    @property
    def options(self) -> dict[str, Any]:
        """What every job on it has to know."""
        return {"ca": self.ca}

    def received(self) -> Any:
        """Return what was uploaded since it was asked last: bodies, bytes, and the waits of stamped items."""
        context = ssl.create_default_context(cafile=self.ca) if self.ca else None
        url = self.base() + "/received"
        with urllib.request.urlopen(url, timeout=60, context=context) as answer:
            return json.load(answer)


def compiled(folder: Path, *, tls: bool = False) -> str | None:
    """Compile the server into a folder and return its path; None if there is no C compiler, or no OpenSSL for it."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return None
    program = str(folder / ("server-tls" if tls else "server"))
    command = [compiler, "-O2", "-pthread", "-o", program, str(SOURCE)]
    if not tls:
        subprocess.run(command, check=True)
        return program
    with_tls = [*command, "-DWITH_TLS", "-lssl", "-lcrypto"]
    done = subprocess.run(with_tls, capture_output=True, check=False)
    return program if done.returncode == 0 else None


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
def serving_tls(folder: Path, *, program: bool = True) -> Iterator[Server]:
    """Run a server for TLS with a certificate of its own; takes what `serving` takes."""
    authority = trustme.CA()
    ca, certificate, key = (str(folder / name) for name in ("ca.pem", "own.pem", "own.key"))
    authority.cert_pem.write_to_path(ca)
    own = authority.issue_cert("127.0.0.1")
    own.cert_chain_pems[0].write_to_path(certificate)
    own.private_key_pem.write_to_path(key)
    path = compiled(folder, tls=True) if program else None
    with _started([*([path] if path else _IN_PYTHON), certificate, key]) as port:
        yield Server(port=port, program=path, ca=ca)


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
