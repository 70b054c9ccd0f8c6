"""The tight TLS loop on the other Pythons of this machine that the SDK supports and that can load it.

On the running one it is in tests/http/test_tls.py, and `make matrix` runs that on each with packages of its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.support.certs import Certificates
from tests.support.waiting import LIMIT
from tests.support.wire import Conn, RawServer

ROOT = Path(__file__).resolve().parents[2]
ROUNDS, WRITES = 12, 1000
MINORS = range(9, 15)
"""Of Python 3: those that are looked for."""


def echo(conn: Conn) -> None:
    """Send back what comes."""
    while data := conn._end.recv(65536):
        conn.send(data)


def pythons() -> dict[str, str]:
    """Return an interpreter for each other version found, on PATH or among pyenv's."""
    running = "%d.%d" % sys.version_info[:2]  # noqa: UP031
    found: dict[str, str] = {}
    installed = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    for version in (f"3.{minor}" for minor in MINORS):
        # Shims of pyenv do not run where their version is not selected: its folders come first.
        candidates = [str(path / "bin" / "python") for path in installed.glob(f"{version}.*")]
        candidates += filter(None, [shutil.which(f"python{version}")])
        for candidate in candidates:
            if version not in {running, *found} and loads(candidate, version):
                found[version] = candidate
    return found


def environment() -> dict[str, str]:
    """Return an environment in which another interpreter may use the packages of this one, which are pure Python."""
    paths = os.pathsep.join([str(ROOT), sysconfig.get_paths()["purelib"]])
    return {**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}


def loads(python: str, version: str) -> bool:
    """Return whether an interpreter is of this version and can import the package and what it needs."""
    code = "import sys, scramjet_client.http.tls; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run(
        [python, "-c", code],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    return done.stdout == f"{version}\n"


def test_tight_loop_on_each_python(certificates: Certificates, capsys: pytest.CaptureFixture[str]):
    """12 of 12 rounds, on each of them."""
    found = pythons()
    if not found:
        pytest.skip("no other Python found that can load the packages of this one")
    with RawServer(echo, ssl_context=certificates.server_context()) as server:
        script = [str(Path(__file__).parent / "tls_loop.py"), str(server.port)]
        script += [certificates.ca_path, str(ROUNDS), str(WRITES)]
        running = {
            version: subprocess.Popen(
                [python, *script],
                env=environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for version, python in found.items()
        }
        try:
            said = {version: each.communicate(timeout=LIMIT) for version, each in running.items()}
        finally:
            for each in running.values():
                with each:
                    each.kill()
        server.check()

    with capsys.disabled():
        print(" TLS loop on Python", *found, end=" ")
    assert said == {version: (f"{version}: 12 of 12\n", "") for version in found}
