"""Live answers and uploads through real servers: every kind of Gunicorn's workers, on Flask 1.1, 2.x and 3.x."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import requests

from tests.flask.servers import Served
from tests.flask.upstream import PIECE, SECRET, Upstream
from tests.support.waiting import eventually

LIMIT = 60.0  # seconds that only a failure uses up


@contextlib.contextmanager
def opened(served: Served, path: str) -> Iterator[requests.Response]:
    """Open a live answer; leaving the block closes the connection, as a browser does."""
    with requests.get(f"{served.url}{path}", stream=True, timeout=LIMIT) as response:
        assert response.status_code == 200, response.text
        yield response


@contextlib.contextmanager
def upload(served: Served, head: str) -> Iterator[socket.socket]:
    """Begin an upload on a raw socket."""
    address = urlsplit(served.url)
    assert address.hostname
    assert address.port
    with socket.create_connection((address.hostname, address.port), timeout=LIMIT) as sock:
        sock.sendall(f"POST /input/any HTTP/1.1\r\nHost: localhost\r\n{head}\r\n\r\n".encode())
        yield sock


def answer_of(sock: socket.socket) -> tuple[str, str]:
    """Return the first line and the body of an answer."""
    data = b""
    while b"\r\n\r\n" not in data or not data.rstrip().endswith((b"}", b">")):
        piece = sock.recv(65536)
        if not piece:
            break
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    return head.split(b"\r\n")[0].decode(), body.decode()


def test_headers_come_before_the_first_byte(served: Served, upstream: Upstream) -> None:
    """The head of a live answer is sent though the program has said nothing yet."""
    with opened(served, "/output/mute") as response:
        kind = response.headers["Content-Type"]

    assert kind == "application/octet-stream"
    assert upstream.left.wait(LIMIT)


def test_bytes_come_as_they_come(served: Served, upstream: Upstream) -> None:
    """What the program has said arrives while its stream goes on."""
    with opened(served, "/output/silent") as response:
        first = next(response.iter_content(100))

    assert first == b"hello\n"


def test_silent_stream_is_closed_when_the_browser_leaves(
    served: Served, upstream: Upstream
) -> None:
    """The hub's stream is closed once the browser has left, though nothing comes that could fail."""
    with opened(served, "/output/silent") as response:
        next(response.iter_content(100))
        assert not upstream.left.is_set()

    assert upstream.left.wait(LIMIT)


def test_busy_stream_is_closed_when_the_browser_leaves(served: Served, upstream: Upstream) -> None:
    """A stream that always has something is closed when the browser has left."""
    with opened(served, "/output/talking") as response:
        assert len(next(response.iter_content(len(PIECE)))) > 0

    assert upstream.left.wait(LIMIT)


def test_silent_events_are_closed_when_the_browser_leaves(
    served: Served, upstream: Upstream
) -> None:
    """Server-sent events let the hub's stream go as well, without a heartbeat that finds the browser gone."""
    with opened(served, "/events/silent?heartbeat=3600") as response:
        next(response.iter_content(10))

    assert upstream.left.wait(LIMIT)


def test_events_are_numbered_and_ended(served: Served, upstream: Upstream) -> None:
    """Each line is an event with its number, and an event tells the page that it was the last."""
    with opened(served, "/events/short") as response:
        text = response.text

    assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert text == (
        "retry: 2000\n\n"
        "id: 1\ndata: one\n\nid: 2\ndata: two\n\nid: 3\ndata: three\n\n"
        "event: end\ndata: \n\n"
    )  # fmt: skip


def test_heartbeats_fill_the_silence(served: Served, upstream: Upstream) -> None:
    """A silent stream of events sends comments, so that no proxy takes it for dead."""
    with opened(served, "/events/mute?heartbeat=0.1") as response:
        lines = response.iter_lines()
        comments = [line for line in (next(lines) for _ in range(6)) if line.startswith(b":")]

    assert comments == [b": heartbeat"] * len(comments)
    assert len(comments) >= 2


