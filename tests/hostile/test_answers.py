"""Answers that are wrong: in their types, their framing, their version, and in where they lead."""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scramjet_client import HostClient, HttpClient
from scramjet_client.errors import (
    HubConnectionError,
    HubResponseError,
    InvalidResponseError,
    NotFoundError,
    ScramjetError,
    StreamInterruptedError,
)
from tests.support.judging import KEYS, READERS, judge_answer, judge_model
from tests.support.waiting import LIMIT
from tests.support.wire import Conn, RawServer

# -- types ----------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.sampled_from(
        ["running", "0.28.2", "2026-11-24T08:26:43.145Z", "0001-01-01T00:00:00+14:00"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)

OBJECTS = st.dictionaries(
    st.sampled_from(KEYS) | st.text(max_size=4),
    JSON | st.dictionaries(st.sampled_from(KEYS), JSON, max_size=3),
    max_size=8,
)


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(value=JSON | OBJECTS | st.lists(OBJECTS, max_size=2))
def test_any_json_is_a_model_or_an_error(name: str, value: Any):
    """Whatever JSON a hub answers, the model's fields have their types, or it is an `InvalidResponseError`."""
    judge_answer(name, value)


WRONG = [None, True, -1, 1.5, 10**30, "x", "", [], [None], ["x"], {}, {"a": None}, [[{}]]]
BASE = {"id": "x", "version": "1", "exitcode": 0, "avgLoad": 1, "healthy": True}
HOLDERS = ("terminated", "sequence", "info")


@pytest.mark.parametrize("name", READERS)
def test_every_field_of_a_wrong_type(name: str):
    """Each field that is looked for, of each wrong type, alone, beside others and inside of others, in lists too."""
    for key in KEYS:
        for wrong in WRONG:
            judge_answer(name, {key: wrong})
            judge_answer(name, [{**BASE, key: wrong}])
        for holder, wrong in itertools.product(HOLDERS, WRONG[:6]):
            judge_answer(name, {**BASE, holder: {key: wrong}})


def _serving(body: bytes, head: bytes = b"HTTP/1.1 200 OK\r\n") -> Callable[[Conn], None]:
    def handle(conn: Conn) -> None:
        while (request := conn.read_request()) is not None:
            conn.read_body(request)
            conn.send(head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body))

    return handle


CALLS: dict[str, Callable[[HostClient], Any]] = {
    "version": HostClient.get_version,
    "status": HostClient.get_status,
    "config": HostClient.get_config,
    "load": HostClient.get_load_check,
    "sequences": HostClient.list_sequences,
    "instances": HostClient.list_instances,
    "entities": HostClient.list_entities,
    "topics": HostClient.get_topics,
    "info": lambda host: host.get_instance_client("i").get_info(),
    "health": lambda host: host.get_instance_client("i").get_health(),
    "kill": lambda host: host.get_instance_client("i").kill(),
    "stop": lambda host: host.get_instance_client("i").stop(100),
    "event": lambda host: host.get_instance_client("i").send_event("e", "m"),
    "start": lambda host: host.get_sequence_client("s").start(),
    "package": lambda host: host.send_sequence(b"x"),
    "create topic": lambda host: host.create_topic("t"),
    "delete topic": lambda host: host.delete_topic("t"),
    "send": lambda host: host.get_instance_client("i").send_stream(
        "stdin", "x", parse_response="json"
    ),
}

BODIES = [
    *(
        b"",
        b"null",
        b"true",
        b"1",
        b'"x"',
        b"[]",
        b"{}",
        b"[null]",
        b"[[[]]]",
        b'{"id": {"id": []}}',
    ),
    *(
        b"NaN",
        b'{"version": NaN}',
        b"[Infinity]",
        b"{",
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b"1e999999",
    ),
    *(b"9" * 10_000, b'{"version": "%b"}' % (b"9" * 10_000), b'{"a": 1, "a": 2}', b"<html>"),
    *(b"[" * 100_000, b'{"a":' * 100_000, b"[" * 100_000 + b"]" * 100_000, b'"\\ud800"'),
]


@pytest.mark.parametrize("call", CALLS)
def test_wrong_answers_over_the_wire(call: str):
    """Every call meets every kind of wrong answer with a result of its type or an error of this package."""
    for body in BODIES:
        with RawServer(_serving(body)) as server, HostClient(server.url, timeout=LIMIT) as host:
            try:
                judge_model(CALLS[call](host))
            except ScramjetError as error:
                said = str(error)
            else:
                said = ""
            server.check()
        assert len(said) < 2000


