"""What waits, uploads and copies say that nobody would hear otherwise, on a LocalHub."""

from __future__ import annotations

import contextlib
import itertools
import logging
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scramjet_client import (
    HostClient,
    HttpClient,
    HubTimeoutError,
    InstanceClient,
    InstanceEndedError,
    StreamIdleError,
    Tuning,
)
from scramjet_client.cli._terms import in_options
from scramjet_client.hub import LocalHub
from tests.support.waiting import LIMIT, eventually

UNREAD = "does not read its stdout, stderr, output and log"
INPUT = "send_input(b'', end=True) gives that"


def shout(context: Any, input: Any) -> Any:
    yield from (text.upper() for text in input)


def flood(context: Any, input: Any) -> Any:
    for number in range(3_000_000):
        print(number)
    context.emit("ready", 1)
    yield "x"


def count(context: Any, input: Any) -> Any:
    for number in range(100_000):
        yield f"{number}\n"


@pytest.fixture(scope="module")
def hub() -> Iterator[LocalHub]:
    with LocalHub() as hub:
        yield hub


@pytest.fixture
def host(hub: LocalHub) -> Iterator[HostClient]:
    """A client that calls half a second a long silence."""
    tuning = Tuning(run_silence=0.5)
    with HostClient.over(HttpClient(hub.url, token=hub.token, tuning=tuning)) as host:
        yield host


