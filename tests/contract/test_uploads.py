"""Data on its way into live instances, on every hub."""

from __future__ import annotations

import hashlib
import os
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import wait

import psutil
import pytest

from scramjet_client import (
    HostClient,
    HubConnectionError,
    InstanceClient,
    InstanceNotFoundError,
    SendStreamOptions,
    Tuning,
    UnsupportedByHubError,
    UploadCancelledError,
    UploadError,
)
from tests.contract.conftest import SEQUENCES, Hub, Start
from tests.support.input_requests import InputRequests
from tests.support.real_hub import RealHub
from tests.support.threads import client_threads
from tests.support.tuned import tuned
from tests.support.waiting import LIMIT, eventually

NOBODY = "00000000-0000-0000-0000-000000000000"
MEGABYTE = 1_000_000


def upload_threads() -> list[str]:
    return [each.name for each in client_threads()]


@pytest.mark.parametrize("kind", ["application/octet-stream", "text/plain"])
def test_input_reaches_the_program(start: Start, language: str, kind: str):
    """Two sends to one input arrive in their order; the last one ends it, and with it the output."""
    instance = start(f"{language}-echo")

    with instance.get_stream("output") as output:
        first = instance.send_input("one ą\n", type=kind)
        second = instance.send_input(["two\n", b"three\n"], type=kind, end=True)

        assert output.read() == "one ą\ntwo\nthree\n".encode()
    assert (first.bytes_written, first.status) == (7, "success")
    assert second.bytes_written == 10


def test_first_input_arrives_whole(hub: Hub, host: HostClient, language: str):
    """What is sent directly after a start is not decoded with the hub's header lines, nor cut within a character."""
    data = random.Random(16).randbytes(MEGABYTE) if hub.modern else ("ąę漢" * 130_000).encode()
    instance = hub.sequence(host, f"{language}-echo").start(args=[])

    with instance.get_stream("output") as output:
        upload = instance.submit_input(data, end=True)
        came = output.read()

    assert came == data
    assert upload.result(LIMIT).bytes_written == len(data)


def test_stdin_reaches_the_program(start: Start, language: str):
    """What is sent to stdin is what the program reads there."""
    instance = start(f"{language}-stdin")

    with instance.get_stream("stdout") as out, instance.get_stream("stderr") as err:
        instance.send_stdin("ą one\n")
        instance.send_stdin("two", end=True)

        # The last line has no newline, so it comes only because the program's stdin has ended.
        assert out.readline() + out.read1(3) == "ą one\ntwo".encode()
        assert err.readline() + err.read1(7) == "err:ą one\nerr:two".encode()


def test_options_in_every_form(start: Start):
    """Options go as an object, as a mapping and as keywords; headers and parameters as request_init."""
    instance = start("node-echo")

    with instance.get_stream("output") as output:
        instance.send_stream("input", "a\n", None, SendStreamOptions(type="text/plain", end=False))
        instance.send_stream("input", "b\n", {"headers": {"x-test": "1"}, "params": {"q": "1"}})
        instance.send_stream("input", "c\n", {"timeout": 20.0}, {"type": "text/plain", "end": True})

        assert output.read() == b"a\nb\nc\n"


def test_parse_response(start: Start):
    """The answer's body, which hubs leave empty, comes in the form that was asked for."""
    instance = start("node-echo")

    assert instance.send_input("a", parse_response="text") == ""
    assert instance.send_input("b", parse_response="json") is None
    with instance.send_stream("input", "c", parse_response="stream") as answer:
        assert answer.read() == b""
        assert answer.upload.result(LIMIT).bytes_written == 1


def test_json_lines(start: Start):
    """With json=True each value of the source is one JSON document on a line of its own."""
    instance = start("node-echo")

    with instance.get_stream("output") as output:
        instance.send_input(({"n": n, "s": "ą"} for n in range(2)), json=True, end=True)

        assert list(output.records()) == [{"n": 0, "s": "ą"}, {"n": 1, "s": "ą"}]


def test_submit_is_a_future(start: Start):
    """A submitted upload runs by itself, and says when the hub accepted it and what it has sent."""
    instance = start("node-echo")
    gate = threading.Event()

    def items():
        yield b"one\n"
        gate.wait(LIMIT)
        yield b"two\n"

    with instance.get_stream("output") as output:
        upload = instance.submit_input(items())
        assert upload.accepted(LIMIT)
        assert output.readline() == b"one\n"
        # Counted when the write has returned, and the echo may be quicker.
        eventually(lambda: upload.bytes_sent == 4)
        assert not upload.done()

        gate.set()
        done, _ = wait([upload], timeout=LIMIT)

        assert done == {upload}
        assert upload.result().bytes_written == 8
        assert output.readline() == b"two\n"


