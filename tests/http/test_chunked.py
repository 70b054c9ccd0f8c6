"""The decoder of chunked bodies: every split of every frame, and nothing but what was sent."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import IncompleteRead
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scramjet_client.http.chunked import ChunkedBody, MalformedChunk
from tests.support.waiting import LIMIT

T = TypeVar("T")


class Pieces(socket.socket):
    """A socket that gives the pieces that it was made of, and then the end of the connection."""

    def __init__(self, pieces: list[bytes], hesitates: bool = False) -> None:
        super().__init__()
        self.hesitates = hesitates
        self._hesitated = False
        self.close()
        self._pieces: Iterator[bytes] = iter(pieces)
        self._rest = b""

    def recv(self, size: int, flags: int = 0) -> bytes:
        if self.hesitates and not self._hesitated:
            self._hesitated = True
            raise BlockingIOError
        self._hesitated = False
        piece = self._rest or next(self._pieces, b"")
        self._rest = piece[size:]
        return piece[:size]


def next_of(body: ChunkedBody, buffer: memoryview, *, takes: bool) -> bytes:
    """Return what one read gives: by `take` where that has an answer, or into the buffer."""
    data = body.take() if takes else None
    return bytes(buffer[: body.readinto(buffer)]) if data is None else data


def decode_one_way(pieces: list[bytes], begun: bytes, size: int, *, takes: bool) -> bytes:
    """Decode by `take`, or by `readinto` alone."""
    body = ChunkedBody(Pieces(pieces), begun)
    buffer = memoryview(bytearray(size))
    got = b""
    while data := next_of(body, buffer, takes=takes):
        got += data
    assert body.ended
    return got


def decode(pieces: list[bytes], begun: bytes = b"", size: int = 65536) -> bytes:
    """Decode in both ways, which agree on the body or on the error."""
    try:
        got = decode_one_way(pieces, begun, size, takes=False)
    except (MalformedChunk, IncompleteRead) as error:
        with pytest.raises(type(error)):
            decode_one_way(pieces, begun, size, takes=True)
        raise
    assert decode_one_way(pieces, begun, size, takes=True) == got
    return got


def frame(chunks: list[bytes], *, extension: bytes = b"", trailer: bytes = b"") -> bytes:
    framed = [b"%x%b\r\n%b\r\n" % (len(chunk), extension, chunk) for chunk in chunks]
    return b"".join([*framed, b"0\r\n", trailer, b"\r\n"])


def decode_hesitating(pieces: list[bytes], turns: list[bool], size: int) -> bytes:
    """Decode from a non-blocking socket that has nothing every other time, by `take` or `readinto` in turns."""
    body = ChunkedBody(Pieces(pieces, hesitates=True), b"")
    buffer = memoryview(bytearray(size))
    got = b""
    for takes in itertools.cycle(turns):
        try:
            data = body.take() if takes else None
            if data is None:
                data = bytes(buffer[: body.readinto(buffer)])
        except BlockingIOError:
            assert not body.pending
            continue
        got += data
        if not data:
            assert body.ended
            return got
    raise AssertionError


@pytest.mark.parametrize(
    "chunks",
    [
        [b"a"],
        [b"line %d\n" % n for n in range(12)],
        [b"with\r\nCRLF", b"\r\n", b"\r", b"\n", b"0\r\n\r\n", b"3\r\nabc\r\n"],
        [b"x" * 300, b"y"],
        [],
    ],
)
@pytest.mark.parametrize("extension", [b"", b";name=value", b" ; a"])
@pytest.mark.parametrize("trailer", [b"", b"Name: value\r\n"])
def test_every_split_at_every_byte(chunks, extension, trailer):
    """Wherever a connection cuts the frames in two, the same bytes come out."""
    wire = frame(chunks, extension=extension, trailer=trailer)

    for cut in range(len(wire) + 1):
        assert decode([wire[:cut], wire[cut:]] if cut else [wire]) == b"".join(chunks)
        assert decode([wire[cut:]], begun=wire[:cut]) == b"".join(chunks)


@pytest.mark.parametrize("size", [1, 2, 7])
def test_byte_by_byte(size: int):
    """A connection that drips, and a reader with little memory."""
    chunks = [b"one\n", b"two\r\n", b"x" * 100]
    wire = frame(chunks)

    assert decode([wire[n : n + 1] for n in range(len(wire))], size=size) == b"".join(chunks)


@settings(max_examples=300, deadline=None)
@given(
    chunks=st.lists(
        st.one_of(
            st.binary(min_size=1, max_size=40),
            st.text("ab\r\n0123f;", min_size=1, max_size=12).map(str.encode),
            st.integers(1, 20_000).map(lambda n: b"z" * n),
        ),
        max_size=30,
    ),
    cuts=st.lists(st.integers(0, 60_000), max_size=8),
    size=st.integers(1, 70_000),
    turns=st.lists(st.booleans(), min_size=1, max_size=5),
)
def test_any_chunks_in_any_pieces(
    chunks: list[bytes], cuts: list[int], size: int, turns: list[bool]
):
    """Whatever the chunks hold and however they arrive, they come out as they went in."""
    wire = frame(chunks)
    marks = sorted({0, len(wire), *(cut % (len(wire) + 1) for cut in cuts)})
    pieces = [wire[a:b] for a, b in zip(marks, marks[1:])]

    assert decode(pieces, size=size) == b"".join(chunks)
    assert decode_hesitating(pieces, turns, size) == b"".join(chunks)


@settings(max_examples=300, deadline=None)
@given(
    size=st.integers(1, 300),
    count=st.integers(1, 60),
    odd=st.lists(st.tuples(st.integers(0, 59), st.binary(min_size=1, max_size=310)), max_size=3),
    cuts=st.lists(st.integers(0, 20_000), max_size=6),
)
def test_chunks_of_one_size_with_some_of_others_between(
    size: int, count: int, odd: list[tuple[int, bytes]], cuts: list[int]
):
    """What is taken apart by the hundred because all are alike is right too where some are not, or only look it."""
    chunks = [b"%05d%b" % (n, b"x" * size) for n in range(count)]
    for at, chunk in odd:
        chunks.insert(at % (count + 1), chunk)
    # A payload that holds what stands between two chunks.
    chunks.append(b"\r\n%x\r\n" % (size + 5) * 3)
    wire = frame(chunks)
    marks = sorted({0, len(wire), *(cut % (len(wire) + 1) for cut in cuts)})

    assert decode([wire[a:b] for a, b in zip(marks, marks[1:])]) == b"".join(chunks)


@settings(max_examples=300, deadline=None)
@given(wire=st.one_of(st.binary(max_size=60), st.text("0123af\r\n;x", max_size=40).map(str.encode)))
def test_no_rubbish_is_a_body(wire: bytes):
    """What is no chunked body is an error or a body by the letter, and never anything else."""
    try:
        got = decode([wire])
    except (MalformedChunk, IncompleteRead):
        return
    assert wire.count(b"\r\n") >= 2
    assert len(got) < len(wire)


@pytest.mark.parametrize(
    "size",
    [b"", b"zz", b"-5", b"+5", b"0x5", b"1_0", b" 5", b"5\t5", b"11111111111111111", b"\xb2"],
)
def test_malformed_sizes(size: bytes):
    """A size that is not hexadecimal digits alone is never guessed at; what came before it is given."""
    body = ChunkedBody(Pieces([b"3\r\nabc\r\n" + size + b"\r\n12345\r\n0\r\n\r\n"]), b"")
    buffer = memoryview(bytearray(100))

    assert bytes(buffer[: body.readinto(buffer)]) == b"abc"
    with pytest.raises(MalformedChunk):
        body.readinto(buffer)


@pytest.mark.parametrize(
    "wire",
    [
        b"3\r\nabcdef\r\n0\r\n\r\n",
        b"3\r\nabc\n0\r\n\r\n",
        b"3\r\nabcXY",
        b"3\r\nabc\rX",
        b"4\r\nabc\r\n",
        b"2\r\nabc\r\n",
        b"-\r\n",
        b"\0\r\n",
        b"9" * 5000,
    ],
)
def test_chunks_that_are_not_as_long_as_they_say(wire: bytes):
    """A chunk without its CRLF, or a size line without an end, is malformed."""
    with pytest.raises(MalformedChunk):
        decode([wire])


@pytest.mark.parametrize("sizes", [range(1, 600), range(4090, 4110), range(65_520, 65_550)])
def test_a_chunk_that_comes_alone(sizes: range):
    """Chunks of every size come out whole, also where the number of their digits changes."""
    chunks = [b"c" * size for size in sizes]

    assert decode(
        [b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks] + [b"0\r\n\r\n"]
    ) == b"".join(chunks)


@pytest.mark.parametrize("cut", range(1, 28))
def test_a_cut_is_never_an_end(cut: int):
    """A connection that ends before the body does is told apart from its end, wherever it ends."""
    wire = frame([b"abc", b"x" * 10])
    assert len(wire) == 28

    with pytest.raises(IncompleteRead):
        decode([wire[:cut]])


def test_endless_trailers():
    """Trailers have a limit."""
    with pytest.raises(MalformedChunk, match="trailers"):
        decode([b"0\r\n", *[b"Name: value\r\n" * 100] * 100])


def waiting(receive: Callable[[], T]) -> T:
    """Receive, as a stream with a limit of its own does; what `ChunkedBody` takes as `wait`."""
    return receive()


def decode_from_a_socket(
    wire: bytes,
    turns: Sequence[bool],
    pieces: Sequence[int] = (50_000,),
    room: int = 65_536,
    wait: Any = None,
) -> bytes:
    """Decode what a real socket gives, which gets pieces of some sizes, by `take` or `readinto` in turns."""
    left, right = socket.socketpair()

    def send() -> None:
        rest = memoryview(wire)
        for piece in itertools.cycle(pieces):
            if not rest:
                break
            left.sendall(rest[:piece])
            rest = rest[piece:]

    body = ChunkedBody(right, b"", wait)
    buffer, got = memoryview(bytearray(room)), []
    with left, right, ThreadPoolExecutor(1) as pool:
        sending = pool.submit(send)
        for takes in itertools.cycle(turns):
            got.append(next_of(body, buffer, takes=takes))
            if not got[-1]:
                break
        sending.result(LIMIT)
    assert body.ended
    return b"".join(got)


@pytest.mark.parametrize("size", [9_000, 40_000, 65_536, 100_000, 1_000_000])
@pytest.mark.parametrize("room", [65_536, 131_072, 300_000])
@pytest.mark.parametrize("turns", [[True], [False], [True, False]])
@pytest.mark.parametrize("wait", [None, waiting])
def test_large_chunks_on_a_real_socket(size: int, room: int, turns: list[bool], wait: Any):
    """Large chunks, read straight into the reader's memory, arrive whole between small ones and each other."""
    many = [bytes([65 + n]) * size for n in range(9)]
    chunks = [
        b"small",
        b"L" * size,
        b"small again",
        *many,
        b"M" * (size + 1),
        b"N" * 8192,
        *many[:2],
        b"O" * 8192,
    ]
    assert decode_from_a_socket(frame(chunks), turns, room=room, wait=wait) == b"".join(chunks)


