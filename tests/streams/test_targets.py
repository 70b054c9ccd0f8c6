"""What people read: text by what is for text, and records of a log as time, level and text."""

from __future__ import annotations

import functools
import io
import logging
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scramjet_client import HostClient, InstanceClient
from scramjet_client.hub import LocalHub
from scramjet_client.streams.targets import piece_target
from tests.support.functions import says, talks
from tests.support.waiting import LIMIT, long_enough


@pytest.fixture(scope="module")
def hub():
    with LocalHub() as hub:
        hub.add_sequence("says", says)
        hub.add_sequence("talks", talks)
        yield hub


@pytest.fixture
def host(hub: LocalHub):
    with hub.client() as client:
        yield client


@pytest.fixture
def start(host: HostClient):
    started: list[InstanceClient] = []

    def begin(name: str) -> InstanceClient:
        (id,) = host.get_sequence_id(name)
        started.append(host.get_sequence_client(id).start())
        return started[-1]

    yield begin
    for each in started:
        if each.get_info().status == "running":
            each.kill()


READABLE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} INFO  PythonRunner ready")
JSON = re.compile(r'\{.*"msg": ?"ready".*\}')


class Kept:
    """Ways to be given what is followed, and what each was given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lines: list[object] = []
        self.file = io.StringIO()
        self.screen = io.StringIO()
        monkeypatch.setattr(sys, "stdout", self.screen)
        self.logger = logging.Logger("kept")
        self.logger.addHandler(logging.StreamHandler(self.file))

    def takes_text(self, line: str) -> None:
        self.lines.append(line)

    def takes_anything(self, line) -> None:
        self.lines.append(line)

    def text(self) -> str:
        lines = [line.decode() if isinstance(line, bytes) else line for line in self.lines]
        return "".join(map(str, lines)) + self.file.getvalue() + self.screen.getvalue()


@pytest.mark.parametrize(
    ("of", "log", "output"),
    [
        (lambda kept: print, READABLE, "zażółć\nlast\n"),
        (lambda kept: functools.partial(print, flush=True), READABLE, "zażółć\nlast\n"),
        (lambda kept: True, READABLE, "zażółć\nlast"),
        (lambda kept: kept.screen, READABLE, "zażółć\nlast"),
        (lambda kept: kept.screen.write, READABLE, "zażółć\nlast"),
        (lambda kept: kept.logger.info, READABLE, "zażółć\nlast\n"),
        (lambda kept: kept.file, JSON, "zażółć\nlast"),
        (lambda kept: kept.file.write, JSON, "zażółć\nlast"),
        (lambda kept: kept.takes_text, JSON, "zażółć\nlast"),
        (lambda kept: kept.takes_anything, JSON, "zażółć\nlast"),
    ],
    ids=[
        "print",
        "partial",
        "True",
        "stdout",
        "stdout.write",
        "logger",
        "file",
        "file.write",
        "str",
        "any",
    ],
)
@pytest.mark.parametrize("way", ["follow", "pipe_to"])
def test_what_each_target_is_given(
    start, monkeypatch, capsys, of: Callable, log, output: str, way: str
):
    """Text goes as text to what is for text, and a log is readable where a person reads it, else as it came."""
    for name, wanted in (("output", output), ("log", log)):
        kept = Kept(monkeypatch)
        if name == "log":
            monkeypatch.setattr(sys, "stderr", kept.screen)
        instance = start("says")
        instance.submit_input(b"", end=True)
        if way == "follow":
            with instance.follow(**{name: of(kept)}) as following:
                following.wait(LIMIT)
        else:
            with instance.get_stream(name) as stream:
                stream.pipe_to(of(kept))
        if isinstance(wanted, str):
            assert kept.text() == wanted
        else:
            assert wanted.search(kept.text())
        if of(kept) == kept.takes_text:
            assert {type(line) for line in kept.lines} == {str}
        if of(kept) == kept.takes_anything:
            assert {type(line) for line in kept.lines} == {bytes}


def test_lines_lose_their_end_and_nothing_else():
    """What is printed is each line without its end; a carriage return without a newline is not one."""
    printed = io.StringIO()
    target = piece_target(functools.partial(print, file=printed, end="|"), "target")
    for chunk in (b"abc\r\nd", b"ef\r\r", b"\nabc\n\n", b"last\r"):
        target.write(chunk)
    target.finish()

    assert printed.getvalue() == "abc|def\r|abc||last\r|"


def test_a_log_for_a_time(start):
    """A stream that is opened for a time ends then, though the program goes on, and has what came until then."""
    instance = start("talks")
    with instance.get_stream("output") as output:
        output.readline()

    def records(seconds: float) -> list[Any]:
        with instance.get_log_stream(timeout=seconds) as log:
            return [each for each in log.records() if each["msg"].startswith("line ")]

    def lines(seconds: float) -> list[bytes]:
        with instance.get_stream("output", timeout=seconds) as output:
            return list(output)

    assert long_enough(records, len)
    assert long_enough(lines, len)
    assert instance.get_info().status == "running"


def test_a_quiet_stream_for_a_time(host: HostClient, start):
    """Nothing that comes in that time is an end, not an error, for each stream that there is."""
    instance = start("says")
    for stream in (
        host.get_log_stream(timeout=0.3),
        host.get_audit_stream(timeout=0.3),
        host.get_topic("quiet", timeout=0.3),
        instance.get_stream("stderr", timeout=0.3),
    ):
        with stream:
            stream.read()
    with instance.get_event_stream("never", timeout=0.3) as events:
        assert list(events) == []


@pytest.mark.parametrize("kind", ["path", "text", "file", "callable"])
def test_run_gives_its_output_elsewhere(start, tmp_path: Path, kind: str):
    """The output of a run goes to a path, a file or a callable instead of memory; the rest is collected."""
    file, lines = io.BytesIO(), []
    way = {
        "path": tmp_path / "out",
        "text": str(tmp_path / "out"),
        "file": file,
        "callable": lines.append,
    }[kind]

    completed = start("says").run(b"", output=way, timeout=LIMIT)

    got = {
        "path": (tmp_path / "out").read_bytes,
        "text": (tmp_path / "out").read_bytes,
        "file": file.getvalue,
        "callable": lambda: b"".join(lines),
    }[kind]()
    assert got == "zażółć\nlast".encode()
    assert (completed.output, completed.stdout) == (b"", b"printed\n")