def test_cancel_leaves_the_input_open(start: Start):
    """A cancelled upload delivers what it had sent, ends its generator, and the input goes on."""
    instance = start("node-echo")
    closed = threading.Event()

    def items():
        try:
            n = 0
            while True:
                yield b"%d\n" % n
                n += 1
                time.sleep(0.001)  # a source with a rate, not a flood
        finally:
            closed.set()

    with instance.get_stream("output") as output:
        upload = instance.submit_input(items())
        assert output.readline() == b"0\n"

        assert upload.cancel()
        with pytest.raises(UploadCancelledError):
            upload.result()
        assert closed.wait(LIMIT)

        instance.send_input("the end\n", end=True)
        assert output.read().endswith(b"the end\n")


def test_refusal_while_the_source_never_ends(host: HostClient):
    """A 404 for an endless generator is raised, its generator closed, no thread left."""
    nobody = host.get_instance_client(NOBODY)
    closed = threading.Event()

    def items():
        try:
            while True:
                yield b"x" * 100
        finally:
            closed.set()

    with pytest.raises(InstanceNotFoundError):
        nobody.send_input(items())

    assert closed.wait(LIMIT)


def test_refusal_while_the_source_is_blocked(host: HostClient):
    """The same for a generator that is blocked in its second item: it is closed when it comes free."""
    nobody = host.get_instance_client(NOBODY)
    gate, closed = threading.Event(), threading.Event()
    opened: list[bool] = []

    def items():
        try:
            yield b"x"
            opened.append(gate.wait(LIMIT))
            yield b"y"
        finally:
            closed.set()

    with pytest.raises(InstanceNotFoundError):
        nobody.send_input(items())

    assert not opened
    gate.set()
    assert closed.wait(LIMIT)


def test_source_that_raises(start: Start):
    """A source that raises half-way is an UploadError from its exception; the program sees no end."""
    instance = start("node-echo")

    def items():
        yield b"half\n"
        # What is still on its way when a connection is cut may be lost with it.
        assert output.readline() == b"half\n"
        raise KeyError("x")

    with instance.get_stream("output") as output:
        with pytest.raises(UploadError, match=r"KeyError\('x'\)") as caught:
            instance.send_input(items(), end=True)
        assert isinstance(caught.value.__cause__, KeyError)
        assert caught.value.bytes_sent == 5

        instance.send_input("later\n", end=True)
        assert output.read() == b"later\n"


def test_send_after_the_end_is_refused(start: Start):
    """A client that has ended an input refuses the next send: the hub would say yes and hang."""
    instance = start("node-echo")
    instance.send_input("a", end=True)

    with pytest.raises(ValueError, match="has been ended"):
        instance.send_input("b")


def test_bytes_that_a_hub_would_change(start: Start, hub: Hub):
    """Bytes that are not UTF-8 pass where the hub carries them, and are refused before where not (0.x)."""
    instance = start("node-echo")
    data = b"ab\xff\xfe\x00\x80"

    with instance.get_stream("output") as output:
        if hub.modern:
            instance.send_input(data, end=True)
            assert output.read() == data
            return
        with pytest.raises(UnsupportedByHubError, match="offset 2"):
            instance.send_input(data)
        with pytest.raises(UnsupportedByHubError, match="offset 4"):
            instance.send_input(item for item in [b"abcd", b"\xff"])
        instance.send_input("intact\n", end=True)
        assert output.read() == b"abcdintact\n"


def test_stdin_is_text_on_every_hub(start: Start):
    """All hubs change other bytes on stdin."""
    instance = start("node-stdin")

    with pytest.raises(UnsupportedByHubError, match="offset 0"):
        instance.send_stdin(b"\xff")


def random_text(size: int, seed: int):
    """Yield random text of 1 to 4 byte characters, in pieces of 64 KiB, and no piece twice."""
    source = random.Random(seed)
    alphabet = "abcdefghij \nąęółżź€漢字😀".encode()
    pool = "".join(source.choices(alphabet.decode(), k=200_000)).encode()
    sent = 0
    while sent < size:
        at = source.randrange(100_000)
        piece = pool[at : at + 65536].decode("utf-8", "ignore").encode()[: size - sent]
        piece = piece.decode("utf-8", "ignore").encode() or b"."
        sent += len(piece)
        yield piece


@pytest.mark.timeout(300)
def test_fifty_megabytes_and_back(start: Start, language: str):
    """50 MB of random text come back unchanged, while this process stays within 30 MB of its size."""
    instance = start(f"{language}-echo")
    sent, got = hashlib.sha256(), hashlib.sha256()
    process = psutil.Process()

    def items():
        for piece in random_text(50 * MEGABYTE, seed=7):
            sent.update(piece)
            yield piece

    with instance.get_stream("output") as output:
        idle = peak = process.memory_info().rss
        upload = instance.submit_input(items(), type="application/octet-stream", end=True)
        count = 0
        for chunk in output.chunks():
            got.update(chunk)
            count += len(chunk)
            peak = max(peak, process.memory_info().rss)
        written = upload.result(LIMIT).bytes_written

    assert (written, count) == (written, written)
    assert written >= 50 * MEGABYTE
    assert got.hexdigest() == sent.hexdigest()
    assert peak - idle < 30 * MEGABYTE


