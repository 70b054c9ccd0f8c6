"""What LocalHub says on the wire: heads, flush points, headers and errors, seen by raw sockets."""

from __future__ import annotations

import json
import os
import time

import pytest

from tests.hub.programs import ECHO, EVENTS, IDLE, STDIN
from tests.hub.wire import Wire, ask, ended, info, opened, run
from tests.support.hubs import open_hub
from tests.support.waiting import eventually

CHUNKED = {"Transfer-Encoding": "chunked"}
TEXT = {"Content-Type": "text/plain", **CHUNKED}
OPEN = {"x-end-stream": "false"}
KEEP = {
    "access-control-allow-origin": "*",
    "connection": "keep-alive",
    "keep-alive": "timeout=5",
}


def common(headers: dict[str, str]) -> dict[str, str]:
    return {name: headers.get(name, "") for name in KEEP}


def test_json_answer(url: str):
    """A JSON answer is chunked, has the hub's headers, and no others."""
    answer = ask(url, "GET", "version")

    assert (answer.status, answer.reason) == (200, "OK")
    assert common(answer.headers) == KEEP
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.headers) == {*KEEP, "content-type", "transfer-encoding", "date"}
    assert set(answer.json) == {"service", "apiVersion", "version", "build"}
    assert answer.json["version"] == "1.0.1"
    assert "LocalHub" in answer.json["build"]


def test_connection_is_kept_after_errors(url: str):
    """One connection carries refusals with bodies that nobody wanted, and then an answer."""
    with Wire(url) as wire:
        for path in ("instance/nope/input", "nowhere", "instance/nope/_event", "topic/a.b"):
            wire.request("POST", path, {"Content-Type": "text/plain"}, bytes(300_000))
            head = wire.head()
            wire.body(head)
            assert head.status in (400, 404)
        wire.request("GET", "status")
        head = wire.head()

        assert wire.body(head) == b'{"cpm":{}}'


@pytest.mark.parametrize("path", ["version/", "version?x=1", "version//?y"])
def test_slashes_and_queries_are_ignored(url: str, path: str):
    """Trailing slashes and query strings change nothing."""
    assert ask(url, "GET", path).status == 200


def test_not_found_in_four_ways(url: str):
    """Hub routes and sub-routes are empty 404s, instances JSON without a type, sequences JSON."""
    instance = run(url, IDLE)
    route = ask(url, "GET", "nowhere")
    unknown = ask(url, "GET", "instance/nope/whatever")
    sub_route = ask(url, "GET", f"instance/{instance}/monitoring")
    sequence = ask(url, "GET", "sequence/nope")

    assert (route.status, route.body, route.headers["transfer-encoding"]) == (404, b"", "chunked")
    assert (unknown.status, unknown.json) == (404, {"error": "Instance nope not found"})
    assert "content-type" not in unknown.headers
    assert (sub_route.status, sub_route.headers["content-length"]) == (404, "0")
    assert (sequence.status, sequence.json) == (404, {"error": "Sequence nope not found"})
    assert ask(url, "PUT", "version").status == 404
    assert ask(url, "POST", f"instance/{instance}/health").headers["content-length"] == "0"


def test_options(url: str):
    """OPTIONS is answered for every path."""
    answer = ask(url, "OPTIONS", "instance/nope/x")

    assert answer.status == 200
    assert answer.headers["access-control-allow-methods"] == "DELETE, POST, GET, OPTIONS"
    assert answer.headers["access-control-allow-headers"] == "*"
    assert answer.headers["content-length"] == "0"


@pytest.mark.parametrize(
    ("accept", "as_json", "as_stream"),
    [
        ("*/*", True, True),
        ("application/json", True, False),
        ("text/json;q=0.1", True, False),
        ("text/*", True, False),
        ("application/*", True, True),
        ("application/octet-stream", False, True),
        ("text/html,application/json", True, False),
        ("text/html, application/json", False, False),
        ("text/html, */*", False, False),
    ],
)
def test_accept(url: str, accept: str, as_json: bool, as_stream: bool):
    """Accept is read naively, and a refusal is told as each router tells it."""
    instance = run(url, IDLE)
    headers = {"Accept": accept}
    got = {}
    for path in ("version", "log", f"instance/{instance}", f"instance/{instance}/output"):
        with Wire(url) as wire:
            wire.request("GET", path, headers)
            head = wire.head()
            got[path.rpartition("/")[2]] = (head.status, head.reason)
            if head.status == 500:
                assert wire.body(head) == b"415: Invalid content-type"
                assert "content-type" not in head.headers

    yes, hub_no, no = (200, "OK"), (415, "Invalid content-type"), (500, "Internal Server Error")
    assert got == {
        "version": yes if as_json else hub_no,
        "log": yes if as_stream else hub_no,
        instance: yes if as_json else no,
        "output": yes if as_stream else no,
    }