class Said:
    """What was warned of, by any thread; at the first warning a blocked call is freed by a kill."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.words: list[str] = []
        self.frees: InstanceClient | None = None
        monkeypatch.setattr(warnings, "showwarning", self.take)

    def take(self, message: Any, *_: Any) -> None:
        self.words.append(str(message))
        if self.frees is not None:
            instance, self.frees = self.frees, None
            threading.Thread(target=instance.kill, name="test-kill").start()


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Iterator[Said]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # so that each goes through warn_aside to showwarning
        yield Said(monkeypatch)


def _send(instance: InstanceClient) -> None:
    instance.send_input("x\n" * 20_000_000, end=True)


def _write(instance: InstanceClient) -> None:
    with instance.open_input() as writer:
        writer.write("x\n" * 20_000_000)


def _inout(instance: InstanceClient) -> None:
    with instance.inout("x\n" * 20_000_000) as answers:
        assert answers.upload is not None
        answers.upload.result()


def _follow(instance: InstanceClient) -> None:
    instance.follow(log=lambda line: None).wait()


def _follow_main(instance: InstanceClient) -> None:
    instance.follow(output=lambda line: None, stdout=lambda line: None, log=lambda line: None)
    instance.wait()


@pytest.mark.parametrize(
    ("program", "wait", "expected"),
    [
        (flood, lambda instance: instance.wait(), ["its end is awaited", UNREAD, INPUT]),
        (flood, lambda instance: instance.wait_for("stopped"), ["status 'stopped'", UNREAD]),
        (flood, lambda instance: instance.get_event("ready"), ["event 'ready'", UNREAD]),
        (flood, lambda instance: instance.get_next_event("ready"), ["event 'ready'", UNREAD]),
        (flood, _follow, ["its end is awaited", "does not read its stdout, stderr and output"]),
        (shout, _send, ["the upload to input", "stood still for 0.5 s", UNREAD]),
        (shout, _write, ["the upload to input", "stood still", UNREAD]),
        (shout, _inout, ["the upload to input", "stood still", UNREAD]),
        (
            shout,
            lambda instance: instance.submit_input("x\n" * 20_000_000).result(),
            ["the upload to input", "stood still", UNREAD],
        ),
        (
            shout,
            lambda instance: instance.submit_stdin("x\n" * 20_000_000).result(),
            ["the upload to stdin", "stood still", UNREAD],
        ),
        (shout, _follow_main, ["its end is awaited; if it waits for the end of its input", INPUT]),
    ],
)
def test_wait_that_nobody_frees(
    host: HostClient,
    said: Said,
    program: Any,
    wait: Callable[[InstanceClient], Any],
    expected: list[str],
):
    """A wait without a limit that sees nothing move says once what may be the cause."""
    instance = host.deploy(program).start()
    said.frees = instance
    with contextlib.suppress(InstanceEndedError):
        wait(instance)

    (words,) = said.words
    for part in expected:
        assert part in words


@pytest.mark.parametrize(
    ("wait", "expected"),
    [
        (lambda instance: instance.wait(3), [UNREAD, INPUT]),
        (lambda instance: instance.get_event("ready", timeout=3), [UNREAD]),
        (lambda instance: instance.get_next_event("ready", timeout=3), [UNREAD]),
        (lambda instance: instance.send_stdin("x" * 20_000_000, timeout=3), [UNREAD]),
    ],
)
def test_limit_of_a_wait_that_nobody_frees(
    host: HostClient, said: Said, wait: Callable[[InstanceClient], Any], expected: list[str]
):
    """The error of a limit says the same, and there is no warning before it."""
    instance = host.deploy(flood).start()
    with pytest.raises(HubTimeoutError) as caught:
        wait(instance)
    instance.kill()

    assert said.words == []
    for part in expected:
        assert part in str(caught.value)


def test_error_fits_what_is_read_and_ended(host: HostClient):
    """What is read, and an input that has ended, are no causes."""
    instance = host.deploy(slow).start()
    instance.follow(output=lambda line: None, stdout=lambda line: None)
    with pytest.raises(HubTimeoutError) as open_input:
        instance.wait(0.1)
    instance.send_input(b"", end=True)
    with pytest.raises(HubTimeoutError) as ended:
        instance.wait(0.1)
    instance.kill()

    assert "does not read" not in str(open_input.value)
    assert INPUT in str(open_input.value)
    assert str(ended.value).endswith("awaited")


def slow(context: Any, input: Any) -> Any:
    yield "x\n"
    threading.Event().wait()


def _with_input(instance: InstanceClient) -> None:
    instance.follow(output=lambda line: None, stdout=lambda line: None)
    instance.send_input("x\n", end=True)
    instance.wait()


def _event_of_what_is_read(instance: InstanceClient) -> None:
    instance.follow(output=lambda line: None, stdout=lambda line: None)
    with pytest.raises(InstanceEndedError):
        instance.get_event("never")


@pytest.mark.parametrize("wait", [_with_input, _event_of_what_is_read])
def test_long_wait_that_is_normal(
    host: HostClient, said: Said, wait: Callable[[InstanceClient], Any]
):
    """Where the output and stdout are read, a long silence is nothing to speak of."""
    instance = host.deploy(asleep).start()
    wait(instance)

    assert said.words == []


def asleep(context: Any, input: Any) -> Any:
    time.sleep(3)  # six of the silences after which a wait without cause would be told of
    yield "x\n"


def test_command_says_it_in_its_own_words(host: HostClient):
    """The command names its verbs in place of methods."""
    instance = host.deploy(asleep).start()
    with pytest.raises(HubTimeoutError) as caught:
        instance.wait(0.1)
    instance.kill()

    shown = in_options(str(caught.value))
    assert "this command does not read" in shown
    assert "`scramjet inst output ID` and `scramjet inst stdout ID` read them" in shown
    assert "follow(" not in shown
    assert "send_input" not in shown


# -- the end of a block --------------------------------------------------------------------------------


def test_block_that_cuts_a_copy(host: HostClient, said: Said, tmp_path: Path):
    """The end of the block ends the copy of a program that runs, and says what, how much, and what to call."""
    instance = host.deploy(shout).start()
    file = tmp_path / "out"
    with instance.follow(output=file, stdout=lambda line: None):
        instance.send_input("one\n")
        eventually(lambda: file.read_bytes() == b"ONE\n")
    instance.kill()

    (words,) = said.words
    assert "the copy of stdout (after 0 bytes), output (after 4 bytes) of instance" in words
    assert "wait()" in words
    assert "close()" in words


@pytest.mark.parametrize("told", ["close", "wait"])
def test_cut_that_is_meant(host: HostClient, said: Said, told: str):
    """Who calls `close()`, or has waited in vain, needs no word."""
    instance = host.deploy(shout).start()
    with instance.follow(output=lambda line: None) as following:
        if told == "close":
            following.close()
        else:
            with pytest.raises(HubTimeoutError, match=r"use get_stream\('output', timeout=0.1\)$"):
                following.wait(0.1)
    instance.kill()

    assert said.words == []


def test_block_after_the_end_cuts_nothing(host: HostClient, said: Said, tmp_path: Path):
    """If the instance has ended, the end of the block delivers everything."""
    instance = host.deploy(count).start()
    with instance.follow(output=tmp_path / "out"):
        instance.wait(LIMIT)

    assert (tmp_path / "out").read_bytes().count(b"\n") == 100_000
    assert said.words == []


def test_limit_of_a_followed_log_names_what_reads_for_some_seconds(host: HostClient):
    """`wait(3)` reads as "read for 3 s" to some: the error says what does that."""
    instance = host.deploy(shout).start()
    with (
        pytest.raises(HubTimeoutError, match=r"use get_log_stream\(timeout=0.2\)$"),
        instance.follow(log=lambda line: None) as following,
    ):
        following.wait(0.2)
    instance.kill()


def stuck(context: Any, input: Any) -> Any:
    yield "ready\n"
    threading.Event().wait()


def test_block_that_cuts_the_upload_of_inout(host: HostClient, said: Said):
    """The end of the block drops what the hub has not taken, and says so; a reader who closes means it."""
    instances = [host.deploy(stuck).start() for _ in range(3)]
    held = threading.Event()
    with instances[0].inout(itertools.repeat("x" * 65536)) as answers:
        assert answers.readline() == b"ready\n"
        eventually(lambda: not answers.upload.writer.is_idle())
    with instances[1].inout(itertools.repeat("x\n")) as answers:
        answers.close()
    with (
        instances[2].inout(iter(held.wait, True), idle_timeout=0.2) as answers,
        pytest.raises(StreamIdleError),
    ):
        answers.read()
    held.set()
    for each in instances:
        each.kill()

    (words,) = said.words
    assert "the upload to input of" in words
    assert "upload.result()" in words


@pytest.mark.parametrize("more", [False, True])
def test_chat_that_is_over_cuts_nothing(host: HostClient, said: Said, more: bool):
    """The usual end of a chat says nothing: the source has ended, or waits for what nobody will say."""
    instance = host.deploy(shout).start()
    held = threading.Event()

    def words() -> Iterator[str]:
        yield "one\n"
        yield "two\n"
        if more:
            held.wait()

    with instance.inout(words(), type="text/plain", end=False) as answers:
        assert [answers.readline(), answers.readline()] == [b"ONE\n", b"TWO\n"]
    held.set()
    instance.kill()

    assert said.words == []


def test_upload_needs_no_block(host: HostClient):
    """An upload is not a context manager, and says what waits for it."""
    instance = host.deploy(shout).start()
    upload: Any = instance.submit_input("x\n", end=True)
    with pytest.raises(TypeError, match=r"result\(\) waits"), upload:
        pass
    upload.result(LIMIT)


# -- failures in the background ------------------------------------------------------------------------

PLAIN = """
import sys, threading, logging
from scramjet_client import HostClient
if sys.argv[4] == "logging":
    logging.basicConfig()
