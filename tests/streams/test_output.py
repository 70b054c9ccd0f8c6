"""`OutputStream` as a file, and its endings."""

from __future__ import annotations

import contextlib
import gc
import io
import select
import shutil
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from scramjet_client import (
    HttpClient,
    InvalidResponseError,
    LineTooLongError,
    OutputStream,
    StreamBusyError,
    StreamClosedError,
)
from scramjet_client.http.exchange import Exchange
from tests.support.waiting import LIMIT, eventually
from tests.support.wire import Conn, RawServer

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Said:
    """A server that says the given chunks, and then ends, or waits until it is let go."""

    def __init__(
        self,
        *chunks: bytes,
        wait: bool = False,
        release: threading.Event | None = None,
        afterwards: bytes = b"",
    ) -> None:
        self._chunks, self._wait = chunks, wait
        self._release, self._afterwards = release, afterwards
        self.client_left = threading.Event()
        self._server = RawServer(self._handle)

    def _handle(self, conn: Conn) -> None:
        conn.read_request()
        conn.send(HEAD)
        for chunk in self._chunks:
            conn.send_chunk(chunk)
        if self._release is not None:
            assert self._release.wait(LIMIT)
            conn.send_chunk(self._afterwards)
        elif self._wait:
            if conn.wait_closed(LIMIT):
                self.client_left.set()
            return
        conn.send(b"0\r\n\r\n")

    def __enter__(self) -> OutputStream:
        self._server.__enter__()
        self._client = HttpClient(self._server.url)
        self.stream: OutputStream | None = self._client.get_stream("a", name="output of 'abc'")
        return self.stream

    def __exit__(self, *exc: object) -> None:
        if self.stream is not None:
            self.stream.close()
        self._client.close()
        self._server.stop()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda stream: stream.readline(timeout=1),
            "readline() of a stream has no argument 'timeout'; give the limit where",
        ),
        (lambda stream: stream.read(idle_timeout=1), "get_stream(..., idle_timeout=...)"),
        (
            lambda stream: stream.read1(size=5),
            "read1() of a stream has no argument 'size'; it takes a number of bytes",
        ),
        (lambda stream: stream.iter_lines, "OutputStream has no 'iter_lines'; use lines()"),
    ],
)
def test_wrong_arguments_of_reading_are_refused(call, words):
    """Reading methods take no keywords, as those of any file, and say where the limit of a wait is given."""
    stream = OutputStream("output of 'x'", Exchange(), lambda: None)

    with pytest.raises((TypeError, AttributeError)) as caught:
        call(stream)

    assert words in str(caught.value)


def test_lines():
    r"""Lines are split at \n alone, whatever the chunks; their ends are taken off by `lines` only."""
    chunks = (b"a\r", b"\nb\n\n", "\u2028c\u0085".encode(), b"\nlast")
    with Said(*chunks) as stream:
        assert list(stream) == [b"a\r\n", b"b\n", b"\n", "\u2028c\u0085\n".encode(), b"last"]
    with Said(*chunks) as stream:
        assert list(stream.lines()) == [b"a", b"b", b"", "\u2028c\u0085".encode(), b"last"]


def test_the_end_of_a_line_comes_alone():
    """A loop that has read the beginning of a line joins what comes later to it, also where that ends a line."""
    release = threading.Event()
    with ThreadPoolExecutor(1) as pool, Said(b"be", release=release, afterwards=b"gun\n") as stream:
        reading = pool.submit(list, stream)
        eventually(lambda: stream.bytes_read == 2)
        release.set()
        assert reading.result(LIMIT) == [b"begun\n"]


def test_read_after_the_end():
    """A stream at its end goes on saying so, and is closed by whom it belongs to."""
    with Said(b"abc") as stream:
        assert stream.read() == b"abc"
        assert stream.read() == b""
        assert list(stream) == []
        assert not stream.closed
        stream.close()
        assert stream.closed


@pytest.mark.parametrize("cut", range(1, 9))
def test_text_is_joined_over_chunks(cut: int):
    """Characters split over chunks are joined."""
    data = "aą😀".encode()
    with Said(*filter(None, (data[:cut], data[cut:]))) as stream:
        assert "".join(stream.text()) == "aą😀"


def test_text_replaces_what_is_none():
    """Bytes that are not text do not end the stream."""
    with Said(b"a\xff", b"b\xc4") as stream:
        assert "".join(stream.text()) == "a\ufffdb\ufffd"


def test_records():
    """Each line is a JSON value, blank ones apart."""
    with Said(b'{"a":1}\n\n[2]\n', b'"\\u2028"\n42') as stream:
        assert list(stream.records()) == [{"a": 1}, [2], "\u2028", 42]


