"""Answers that never end, or that are larger than they look: what a hostile hub can do to memory and time."""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scramjet_client import HttpClient
from scramjet_client.errors import InvalidResponseError
from tests.support.waiting import LIMIT
from tests.support.wire import Conn, RawServer

_ROOT = Path(__file__).resolve().parent.parent.parent
_MB = 2**20
_MOST = 1024 * _MB
"""Bytes after which a server gives up: a client that takes so many has failed."""

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
GZIP = b"Content-Encoding: gzip\r\n"
END = b"\r\n"


def endless(piece: bytes) -> Iterator[bytes]:
    """Yield a piece again and again, 1 GB in all."""
    big = piece * (65536 // len(piece) + 1)
    for _ in range(_MOST // len(big)):
        yield big


def chunked(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the chunks of a body."""
    for piece in filter(None, pieces):
        yield b"%x\r\n%b\r\n" % (len(piece), piece)


def bomb(head: bytes = b"", size: int = _MOST) -> Iterator[bytes]:
    """Yield gzip that unpacks to `head` and zeros: a thousand bytes of one."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    yield packer.compress(head)
    zeros = b"0" * _MB
    for _ in range(size // _MB):
        yield packer.compress(zeros)
    yield packer.flush()


def many_members() -> Iterator[bytes]:
    """Yield gzip of many small members, each of which unpacks to a megabyte."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    member = packer.compress(b"0" * _MB) + packer.flush()
    return endless(member)


def head(*lines: bytes) -> Iterator[bytes]:
    """Yield a head."""
    yield b"".join(lines) + END


ANSWERS: dict[str, Callable[[], Iterator[Iterator[bytes]]]] = {
    "status line": lambda: iter([iter([b"HTTP/1.1 200 "]), endless(b"O")]),
    "header lines": lambda: iter([iter([OK]), endless(b"X-A: b\r\n")]),
    "one header": lambda: iter([iter([OK, b"X-A: "]), endless(b"b")]),
    "long headers": lambda: iter([iter([OK]), endless(b"X-A: %b\r\n" % (b"b" * 60000))]),
    "interim answers": lambda: iter([endless(b"HTTP/1.1 100 Continue\r\n\r\n")]),
    "until it closes": lambda: iter([head(OK), endless(b"[],")]),
    "by length": lambda: iter([head(OK, b"Content-Length: 99999999999\r\n"), endless(b"[],")]),
    "by chunks": lambda: iter([head(OK, CHUNKED), iter([b"2\r\n[1\r\n"]), chunked(endless(b",1"))]),
    "one large chunk": lambda: iter([head(OK, CHUNKED), iter([b"ffffffff\r\n"]), endless(b"1")]),
    "size line": lambda: iter([head(OK, CHUNKED), endless(b"0")]),
    "extension": lambda: iter([head(OK, CHUNKED), iter([b"1;"]), endless(b"x")]),
    "size of -1": lambda: iter([head(OK, CHUNKED), iter([b"-1\r\n"]), endless(b"x")]),
    "trailers": lambda: iter([head(OK, CHUNKED), iter([b"0\r\n"]), endless(b"X-A: b\r\n")]),
    "gzip": lambda: iter([head(OK, GZIP, CHUNKED), chunked(bomb(b"["))]),
    "gzip until it closes": lambda: iter([head(OK, GZIP), bomb(b"[")]),
    "members of gzip": lambda: iter([head(OK, GZIP), many_members()]),
    "refusal": lambda: iter(
        [head(b"HTTP/1.1 404 Not Found\r\n", CHUNKED), chunked(endless(b"no"))]
    ),
    "refusal in gzip": lambda: iter(
        [head(b"HTTP/1.1 404 Not Found\r\n", GZIP), bomb(b'{"error": "')]
    ),
    "redirect": lambda: iter(
        [
            head(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\n", CHUNKED),
            chunked(endless(b"go")),
        ]
    ),
    "redirect to nothing": lambda: iter(
        [head(b"HTTP/1.1 307 Go\r\nLocation: http://[\r\nContent-Length: 0\r\n")]
    ),
    "one line": lambda: iter([head(OK, CHUNKED), chunked(endless(b"x"))]),
    "stream in gzip": lambda: iter(
        [head(OK, GZIP, CHUNKED), chunked(bomb(size=100 * _MB)), iter([b"0\r\n\r\n"])]
    ),
    "deep": lambda: iter([head(OK, b"Content-Length: 4000000\r\n"), iter([b"[" * 4_000_000])]),
    "many values": lambda: iter(
        [head(OK, b"Content-Length: 3000002\r\n"), iter([b"[" + b"[]," * 1_000_000 + b"1"])]
    ),
}


def answering(name: str) -> Callable[[Conn], None]:
    """Return a handler that gives one of the answers to whatever comes."""

    def handle(conn: Conn) -> None:
        request = conn.read_request()
        assert request is not None
        if request.method == "POST" and "transfer-encoding" in request.headers:
            conn.read_body(request)
        for part in ANSWERS[name]():
            for piece in part:
                conn.send(piece)

    return handle


def measured(
    name: str, operation: str, limit: str = "small", timeout: float = LIMIT
) -> dict[str, Any]:
    """Return what became of an operation in a process of its own."""
    with RawServer(answering(name)) as server:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "tests.hostile.measure",
                server.url,
                operation,
                limit,
                str(timeout),
            ],
            cwd=_ROOT,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        result: dict[str, Any] = json.loads(done.stdout)
        server.check()
    return result


CASES = [
    ("status line", "get", "HubConnectionError", 2),
    ("header lines", "get", "HubConnectionError", 2),
    ("one header", "read", "HubConnectionError", 2),
    ("long headers", "get", "HubConnectionError", 20),
    ("interim answers", "get", ("InvalidResponseError", "HubTimeoutError"), 4),
    ("until it closes", "get", "InvalidResponseError", 24),
    ("by length", "post", "InvalidResponseError", 24),
    ("by chunks", "get", "InvalidResponseError", 24),
    ("by chunks", "upload", "InvalidResponseError", 24),
    ("one large chunk", "get", "InvalidResponseError", 24),
    ("size line", "get", "HubConnectionError", 48),
    ("extension", "read", "StreamInterruptedError", 4),
    ("size of -1", "get", "HubConnectionError", 48),
    ("size of -1", "read", "StreamInterruptedError", 4),
    ("trailers", "get", ("HubConnectionError", "HubTimeoutError"), 48),
    ("gzip", "get", "InvalidResponseError", 40),
    ("gzip until it closes", "upload", "InvalidResponseError", 40),
    ("members of gzip", "get", "InvalidResponseError", 40),
    ("refusal", "get", "NotFoundError", 4),
    ("refusal", "read", "InstanceNotFoundError", 4),
    ("refusal in gzip", "post", "NotFoundError", 40),
    ("redirect", "get", "HubResponseError", 4),
    ("redirect", "upload", "HubResponseError", 4),
    ("redirect to nothing", "get", "HubResponseError", 4),
    ("one line", "lines", "LineTooLongError", 8),
    ("one line", "records", "LineTooLongError", 8),
    ("stream in gzip", "read", str(100 * _MB), 80),
    ("deep", "get", "InvalidResponseError", 60),
    ("many values", "get", "InvalidResponseError", 120),
]


@pytest.mark.parametrize(
    ("name", "operation", "outcome", "megabytes"), CASES, ids=[f"{c[0]}-{c[1]}" for c in CASES]
)
def test_endless(name: str, operation: str, outcome: str | tuple[str, ...], megabytes: int):
    """Each is a typed error in bounded memory, or a stream that costs no more than its buffers."""
    by_time = "HubTimeoutError" in outcome
    result = measured(name, operation, timeout=3 if by_time else LIMIT)

    assert result["outcome"] in ((outcome,) if isinstance(outcome, str) else outcome)
    assert result["grown"] < megabytes * _MB


def test_endless_json_by_default():
    """Without a setting, it is 32 MB, and costs no more than it has."""
    result = measured("until it closes", "get", "default")

    assert result["outcome"] == "InvalidResponseError"
    assert result["grown"] < 60 * _MB


def test_limit_is_the_clients():
    """An answer of the limit's size passes, one byte more does not."""

    def handle(conn: Conn) -> None:
        while conn.read_request() is not None:
            conn.send(OK + b"Content-Length: 100\r\n\r\n[" + b" " * 98 + b"]")

    with RawServer(handle) as server, HttpClient(server.url) as client:
        client.answer_limit = 100
        assert client.get("x") == []
        client.answer_limit = 99
        with pytest.raises(InvalidResponseError, match="more than 99 bytes"):
            client.get("x")


@pytest.mark.parametrize(
    "coding", ["gzip, gzip", "br", "zstd", "deflate", "GZIP,identity", "x" * 5000]
)
def test_coding_that_was_not_asked_for(coding: str):
    """Layers of compression, and those that unpack to a million times as much, are not unpacked at all."""

    def handle(conn: Conn) -> None:
        while conn.read_request() is not None:
            conn.send(OK + f"Content-Encoding: {coding}\r\nContent-Length: 2\r\n\r\n[]".encode())

    with RawServer(handle) as server, HttpClient(server.url) as client:
        for ask in (client.get, client.get_stream, client.delete):
            with pytest.raises(InvalidResponseError, match="not asked for") as caught:
                ask("x")
            assert len(str(caught.value)) < 300