@pytest.mark.parametrize("body", [b"[" * 100_000, b"NaN", b'{"a": -Infinity}', b"9" * 10_000])
def test_json_that_is_none(body: bytes):
    """What only Python takes for JSON, and what it can't take, is no answer of a hub."""
    with RawServer(_serving(body)) as server, HttpClient(server.url) as client:
        with pytest.raises(InvalidResponseError) as caught:
            client.get("x")

    assert caught.value.body is not None
    assert body.decode().startswith(caught.value.body)


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"error":' * 50_000, b'{"error": NaN}', b"9" * 9999]
)
def test_refusals_that_are_none(body: bytes):
    """A refusal stays one, whatever its body."""
    refused = b"HTTP/1.1 404 Not Found\r\n"
    with RawServer(_serving(body, refused)) as server, HttpClient(server.url) as client:
        with pytest.raises(NotFoundError) as caught:
            client.get("x")

    assert len(str(caught.value)) < 1000


def test_deep_record():
    """A line of a stream that is nested too deeply is an error that can be caught."""
    with RawServer(_serving(b'{"a": NaN}\n' + b"[" * 100_000 + b"\n")) as server:
        with HttpClient(server.url) as client, client.get_stream("x") as stream:
            records = stream.records()
            assert str(next(records)) == "{'a': nan}"
            with pytest.raises(InvalidResponseError, match="too deeply"):
                next(records)


# -- framing and versions ---------------------------------------------------------------------------


def _raw(answer: bytes) -> Callable[[Conn], None]:
    def handle(conn: Conn) -> None:
        conn.read_request()
        conn.send(answer)

    return handle


@pytest.mark.parametrize(
    "answer",
    [
        b"hello",
        b"<html>0.9</html>\n",
        b"HTTP/2.0 200 OK\r\n\r\n{}",
        b"HTTP/1.1 abc OK\r\n\r\n{}",
        b"HTTP/1.1 99 OK\r\n\r\n{}",
        b"HTTP/1.1 1000 OK\r\n\r\n{}",
        b"HTTP/1.1 -200 OK\r\n\r\n{}",
        b"ICY 200 OK\r\n\r\n{}",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x16\x03\x01\x02\x00\x01",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"",
    ],
)
def test_what_is_no_http(answer: bytes):
    """An answer of HTTP/0.9, of another protocol, or of two lengths is a broken connection."""
    with RawServer(_raw(answer)) as server, HttpClient(server.url, retries=0) as client:
        for ask in (client.get, client.get_stream):
            with pytest.raises((HubConnectionError, InvalidResponseError)):
                ask("x").read() if ask == client.get_stream else ask("x")


@pytest.mark.parametrize("length", [b"", b"Content-Length: 2\r\n"])
def test_http_1_0(length: bytes):
    """An answer of HTTP/1.0 is taken, by its length or its end, and its connection used once."""
    answer = b"HTTP/1.0 200 OK\r\n" + length + b"\r\n{}"
    with RawServer(_raw(answer)) as server, HttpClient(server.url) as client:
        assert client.get("x") == {}
        with client.get_stream("x") as stream:
            assert stream.read() == b"{}"

        assert server.connections == 2


SIZES = [b"", b"zz", b"-2", b"-5", b"-ffffffffffffffffffff", b"2 2", b"\xb2", b"0x", b"\x00"]
HUGE = [b"f" * 8, b"f" * 15, b"f" * 16, b"7" + b"f" * 15, b"f" * 200, b"f" * 3000]


@pytest.mark.parametrize("size", SIZES + HUGE, ids=repr)
@pytest.mark.parametrize("kind", ["json", "refusal", "stream"])
def test_bad_chunk_sizes(kind: str, size: bytes):
    """A size that is none, below zero or beyond what any memory holds is a typed error, or an honest refusal."""
    status = b"404 Not Found" if kind == "refusal" else b"200 OK"
    answer = b"HTTP/1.1 %b\r\nTransfer-Encoding: chunked\r\n\r\n%b\r\n{}\r\n0\r\n\r\n" % (
        status,
        size,
    )
    with RawServer(_raw(answer)) as server, HttpClient(server.url, retries=0) as client:
        if kind == "json":
            with pytest.raises((HubConnectionError, InvalidResponseError)):
                client.get("x")
        elif kind == "refusal":
            with pytest.raises((HubConnectionError, InvalidResponseError, NotFoundError)):
                client.get("x")
        else:
            with client.get_stream("x") as stream, pytest.raises(StreamInterruptedError):
                stream.read()


