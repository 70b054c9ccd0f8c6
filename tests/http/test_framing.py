"""Tests for http/framing.py and for how heads are judged: a cut or malformed answer never looks complete."""

from __future__ import annotations

import gzip
import random
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from urllib3.exceptions import DecodeError

from scramjet_client import (
    HostClient,
    HttpClient,
    HubConnectionError,
    InvalidResponseError,
    NotFoundError,
    ScramjetError,
    StreamInterruptedError,
)
from scramjet_client.http.framing import unpacked
from tests.support.waiting import LIMIT
from tests.support.wire import Conn, RawServer

OK = b"HTTP/1.1 200 OK\r\n"
VERSION = b'{"service": "x", "apiVersion": "v1", "version": "1.0.1", "build": ""}'
GONE = b'HTTP/1.1 404 Not Found\r\nContent-Length: 17\r\n\r\n{"error": "gone"}'
CHUNKS = b"5\r\nhello\r\n0\r\n\r\n"


def _sends(answer: bytes) -> Callable[[Conn], None]:
    """Return a handler that reads a whole request, tells its version if asked, and otherwise sends `answer`."""

    def handle(conn: Conn) -> None:
        while (request := conn.read_request()) is not None:
            if request.target.endswith("/version"):
                conn.send(OK + b"Content-Length: %d\r\n\r\n" % len(VERSION) + VERSION)
                continue
            conn.send(answer)
            return

    return handle


CALLS: dict[str, Callable[[HostClient], Any]] = {
    "get": lambda host: host.client.get("x"),
    "kill": lambda host: host.get_instance_client("i").kill(),
    "stop": lambda host: host.get_instance_client("i").stop(100),
    "event": lambda host: host.get_instance_client("i").send_event("e", "m"),
    "delete": lambda host: host.delete_topic("t"),
    "stream": lambda host: host.get_instance_client("i").get_stream("output").read(),
    "log": lambda host: list(host.get_log_stream().records()),
    "upload": lambda host: host.get_instance_client("i").send_stdin(b"x"),
    "submit": lambda host: host.get_instance_client("i").submit_stdin(b"x").result(LIMIT),
    "inout": lambda host: host.get_instance_client("i").inout(b"x").read(),
    "topic": lambda host: host.get_named_data("t").read(),
    "send to topic": lambda host: host.send_named_data("t", b"x"),
    "package": lambda host: host.send_sequence(b"x"),
}

INTERIM = [
    b"HTTP/1.1 102 Processing\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 5\r\n\r\n",
    b"HTTP/1.1 199 Whatever\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n",
]


@pytest.mark.parametrize("interim", INTERIM)
@pytest.mark.parametrize("call", CALLS)
def test_interim_answers_are_skipped(call: str, interim: bytes):
    """A refusal after an interim answer is raised, by every kind of call."""
    with RawServer(_sends(interim + GONE)) as server:
        with HostClient(server.url, retries=0, timeout=LIMIT) as host:
            with pytest.raises(NotFoundError):
                CALLS[call](host)


def test_final_answer_after_interim_ones():
    """The value, and the connection, are those of the final answer."""

    def handle(conn: Conn) -> None:
        while conn.read_request() is not None:
            conn.send(INTERIM[0] + INTERIM[1] + OK + b"Content-Length: 2\r\n\r\n{}")

    with RawServer(handle) as server, HttpClient(server.url) as client:
        assert [client.get("x") for _ in range(3)] == [{}, {}, {}]
        assert server.connections == 1


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\n" * 2000 + OK + b"Content-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 103 Early Hints\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n",
        b"HTTP/1.1 200 OK",
        OK,
        OK + b"Server: x\r\n",
        OK + b"Server: x\r\nContent-Len",
    ],
    ids=["101", "many", "no final one", "cut interim", "status", "line", "header", "half a header"],
)
def test_heads_that_are_no_answer(call: str, answer: bytes):
    """A protocol that nobody asked for, endless interim answers and a cut head are errors, for every kind of call."""
    with RawServer(_sends(answer)) as server:
        with HostClient(server.url, retries=0, timeout=LIMIT) as host:
            with pytest.raises((HubConnectionError, InvalidResponseError)):
                CALLS[call](host)