@pytest.mark.parametrize(
    ("kind", "good"),
    [
        ("application/json", True),
        ("text/json", True),
        ("application/json; charset=utf-8", True),
        ("application/json; charset=UTF-8", False),
        ("text/plain", False),
        (None, False),
    ],
)
def test_content_type_of_json(url: str, kind: str | None, good: bool):
    """A JSON body needs one of two types, and utf-8 in lower case."""
    instance = run(url, IDLE)
    headers = {} if kind is None else {"Content-Type": kind}
    body = b'[5001,{"eventName":"x"}]'
    event = ask(url, "POST", f"instance/{instance}/_event", raw=body, headers=headers)
    topic = ask(url, "POST", "topics", raw=b"{}", headers=headers)

    if good:
        assert (event.status, event.json) == (200, {"accepted": "OK"})
        assert (topic.status, topic.json) == (400, {"error": "Missing body param: id"})
    else:
        assert (event.status, event.body) == (500, b"400: Could not parse content")
        assert (topic.status, topic.reason, topic.body) == (400, "Could not parse content", b"")


def test_stream_head_comes_at_once(url: str):
    """A stream's head needs no data."""
    instance = run(url, IDLE)

    for path in ("output", "stdout", "stderr", "events/x"):
        with Wire(url) as wire:
            wire.request("GET", f"instance/{instance}/{path}", {"Accept": "*/*"})
            head = wire.head()
            assert head.headers["content-type"] == "application/octet-stream"
            assert head.headers["transfer-encoding"] == "chunked"
            assert wire.silent()


@pytest.mark.parametrize(
    ("end", "status"),
    [(None, 200), ("true", 200), ("TRUE", 200), ("", 200), ("false", 202), ("success", 202)],
)
def test_upload_is_accepted_before_its_body(url: str, end: str | None, status: int):
    """The head of the answer comes before any of the body, its end after all of it."""
    instance = run(url, ECHO)
    headers = TEXT if end is None else {**TEXT, "x-end-stream": end}
    with Wire(url) as wire:
        wire.request("POST", f"instance/{instance}/input", headers)
        head = wire.head()
        assert head.status == status
        assert "content-type" not in head.headers
        assert wire.silent(0.1)
        wire.send_chunk(b"x")
        assert wire.silent(0.1)
        wire.send_chunk(b"")

        assert wire.chunk() == b""


def test_input_after_its_end(url: str):
    """It is accepted, and then there is silence; the program has seen its end."""
    instance = run(url, ECHO)
    assert ask(
        url, "POST", f"instance/{instance}/input", raw=b"a", headers={"Content-Type": "text/plain"}
    )
    with opened(url, f"instance/{instance}/output") as output:
        assert output.read(10) == b"a"

    with Wire(url) as wire:
        wire.request("POST", f"instance/{instance}/input", {"Content-Type": "text/plain"}, b"b")
        assert wire.head().status == 200
        assert wire.silent()


def test_end_alone(url: str):
    """An empty body ends the input."""
    instance = run(url, ECHO)
    headers = {"Content-Type": "text/plain", "x-end-stream": "true"}

    assert ask(url, "POST", f"instance/{instance}/input", raw=b"", headers=headers).status == 200
    assert ended(url, instance)["terminated"] == {"exitcode": -1, "reason": "Instance completed"}


def test_input_needs_a_type_once(url: str):
    """The first input without a type is refused before its body; later ones need none."""
    instance = run(url, ECHO)
    path = f"instance/{instance}/input"
    with Wire(url) as wire:
        wire.request("POST", path, CHUNKED)
        head = wire.head()
        assert (head.status, wire.body(head)) == (406, b'{"error":"Content-Type must be defined"}')

    assert (
        ask(url, "POST", path, raw=b"a", headers={"Content-Type": "text/plain", **OPEN}).status
        == 202
    )
    assert ask(url, "POST", path, raw=b"b", headers=OPEN).status == 202
    with opened(url, f"instance/{instance}/output") as output:
        assert output.read(2) == b"ab"