@pytest.mark.parametrize("size", [b"99999999999999999999", b"-1", b"abc", b"2, 2", b"9" * 5000])
def test_bad_lengths(size: bytes):
    """A Content-Length that is none, or that no memory holds, ends with the connection."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %b\r\n\r\n{}" % size
    with RawServer(_raw(answer)) as server, HttpClient(server.url, retries=0) as client:
        with contextlib.suppress(HubConnectionError, InvalidResponseError):
            assert client.get("x") == {}


# -- where it leads ---------------------------------------------------------------------------------

TOKEN = "hunter2-token"

LEADS: dict[str, Callable[[HostClient], Any]] = {
    "get": lambda host: host.client.get("x"),
    "post": lambda host: host.client.post("x", {}),
    "delete": lambda host: host.client.delete("x"),
    "stream": lambda host: host.get_instance_client("i").get_stream("output"),
    "upload": lambda host: host.get_instance_client("i").send_stdin(b"x"),
    "inout": lambda host: host.get_instance_client("i").inout([b"x"], end=False).read(),
    "package": lambda host: host.send_sequence(b"x"),
}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("operation", LEADS)
def test_redirect_to_another_origin(operation: str, status: int):
    """A redirect is an error that names where it leads; nothing goes there, the token least of all."""
    paths: list[str] = []

    def redirect(conn: Conn) -> None:
        while (request := conn.read_request()) is not None:
            paths.append(request.target)
            if request.target.endswith("/version"):
                conn.send_json("200 OK", {"service": "x", "apiVersion": "v1", "version": "1.0.1"})
                continue
            conn.send(b"HTTP/1.1 %d Go\r\nLocation: %b\r\n" % (status, thief.url.encode()))
            conn.send(b"Set-Cookie: a=b; Domain=127.0.0.1\r\nContent-Length: 0\r\n\r\n")
            if request.headers.get("transfer-encoding") == "chunked":
                return

    with RawServer(lambda conn: paths.append("stolen")) as thief, RawServer(redirect) as server:
        with HostClient(server.url, token=TOKEN) as host:
            with pytest.raises(HubResponseError, match=re.escape(thief.url)) as caught:
                LEADS[operation](host)
        assert thief.connections == 0

    assert caught.value.status == status
    assert TOKEN not in str(caught.value)
    asked = [each for each in paths if not each.endswith("/version")]
    # Beside the upload, the client looks at the instance.
    assert len(asked) == len(set(asked))
    assert asked


def test_redirect_loop():
    """A hub that leads to itself is asked once."""
    paths: list[str] = []

    def handle(conn: Conn) -> None:
        while (request := conn.read_request()) is not None:
            paths.append(request.target)
            conn.send(b"HTTP/1.1 302 Found\r\nLocation: /api/v1/x\r\nContent-Length: 0\r\n\r\n")

    with RawServer(handle) as server, HttpClient(server.url) as client:
        with pytest.raises(HubResponseError, match="redirect"):
            client.get("x")

    assert paths == ["/api/v1/x"]


def test_no_cookie_goes_anywhere():
    """Cookies of every kind are forgotten, by streams and uploads too."""
    seen: list[dict[str, str]] = []

    def handle(conn: Conn) -> None:
        while (request := conn.read_request()) is not None:
            seen.append(request.headers)
            conn.read_body(request)
            conn.send(
                b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/; Domain=127.0.0.1; Max-Age=99\r\n"
            )
            conn.send(
                b"Set-Cookie2: c=d; Version=1\r\nSet-Cookie: =;;;\r\nContent-Length: 2\r\n\r\n{}"
            )

    with RawServer(handle) as server, HostClient(server.url) as host:
        for _ in range(2):
            host.client.get("a")
            host.client.send_stream("b", [b"x"])
            with host.client.get_stream("c") as stream:
                assert stream.read() == b"{}"

    assert len(seen) == 6
    assert not any("cookie" in each or "cookie2" in each for each in seen)
