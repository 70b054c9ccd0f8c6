"""Web pages in place of a hub's answer: login pages and proxies accept every request with one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from scramjet_client import HostClient, InvalidResponseError
from tests.support.waiting import LIMIT
from tests.support.wire import Conn, RawServer

PAGE = (
    b"<!DOCTYPE html>\n<html><head><title>Corporate login</title></head><body>Log in</body></html>"
)
VERSION = b'{"service":"host","apiVersion":"v1","version":"1.0.1","build":"b"}'
INFO = b'{"id":"abc","status":"running"}'


def _answer(conn: Conn, kind: str, body: bytes, *, chunked: bool = False) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n"
    if chunked:
        conn.send(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        conn.send_chunk(body)
        conn.send(b"0\r\n\r\n")
    else:
        conn.send(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)


@pytest.fixture(params=[False, True], ids=["length", "chunked"])
def host(request: pytest.FixtureRequest) -> Iterator[HostClient]:
    """A hub whose streams and inputs are behind a login page."""

    def serve(conn: Conn) -> None:
        while (asked := conn.read_request()) is not None:
            path = asked.target.partition("?")[0]
            if path.endswith("/version"):
                _answer(conn, "application/json", VERSION)
            elif path.endswith("/abc"):
                _answer(conn, "application/json", INFO)
            else:
                _answer(conn, "text/html; charset=utf-8", PAGE, chunked=request.param)
                if asked.method != "GET":
                    return

    with RawServer(serve) as server, HostClient(server.url, retries=0, proxies={}) as client:
        yield client


def _read(stream: object) -> object:
    with closing(stream):  # type: ignore[type-var]
        return list(stream)  # type: ignore[call-overload]


CALLS: dict[str, Callable[[HostClient], object]] = {
    "read": lambda host: host.get_instance_client("abc").get_stream("output").read(),
    "readline": lambda host: host.get_instance_client("abc").get_stream("stdout").readline(),
    "lines": lambda host: _read(host.get_instance_client("abc").get_stream("stderr")),
    "text": lambda host: list(host.get_instance_client("abc").get_stream("output").text()),
    "log": lambda host: _read(host.get_instance_client("abc").get_log_stream()),
    "log of the hub": lambda host: _read(host.get_log_stream()),
    "audit": lambda host: _read(host.get_audit_stream()),
    "topic": lambda host: host.get_topic("t").read(),
    "events": lambda host: list(host.get_instance_client("abc").get_event_stream("ping")),
    "event": lambda host: host.get_instance_client("abc").get_next_event("ping", timeout=LIMIT),
    "follow": lambda host: host.get_instance_client("abc").follow(output=print).wait(LIMIT),
    "input": lambda host: host.get_instance_client("abc").send_input("x"),
    "stdin": lambda host: host.get_instance_client("abc").send_stdin("x"),
    "long input": lambda host: host.get_instance_client("abc").send_input(iter([bytes(65536)] * 400)),
    "submit": lambda host: host.get_instance_client("abc").submit_input("x").result(LIMIT),
    "send_topic": lambda host: host.send_topic("t", "x"),
    "package": lambda host: host.send_sequence(b"x"),
}  # fmt: skip


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_page_is_no_data(host, call):
    """A web page is never taken for the data of a program or for the yes to an upload."""
    with pytest.raises(
        InvalidResponseError, match=r"with a web page \('Corporate login'\), not"
    ) as caught:
        call(host)

    assert "doctor()" in str(caught.value)
    assert b"Corporate" in (caught.value.body or "").encode()


def test_html_of_a_program_is_data():
    """A proxy that calls every stream HTML changes nothing, as long as the data is not a web page."""

    def serve(conn: Conn) -> None:
        while conn.read_request() is not None:
            _answer(conn, "text/html", b"one\n<html>\n", chunked=True)

    with RawServer(serve) as server, HostClient(server.url, retries=0, proxies={}) as client:
        assert list(client.get_log_stream()) == [b"one\n", b"<html>\n"]