def test_binary_input_is_untouched_and_stdin_is_text(url: str):
    """Input passes bytes as they are; stdin makes U+FFFD of what is not UTF-8."""
    echo, stdin = run(url, ECHO), run(url, STDIN)
    binary = {"Content-Type": "application/octet-stream", **OPEN}
    ask(url, "POST", f"instance/{echo}/input", raw=b"\xff\xfe\x00A", headers=binary)
    ask(url, "POST", f"instance/{stdin}/stdin", raw=b"\xff\xfeA", headers=binary)

    with opened(url, f"instance/{echo}/output") as output:
        assert output.read(4) == b"\xff\xfe\x00A"
    with opened(url, f"instance/{stdin}/stdout") as output:
        assert output.read(7) == "\ufffd\ufffdA".encode()
    with opened(url, f"instance/{stdin}/stderr") as output:
        assert output.read(11) == "err:\ufffd\ufffdA".encode()


def test_type_of_stdin(url: str):
    """Stdin takes octets or no type, and nothing else."""
    instance = run(url, STDIN)
    refused = ask(
        url, "POST", f"instance/{instance}/stdin", raw=b"x", headers={"Content-Type": "text/plain"}
    )

    assert (refused.status, refused.body) == (500, b"415: Invalid content-type")


def test_aborted_upload_counts(url: str):
    """What an aborted upload had sent is delivered, and the input goes on."""
    instance = run(url, ECHO)
    path = f"instance/{instance}/input"
    with Wire(url) as wire:
        wire.request("POST", path, TEXT)
        wire.head()
        wire.send_chunk(b"half\n")
    ask(
        url,
        "POST",
        path,
        raw=b"later\n",
        headers={"Content-Type": "text/plain", "x-end-stream": "true"},
    )

    with opened(url, f"instance/{instance}/output") as output:
        assert output.read(100) == b"half\nlater\n"


def test_inout(url: str):
    """There is no head before the first output byte, and no end after the last."""
    instance = run(url, ECHO)
    with Wire(url) as wire:
        wire.request("POST", f"instance/{instance}/inout", TEXT)
        assert wire.silent()
        wire.send_chunk(b"ab\n")
        head = wire.head()
        assert (head.status, head.headers.get("content-type")) == (200, None)
        assert wire.chunk() == b"ab\n"
        wire.send_chunk(b"")
        ask(
            url,
            "POST",
            f"instance/{instance}/input",
            raw=b"c",
            headers={"Content-Type": "text/plain"},
        )
        assert wire.chunk() == b"c"
        ended(url, instance)

        assert wire.silent()


def test_inout_without_a_type_ruins_the_input(url: str):
    """Nothing is answered, nothing is read, and the log says why."""
    instance = run(url, ECHO)
    with Wire(url) as wire:
        wire.request("POST", f"instance/{instance}/inout", CHUNKED)
        wire.send_chunk(b"ab\n")
        assert wire.silent()

    with opened(url, f"instance/{instance}/log") as log:
        line = eventually(
            lambda: next((each for each in log.chunk().splitlines() if b"input" in each), None)
        )
    assert "'undefined'" in json.loads(line)["msg"]


def test_expect_100_continue(url: str):
    """JSON operations, uploads and inout send one interim answer at once."""
    instance = run(url, ECHO)
    expect = {"Expect": "100-continue"}
    for path, kind, status in (("_event", "application/json", 200), ("input", "text/plain", 200)):
        with Wire(url) as wire:
            wire.request(
                "POST", f"instance/{instance}/{path}", {**expect, "Content-Type": kind, **CHUNKED}
            )
            assert (wire.head().status, kind) == (100, kind)
            wire.send_chunk(b'[5001,{"eventName":"x"}]')
            wire.send_chunk(b"")
            assert wire.head().status == status


def test_event_head_comes_with_the_event(url: str):
    """`once` and `event` say nothing before there is one, also when the instance has ended."""
    instance = run(url, EVENTS)
    eventually(lambda: ask(url, "GET", f"instance/{instance}/event/ready").body == b'"yes"')
    with Wire(url) as once, Wire(url) as first:
        once.request("GET", f"instance/{instance}/once/pong")
        first.request("GET", f"instance/{instance}/event/pong")
        assert once.silent()
        ask(
            url,
            "POST",
            f"instance/{instance}/_event",
            [5001, {"eventName": "ping", "message": {"ą": 1}}],
        )
        for wire in (once, first):
            head = wire.head()
            assert (head.status, wire.body(head)) == (200, '{"echo":{"ą":1}}'.encode())
        once.request("GET", f"instance/{instance}/once/pong")
        assert ask(url, "POST", f"instance/{instance}/_kill", {}).status == 202
        ended(url, instance)

        assert once.silent()


