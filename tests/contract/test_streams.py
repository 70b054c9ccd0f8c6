"""Outputs of live instances, on every hub."""

from __future__ import annotations

import contextlib
import csv
import io
import sys
import threading
import time

import pytest

from scramjet_client import (
    HostClient,
    InstanceNotFoundError,
    StreamClosedError,
    StreamInterruptedError,
)
from tests.contract.conftest import SEQUENCES, Hub, Start, ended
from tests.support.interrupted import interrupt
from tests.support.real_hub import RealHub
from tests.support.waiting import LIMIT


@pytest.mark.parametrize("stream_id", ["stdout", "stderr", "output"])
def test_live_lines(start: Start, language: str, stream_id: str):
    """Lines come while the program runs."""
    instance = start(f"{language}-ticker", 20)

    with instance.get_stream(stream_id) as stream:
        lines = [next(stream) for _ in range(5)]

    assert lines == [b"tick %d\n" % n for n in range(5)]


def test_log_records(start: Start, language: str):
    """The log is JSON lines, the program's own among them."""
    instance = start(f"{language}-ticker", 20)

    with instance.get_log_stream() as log:
        record = next(each for each in log.records() if each["msg"] == "tick 1")

    assert record["level"] == "INFO"
    assert abs(record["ts"] / 1000 - time.time()) < 60


def test_whole_output_until_its_end(start: Start, language: str):
    """Everything that a program writes before it ends arrives, and then the end of the stream."""
    instance = start(f"{language}-bytes", 3_000_000)

    with instance.get_stream("output") as output:
        data = output.read()
        again = output.read()

    assert len(data) == 3_000_000
    assert data[-100:] == b"%099d\n" % 29_999
    assert again == b""


def test_output_is_a_file(start: Start):
    """What takes a file takes an output."""
    instance = start("node-bytes", 10_000)

    with instance.get_stream("output") as output:
        rows = list(csv.reader(io.TextIOWrapper(output, "ascii")))

    assert [int(row[0]) for row in rows] == list(range(100))


def test_pipe_to_a_path(start: Start, tmp_path):
    """An output can be sent to a file as it comes."""
    instance = start("node-bytes", 500_000)

    copied = instance.get_stream("output").pipe_to(tmp_path / "out")

    assert copied == 500_000
    assert (tmp_path / "out").stat().st_size == 500_000


def test_output_before_a_crash(start: Start, language: str):
    """What a program wrote before it crashed arrives, and then the end."""
    instance = start(f"{language}-crash-later", 0.2)

    with instance.get_stream("output") as output:
        assert output.readline() == b"before the crash\n"


def test_close_from_another_thread(start: Start):
    """Closing frees a blocked reader while its instance lives on, and it learns that it was this side."""
    instance = start("node-echo")
    output = instance.get_stream("output")
    errors: list[BaseException] = []

    def read() -> None:
        try:
            output.read1()
        except BaseException as error:
            errors.append(error)

    reader = threading.Thread(target=read, name="test-reader")
    reader.start()
    instance.get_health()  # the reader is blocked by now: nothing is written
    output.close()
    reader.join(LIMIT)

    assert not ended(instance)
    assert [type(error) for error in errors] == [StreamClosedError]


def test_killed_hub_is_no_end_of_stream():
    """A hub that dies in the middle of a stream is an interruption, never an end."""
    with RealHub() as hub, HostClient(hub.url) as host:
        instance = host.send_sequence(SEQUENCES / "node-ticker").start(args=[20])
        output = instance.get_stream("output")
        assert output.readline() == b"tick 0\n"

        hub.kill()
        with pytest.raises(StreamInterruptedError) as caught:
            output.read()

        assert caught.value.code == "STREAM_INTERRUPTED"


def test_two_readers(start: Start, hub: Hub):
    """A second reader gets what comes from then on, and the first goes on."""
    instance = start("node-ticker", 20)

    with instance.get_stream("output") as first, instance.get_stream("output") as second:
        assert next(first).startswith(b"tick ")
        assert next(second).startswith(b"tick ")
        assert next(first).startswith(b"tick ")


def test_log_ends_while_others_look(start: Start, host: HostClient):
    """A 1.x hub writes each look at an instance into its log; that keeps the log of an ended one from no end."""
    instance = start("py-ticker", 20)
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.05):
            with contextlib.suppress(InstanceNotFoundError):
                instance.get_info()

    def read() -> None:
        with host.get_instance_client(instance.id).get_log_stream() as log:
            logs.append(log.read())

    logs: list[bytes] = []
    looker = threading.Thread(target=look, name="test-looker")
    readers = [threading.Thread(target=read, name="test-reader", daemon=True) for _ in range(2)]
    for thread in (looker, *readers):
        thread.start()
    try:
        instance.kill()
        for reader in readers:
            reader.join(LIMIT)
            assert not reader.is_alive()
    finally:
        over.set()
        looker.join(LIMIT)

    assert len(logs) == 2


INTERRUPTED = """
import sys
from scramjet_client import HostClient
with HostClient(sys.argv[1]) as host:
    instance = host.get_instance_client(sys.argv[2])
    instance.send_input("x", end=sys.argv[3] == "ended")
    with instance.get_stream("output") as output:
        print("ready")
        try:
            {read}
        except KeyboardInterrupt as interrupt:
            print(*getattr(interrupt, "__notes__", ()))
            print("over")
"""


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exceptions have no notes")
@pytest.mark.parametrize("left", ["open", "ended"])
@pytest.mark.parametrize("read", ["output.read()", "list(output)", "list(output.lines())"])
def test_interrupt_of_a_read_whose_input_is_open(start: Start, hub: Hub, read: str, left: str):
    """Ctrl-C during a read says how to end the input, unless this client has ended it."""
    instance = start("node-stop-never")

    code, said = interrupt(INTERRUPTED.format(read=read), hub.url, instance.id, left)

    assert code == 0
    assert ("send_input(b'', end=True)" in said) == (left == "open")