def source():
    yield "a"
    raise KeyError("of the source")
def line(_):
    raise KeyError("of the callable")
host = HostClient(sys.argv[1], token=sys.argv[2])
instance = host.get_instance_client(sys.argv[3])
over = threading.Event()
if sys.argv[5] == "upload":
    upload = instance.submit_input(source())
    upload.add_done_callback(lambda _: over.set())
    del upload
elif sys.argv[5] == "ending":
    upload = instance.submit_input(source(), end=True)
    upload.add_done_callback(lambda _: over.set())
    del upload
elif sys.argv[5] == "kept":
    upload = instance.submit_input(source())
    upload.add_done_callback(lambda _: over.set())
else:
    instance.follow(output=line)
    instance.send_input("x\\n")
    while any(each.name.startswith("scramjet-follow") for each in threading.enumerate()):
        pass
    over.set()
over.wait(60)
"""


def said_by(script: str, host: HostClient, hub: LocalHub, *words: str) -> str:
    """Run a script on an instance of its own, and return what is on its stderr."""
    instance = host.deploy(shout).start()
    done = subprocess.run(
        [sys.executable, "-c", script, hub.url, hub.token or "", instance.id, *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    instance.kill()
    return done.stderr


@pytest.mark.parametrize("setting", ["plain", "logging"])
@pytest.mark.parametrize("kind", ["upload", "kept", "ending", "follow"])
def test_failure_that_nobody_asks_for_is_shown_once(
    host: HostClient, hub: LocalHub, setting: str, kind: str
):
    """A plain script shows it as a warning, one that logs shows it in its log: once, and never not at all."""
    said = said_by(PLAIN, host, hub, setting, kind)

    assert said.count("nobody asked") == 1, said
    assert ("RuntimeWarning" in said) == (setting == "plain")
    assert ("WARNING:scramjet_client:" in said) == (setting == "logging")


SLOW_TO_SAY = """
import sys, threading, time, warnings
from scramjet_client import HostClient
saying = threading.Event()
def show(message, *_):
    saying.set()
    while threading.main_thread().is_alive():
        time.sleep(0.01)  # the main thread goes on to its end
    time.sleep(0.2)  # in which an end that does not wait is over
    sys.stderr.write(str(message))
warnings.showwarning = show
dropped = threading.Event()
def source():
    yield "a"
    dropped.wait(60)  # otherwise the main thread may be the last that holds the upload, and says it
    raise KeyError("of the source")
HostClient(sys.argv[1], token=sys.argv[2]).get_instance_client(sys.argv[3]).submit_input(source())
dropped.set()
saying.wait(60)
"""


def test_end_of_the_interpreter_waits_for_a_word(host: HostClient, hub: LocalHub):
    """A background thread that says something as the main thread ends says it to the end."""
    said = said_by(SLOW_TO_SAY, host, hub)

    assert said.count("nobody asked") == 1, said


# -- what people do not read ---------------------------------------------------------------------------


def test_looks_are_hidden_from_people(
    host: HostClient, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    """`print`, a logger and the terminal leave out the hub's records of looks; a file has every record."""
    raw = tmp_path / "log"
    printed: list[str] = []

    def print(text: str) -> None:  # what is called so is for people
        printed.append(text)

    instance = host.deploy(shout).start()
    logger = logging.getLogger("test-of-looks")
    kept = instance.follow(log=raw)
    shown = host.get_instance_client(instance.id).follow(log=print)
    with caplog.at_level(logging.INFO, "test-of-looks"):
        logged = host.get_instance_client(instance.id).follow(log=logger.info)
        for _ in range(3):
            instance.get_info()
        eventually(lambda: raw.read_bytes().count(b"Get info") >= 3)
        instance.kill()
        for each in (kept, shown, logged):
            each.wait(LIMIT)

    assert b"Get info" in raw.read_bytes()
    assert printed
    assert "Get info" not in "".join(printed)
    assert "Get info" not in caplog.text
    assert "Instance killed" in "".join(printed)
