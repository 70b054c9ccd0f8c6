"""Whatever stands in ids, names, types and values, a request is one request, to the place that was meant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scramjet_client import HostClient, HttpClient, ScramjetError, Tuning
from scramjet_client.http.settings import route
from tests.support.waiting import LIMIT
from tests.support.wire import Conn, RawServer

EVIL = [
    "x\r\nX-Evil: 1",
    "x\nX-Evil: 1",
    "x\rX-Evil: 1",
    "x HTTP/1.1\r\nHost: evil\r\n\r\nGET /evil",
    "../../evil",
    "..",
    ".",
    "",
    "a/../../../evil",
    "..%2f..%2fevil",
    "%2e%2e/evil",
    "x?evil=1",
    "x#evil",
    "x;evil=1",
    "\\..\\evil",
    "//evil.example/",
    "http://evil.example/",
    "@evil.example",
    "x\x00evil",
    "x\x85X-Evil: 1",
    "x\u2028X-Evil: 1",
    "\ud800evil",
    "č\u010d\u010aX-Evil: 1",  # its low bytes are CR and LF
    " evil",
    "x" * 5000 + "\r\nX-Evil: 1",
]


def _instance(host: HostClient) -> Any:
    return host.get_instance_client("i")


PLACES: dict[str, Callable[[HostClient, str], Any]] = {
    "instance id": lambda host, x: host.get_instance_client(x).get_info(),
    "id of an upload": lambda host, x: host.get_instance_client(x).send_stdin(b"x"),
    "sequence id": lambda host, x: host.get_sequence_client(x).get_info(),
    "start": lambda host, x: host.get_sequence_client("s").start(app_config={x: x}, args=[x]),
    "deleted": lambda host, x: host.delete_sequence(x),
    "sent event": lambda host, x: _instance(host).send_event(x, x),
    "read event": lambda host, x: _instance(host).get_event_stream(x).close(),
    "topic": lambda host, x: host.get_topic(x).close(),
    "sent topic": lambda host, x: host.send_topic(x, b"x"),
    "deleted topic": lambda host, x: host.delete_topic(x),
    "created topic": lambda host, x: host.create_topic(x),
    "type of a topic": lambda host, x: host.create_topic("t", x),
    "stream id": lambda host, x: _instance(host).get_stream(x).close(),
    "content type": lambda host, x: _instance(host).send_input(b"x", type=x),
    "header's value": lambda host, x: _instance(host).send_input(
        b"x", request_init={"headers": {"X-A": x}}
    ),
    "header's name": lambda host, x: _instance(host).send_input(
        b"x", request_init={"headers": {x: "a"}}
    ),
    "parameter": lambda host, x: _instance(host).send_input(b"x", request_init={"params": {x: x}}),
    "client's headers": lambda host, x: HttpClient(host.client.api_base, headers={"X-A": x}).get(
        "a"
    ),
    "token": lambda host, x: HttpClient(host.client.api_base, token=x).get("a"),
    "header of a call": lambda host, x: host.client.get("a", headers={"X-A": x}),
    "query of a call": lambda host, x: host.client.get("a", params={"a": x}),
    "method": lambda host, x: host.client.request(f"GET {x}", "a"),
}


@pytest.mark.parametrize("place", PLACES)
def test_injection(place: str):
    """It is refused with a `ValueError` before it is sent, or it arrives as one whole request below the API."""
    heads: list[tuple[str, list[str]]] = []

    def handle(conn: Conn) -> None:
        while True:
            while b"\r\n\r\n" not in conn._buffer:
                if not conn._fill():
                    return
            head, _, conn._buffer = conn._buffer.partition(b"\r\n\r\n")
            # As strict and as lenient readers split lines.
            first, *lines = (
                head.replace(b"\r\n", b"\n").replace(b"\r", b"\n").decode("latin-1").split("\n")
            )
            heads.append((first, lines))
            if "chunked" in head.decode("latin-1"):
                while conn.read_chunk():
                    pass
            elif b"ontent-Length:" in head:
                conn._take(int(head.partition(b"ontent-Length:")[2].split()[0]))
            answer = b'{"version": "1.0.1", "service": "x", "apiVersion": "v1"}'
            conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(answer), answer))

    # This server never says that a program reads its stdin.
    tuning = Tuning(input_reading=0.0)
    with (
        RawServer(handle) as server,
        HostClient.over(HttpClient(server.url, timeout=LIMIT, tuning=tuning)) as host,
    ):
        host.get_version()
        for evil in EVIL:
            heads.clear()
            with_error = False
            try:
                PLACES[place](host, evil)
            except (ValueError, ScramjetError):
                with_error = True
            assert with_error or heads
            for first, lines in heads:
                assert first.split(" ")[1].startswith("/api/v1/"), (evil, first)
                assert len(first.split(" ")) == 3, (evil, first)
                assert "/../" not in unquote(
                    first.partition("?")[0].replace("%2F", "_").replace("%2f", "_")
                ), evil
                assert not [
                    each for each in lines if each.lower().startswith(("x-evil", "get "))
                ], evil
                assert len([each for each in lines if each.lower().startswith("host:")]) == 1
        server.check()


@pytest.mark.parametrize(
    "base",
    [
        "http://h\r\nX-Evil: 1/api/v1",
        "http://h/api\r\nX-Evil: 1",
        "http://h /api",
        "http://h\t/api",
        "http://h/a\x00b",
        "http://user:pw@h/api",
        "http://h\\@evil/api",
        "http://h@evil/api",
        "http://[::1/api",
        "http://h:99999/api",
        "http://h:x/api",
        "http:///api",
        "file:///etc/passwd",
        "javascript:alert(1)",
    ],
)
def test_addresses(base: str):
    """An address that two readers could take for two places, or for none, is refused."""
    with pytest.raises(ValueError, match="api_base"):
        HttpClient(base)


@settings(max_examples=150, deadline=None)
@given(segments=st.lists(st.text(min_size=1), min_size=1, max_size=4))
def test_every_segment_stays_one(segments: list[str]):
    """Any text is one segment of a path: encoded, it has no sign that means anything, and it comes back whole."""
    try:
        path = route(*segments)
    except ValueError:
        assert any(each in (".", "..") or _lone(each) for each in segments)
        return

    assert path.isascii()
    assert not set(path) & set("?#\\;:@ \r\n\t\0&=+")
    assert [unquote(each) for each in path.split("/")] == segments


def _lone(text: str) -> bool:
    return any("\ud800" <= each <= "\udfff" for each in text)
