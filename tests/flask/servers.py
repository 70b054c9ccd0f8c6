"""WSGI servers in processes of their own: Gunicorn with any kind of worker and any release of Flask, and others."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import attrs

from tests.support.releases import installed
from tests.support.waiting import eventually

ROOT = Path(__file__).resolve().parent.parent.parent

RELEASES = {
    "1.1": [
        "flask==1.1.4", "werkzeug==1.0.1", "jinja2==2.11.3", "markupsafe==2.0.1",
        "itsdangerous==1.1.0", "click==7.1.2",
    ],
    "2.0": ["flask==2.0.3", "werkzeug==2.0.3"],
    "2.3": ["flask==2.3.3", "werkzeug==2.3.8"],
}  # fmt: skip
"""What pip installs for a release; "installed" is the one beside the tests."""

WORKERS = {
    "sync": ["--worker-class", "sync", "--workers", "4", "--timeout", "0"],
    "gthread": ["--worker-class", "gthread", "--workers", "1", "--threads", "8"],
    "gevent": ["--worker-class", "gevent", "--workers", "1"],
}


UWSGI = ["pyuwsgi>=2.0.27"]
"""uWSGI itself, as wheels where there are some; else pip compiles it."""


def release(name: str) -> list[str]:
    """Return what to put on the module path for a release of Flask, installing it the first time."""
    if name == "installed":
        return []
    # A rule: Flask of 2019 makes a syntax tree of it, in a way that Python 3.14 has no more.
    trial = (
        "flask.Flask('x').add_url_rule('/<a>', 'b', str); flask.Flask('x').test_client().get('/')"
    )
    return [installed("flask-releases", name, RELEASES[name], "flask", trial)]


# Ends the server with this side of its stdin, so also when the tests are killed. Its stderr is the server's alone.
_UNTIL_THE_END = '"$@" & exec 2>/dev/null; cat >/dev/null; kill "$!"; wait "$!"'


@attrs.frozen
class Served:
    """A server that runs: its address, and what it has said."""

    url: str
    log: list[str]


@contextlib.contextmanager
def gunicorn(
    application: str, *options: str, path: list[str] | None = None, **environment: str
) -> Iterator[Served]:
    """Run an application under Gunicorn, on a free port of loopback, until the end of the block."""
    with tempfile.TemporaryDirectory(prefix="scramjet-flask-") as folder:
        command = [
            sys.executable, "-m", "gunicorn", "--bind", "127.0.0.1:0",
            "--graceful-timeout", "1", "--worker-tmp-dir", folder, *options, application,
        ]  # fmt: skip
        with _serving(command, r"Listening at: http://(\S+)", folder, path, environment) as served:
            yield served


@contextlib.contextmanager
def waitress(application: str, *options: str, **environment: str) -> Iterator[Served]:
    """Run an application under waitress, on a free port of loopback, until the end of the block."""
    with tempfile.TemporaryDirectory(prefix="scramjet-flask-") as folder:
        command = [
            sys.executable, "-m", "waitress", "--listen=127.0.0.1:0", *options, "--call", application,
        ]  # fmt: skip
        with _serving(command, r"Serving on http://(\S+)", folder, None, environment) as served:
            yield served


@contextlib.contextmanager
def werkzeug(application: str, *options: str, **environment: str) -> Iterator[Served]:
    """Run an application under Flask's own server, on a free port of loopback, until the end of the block."""
    with tempfile.TemporaryDirectory(prefix="scramjet-flask-") as folder:
        command = [
            sys.executable, "-m", "flask", "--app", application, "run", "--port", "0", *options,
        ]  # fmt: skip
        with _serving(command, r"Running on http://(\S+)", folder, None, environment) as served:
            yield served


@contextlib.contextmanager
def uwsgi(application: str, *options: str, **environment: str) -> Iterator[Served]:
    """Run an application under uWSGI, installing it the first time; on a free port of loopback."""
    place = installed("uwsgi-releases", UWSGI[0], UWSGI, "pyuwsgi")
    with tempfile.TemporaryDirectory(prefix="scramjet-flask-") as folder:
        command = [
            sys.executable, "-c", "import pyuwsgi; pyuwsgi.run()", "--http-socket", "127.0.0.1:0",
            "--die-on-term", "--need-app", "--enable-threads", *options, "--wsgi", application,
        ]  # fmt: skip
        bound = r"(?s)bound to TCP address (\S+) .*spawned uWSGI worker 1"
        with _serving(command, bound, folder, [place], environment) as served:
            yield served


@contextlib.contextmanager
def _serving(
    command: list[str],
    address: str,
    folder: str,
    path: list[str] | None,
    environment: dict[str, str],
) -> Iterator[Served]:
    """Run a server until the end of the block.

    Args:
        command: What runs it.
        address: Pattern of what it says on stderr once it listens; the group is the address.
        folder: Where it runs.
        path: What comes before the checkout on the module path.
        environment: Variables for it.
    """
    process = subprocess.Popen(
        ["/bin/sh", "-c", _UNTIL_THE_END, "sh", *command],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([*(path or []), str(ROOT)]),
            "PYTHONWARNINGS": "ignore",
            # Where newer releases of Gunicorn leave a socket to be controlled by.
            "HOME": folder,
            "XDG_RUNTIME_DIR": folder,
            **environment,
        },
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    log: list[str] = []
    reading = threading.Thread(
        target=_collect, args=(process, log), name="test-server-log", daemon=True
    )
    reading.start()
    try:
        eventually(lambda: not reading.is_alive() or re.search(address, "".join(log)), 60)
        found = re.search(address, "".join(log))
        assert found, "".join(log)
        yield Served(f"http://{found.group(1)}", log)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(60)
        reading.join()
        assert process.stderr is not None
        process.stderr.close()


def _collect(process: subprocess.Popen[str], log: list[str]) -> None:
    for line in process.stderr or ():
        log.append(line)
