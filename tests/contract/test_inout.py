"""Full duplex, on every hub."""

from __future__ import annotations

import queue
import threading
import time

import pytest

from scramjet_client import HostClient, HubConnectionError, UnsupportedByHubError, UploadError
from tests.contract.conftest import SEQUENCES, Hub, Start
from tests.support.real_hub import RealHub
from tests.support.waiting import LIMIT


def test_ping_pong(start: Start, hub: Hub, language: str):
    """In 1,000 rounds (20 with a far hub) the next line is sent only when the answer to the last has come."""
    rounds = 20 if hub.name == "slow" else 1000
    instance = start(f"{language}-echo")
    lines: queue.Queue[bytes | None] = queue.Queue()

    with instance.inout(iter(lines.get, None), type="text/plain", end=True) as stream:
        for n in range(rounds):
            lines.put(b"line %d\n" % n)
            assert stream.readline() == b"line %d\n" % n
        lines.put(None)
        assert stream.upload.result(LIMIT).bytes_written == sum(
            len(b"line %d\n" % n) for n in range(rounds)
        )
        # Sometimes nginx does not see that a client leaves just when its body is complete.
        assert stream.read() == b""


def test_end_of_input_ends_the_output(start: Start, language: str):
    """With end=True the program's input ends with the body, on every hub."""
    instance = start(f"{language}-echo")

    with instance.inout(["a\n", "b\n"], type="text/plain", end=True) as stream:
        assert stream.read() == b"a\nb\n"
        assert stream.upload.result(LIMIT).bytes_written == 4


def test_source_that_raises(start: Start):
    """What the source raised comes out of the read and of the upload."""
    instance = start("node-echo")

    def items():
        yield b"a\n"
        raise KeyError("x")

    with instance.inout(items(), end=False) as stream:
        with pytest.raises(UploadError, match="KeyError"):
            stream.upload.result(LIMIT)
        with pytest.raises(UploadError, match="KeyError"):
            stream.read()


def test_source_that_raises_after_an_answer(start: Start):
    """The read says what the source raised, also where the output had begun."""
    instance = start("node-echo")
    came = threading.Event()

    def items():
        yield b"a\n"
        assert came.wait(LIMIT)
        raise KeyError("x")

    with instance.inout(items(), end=False) as stream:
        assert stream.readline() == b"a\n"
        came.set()
        with pytest.raises(UploadError, match="KeyError"):
            stream.read()
        with pytest.raises(UploadError, match="KeyError"):
            stream.upload.result(LIMIT)


def test_close_cancels_the_upload(start: Start):
    """Closing the stream ends its generator."""
    instance = start("node-echo")
    closed = threading.Event()

    def items():
        try:
            while True:
                yield b"x\n"
                time.sleep(0.001)  # a source with a rate, not a flood
        finally:
            closed.set()

    stream = instance.inout(items(), end=False)
    assert stream.readline() == b"x\n"
    stream.close()

    assert closed.wait(LIMIT)
    assert stream.upload.cancelled()


def test_text_alone(hub: Hub, start: Start):
    """The route carries only UTF-8, on every hub, and the client refuses the rest; behind nginx it uses another one."""
    instance = start("node-echo")

    if hub.name == "nginx":
        with instance.inout(b"a\xff", end=False) as stream:
            assert stream.read(2) == b"a\xff"
        return
    with pytest.raises(UnsupportedByHubError, match="offset 1"):
        instance.inout(b"a\xff", end=False)


def test_killed_hub():
    """A hub that dies is an interruption for the reader, though the source has not ended."""
    gate = threading.Event()

    def items():
        yield b"a\n"
        gate.wait(LIMIT)

    with RealHub() as hub, HostClient(hub.url) as host:
        instance = host.send_sequence(SEQUENCES / "node-echo").start()
        stream = instance.inout(items(), end=False)
        assert stream.readline() == b"a\n"

        hub.kill()
        # The pair of requests that stands for inout on 0.x breaks on both sides at once.
        with pytest.raises((ConnectionError, HubConnectionError)):
            stream.read()
        gate.set()
        stream.close()