@settings(max_examples=150, deadline=None)
@given(
    chunks=st.lists(
        st.one_of(
            st.sampled_from([8191, 8192, 32_767, 32_768, 65_535, 65_536, 70_000]),
            st.integers(1, 70_000),
            st.integers(1, 9),
        ),
        max_size=12,
    ),
    repeats=st.integers(1, 3),
    extension=st.sampled_from([b"", b";a=b"]),
    pieces=st.lists(st.integers(1, 90_000), min_size=1, max_size=5),
    turns=st.lists(st.booleans(), min_size=1, max_size=3),
)
def test_chunks_of_any_size_on_a_real_socket(
    chunks: list[int], repeats: int, extension: bytes, pieces: list[int], turns: list[bool]
):
    """Whatever the sizes, and wherever the kernel has them in pieces, the same bytes come out."""
    whole = [bytes([65 + n]) * size for n, size in enumerate(chunks) for _ in range(repeats)]
    pieces = [*pieces, 4096]

    got = decode_from_a_socket(frame(whole, extension=extension), turns, pieces)

    assert got == b"".join(whole)


def test_more_chunks_than_one_read_can_have_parts():
    """A reader with room for thousands of large chunks gets them all: a kernel takes 1024 places at a time."""
    chunks = [bytes([65 + n % 26]) * 9_000 for n in range(700)]
    got = decode_from_a_socket(frame(chunks), [False], room=40_000_000)

    assert got == b"".join(chunks)


