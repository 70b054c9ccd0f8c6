"""`Upload`: a future in every respect, and threads that exist only while something moves."""

from __future__ import annotations

import gc
import itertools
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
import weakref
from collections.abc import Iterator
from concurrent.futures import CancelledError, as_completed
from typing import Any

import pytest

from scramjet_client import (
    HostClient,
    InstanceClient,
    InstanceNotFoundError,
    UploadCancelledError,
    UploadError,
)
from scramjet_client.instances.follow import Feeds
from tests.support.scripted_hub import H1Hub, Instance
from tests.support.threads import client_threads
from tests.support.waiting import LIMIT, eventually
from tests.support.wire import Conn, RawServer


def scramjet_threads() -> list[str]:
    return [each.name for each in client_threads()]


def test_as_completed_and_callbacks(instance: InstanceClient):
    """What works with futures works with uploads."""
    called: list[int] = []
    uploads = [instance.submit_input(b"x" * n) for n in (1, 2, 3)]
    for upload in uploads:
        upload.add_done_callback(lambda done: called.append(done.result().bytes_written))

    done = [each.result().bytes_written for each in as_completed(uploads, timeout=LIMIT)]

    assert sorted(done) == [1, 2, 3]
    eventually(lambda: sorted(called) == [1, 2, 3])


def test_threads_exist_only_while_something_moves(instance: InstanceClient, h1_host: HostClient):
    """No thread before an upload, two during it, none after it."""
    gate = threading.Event()

    def items():
        yield b"x"
        gate.wait(LIMIT)

    h1_host.get_version()
    assert scramjet_threads() == []
    upload = instance.submit_input(items())
    assert upload.accepted(LIMIT)
    names = scramjet_threads()
    assert len(names) == 2
    assert all(each.daemon for each in threading.enumerate() if each.name in names)

    gate.set()
    upload.result(LIMIT)
    eventually(lambda: scramjet_threads() == [])


def test_accepted_says_yes_no_or_raises(instance: InstanceClient, h1_host: HostClient):
    """`accepted` is the hub's early yes, or its refusal."""
    gate = threading.Event()

    def items():
        yield b"x"
        gate.wait(LIMIT)

    good = instance.submit_input(items())
    bad = h1_host.get_instance_client("nope").submit_input(items())

    assert good.accepted(LIMIT) is True
    with pytest.raises(InstanceNotFoundError):
        bad.accepted(LIMIT)
    gate.set()
    good.result(LIMIT)


def test_cancelled_is_known_to_futures(instance: InstanceClient):
    """A cancelled upload is what `concurrent.futures` calls cancelled."""
    gate = threading.Event()

    def items():
        yield b"x"
        gate.wait(LIMIT)

    upload = instance.submit_input(items())
    assert upload.accepted(LIMIT)

    assert upload.cancel() is True
    assert upload.cancel() is False
    assert upload.cancelled()
    with pytest.raises(CancelledError):
        upload.result(1)
    assert isinstance(upload.exception(), UploadCancelledError)
    gate.set()


def test_cancel_of_what_is_done(instance: InstanceClient):
    """A finished upload can't be cancelled, and its connection is not shut under another request."""
    upload = instance.submit_input(b"x")
    upload.result(LIMIT)

    assert upload.cancel() is False
    upload.abort()
    assert instance.get_info().status == "running"


def _fails() -> Iterator[bytes]:
    yield b"x"
    raise KeyError("of the source")


def test_traceback_of_a_source_has_its_own_lines(instance: InstanceClient):
    """Whoever reads why a source failed finds the source, and not the thread that asked it for an item."""
    with pytest.raises(UploadError) as caught:
        instance.send_input(_fails())

    cause = caught.value.__cause__
    assert isinstance(cause, KeyError)
    assert [frame.f_code.co_name for frame, _ in traceback.walk_tb(cause.__traceback__)] == [
        "_fails"
    ]


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Without the collector of garbage: what is let go is gone at once, and the rest stays."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize(
    ("id", "source"), [("nope", lambda: b"x"), (None, _fails)], ids=["id", "source"]
)
def test_failure_that_nobody_asked_for_is_logged(
    instance: InstanceClient,
    h1_host: HostClient,
    caplog: pytest.LogCaptureFixture,
    id: str,
    source: Any,
):
    """An upload that failed and was never asked says so in the log at once."""
    sending = h1_host.get_instance_client(id) if id else instance
    with caplog.at_level(logging.WARNING, "scramjet_client"):
        sending.submit_input(source())
        eventually(lambda: "nobody asked" in caplog.text)

    assert sending.id in caplog.text


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("source", [lambda: b"x", _fails], ids=["cut", "source"])
def test_failure_before_the_answer_is_logged(caplog: pytest.LogCaptureFixture, source: Any):
    """So does one whose hub has not answered; urllib3 leaves that error in a circle, which would keep the upload."""

    def serve(conn: Conn) -> None:
        while (request := conn.read_request()) is not None and request.method == "GET":
            conn.send_json("200 OK", {"version": "1.0.1"})
        if request is not None and source is _fails:
            conn.read_body(request)

    with RawServer(serve) as server, HostClient(server.url) as host:
        with caplog.at_level(logging.WARNING, "scramjet_client"):
            host.get_instance_client("there").submit_input(source())
            eventually(lambda: "nobody asked" in caplog.text)

    assert "there" in caplog.text


