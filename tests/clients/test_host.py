"""HostClient and SequenceClient on raw sockets: long lists, and names that are made to do harm."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from scramjet_client import (
    HostClient,
    NotFoundError,
    ScramjetError,
    TopicNotFoundError,
    Tuning,
    UnsupportedByHubError,
)
from scramjet_client.clients.topics import checked_topic
from tests.support.tuned import tuned
from tests.support.waiting import eventually
from tests.support.wire import Conn, RawServer, Request

VERSION = {"service": "@scramjet/host", "apiVersion": "v1", "version": "1.0.1"}


class Recorder:
    """A hub that keeps the head of each request and knows nothing but its version."""

    def __init__(self, version: dict[str, str]) -> None:
        self.requests: list[Request] = []
        self.bodies: list[bytes] = []
        self._version = version
        self.server = RawServer(self._handle)

    def _handle(self, conn: Conn) -> None:
        while (request := conn.read_request()) is not None:
            body = conn.read_body(request)
            if request.target == "/api/v1/version":
                conn.send_json("200 OK", self._version)
                continue
            self.requests.append(request)
            self.bodies.append(body)
            conn.send_json("404 Not Found", {"error": "no"}, typed=False)


@pytest.fixture(scope="module")
def recorder() -> Iterator[Recorder]:
    """A recorder of this module."""
    made = Recorder(VERSION)
    with made.server:
        yield made
        made.server.check()


def one_instance() -> dict[str, Any]:
    """Return an instance as a 1.0 hub lists it."""
    sequence = str(uuid.uuid4())
    return {
        "id": str(uuid.uuid4()),
        "appConfig": {"x": 1},
        "args": ["a", "b"],
        "provides": "",
        "sequence": {
            "id": sequence,
            "config": {
                "type": "process",
                "engines": {"python3": ">=3.8"},
                "entrypointPath": "main.py",
                "version": "1.0.0",
                "name": "echo",
                "id": sequence,
                "sequenceDir": f"/srv/sequences/{sequence}",
                "language": "py",
                "packageSize": 804,
            },
            "location": "sth-0",
        },
        "created": "2026-11-24T08:26:43.145Z",
        "started": "2026-11-24T08:26:43.187Z",
        "status": "running",
    }


def test_ten_thousand_instances():
    """A list of 10,000 instances is read and parsed whole."""
    listed = [one_instance() for _ in range(10_000)]
    body = json.dumps(listed).encode()

    def handle(conn: Conn) -> None:
        while conn.read_request() is not None:
            conn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for start in range(0, len(body), 65536):
                conn.send_chunk(body[start : start + 65536])
            conn.send(b"0\r\n\r\n")

    with RawServer(handle) as server, HostClient(server.url) as host:
        instances = host.list_instances()

    assert [each.id for each in instances] == [each["id"] for each in listed]
    assert {each.status for each in instances} == {"running"}


HOSTILE = st.text(max_size=40) | st.sampled_from(
    [
        "a\r\nX-Injected: yes",
        "a HTTP/1.1\r\nX-Injected: yes\r\n\r\n",
        "../instances",
        "..",
        "a/b?c#d",
        "a%0d%0aX-Injected:%20yes",
        "a\x00b",
        "a b",
        "text/plain; charset=utf-8",
        "text/plain\r\nX-Injected: yes",
        "\ud800",
    ]
)


def in_path(prefix: str) -> Callable[[Request, str], bool]:
    """Return a check that a name is one segment below a prefix."""
    return lambda request, _name: (
        request.target.startswith(prefix)
        and set("/?#") & set(request.target[len(prefix) :]) == set()
    )


def anywhere(_request: Request, _name: str) -> bool:
    """Take any request: the name is in its body, or is a header's value."""
    return True


