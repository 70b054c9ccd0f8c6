"""Windows and macOS, as far as they can be tried elsewhere: what they lack, and how they wait."""

from __future__ import annotations

import concurrent.futures
import os
import selectors
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from scramjet_client import HttpClient, Multiplexer, Package
from scramjet_client.clients.fleet import at_once
from scramjet_client.http.interrupts import Event, wait_for_event, wait_in_parts, wait_until
from scramjet_client.packages import requirements
from scramjet_client.uploads.sources import Source
from tests.support.hubs import hub_for_another_process
from tests.support.waiting import LIMIT
from tests.support.wire import Conn, RawServer

ROOT = Path(__file__).resolve().parent.parent

POSIX_ALONE = (
    "scramjet_client/hub/",
    "scramjet_client/_common/kept_tokens.py",
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


def test_a_wait_imports_nothing_where_it_needs_no_parts(monkeypatch: pytest.MonkeyPatch):
    """An upload's last callbacks may run when the interpreter can import nothing any more."""
    monkeypatch.setattr(sys, "meta_path", None)
    monkeypatch.delitem(sys.modules, "concurrent.futures")

    assert wait_in_parts(Future[int](), 7) == 7


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


class _Waits:
    """The limits of all waits for an event, a future or a socket."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.limits: list[float | None] = []
        self._wrap(monkeypatch, threading.Event, "wait", 0)
        self._wrap(monkeypatch, concurrent.futures, "wait", 1)
        self._wrap(monkeypatch, selectors.DefaultSelector, "select", 0)

    def _wrap(self, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, at: int) -> None:
        wait = getattr(owner, name)
        by_class = int(isinstance(owner, type))

        def record(*given: Any, **named: Any) -> Any:
            limit = given[by_class + at] if len(given) > by_class + at else named.get("timeout")
            starts_a_thread = sys._getframe(1).f_globals["__name__"] == "threading"
            if threading.current_thread() is threading.main_thread() and not starts_a_thread:
                self.limits.append(limit)
            return wait(*given, **named)

        monkeypatch.setattr(owner, name, record)


def _event_waits(later: threading.Event) -> None:
    wait_for_event(later)


def _fleet_waits(later: threading.Event) -> None:
    assert at_once({"hub": lambda: later.wait(LIMIT)}) == ({"hub": True}, {})


def _multiplexer_waits(later: threading.Event) -> None:
    def handle(conn: Conn) -> None:
        conn.read_request()
        conn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        later.wait(LIMIT)
        conn.send_chunk(b"one\n")
        conn.send(b"0\r\n\r\n")

    with RawServer(handle) as server, HttpClient(server.url) as client:
        with client.get_stream("a") as stream, Multiplexer([stream], tick=LIMIT) as streams:
            assert [lines for _, lines in streams] == [[b"one"]]


@pytest.mark.usefixtures("windows")
@pytest.mark.parametrize("act", [_event_waits, _fleet_waits, _multiplexer_waits])
def test_the_main_thread_waits_in_parts(
    act: Callable[[threading.Event], None], monkeypatch: pytest.MonkeyPatch
):
    """No wait of the main thread is long, as Ctrl-C ends none there; each has several parts here."""
    event = threading.Event()
    waits = _Waits(monkeypatch)
    later = _after_some_parts(event.set)

    act(event)

    later.join()
    assert len(waits.limits) > 1
    assert [each for each in waits.limits if each is None or each > 0.25] == []


@pytest.mark.usefixtures("windows")
def test_pipe_that_windows_cannot_wait_for():
    """A non-blocking pipe is refused before anything is sent: empty for now, it would count as ended."""
    here, there = os.pipe()
    os.set_blocking(here, False)

    with open(here, "rb") as file, pytest.raises(ValueError, match=r"os\.set_blocking\(\d+, True"):
        Source(file)

    os.close(there)


class _Junction:
    """An entry of a folder as Windows shows a junction: a folder with a mark, and no symbolic link."""

    def __init__(self, entry: os.DirEntry[str]) -> None:
        self.name, self.path = entry.name, entry.path

    def is_symlink(self) -> bool:
        return False

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        return True

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        return False

    def stat(self, *, follow_symlinks: bool = True) -> Any:
        assert not follow_symlinks
        return type("Result", (), {"st_mode": stat.S_IFDIR, "st_reparse_tag": 0xA0000003})


class _Listing:
    """What `os.scandir` returns, with junctions in place of symbolic links."""

    def __init__(self, scan: Callable[[Any], Any], folder: Any) -> None:
        self._scan = scan(folder)

    def __enter__(self) -> Iterator[Any]:
        return (_Junction(each) if each.is_symlink() else each for each in self._scan)

    def __exit__(self, *_error: object) -> None:
        self._scan.close()


def test_junctions_are_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A junction, as npm makes on Windows, is a link: nothing from outside comes in, and a circle ends."""
    root = tmp_path / "seq"
    (root / "lib").mkdir(parents=True)
    (root / "lib" / "one.py").write_text("")
    (root / "main.py").write_text("def run(context, input): pass\n")
    (root / "package.json").write_text('{"main": "main.py", "engines": {"python3": ">=3.9"}}')
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "diary.txt").write_text("private")
    for name, target in {
        "alias": root / "lib",
        "out": tmp_path / "outside",
        "circle": root,
    }.items():
        (root / name).symlink_to(target)
    scan = os.scandir
    monkeypatch.setattr(os, "scandir", lambda folder: _Listing(scan, folder))

    package = Package(root)

    assert {each.name: each.link for each in package.entries} == {
        "alias": "lib",
        "lib/one.py": "",
        "main.py": "",
        "package.json": "",
    }
    assert any("lead out of the folder: out" in each for each in package.warnings)
    assert any("lead to the folder itself: circle" in each for each in package.warnings)


@pytest.mark.parametrize("folder", ["bin", "Scripts"])
def test_programs_of_requirements_stay_at_home(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Whichever folder pip puts programs into on Windows, they have the path of this Python, and stay."""
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "tool.exe").write_bytes(b"MZ")
    (tmp_path / "tool.py").write_text("")
    monkeypatch.setattr(requirements.os, "name", "nt")

    requirements._tidy(tmp_path)

    monkeypatch.undo()
    assert [each.name for each in tmp_path.iterdir()] == ["tool.py"]


def test_windows_has_its_own_error_for_too_many_sockets():
    """Where Windows counts sockets, its error means the same as that of POSIX."""
    code = (
        "import errno; errno.WSAEMFILE = 10024;"
        " from scramjet_client.http.failures import _EXHAUSTED; print(10024 in _EXHAUSTED)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=LIMIT, check=True
    )

    assert done.stdout == "True\n"