CHUNKED = b"Transfer-Encoding: chunked"
NOT_UNDERSTOOD = [
    *(b"Transfer-Encoding: " + each for each in (b"gzip, chunked", b"chunked, chunked", b"gzip")),
    *(b"Transfer-Encoding: " + each for each in (b"", b"identity", b"chunked, identity", b"xchunked")),
    *(b"Transfer-Encoding: " + each for each in (b'"chunked"', b"chunked;q=1", b"chunked\x0b")),
    CHUNKED + b"\r\n" + CHUNKED,
    CHUNKED + b"\r\nTransfer-Encoding: gzip",
    b"Transfer-Encoding : chunked",
    b"Transfer-Encoding\t: chunked",
    b"A B: c\r\n" + CHUNKED,
    b"no header\r\n" + CHUNKED,
    b"\xff\xfe: c\r\n" + CHUNKED,
    b"A: b\r\r" + CHUNKED,
    b"Content-Type: message/rfc822\r\nA B: c\r\n" + CHUNKED,
    *(b"Content-Length: " + each for each in (b"-1", b"abc", b"+5", b"0x5", b"5 5", b"5.0", b"5_0", b"")),
    *(b"Content-Length: " + each for each in (b"5, 6", b"5,", b"\xb2", b"9" * 19, b"9" * 5000)),
    b"Content-Length: 5\r\nContent-Length: 6",
    b"Content-Length : 100",
    b"A B: c\r\nContent-Length: 100",
    b"Content-Length: 100\r\nA B: c",
]  # fmt: skip


@pytest.mark.parametrize("head", NOT_UNDERSTOOD, ids=lambda head: repr(head)[:60])
@pytest.mark.parametrize("call", ["get", "kill", "stream", "log", "upload", "inout", "topic"])
def test_framing_that_is_not_understood(call: str, head: bytes):
    """Nothing is read until the connection closes because nobody knows where it ends."""
    body = b"2\r\n{}\r\n" if b"chunked" in head.lower() else b"{}"
    with RawServer(_sends(OK + head + b"\r\n\r\n" + body)) as server:
        with HostClient(server.url, retries=0, timeout=LIMIT) as host:
            with pytest.raises(InvalidResponseError):
                CALLS[call](host)


UNDERSTOOD = [
    (CHUNKED, CHUNKS),
    (b"transfer-encoding:CHUNKED", CHUNKS),
    (b"Transfer-Encoding: \t chunked \t ", CHUNKS),
    (b"Transfer-Encoding: , chunked ,", CHUNKS),
    (b"Transfer-Encoding:\r\n chunked", CHUNKS),
    (CHUNKED + b"\r\nContent-Length: 3", CHUNKS),
    (CHUNKED + b"\r\nContent-Length: abc", CHUNKS),
    (CHUNKED + b"\r\nX-A: \xff\xfe", CHUNKS),
    (b"Content-Length: 5", b"hello"),
    (b"Content-Length:  005 ", b"hello"),
    (b"Content-Length: 5, 5", b"hello"),
    (b"Content-Length: 5\r\nContent-Length: 5", b"hello"),
    (b"Content-Length:\r\n 5", b"hello"),
    (b"Content-Type: multipart/mixed; boundary=b\r\nContent-Length: 5", b"hello"),
    (b"Content-Type: message/rfc822\r\nContent-Length: 5", b"hello"),
    (b"X-A: b\r\n  c\r\nContent-Length: 5", b"hello"),
    (b"X-Empty:\r\nContent-Length: 5", b"hello"),
    (b"Connection: close", b"hello"),
]