def test_cut_stream_is_no_end(served: Served, upstream: Upstream) -> None:
    """When the hub's connection breaks, the browser's is cut, and the answer does not look whole."""
    with opened(served, "/output/cut") as response, pytest.raises(requests.RequestException):
        _ = response.content


def test_cut_events_say_so(served: Served, upstream: Upstream) -> None:
    """A stream of events that breaks ends with an event that has the error's code, and no secret."""
    with opened(served, "/events/cut") as response:
        last = response.text.rstrip("\n").split("\n\n")[-1].split("\n")

    assert last[0] == "event: failed"
    told = json.loads(last[-1][len("data: ") :])
    assert told["code"] == "STREAM_INTERRUPTED"
    assert SECRET not in response.text


def test_error_is_an_answer(served: Served, upstream: Upstream) -> None:
    """An instance that is not there is a 404 with code and message, without the token or the hub's address."""
    answer = requests.get(f"{served.url}/info/missing", timeout=LIMIT)

    assert answer.status_code == 404
    assert answer.json()["code"] == "INSTANCE_NOT_FOUND"
    assert "missing" in answer.json()["message"]
    assert SECRET not in answer.text
    assert urlsplit(upstream.url).netloc not in answer.text


def test_hub_that_does_not_answer_is_a_gateway_timeout(served: Served, upstream: Upstream) -> None:
    """A hub that is too late is a 504."""
    answer = requests.get(f"{served.url}/hurried/late", timeout=LIMIT)

    assert (answer.status_code, answer.json()["code"]) == (504, "REQUEST_TIMEOUT")


def test_body_of_a_length_goes_through(served: Served, upstream: Upstream) -> None:
    """A body with a Content-Length arrives at the instance, byte for byte."""
    data = bytes(range(256)) * 2000
    answer = requests.post(f"{served.url}/input/any", data=data, timeout=LIMIT)

    assert answer.json() == {"bytes": 512_000}
    assert upstream.received == [data]


def test_chunked_body_goes_through(served: Served, upstream: Upstream) -> None:
    """A chunked body arrives at the instance, byte for byte."""
    pieces = [b"first ", b"x" * 100_000, b" last"]
    answer = requests.post(f"{served.url}/input/any", data=iter(pieces), timeout=LIMIT)

    assert answer.json() == {"bytes": 100_011}
    assert upstream.received == [b"".join(pieces)]


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_body_is_sent_on_while_it_comes(served: Served, upstream: Upstream, chunked: bool) -> None:
    """What has come of a body is with the instance before the rest has left the browser."""
    half = b"y" * 500_000
    head = "Transfer-Encoding: chunked" if chunked else "Content-Length: 1000000"
    with upload(served, head) as sock:
        sock.sendall(b"%x\r\n%b\r\n" % (len(half), half) if chunked else half)
        eventually(lambda: len(upstream.parts) > 400_000)
        sock.sendall(b"%x\r\n%b\r\n0\r\n\r\n" % (len(half), half) if chunked else half)
        line, body = answer_of(sock)

    assert line == "HTTP/1.1 200 OK"
    assert json.loads(body.strip().splitlines()[-1]) == {"bytes": 1_000_000}


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_body_that_breaks_off_is_no_whole_one(
    served: Served, upstream: Upstream, chunked: bool
) -> None:
    """When the browser leaves in the middle of a body, the instance does not see an end of it."""
    half = b"z" * 200_000
    head = "Transfer-Encoding: chunked" if chunked else "Content-Length: 1000000"
    with upload(served, head) as sock:
        sock.sendall(b"%x\r\n%b\r\n" % (len(half), half) if chunked else half)
        eventually(lambda: len(upstream.parts) > 100_000)

    assert upstream.broken.wait(LIMIT)
    assert upstream.received == []