def test_broken_record():
    """A line that is not JSON is named, with its text."""
    with Said(b'{"a":1}\nnope\n') as stream:
        records = stream.records()
        assert next(records) == {"a": 1}
        with pytest.raises(InvalidResponseError, match="output of 'abc'") as caught:
            next(records)
        assert caught.value.body == "nope"
        assert "'nope'" in str(caught.value)


def test_long_broken_record():
    """An error shows the beginning of a long line, and nothing that acts on a terminal."""
    with Said(b"\x1b[2J" + b"x" * 1000 + b"\n") as stream:
        with pytest.raises(InvalidResponseError) as caught:
            next(stream.records())

    assert r"'\x1b[2Jxxx" in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("way", ["pipe_to file", "pipe_to callable", "copyfileobj", "readinto"])
def test_ways_to_copy(way: str):
    """Everything arrives, in whatever way it is taken."""
    target = io.BytesIO()
    with Said(b"abc" * 1000, b"def") as stream:
        if way == "pipe_to file":
            assert stream.pipe_to(target) == 3003
        elif way == "pipe_to callable":
            assert stream.pipe_to(target.write) == 3003
        elif way == "copyfileobj":
            shutil.copyfileobj(stream, target)
        else:
            buffer = bytearray(5000)
            target.write(buffer[: stream.readinto(buffer)])

    assert target.getvalue() == b"abc" * 1000 + b"def"


class Reluctant(io.RawIOBase):
    """An unbuffered file that takes at most 100 bytes at a time."""

    def __init__(self) -> None:
        self.taken = b""

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:
        self.taken += bytes(data[:100])
        return min(100, len(data))


def test_pipe_to_a_file_that_takes_less_than_it_is_given():
    """An unbuffered file gets all, however little it takes at a time."""
    target = Reluctant()
    with Said(b"abc" * 1000, b"def") as stream:
        assert stream.pipe_to(target) == 3003

    assert target.taken == b"abc" * 1000 + b"def"


def test_peek_takes_nothing():
    """What was peeked at is read afterwards."""
    with Said(b"abc") as stream:
        assert stream.peek(1)[:1] == b"a"
        assert stream.read() == b"abc"


def test_leaving_a_loop_early_closes():
    """`break` gives the connection up at once."""
    said = Said(b"one\ntwo\n", wait=True)
    with said as stream:
        for line in stream:
            assert line == b"one\n"
            break
        gc.collect()
        assert said.client_left.wait(LIMIT)
        assert stream.closed


def test_losing_the_last_reference_closes():
    """A stream that nobody holds any more gives its connection up."""
    said = Said(b"one\n", wait=True)
    with said as stream:
        next(stream)
        gone = weakref.ref(stream)
        said.stream = None
        del stream
        gc.collect()

        assert gone() is None
        assert said.client_left.wait(LIMIT)


def test_closing_what_was_never_read():
    """A stream that is closed unread gives its socket up at once, whoever holds on to it."""
    said = Said(wait=True)
    with said as stream:
        sock = said.stream._reader.exchange._sock
        stream.close()

        assert said.client_left.wait(LIMIT)
        assert sock.fileno() == -1


@pytest.mark.parametrize("way", ["lines", "chunks", "text", "records", "__iter__"])
def test_iterating_what_was_closed(way: str):
    """A loop over a stream that is closed in between ends with the name of that ending."""
    with Said(b"1\n", wait=True) as stream:
        items = getattr(stream, way)()
        next(items)
        stream.close()

        with pytest.raises(StreamClosedError):
            next(items)


def test_reading_what_was_closed():
    """A read after close is a ValueError, as on any file."""
    with Said(b"1\n2\n", wait=True) as stream:
        assert stream.readline() == b"1\n"
        stream.close()
        stream.close()

        with pytest.raises(ValueError, match="closed"):
            stream.read(1)


def test_repr_says_what_and_how_far():
    """The repr names the stream and what came."""
    with Said(b"abc") as stream:
        stream.read()
        assert repr(stream) == "<OutputStream output of 'abc': 3 bytes read>"


def test_ways_of_reading_can_be_mixed():
    """Inside a loop over lines, every other way of reading goes on behind the line that the loop is at."""
    said = b"".join(b"%d\n" % n for n in range(12)) + b"rest"
    with Said(said) as stream:
        got = []
        for line in stream:
            got.append(line)
            if line == b"1\n":
                got += [stream.readline(), next(stream), stream.read(2), stream.read1(2)]
                assert stream.peek(2)[:2] == b"6\n"
                buffer = bytearray(2)
                assert stream.readinto(buffer) == 2
                got.append(bytes(buffer))
            if line == b"8\n":
                inner = stream.lines()
                got += [next(inner) + b"\n", next(inner) + b"\n"]
                # The inner loop is kept: leaving it would close the stream.

    assert got == [b"%d\n" % n for n in range(12)] + [b"rest"]


