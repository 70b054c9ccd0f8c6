"""An error of a stream loses no data that had come before it, whichever way it is read."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from scramjet_client import (
    HttpClient,
    Multiplexer,
    OutputStream,
    StreamError,
    StreamIdleError,
    StreamInterruptedError,
)
from tests.support.wire import Conn, RawServer

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def multiplexed(stream: OutputStream) -> Iterator[Any]:
    with Multiplexer([stream], tick=0.05) as multiplexer:
        for _, lines in multiplexer:
            yield from lines


WAYS: dict[str, Callable[[OutputStream], Any]] = {
    "readline": lambda stream: [stream.readline(), stream.readline()],
    "next": lambda stream: [next(stream), next(stream)],
    "loop": list,
    "readlines": lambda stream: stream.readlines(),
    "lines": lambda stream: list(stream.lines()),
    "lines with a limit": lambda stream: list(stream.lines(1000)),
    "records": lambda stream: list(stream.records()),
    "multiplexer": lambda stream: list(multiplexed(stream)),
    "wrapper's lines": lambda stream: list(io.TextIOWrapper(stream, "utf-8")),
    "wrapper's readline": lambda stream: [
        wrapper.readline() for wrapper in [io.TextIOWrapper(stream, "utf-8")] for _ in "12"
    ],
}
"""Ways of reading lines."""

BYTES: dict[str, Callable[[OutputStream], Any]] = {
    "read": lambda stream: stream.read(),
    "read(n)": lambda stream: stream.read(1000),
    "readinto": lambda stream: stream.readinto(bytearray(1000)),
    "wrapper's read": lambda stream: io.TextIOWrapper(stream, "utf-8").read(),
}
"""Ways of waiting for bytes."""

ENDS = {"idle": StreamIdleError, "cut": StreamInterruptedError}


@pytest.fixture(params=ENDS)
def stream(request: pytest.FixtureRequest) -> Iterator[OutputStream]:
    """A stream that gives a line and, in two pieces, the beginning of another; then it is silent, or cut."""

    def handle(conn: Conn) -> None:
        conn.read_request()
        conn.send(HEAD)
        for piece in (b"1\n", b'"beg', b"un"):
            conn.send_chunk(piece)
        if request.param == "idle":
            conn.wait_closed(60)

    with RawServer(handle) as server, HttpClient(server.url) as client:
        opened = client.get_stream("a", name="output of 'abc'", idle_timeout=0.3)
        opened.expected = ENDS[request.param]  # type: ignore[attr-defined]
        with opened:
            yield opened


def expected(stream: OutputStream) -> type[StreamError]:
    kind: type[StreamError] = stream.expected  # type: ignore[attr-defined]
    return kind


@pytest.mark.parametrize("way", WAYS)
def test_begun_line_is_in_the_error(stream: OutputStream, way: str) -> None:
    with pytest.raises(expected(stream)) as caught:
        WAYS[way](stream)
    assert caught.value.partial == b'"begun'


@pytest.mark.parametrize("way", BYTES)
def test_collected_bytes_are_in_the_error(stream: OutputStream, way: str) -> None:
    with pytest.raises(expected(stream)) as caught:
        BYTES[way](stream)
    assert caught.value.partial == b'1\n"begun'


@pytest.mark.parametrize("way", ["readline", "next", "loop", "lines", "lines with a limit"])
@pytest.mark.parametrize("later", ["readline", "read", "read1", "loop", "lines", "chunks", "text"])
def test_begun_line_can_be_read_after_the_error(stream: OutputStream, way: str, later: str) -> None:
    """The line comes as at the end of a file, and then the same error comes again."""
    kind = expected(stream)
    with pytest.raises(kind) as caught:
        WAYS[way](stream)
    reads: dict[str, Callable[[], Any]] = {
        "readline": stream.readline,
        "read": stream.read,
        "read1": stream.read1,
        "loop": iter(stream).__next__,
        "lines": stream.lines().__next__,
        "chunks": stream.chunks().__next__,
        "text": stream.text().__next__,
    }
    got = reads[later]()
    assert got == ('"begun' if later == "text" else b'"begun')
    with pytest.raises(kind) as again:
        reads[later]()
    assert again.value is caught.value
    assert again.value.partial == b'"begun'


@pytest.mark.parametrize("way", ["read", "read(n)", "readinto"])
def test_collected_bytes_can_be_read_after_the_error(stream: OutputStream, way: str) -> None:
    kind = expected(stream)
    with pytest.raises(kind):
        BYTES[way](stream)
    assert stream.readline() == b"1\n"
    assert stream.read() == b'"begun'
    with pytest.raises(kind):
        stream.read()


def test_pieces_are_given_and_not_given_again(stream: OutputStream) -> None:
    kind = expected(stream)
    got: list[bytes] = []
    with pytest.raises(kind):
        got.extend(stream.chunks())
    assert b"".join(got) == b'1\n"begun'
    with pytest.raises(kind):
        stream.read()


@pytest.fixture
def half_a_character() -> Iterator[OutputStream]:
    def handle(conn: Conn) -> None:
        conn.read_request()
        conn.send(HEAD)
        conn.send_chunk("aż".encode()[:-1])
        conn.wait_closed(60)

    with RawServer(handle) as server, HttpClient(server.url) as client:
        with client.get_stream("a", name="output of 'abc'", idle_timeout=0.3) as stream:
            yield stream


def test_half_a_character(half_a_character: OutputStream) -> None:
    got: list[str] = []
    with pytest.raises(StreamIdleError) as caught:
        got.extend(half_a_character.text())
    assert got == ["a"]
    assert caught.value.partial == "ż".encode()[:-1]
    assert half_a_character.read() == "ż".encode()[:-1]


def test_records_end_before_a_record_that_a_timeout_cuts() -> None:
    def handle(conn: Conn) -> None:
        conn.read_request()
        conn.send(HEAD)
        conn.send_chunk(b'{"a": 1}\n{"a": ')
        conn.wait_closed(60)

    with RawServer(handle) as server, HttpClient(server.url) as client:
        with client.get_stream("a", name="output of 'abc'", timeout=0.5) as stream:
            assert list(stream.records()) == [{"a": 1}]