@pytest.mark.parametrize(
    ("message", "once", "line"),
    [
        ({"a": [1, 2]}, (200, b'{"a":[1,2]}'), b'{"a":[1,2]}\n'),
        ("s\nt", (200, b'"s\\nt"'), b'"s\\nt"\n'),
        ({}, (200, b""), b"{}\n"),
        (42, (200, b""), b"42\n"),
        (True, (200, b""), b"true\n"),
        (0, (200, b""), b"{}\n"),
        ("", (200, b""), b"{}\n"),
        (False, (200, b""), b"{}\n"),
        (None, (204, b""), b"{}\n"),
        ({"opStatus": "Not Found", "x": 1}, (404, b'{"x":1,"error":"Not Found"}'), None),
        ({"opStatus": "OK", "x": 1}, (200, b'{"x":1}'), None),
        ({"opStatus": "No status", "x": 1}, (500, b"500: Failed to serialize data"), None),
        ({"opStatus": 404}, (500, b"500: Failed to serialize data"), None),
        ({"opStatus": [], "x": 1}, (500, b"500: Failed to serialize data"), None),
        ({"opStatus": 0, "x": 1}, (200, b'{"opStatus":0,"x":1}'), None),
        ({"opStatus": None}, (200, b'{"opStatus":null}'), None),
    ],
)
def test_losses_in_events(url: str, message: object, once: tuple[int, bytes], line: bytes | None):
    """The losses that a hub has in the messages of events are those of the real one."""
    instance = run(url, EVENTS)
    eventually(lambda: ask(url, "GET", f"instance/{instance}/event/ready").status == 200)
    order = {"name": "value", "message": message}
    with Wire(url) as wire, opened(url, f"instance/{instance}/events/value") as events:
        wire.request("GET", f"instance/{instance}/once/value")
        assert wire.silent(0.1)
        ask(
            url,
            "POST",
            f"instance/{instance}/_event",
            [5001, {"eventName": "emit", "message": order}],
        )
        head = wire.head()

        assert (head.status, b"" if head.status == 204 else wire.body(head)) == once
        if line is not None:
            assert events.chunk() == line


def test_events_reach_the_other_instances(url: str):
    """An event of one instance is delivered to all others, and not to itself."""
    first, second = run(url, EVENTS), run(url, EVENTS)
    for each in (first, second):
        eventually(lambda each=each: ask(url, "GET", f"instance/{each}/event/ready").status == 200)
    order = {"name": "ping", "message": "from the first"}
    with (
        opened(url, f"instance/{first}/events/pong") as own,
        opened(url, f"instance/{second}/events/pong") as other,
    ):
        ask(
            url, "POST", f"instance/{first}/_event", [5001, {"eventName": "emit", "message": order}]
        )

        assert other.chunk() == b'{"echo":"from the first"}\n'
        assert own.silent()


def test_names_of_events_are_not_decoded(url: str):
    """`a%20b` is an event of that very name."""
    instance = run(url, EVENTS)
    eventually(lambda: ask(url, "GET", f"instance/{instance}/event/ready").status == 200)
    for name in ("a b", "a%20b"):
        order = {"name": name, "message": name}
        ask(
            url,
            "POST",
            f"instance/{instance}/_event",
            [5001, {"eventName": "emit", "message": order}],
        )

    assert eventually(lambda: ask(url, "GET", f"instance/{instance}/event/a%20b").json) == "a%20b"
    assert ask(url, "GET", f"instance/{instance}/event/a/b").status == 404


@pytest.mark.parametrize(
    ("route", "body", "status", "text"),
    [
        ("_event", b"[5001,{}]", 400, b'{"error":"Invalid format, eventName missing."}'),
        ("_event", b'[5001,{"eventName":1}]', 400, b'{"error":"Invalid format, eventName missing."}'),
        ("_event", b"[]", 500, b"Cannot read properties of undefined (reading 'eventName')"),
        ("_event", b"{}", 500, b"object is not iterable (cannot read property Symbol(Symbol.iterator))"),
        ("_event", b"", 500, b"undefined is not iterable (cannot read property Symbol(Symbol.iterator))"),
        ("_event", b"{", 500, b"400: Could not parse content"),
        ("_monitoring_rate", b'[4003,{"monitoringRate":2}]', 202, b'{"accepted":true}'),
        ("_monitoring_rate", b'[4003,{"monitoringRate":"2"}]', 202, b'{"accepted":true}'),
        ("_monitoring_rate", b'[4003,{"monitoringRate":-1}]', 500, b"Bad message of type 4003"),
        ("_monitoring_rate", b"{}", 500, b"Cannot read properties of undefined (reading 'monitoringRate')"),
    ],
)  # fmt: skip
def test_messages_to_an_instance(url: str, route: str, body: bytes, status: int, text: bytes):
    """A good one is taken; mistakes are answered as the real hub's code trips over them."""
    instance = run(url, IDLE)
    json_type = {"Content-Type": "application/json"}
    answer = ask(url, "POST", f"instance/{instance}/{route}", raw=body, headers=json_type)

    assert (answer.status, answer.body) == (status, text)