@pytest.mark.parametrize(("head", "body"), UNDERSTOOD, ids=repr)
def test_framing_that_is_understood(head: bytes, body: bytes):
    """Each form that RFC 9112 allows is read to its end, and its cut is seen if the form shows it."""
    for status in (OK, b"HTTP/1.0 200 OK\r\n"):
        with RawServer(_sends(status + head + b"\r\n\r\n" + body)) as server:
            with HttpClient(server.url) as client, client.get_stream("x") as stream:
                assert stream.read() == b"hello"
    if head == b"Connection: close":
        return
    with RawServer(_sends(OK + head + b"\r\n\r\n" + body[:-1])) as server:
        with HttpClient(server.url) as client, client.get_stream("x") as stream:
            with pytest.raises(StreamInterruptedError):
                stream.read()


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
@pytest.mark.parametrize("head", [CHUNKED, b"Content-Length: 5", b"Content-Length: x", b"A: b"])
def test_answers_without_a_body(status: bytes, head: bytes):
    """A 204 has no body, whatever its head says of one."""
    answer = b"HTTP/1.1 " + status + b"\r\n" + head + b"\r\n\r\n"

    def handle(conn: Conn) -> None:
        while conn.read_request() is not None:
            conn.send(answer)

    with RawServer(handle) as server, HttpClient(server.url, timeout=LIMIT) as client:
        if b"304" in status:
            with pytest.raises(ScramjetError, match="304"):
                client.get("x")
            return
        assert client.get("x") is None
        with client.get_stream("x") as stream:
            assert stream.read() == b""


CUT_JSON = [
    CHUNKED + b"\r\n\r\n2\r\n{}\r\n",
    CHUNKED + b"\r\n\r\n2\r\n{}",
    CHUNKED + b"\r\n\r\n2\r\n{}\r\n0\r\n",
    CHUNKED + b"\r\n\r\n1\r\n{}\r\n0\r\n\r\n",
    CHUNKED + b"\r\n\r\n2\r\n{}XX0\r\n\r\n",
    CHUNKED + b"\r\n\r\n+2\r\n{}\r\n0\r\n\r\n",
    CHUNKED + b"\r\n\r\n",
    b"Content-Length: 3\r\n\r\n{}",
    b"Content-Length: 3\r\n\r\n",
]


@pytest.mark.parametrize("answer", CUT_JSON, ids=repr)
def test_cut_json(answer: bytes):
    """JSON that is whole by chance, inside of an answer that is not."""
    with RawServer(_sends(OK + answer)) as server, HttpClient(server.url, retries=0) as client:
        for ask in (client.get, client.post):
            with pytest.raises((HubConnectionError, InvalidResponseError)):
                ask("x")


def test_data_after_a_body_is_not_the_next_answer():
    """What a hub sends after the end of a chunked answer is never taken for the answer of the next call."""

    def handle(conn: Conn) -> None:
        while conn.read_request() is not None:
            first = OK + CHUNKED + b"\r\n\r\n1\r\n1\r\n0\r\n\r\n"
            conn.send(first + OK + b"Content-Length: 1\r\n\r\n2")

    with RawServer(handle) as server, HttpClient(server.url) as client:
        assert client.get("x") == 1
        assert client.get("x") == 1


# -- gzip -------------------------------------------------------------------------------------------

DATA = b"".join(b'{"line": %d, "and": "%x"}\n' % (n, n * n) for n in range(3000))
PACKED = gzip.compress(DATA)
SPOILED = {
    "cut": PACKED[: len(PACKED) // 2],
    "cut in its head": PACKED[:5],
    "first byte": PACKED[:1],
    "cut in its checksum": PACKED[:-4],
    "last byte": PACKED[:-1],
    "checksum": PACKED[:-6] + bytes([PACKED[-6] ^ 1]) + PACKED[-5:],
    "second member cut": PACKED + PACKED[:100],
    "second member begun": PACKED + PACKED[:1],
    "garbage after it": PACKED + b"garbage",
    "not gzip": DATA,
}


def _framed(packed: bytes, *, chunked: bool) -> bytes:
    coded = OK + b"Content-Encoding: gzip\r\n"
    if not chunked:
        return coded + b"Content-Length: %d\r\n\r\n" % len(packed) + packed
    pieces = [packed[at : at + 999] for at in range(0, len(packed), 999)]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in pieces)
    return coded + CHUNKED + b"\r\n\r\n" + chunks + b"0\r\n\r\n"


