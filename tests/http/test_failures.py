"""What connections say when they break, in words."""

from __future__ import annotations

from http.client import IncompleteRead

import pytest
import urllib3

from scramjet_client import HttpClient, StreamInterruptedError
from scramjet_client.http.failures import root_text
from tests.support.wire import Conn, RawServer

SAID: list[tuple[BaseException, str]] = [
    (IncompleteRead(b"abc"), "the connection closed before the end"),
    (
        IncompleteRead(b"", 9),
        "the connection closed before the end, with 9 bytes still to come",
    ),
    (
        urllib3.exceptions.ProtocolError("Connection broken", IncompleteRead(b"", 9)),
        "the connection closed before the end, with 9 bytes still to come",
    ),
    (ConnectionRefusedError(111, "Connection refused"), "connection refused"),
    (EOFError(), "EOFError"),
]


@pytest.mark.parametrize(("error", "text"), SAID)
def test_root_text(error: BaseException, text: str):
    """The innermost cause is told, and nothing of it is a repr."""
    assert root_text(error) == text


@pytest.mark.parametrize(
    ("head", "rest"),
    [
        (b"Transfer-Encoding: chunked", "before the end"),
        (b"Content-Length: 9", "before the end, with 5 bytes still to come"),
    ],
)
def test_a_cut_stream_is_told_in_words(head: bytes, rest: str):
    """A stream whose connection closes says how far it came, and no class of a library."""

    def handle(conn: Conn) -> None:
        conn.read_request()
        body = b"4\r\nabcd\r\n" if b"chunked" in head else b"abcd"
        conn.send(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n" + body)

    with RawServer(handle) as server, HttpClient(server.url) as client:
        with client.get_stream("a", name="output of 'x'") as stream:
            with pytest.raises(StreamInterruptedError) as caught:
                stream.read()

    assert caught.value.message == (
        f"output of 'x' was cut after 4 bytes: the connection closed {rest}"
    )