def test_every_three_way_split():
    """Frames that arrive in three pieces, wherever they are cut, also inside extensions and trailers."""
    chunks = [b"ab", b"c\r\nd"]
    wire = frame(chunks, extension=b";e=1", trailer=b"A: b\r\n")

    for first in range(1, len(wire)):
        for second in range(first, len(wire)):
            pieces = [piece for piece in (wire[:first], wire[first:second], wire[second:]) if piece]
            assert decode(pieces) == b"abc\r\nd"


@settings(max_examples=200, deadline=None)
@given(
    chunks=st.lists(st.binary(min_size=1, max_size=300), max_size=20),
    spelling=st.sampled_from([b"%x", b"%X", b"0%x", b"00%X"]),
    extension=st.sampled_from([b"", b";a", b" ;a=b", b'; q="x;y"']),
    trailer=st.sampled_from([b"", b"A: b\r\n", b"A: b\r\nC: d\r\n"]),
    begun=st.integers(0, 400),
    cut=st.integers(0, 8000),
)
def test_every_spelling(
    chunks: list[bytes], spelling: bytes, extension: bytes, trailer: bytes, begun: int, cut: int
):
    """Capitals, zeros in front, extensions and trailers are what the grammar says they are."""
    frames = [spelling % len(each) + extension + b"\r\n" + each + b"\r\n" for each in chunks]
    wire = b"".join([*frames, spelling % 0, extension, b"\r\n", trailer, b"\r\n"])
    begun = min(begun, len(wire))
    cut = min(max(begun, cut), len(wire))

    pieces = [piece for piece in (wire[begun:cut], wire[cut:]) if piece]
    assert decode(pieces, begun=wire[:begun]) == b"".join(chunks)