def test_idle_connection_is_closed(url: str):
    """A kept connection is closed by the hub, and not before the 5 seconds that it promised."""
    with Wire(url) as wire:
        wire.request("GET", "version")
        wire.body(wire.head())
        began = time.monotonic()

        assert wire.closed()
        assert time.monotonic() - began > 4.5  # its timer began before we had the answer


def test_head_request_eats_a_stream(url: str):
    """HEAD on a stream consumes what is there, as it does on a real hub."""
    instance = run(url, "async def run(context, input):\n    yield 'lost'\n    yield 'x'\n")
    ended(url, instance)
    with Wire(url) as wire:
        wire.request("HEAD", f"instance/{instance}/output")
        wire.head()
    with opened(url, f"instance/{instance}/output") as output:
        assert output.read(10) == b""


def test_hub_speaks_http_1_0(url: str):
    """A client of HTTP/1.0 gets the body without chunks, and the end of the connection."""
    with Wire(url) as wire:
        wire.sock.sendall(b"GET /api/v1/status HTTP/1.0\r\nHost: localhost\r\n\r\n")
        data = b""
        while more := wire.sock.recv(4096):
            data += more

    assert data.endswith(b'\r\n\r\n{"cpm":{}}')


def test_log_and_audit(url: str):
    """Both replay what was, and go on."""
    with opened(url, "log") as log, opened(url, "audit") as audit:
        assert json.loads(log.chunk().splitlines()[0])["from"] == "Host"
        instance = run(url, IDLE)
        ask(url, "GET", f"instance/{instance}/health")
        seen: list[dict[str, object]] = []

        def has_health() -> bool:
            seen.extend(map(json.loads, audit.chunk().splitlines()))
            return any(each["opCode"] == 11208 and each["opState"] == "END" for each in seen)

        eventually(has_health)
    started = [each for each in seen if each["opCode"] == 10117][-2:]
    assert [each["opState"] for each in started] == ["START", "END"]
    assert set(started[0]) == {
        *("opState", "opCode", "requestId", "objectId", "requestorId", "rx", "tx", "receivedAt")
    }


def test_load_and_config(url: str):
    """The load has numbers, and the config names no secrets."""
    load = ask(url, "GET", "load-check").json
    config = ask(url, "GET", "config").json

    assert load["memFree"] > 0
    # Load averages of one minute and of 15, not divided by the number of processors; 0.x gives a percentage.
    minute, _, quarter = os.getloadavg()
    assert load["currentLoad"] == pytest.approx(minute, rel=0.5, abs=0.05)
    assert load["avgLoad"] == pytest.approx(quarter, rel=0.5, abs=0.05)
    assert set(load["fsSize"][0]) == {"fs", "available", "size", "used", "use"}
    assert config["host"]["apiBase"] == "/api/v1"


def test_info_of_an_instance(url: str):
    """Info has the fields of a 1.0 hub, in their types."""
    instance = run(url, IDLE, appConfig={"x": 1}, args=[])
    found = info(url, instance)

    assert found["id"] == instance
    assert (found["appConfig"], found["args"], found["status"]) == ({"x": 1}, [], "running")
    assert found["sequence"]["config"]["language"] == "py"
    assert found["created"].endswith("Z")
    assert "terminated" not in found


@pytest.mark.parametrize("route", ["topics", "instance/{}/_event"])
def test_json_without_end(route: str):
    """A JSON body has a limit, on the routes of the hub and of an instance; a real hub would die of it."""
    with open_hub(max_json_size=1000) as hub, Wire(hub.url) as wire:
        instance = run(hub.url, IDLE)

        wire.request(
            "POST",
            route.format(instance),
            {"Content-Type": "application/json"},
            b'"' + b"x" * 2000 + b'"',
        )
        assert wire.head().status == 413