@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize("spoiled", SPOILED)
def test_gzip_that_is_not_whole(spoiled: str, chunked: bool):
    """Packed data that is cut, though its framing is whole, is an error in a stream and in JSON."""
    answer = _framed(SPOILED[spoiled], chunked=chunked)
    with RawServer(_sends(answer)) as server, HttpClient(server.url, retries=0) as client:
        with client.get_stream("x") as stream, pytest.raises(StreamInterruptedError, match="gzip"):
            stream.read()
    whole = gzip.compress(b"1234567890")
    answer = _framed(whole[:-3], chunked=chunked)
    with RawServer(_sends(answer)) as server, HttpClient(server.url, retries=0) as client:
        for ask in (client.get, client.post):
            with pytest.raises(HubConnectionError, match="gzip data ends too early"):
                ask("x")


@pytest.mark.parametrize(
    ("packed", "data"),
    [
        (PACKED, DATA),
        (PACKED + PACKED, DATA + DATA),
        (PACKED + bytes(512), DATA),
        (PACKED + bytes(3) + PACKED, DATA + DATA),
        (gzip.compress(b""), b""),
        (gzip.compress(b"") * 3 + PACKED, DATA),
        (b"", b""),
    ],
    ids=["one", "two", "zeros after", "zeros between", "of nothing", "of nothing first", "nothing"],
)
@pytest.mark.parametrize("chunked", [True, False])
def test_gzip_that_is_whole(packed: bytes, data: bytes, chunked: bool):
    """Members, zeros between and after them, and nothing at all are unpacked as gzip does."""
    with RawServer(_sends(_framed(packed, chunked=chunked))) as server:
        with HttpClient(server.url) as client, client.get_stream("x") as stream:
            assert stream.read() == data


def test_json_in_gzip_keeps_its_connection():
    """After packed JSON the connection carries the next call."""

    def handle(conn: Conn) -> None:
        while conn.read_request() is not None:
            conn.send(_framed(gzip.compress(b"[1]"), chunked=True))

    with RawServer(handle) as server, HttpClient(server.url) as client:
        assert [client.get("x") for _ in range(3)] == [[1]] * 3
        assert server.connections == 1


@pytest.mark.parametrize("size", [1, 7, 100, 65536])
def test_unpacked_in_any_pieces(size: int):
    """However the bytes come, and however small the pieces are, the data is the same, and a cut is seen."""
    some = random.Random(size)
    packed = gzip.compress(bytes(5000)) + gzip.compress(DATA[:2000])
    for _ in range(20):
        cuts = sorted(some.sample(range(len(packed)), 10))
        pieces = [packed[a:b] for a, b in zip([0, *cuts], [*cuts, len(packed)])]
        given = list(unpacked(pieces, size))
        assert b"".join(given) == bytes(5000) + DATA[:2000]
        assert max(map(len, given)) <= size
        last = some.randrange(1, len(pieces[-1]) + 1)
        with pytest.raises(DecodeError):
            list(unpacked([*pieces[:-1], pieces[-1][:-last]] if last else pieces, size))


def test_a_bomb_is_unpacked_in_pieces():
    """Little data that unpacks to much comes in pieces of the size that is asked for."""
    made = zlib.compressobj(wbits=31)
    bomb = made.compress(bytes(10_000_000)) + made.flush()

    assert {len(each) for each in unpacked([bomb], 65536)} <= {65536, 10_000_000 % 65536}