CALLS: list[tuple[Callable[[HostClient, str], object], Callable[[Request, str], bool]]] = [
    (lambda host, name: host.get_sequence(name), in_path("/api/v1/sequence/")),
    (lambda host, name: host.delete_sequence(name), in_path("/api/v1/sequence/")),
    (lambda host, name: host.update_sequence(name, b"x"), in_path("/api/v1/sequence/")),
    (lambda host, name: host.get_instance_info(name), in_path("/api/v1/instance/")),
    (lambda host, name: host.get_topic(name), in_path("/api/v1/topic/")),
    (lambda host, name: host.send_topic(name, b"x"), in_path("/api/v1/topic/")),
    (lambda host, name: host.delete_topic(name), in_path("/api/v1/topics/")),
    (lambda host, name: host.create_topic(name), anywhere),
    (lambda host, name: host.get_topic("t", name), anywhere),
    (lambda host, name: host.send_topic("t", b"x", content_type=name), anywhere),
    (lambda host, name: host.send_topic("t", b"x", {"headers": {"X-A": name}}), anywhere),
    (lambda host, name: host.create_topic("t", name), anywhere),
    (lambda host, name: host.get_sequence_client("s").start(input_topic=name), anywhere),
    (lambda host, name: host.get_sequence_client("s").start(instance_id=name), anywhere),
]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(HOSTILE)
@example("a\r\nX-Injected: yes")
def test_no_name_leaves_its_place(recorder: Recorder, name: str):
    """An id, a topic's name or a content type stays one segment or one value, or is refused before it is sent."""
    with HostClient(recorder.server.url) as host:
        for call, is_in_place in CALLS:
            recorder.requests.clear()
            with pytest.raises((ValueError, ScramjetError)) as caught:
                call(host, name)
            if isinstance(caught.value, ValueError):
                assert recorder.requests == []
                continue
            assert getattr(caught.value, "status", None) == 404
            (request,) = recorder.requests
            assert is_in_place(request, name)
            assert "x-injected" not in request.headers


@pytest.mark.parametrize("topic", ["", ".", "..", "a b", "a/b", "ą", "a\\b", "a\n", "%61"])
def test_names_that_no_hub_can_be_asked_for(topic: str):
    """Topics are compared without decoding, so a name that needs encoding is refused here."""
    with pytest.raises(ValueError, match="topic must be"):
        checked_topic(topic)


@pytest.mark.parametrize(
    "content_type", ["", "a/b", "application/json", "text/plain; charset=utf-8", "Text/Plain"]
)
def test_types_that_no_topic_can_have(recorder: Recorder, content_type: str):
    """A type that hubs don't know is refused here, before anything is sent."""
    recorder.requests.clear()
    with HostClient(recorder.server.url) as host:
        for call in (
            lambda: host.get_topic("t", content_type),
            lambda: host.create_topic("t", content_type),
            lambda: host.send_topic("t", b"x", content_type=content_type),
        ):
            with pytest.raises(ValueError, match="must be one of application/octet-stream"):
                call()

    assert recorder.requests == []


def test_name_of_a_topic_is_sent_as_it_is(recorder: Recorder):
    """A plus sign is part of a name for a hub, and is not encoded."""
    recorder.requests.clear()
    with HostClient(recorder.server.url) as host:
        with pytest.raises(TopicNotFoundError):
            host.get_topic("a+b_c-d")
        with pytest.raises(TypeError, match="topic must be a str"):
            host.get_topic(3)  # type: ignore[arg-type]

    assert [each.target for each in recorder.requests] == ["/api/v1/topic/a+b_c-d"]


def test_headers_of_a_topic(recorder: Recorder):
    """A send says its type and that the topic goes on, a read what it expects; both have defaults."""
    recorder.requests.clear()
    with HostClient(recorder.server.url) as host:
        for call in (
            lambda: host.send_topic("t", b"x"),
            lambda: host.send_topic(
                "t", b"x", {"headers": {"Content-Type": "text/plain"}}, end=True
            ),
            lambda: host.get_topic("t"),
            lambda: host.get_topic("t", "text/plain"),
        ):
            with pytest.raises(TopicNotFoundError):
                call()

    seen = [
        (each.headers["content-type"], each.headers.get("x-end-stream"))
        for each in recorder.requests
    ]
    assert seen == [
        ("application/x-ndjson", "false"),
        ("text/plain", "true"),
        ("application/x-ndjson", None),
        ("text/plain", None),
    ]


