"""Windows and macOS, as far as they can be tried elsewhere: what they lack, and how they wait."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import pytest

from scramjet_client import HttpClient
from scramjet_client.http.interrupts import Event, wait_in_parts, wait_until
from tests.support.hubs import hub_for_another_process
from tests.support.waiting import LIMIT
from tests.support.wire import Conn, RawServer

ROOT = Path(__file__).resolve().parent.parent

POSIX_ALONE = (
    "scramjet_client/hub/",
    "scramjet_client/_kept_tokens.py",
    "scramjet_client/cli/_dev_debugger.py",
)
"""What runs and finds a LocalHub, and debugs what runs on it: it needs processes and locks of POSIX."""

ITSELF_POSIX = "not killed_hub and not terminal and not sigint and not restarted and not by_force"
"""Tests that use POSIX themselves: they start or kill a hub, or press Ctrl-C in a terminal."""


@pytest.mark.long
@pytest.mark.parametrize("system", ["win32", "darwin"])
def test_names_that_a_system_lacks_are_not_used(system: str):
    """The type checker, which knows what each system has, finds nothing that Windows or macOS lacks."""
    command = [sys.executable, "-m", "mypy", "--strict", "--platform", system, "scramjet_client"]
    done = subprocess.run(
        [*command, "--cache-dir", str(ROOT / ".mypy_cache" / system), "--no-error-summary"],
        cwd=ROOT, capture_output=True, text=True, timeout=10 * LIMIT, check=False,
    )  # fmt: skip
    found = done.stdout.replace("\\", "/").splitlines()

    assert done.stderr == ""
    assert [each for each in found if not each.startswith(POSIX_ALONE)] == []


@pytest.mark.parametrize(
    "tests",
    [
        ["tests/streams/test_multiplex.py", "tests/streams/test_lines.py", "-m", "quick"],
        ["tests/contract/test_uploads.py", "-k", ITSELF_POSIX],
        ["tests/cli/test_commands.py", "-k", "not hub_start"],
        pytest.param(
            [
                *("tests/api", "tests/clients", "tests/http", "tests/instances", "tests/packages"),
                *(
                    "tests/streams",
                    "tests/uploads",
                    "tests/notebook",
                    "tests/cli",
                    "tests/flask",
                    "-m",
                    "quick",
                ),
            ],
            marks=pytest.mark.long,
        ),
        pytest.param(["tests/contract", "-k", ITSELF_POSIX], marks=pytest.mark.long),
    ],
    ids=["streams", "hub", "command", "quick", "contract"],
)
def test_client_without_what_posix_has(tests: list[str]):
    """The client's own tests pass where Python has no more of POSIX than on Windows; the hub runs in this process."""
    with hub_for_another_process() as hub:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-q", "-p", "tests.support.without_posix"),
                # It imports trio, if that is installed (by `make test-long`), and trio needs POSIX here.
                *("-p", "no:xdist", "-p", "no:anyio", "-p", "no:cacheprovider", *tests),
            ],
            cwd=ROOT, capture_output=True, text=True, timeout=60 * LIMIT, check=False,
            env={**os.environ, "HYPOTHESIS_NO_PLUGINS": "1", **hub},
        )  # fmt: skip

    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert " passed" in done.stdout


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the client wait as it does on Windows."""
    monkeypatch.setattr(sys, "platform", "win32")


def _after_some_parts(act: Callable[[], object]) -> threading.Thread:
    thread = threading.Timer(0.6, act)
    thread.name = "test-later"
    thread.start()
    return thread


@pytest.mark.usefixtures("windows")
def test_waits_in_parts():
    """A wait of several parts ends with what it waits for, or with its time."""
    event, future, condition = Event(), Future[int](), threading.Condition()
    assert not event.wait(0.6)
    assert wait_in_parts(future, 0.6) == 0.0
    assert not future.done()

    def end() -> None:
        event.set()
        future.set_result(7)

    later = _after_some_parts(end)
    assert event.wait(LIMIT)
    assert future.result(wait_in_parts(future, LIMIT)) == 7
    later.join()
    with condition:
        wait_until(condition, event.is_set)


@pytest.mark.usefixtures("windows")
def test_reads_in_parts():
    """A read waits for several parts, and its own limits keep their meaning."""
    silent = threading.Event()

    def handle(conn: Conn) -> None:
        conn.read_request()
        conn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        conn.send_chunk(b"one\n")
        silent.wait(LIMIT)
        conn.send_chunk(b"two\n")

    with RawServer(handle) as server, HttpClient(server.url) as client:
        with client.get_stream("a") as stream:
            assert stream.readline() == b"one\n"
            later = _after_some_parts(silent.set)
            assert stream.readline() == b"two\n"
            later.join()