def test_killed_hub_ends_an_upload():
    """A hub that dies under an upload is CANNOT_CONNECT within a second, also for a source that waits."""
    gate = threading.Event()

    def items():
        yield b"x"
        gate.wait(LIMIT)

    with RealHub() as hub, HostClient(hub.url) as host:
        instance = host.send_sequence(SEQUENCES / "node-echo").start()
        upload = instance.submit_input(items())
        assert upload.accepted(LIMIT)

        hub.kill()
        with pytest.raises(HubConnectionError) as caught:
            upload.result(LIMIT)

        assert caught.value.code == "CANNOT_CONNECT"
        gate.set()


@pytest.fixture
def rolling(hub: Hub, start: Start) -> Iterator[InstanceClient]:
    """An echo, on a client whose bodies go on in another request soon, on hubs that cut bodies which last."""
    with tuned(hub.url, tuning=Tuning(body_lifetime=0.05)) as host:
        yield host.get_instance_client(start("node-echo").id)


def test_roll_over_loses_and_repeats_nothing(rolling: InstanceClient):
    """A body that would last too long for the hub goes on in other requests, as one upload."""
    instance = rolling

    def items():
        for n in range(400):
            yield b"line %d\n" % n
            time.sleep(0.001)  # a source with a rate, not a flood

    with instance.get_stream("output") as output:
        upload = instance.submit_input(items(), end=True)

        assert output.read() == b"".join(b"line %d\n" % n for n in range(400))
        assert upload.result(LIMIT).bytes_written == sum(len(b"line %d\n" % n) for n in range(400))


def test_roll_over_while_the_source_waits(rolling: InstanceClient, hub: Hub):
    """The request goes on in another one also while the source is blocked."""
    instance, gate, sends = rolling, threading.Event(), InputRequests()
    instance.client.add_logger(sends)

    def items():
        yield b"one\n"
        gate.wait(LIMIT)
        yield b"two\n"

    with instance.get_stream("output") as output:
        upload = instance.submit_input(items())
        assert output.readline() == b"one\n"
        # Several limits pass with nothing to send. A hub that cuts no body has one request.
        assert hub.modern or eventually(lambda: sends.count > 2)
        assert not upload.done()
        gate.set()
        assert output.readline() == b"two\n"
        assert upload.result(LIMIT).bytes_written == 8


@pytest.mark.parametrize("stream", ["input", "stdin"])
def test_body_in_many_requests(hub: Hub, start: Start, language: str, stream: str):
    """A body that is too large for one request goes on in others, and no character is split, as behind nginx."""
    instance = start(f"{language}-{'echo' if stream == 'input' else 'stdin'}")
    text = "".join(f"{n} ąę漢😀\n" for n in range(1000))
    with tuned(hub.url, tuning=Tuning(body_size=1003)) as host:
        sender = host.get_instance_client(instance.id)

        with instance.get_stream("output" if stream == "input" else "stdout") as output:
            if stream == "input":
                upload = sender.submit_input(text, type="application/octet-stream", end=True)
            else:
                upload = sender.submit_stdin(text, end=True)
            assert output.read().decode() == text
            assert upload.result(LIMIT).bytes_written == len(text.encode())


@pytest.mark.long
def test_upload_longer_than_a_hub_waits(start: Start):
    """An upload that lasts 400 s arrives whole; an 0.x hub cuts a request at 300 to 330 s."""
    instance = start("node-echo")
    total = 400

    def items():
        for n in range(total):
            yield b"second %d\n" % n
            time.sleep(1)  # one item a second is what makes it last

    with instance.get_stream("output") as output:
        upload = instance.submit_input(items(), end=True)

        assert list(output) == [b"second %d\n" % n for n in range(total)]
        assert upload.result(LIMIT).bytes_written == sum(
            len(b"second %d\n" % n) for n in range(total)
        )


def test_input_as_a_file(start: Start, language: str):
    """What is written to an input goes out at once; closing the file ends the input."""
    instance = start(f"{language}-echo")

    with instance.get_stream("output") as output:
        with instance.open_input() as w:
            print("one", file=w)
            assert output.readline() == b"one\n"
            w.write("two\n")
        assert output.read() == b"two\n"


def test_file_is_sent_whole(start: Start, tmp_path):
    """A path and an open file arrive byte for byte."""
    instance = start("node-echo")
    data = b"\n".join(os.urandom(30).hex().encode() for _ in range(20_000))
    path = tmp_path / "data"
    path.write_bytes(data)

    with instance.get_stream("output") as output, path.open("rb") as file:
        instance.submit_input(path)
        got = output.read(len(data))
        instance.submit_input(file, end=True)

        assert got + output.read() == data * 2