@pytest.mark.parametrize("line", [b"zz", b"5 5", b"", b"-1", b"fffffffffffffffff"])
@pytest.mark.parametrize("split", [False, True])
def test_a_malformed_size_among_thousands(line: bytes, split: bool):
    """What came before it in the same buffer is given, and nothing of what follows."""
    good = b"64\r\n%b\r\n" % (b"x" * 100) * 1000
    wire = good + line + b"\r\n" + good
    pieces = [wire[: len(good) + 1], wire[len(good) + 1 :]] if split else [wire]
    body = ChunkedBody(Pieces(pieces), b"")
    buffer, got = memoryview(bytearray(1 << 20)), b""

    with pytest.raises(MalformedChunk):  # noqa: PT012
        while True:
            got += buffer[: body.readinto(buffer)]
    assert got == b"x" * 100_000


@pytest.mark.parametrize(
    "lineless", [b"5;" + b"e" * 5000, b"0\r\nA: " + b"b" * 70_000, b"3\nabc\n", b"3\rabc\r"]
)
def test_lines_without_an_end(lineless: bytes):
    """An extension or a trailer that goes on and on, or a line that ends in its own way, is no body."""
    with pytest.raises((MalformedChunk, IncompleteRead)):
        decode([b"1\r\na\r\n", lineless])


@pytest.mark.parametrize("end", [b"XY", b"\r", b"", b"\n\n", b"\r\nzz\r\n"])
@pytest.mark.parametrize("repeats", [1, 2, 5])
@pytest.mark.parametrize("size", [20_000, 40_000])
@pytest.mark.parametrize("takes", [True, False])
def test_what_is_wrong_behind_a_large_chunk(end: bytes, repeats: int, size: int, takes: bool):
    """A wrong or missing end of a chunk that was read directly is found, and its payload is given whole."""
    wire = (b"%x\r\n%b\r\n" % (size, b"L" * size)) * repeats + b"%x\r\n%b%b" % (
        size,
        b"M" * size,
        end,
    )
    left, right = socket.socketpair()
    with left, right:
        left.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        left.sendall(wire)
        left.shutdown(socket.SHUT_WR)
        body = ChunkedBody(right, b"")
        buffer, got = memoryview(bytearray(131_072)), b""
        with pytest.raises((MalformedChunk, IncompleteRead)):  # noqa: PT012
            while True:
                got += next_of(body, buffer, takes=takes)
    assert got == b"L" * size * repeats + b"M" * size


@pytest.mark.parametrize("cut", [1, 8191, 8192, 39_999])
@pytest.mark.parametrize("takes", [True, False])
@pytest.mark.parametrize("wait", [None, waiting])
def test_a_cut_inside_a_large_chunk(cut: int, takes: bool, wait: Any):
    """What came of it is given, and the cut is told apart from an end, with the number of bytes that are missing."""
    left, right = socket.socketpair()
    with left, right:
        left.sendall(b"%x\r\n%b" % (40_000, b"L" * cut))
        left.shutdown(socket.SHUT_WR)
        body = ChunkedBody(right, b"", wait)
        buffer, got = memoryview(bytearray(131_072)), b""
        with pytest.raises(IncompleteRead) as caught:  # noqa: PT012
            while True:
                got += next_of(body, buffer, takes=takes)
    assert got == b"L" * cut
    assert (caught.value.partial, caught.value.expected) == (b"", 40_000 - cut)