@pytest.mark.parametrize("cut", range(1, 7))
def test_a_begun_line_is_handed_over_too(cut: int):
    """What a loop has read of a line that is not whole yet is the next reader's."""
    with Said(b"a\nbcdefg"[: 2 + cut], b"a\nbcdefg"[2 + cut :] + b"\nz") as stream:
        for line in stream:
            assert line == b"a\n"
            assert stream.read(3) == b"bcd"
            assert stream.readline() == b"efg\n"
            assert stream.read() == b"z"


@pytest.mark.parametrize(
    "read",
    [
        lambda stream: stream.readline(),
        lambda stream: stream.read(),
        lambda stream: stream.peek(),
        next,
        lambda stream: next(iter(stream)),
        lambda stream: next(stream.lines()),
        lambda stream: next(stream.chunks()),
    ],
)
def test_a_second_reader_is_refused(read: Callable[[OutputStream], bytes]):
    """While one thread waits in a read, another one that tries is told so, and the first one goes on."""
    release = threading.Event()
    with Said(b"one\n", wait=True, release=release, afterwards=b"two\n") as stream:
        got: list[bytes] = []
        reader = threading.Thread(target=lambda: got.extend(stream), name="test-reader")
        reader.start()
        eventually(lambda: got == [b"one\n"] and stream._turn.locked())

        with pytest.raises(StreamBusyError, match="output of 'abc' is being read already"):
            read(stream)
        release.set()
        reader.join(LIMIT)

    assert got == [b"one\n", b"two\n"]


@pytest.mark.parametrize("way", ["lines", "records"])
def test_a_line_has_the_limit_that_it_was_given(way: str):
    """A line that is longer, whether it ends or not, is not collected for ever."""
    with Said(b"1\n" + b"2" * 50, b"2" * 60, wait=True) as stream:
        items = getattr(stream, way)(100)
        next(items)
        with pytest.raises(LineTooLongError, match="more than 100 bytes"):
            next(items)
        assert stream.closed


@pytest.mark.parametrize("limit", [0, -1, "5", 1.5, True], ids=repr)
@pytest.mark.parametrize("way", ["lines", "records"])
def test_a_limit_that_is_none_is_refused_before_anything_is_read(way: str, limit: Any):
    """What is no number of bytes is named, and takes nothing of the stream."""
    with Said(b"1\n") as stream:
        with pytest.raises((TypeError, ValueError), match=r"^limit must be"):
            next(getattr(stream, way)(limit))
        assert stream.read() == b"1\n"


LINES: dict[str, tuple[bytes, list[bytes], bool]] = {
    "too long": (b"one\ntwo\n" + b"x" * 101 + b"\nlast\n", [b"one", b"two"], True),
    "too long alone": (b"x" * 101 + b"\n", [], True),
    "far too long": (b"one\n" + b"x" * 50_000 + b"\nlast\n", [b"one"], True),
    "too long at the end": (b"one\n" + b"x" * 101, [b"one"], True),
    "just not": (
        b"x" * 100 + b"\n" + b"y" * 100 + b"\r\n" + b"z" * 100,
        [b"x" * 100, b"y" * 100, b"z" * 100],
        False,
    ),
    "a carriage return inside": (b"x" * 99 + b"\r\n" + b"y" * 99 + b"\rz\n", [b"x" * 99], True),
}
"""What comes, the lines of it that are within a limit of 100, and whether one that is not follows."""


@pytest.mark.parametrize("size", [1, 7, 101, 100_000])
@pytest.mark.parametrize("kind", LINES)
def test_a_limit_does_not_depend_on_how_bytes_arrive(kind: str, size: int):
    """The same lines are given, and the same one refused, in whatever pieces they come."""
    data, expected, too_long = LINES[kind]
    size = max(size, len(data) // 500)
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    got: list[bytes] = []
    with Said(*pieces) as stream:
        with pytest.raises(LineTooLongError) if too_long else contextlib.nullcontext():
            for line in stream.lines(100):
                got.append(line)

    assert got == expected


@pytest.mark.skipif(not hasattr(select, "poll"), reason="asks a poll whether it is a reset")
def test_close_resets_the_connection() -> None:
    """A hub that is held back hears of a close at once: it is a reset, and no end that waits for its turn."""
    happened: list[int] = []

    def handle(conn: Conn) -> None:
        conn.read_request()
        conn.send(HEAD)
        conn.send_chunk(b"all of it")
        poller = select.poll()
        # What is told unasked: a reset is, an orderly end of the other side is not.
        poller.register(conn.raw, 0)
        happened.extend(event for _, event in poller.poll(20_000))
        assert happened

    with RawServer(handle) as server, HttpClient(server.url) as client:
        with client.get_stream("a") as stream:
            # Nothing is left unread, which would be a reset anyway.
            assert stream.read1(100) == b"all of it"
        eventually(lambda: happened)

    assert happened[0] & select.POLLERR