def test_lone_item_is_not_held_back(instance: InstanceClient):
    """An item goes out when it comes, not when the next one does."""
    gate = threading.Event()

    def items():
        yield b"one\n"
        gate.wait(LIMIT)
        yield b"two\n"

    with instance.get_stream("output") as output:
        upload = instance.submit_input(items())
        assert output.readline() == b"one\n"
        gate.set()
        upload.result(LIMIT)


def test_interrupt_cancels_the_upload(instance: InstanceClient):
    """Ctrl-C in a blocking send ends the upload, closes its generator, and goes on its way."""
    closed = threading.Event()

    def items():
        try:
            for number in itertools.count():
                yield b"x"
                time.sleep(0.001)  # a source with a rate, not a flood
                if number == 100:
                    os.kill(os.getpid(), signal.SIGINT)
        finally:
            closed.set()

    with pytest.raises(KeyboardInterrupt):
        instance.send_input(items())

    assert closed.wait(LIMIT)


EXIT = """
import sys, time, threading
from scramjet_client import HostClient, HttpClient, Tuning
tuning = Tuning(exit_grace=float(sys.argv[3]))
instance = HostClient.over(HttpClient(sys.argv[1], tuning=tuning)).get_instance_client(sys.argv[2])
def items():
    yield b"abc"
    threading.Event().wait(float(sys.argv[4]))
    yield b"def"
upload = instance.submit_input(items())
assert upload.accepted(60)
print("leaving")
"""


def leave(hub: H1Hub, instance: Instance, grace: float, source: float) -> str:
    """Run a program that ends with an upload in the background; return what it says on stderr."""
    done = subprocess.run(
        [sys.executable, "-c", EXIT, hub.url, instance.id, str(grace), str(source)],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=True,
    )
    assert done.stdout == "leaving\n"
    assert "Traceback" not in done.stderr
    return done.stderr


def test_interpreter_exit_finishes_what_can_be():
    """An upload that is through soon after the program's last line arrives whole, without a word."""
    with H1Hub() as hub:
        instance = hub.add_instance()

        assert leave(hub, instance, 3600, 0.5) == ""
        assert instance.pipes["output"].read() + instance.pipes["output"].read() == b"abcdef"


def test_interpreter_exit_does_not_hang():
    """A program may end while an upload waits for its source for ever; it says what was cut."""
    with H1Hub() as hub:
        instance = hub.add_instance()

        said = leave(hub, instance, 0.5, 3600)

        assert f"upload to input of '{instance.id}' runs: it is cut after 3 bytes" in said
        assert not instance.input_ended


def test_many_uploads_leave_nothing(instance: InstanceClient):
    """200 uploads one after another use one connection and leave no thread (the guard checks sockets)."""
    for _ in range(200):
        instance.send_input(b"x")

    eventually(lambda: scramjet_threads() == [])


def _shout(context, input):
    for text in input:
        yield text.upper()


@pytest.mark.usefixtures("uncollected")
def test_failure_of_an_upload_that_is_fed_is_told_by_its_feeder(
    h1_host: HostClient, caplog: pytest.LogCaptureFixture
):
    """A run answers for its uploads: one that fails after the run's last look, because of the end, is no news."""
    over = threading.Event()
    with caplog.at_level(logging.WARNING, "scramjet_client"):
        upload = h1_host.get_instance_client("nope").submit_input(b"x")
        Feeds([upload], over.set)
        left = weakref.ref(upload)
        del upload
        assert over.wait(LIMIT)
        eventually(lambda: left() is None)

    assert "nobody asked" not in caplog.text


def test_reader_of_inout_gets_the_cause(host: HostClient):
    """The reader of an `inout` whose source raises gets that as the cause, and not how the connection broke."""
    with (
        host.deploy(_shout).start().inout(_fails()) as answers,
        pytest.raises(UploadError) as failure,
    ):
        answers.read()

    cause = failure.value.__cause__
    assert isinstance(cause, KeyError), repr(cause)
    assert [each.name for each in traceback.extract_tb(cause.__traceback__)] == ["_fails"]