def test_what_is_sent_at_a_start(recorder: Recorder):
    """A start sends what was given, by the hub's names, and no more."""
    recorder.bodies.clear()
    id = "0d5a5ba2-6a09-4f0c-9d6b-cf2d1a3f8f3e"
    with HostClient(recorder.server.url) as host:
        sequence = host.get_sequence_client("s")
        for options in (
            {},
            {
                "app_config": {"a": 1},
                "args": (1, "b"),
                "input_topic": "in",
                "output_topic": "out",
                "limits": {"memory": 128},
                "instance_id": id,
            },
        ):
            with pytest.raises(ScramjetError):
                sequence.start(**options)  # type: ignore[arg-type]

    assert [json.loads(each) for each in recorder.bodies] == [
        {"appConfig": {}, "args": []},
        {
            "appConfig": {"a": 1},
            "args": [1, "b"],
            "inputTopic": "in",
            "outputTopic": "out",
            "limits": {"memory": 128},
            "instanceId": id,
        },
    ]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"app_config": [1]}, TypeError),
        ({"args": "abc"}, TypeError),
        ({"limits": 128}, TypeError),
        ({"instance_id": 3}, TypeError),
        ({"instance_id": "too-short"}, ValueError),
        ({"instance_id": "/" * 36}, ValueError),
        ({"output_topic": "a b"}, ValueError),
    ],
)
def test_starts_that_are_refused_here(
    recorder: Recorder, options: dict[str, Any], error: type[Exception]
):
    """What a hub would take and then trip over never leaves."""
    recorder.requests.clear()
    with HostClient(recorder.server.url) as host, pytest.raises(error):
        host.get_sequence_client("s").start(**options)

    assert recorder.requests == []


def test_long_topic_of_an_old_hub_goes_on_in_another_request(monkeypatch: pytest.MonkeyPatch):
    """Where a hub cuts long bodies, a topic's upload goes on in a new request, and ends the topic by one of its own."""
    bodies: list[tuple[bytes, str]] = []

    def handle(conn: Conn) -> None:
        while (request := conn.read_request()) is not None:
            if request.target == "/api/v1/version":
                conn.send_json("200 OK", {"version": "0.18.7"})
                continue
            conn.send(b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n")
            bodies.append((conn.read_body(request), request.headers["x-end-stream"]))
            conn.send(b"0\r\n\r\n")

    def source() -> Iterator[str]:
        yield "one"
        eventually(lambda: bodies)
        yield "two"

    with RawServer(handle) as server, tuned(server.url, tuning=Tuning(body_lifetime=0.2)) as host:
        sent = host.send_topic("t", source(), end=True)

    assert sent.bytes_written == 6
    assert bodies == [(b"one", "false"), (b"two", "false"), (b"", "true")]


def test_old_hub_is_not_asked_for_what_it_lacks():
    """On 0.x each missing thing is one error that names the version, and no request."""
    old = Recorder({"version": "0.18.7"})
    with old.server, HostClient(old.server.url) as host:
        for call in (
            host.get_status,
            host.get_config,
            host.get_audit_stream,
            host.get_topics,
            lambda: host.create_topic("t"),
            lambda: host.delete_topic("t"),
            lambda: host.delete_sequence("s", force=True),
            lambda: host.update_sequence("s", b"x"),
            lambda: host.get_sequence_client("s").start(input_topic="t"),
            lambda: host.get_sequence_client("s").start(output_topic="t"),
            lambda: host.get_sequence_client("s").start(limits={"memory": 1}),
            lambda: host.get_sequence_client("s").start(instance_id=str(uuid.uuid4())),
        ):
            with pytest.raises(UnsupportedByHubError, match=r"0\.18\.7"):
                call()

    assert old.requests == []


def test_a_web_server_at_the_address_is_called_one():
    """A page of another server is no missing path of a hub."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/api/v1"
        with HostClient(url) as host, pytest.raises(NotFoundError, match="a web server answers"):
            host.get_version()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def shouting(context: Any, input: Any) -> Any:
    yield from input


class Callable_:
    def __call__(self, context: Any, input: Any) -> Any:
        yield from input


@pytest.mark.parametrize("program", [shouting, lambda context, input: input, Callable_()])
def test_function_that_is_sent_as_a_package(closed_port: int, program: Any):
    """Whoever sends a function means `deploy`, and is told before anything is sent."""
    with (
        HostClient(f"http://127.0.0.1:{closed_port}/api/v1") as host,
        pytest.raises(TypeError, match=r"HostClient\.deploy\(\) sends a function"),
    ):
        host.send_sequence(program)


@pytest.mark.parametrize("value", [3, 1.5, object()])
def test_argument_that_is_given_as_stdin(closed_port: int, value: Any):
    """What can't be stdin was probably meant as an argument of the program."""
    with HostClient(f"http://127.0.0.1:{closed_port}/api/v1") as host:
        with pytest.raises(TypeError, match=r"stdin: .*program are args="):
            host.get_sequence_client("abc").run("x", value)
        with pytest.raises(TypeError, match=r"stdin: .*program are given to start"):
            host.get_instance_client("abc").run("x", value)
