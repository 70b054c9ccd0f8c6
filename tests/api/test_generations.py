"""Both generations' answers in the contract's words, as captured from real hubs."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scramjet_client import HostClient, InvalidResponseError, UnsupportedByHubError
from scramjet_client.api.answers import (
    config_from,
    entities_from,
    has_ended,
    health_from,
    instance_from,
    instances_from,
    load_from,
    seconds_since,
    sequence_from,
    status_from,
    version_from,
)
from scramjet_client.api.generations import Generation, generation_of
from scramjet_client.http.answers import JsonAnswer
from scramjet_client.models import STATUSES
from tests.support.wire import Conn, RawServer

H0_INFO = {
    "started": "2026-11-24T08:26:48.118Z",
    "created": "2026-11-24T08:26:48.021Z",
    "id": "f8924f53-78c7-42b4-9902-33b5d9c95060",
    "sequence": "590fc213-4fe5-4a40-9cb8-feb323137bec",
    "appConfig": {"x": 1},
    "sequenceArgs": ["a", "b"],
}
H1_PYTHON_INFO = {
    "id": "0a8be91d-086d-4a12-8bae-92244ac28b48",
    "sequence": {"id": "f242188d-c3cc-4a76-b316-1be61992a3e1", "config": {"language": "py"}},
    "created": None,
    "started": "2026-11-24T08:26:43.187Z",
    "status": "errored",
    "terminated": {"exitcode": 213, "reason": "Runner failed"},
}


def answer(value: object) -> JsonAnswer:
    return JsonAnswer(status=200, reason="OK", value=value, text=str(value))


def test_info_of_an_old_hub():
    """0.x says no status: what it lists runs, or is stopping once this client has asked it to."""
    info = instance_from(H0_INFO)

    assert (info.status, info.sequence) == ("running", H0_INFO["sequence"])
    assert (info.ended, info.terminated, info.ports) == (None, None, {})
    assert info.extra == {"appConfig": {"x": 1}, "sequenceArgs": ["a", "b"]}
    assert info.raw is H0_INFO
    assert instance_from(H0_INFO, asked_to_end=True).status == "stopping"


def test_end_of_a_python_program_on_a_new_hub():
    """213 is every end of a Python program there: of no meaning, unless this client has ended it."""
    assert instance_from(H1_PYTHON_INFO).status == "unknown"
    assert instance_from(H1_PYTHON_INFO).terminated.exit_code is None
    assert instance_from(H1_PYTHON_INFO, asked_to_end=True).status == "stopped"
    assert instance_from(H1_PYTHON_INFO).created == H1_PYTHON_INFO["started"]


@pytest.mark.parametrize(
    ("value", "status", "message"),
    [
        ({"healthy": True, "processId": 1}, "healthy", None),
        ({"healthy": False, "message": "bad"}, "unhealthy", "bad"),
        ({"foo": 1}, "unknown", None),
    ],
)
def test_health(value, status, message):
    """Health is a word, and what else came is kept."""
    health = health_from(answer(value), None)

    assert (health.status, health.message, health.uptime) == (status, message, None)
    assert health.raw == value


def test_uptime_from_the_start():
    """Where the hub says no uptime it is counted from the start that the client knows."""
    started = (datetime.now(timezone.utc) - timedelta(seconds=5)).isoformat()

    uptime = health_from(answer({"healthy": True}), started).uptime

    assert uptime is not None
    assert 5 <= uptime < 10


@pytest.mark.parametrize(
    ("value", "modern"),
    [
        ({"version": "0.18.7"}, False),
        ({"service": "@scramjet/host", "apiVersion": "v1", "version": "1.0.1", "build": "x"}, True),
        ({"service": "@scramjet/host", "apiVersion": "v1", "version": "0.28.2"}, True),
        ({"service": "@scramjet/host", "apiVersion": "v1", "version": "0.28.1"}, False),
        ({"apiVersion": "v1", "version": "dev"}, True),
    ],
)
def test_generation_is_asked_once(value, modern):
    """The generation is learned from `version`, once, however many threads ask."""
    asked: list[str] = []

    def handle(conn: Conn) -> None:
        while (request := conn.read_request()) is not None:
            asked.append(request.target)
            time.sleep(0.05)
            conn.send_json("200 OK", value)

    with RawServer(handle) as server, HostClient(server.url) as host:
        threads = [threading.Thread(target=generation_of, args=(host.client,)) for _ in range(5)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        generation = generation_of(host.client)

    assert asked == ["/api/v1/version"]
    assert (generation.version, generation.modern) == (value["version"], modern)


def test_no_hub_there():
    """What answers 404 for `version` is not a hub, and the error says where it was looked for."""

    def handle(conn: Conn) -> None:
        while conn.read_request() is not None:
            conn.send(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    with RawServer(handle) as server, HostClient(server.url) as host:
        with pytest.raises(InvalidResponseError, match="no Transform Hub at") as caught:
            host.get_instance_client("a").stop()

    assert caught.value.code == "INVALID_RESPONSE"


def test_bodies_of_each_generation():
    """Stop, kill, start and event bodies are those that each generation understands."""
    old, new = Generation(version="0.18.7", modern=False), Generation(version="1.0.1", modern=True)

    assert old.stop_body(5, True) == [4001, {"timeout": 5, "canCallKeepalive": True}]
    assert new.stop_body(5, True) == {"timeout": 5, "canCallKeepalive": True}
    assert old.kill_body(True) == [4002, {}]
    assert new.kill_body(True) == {"removeImmediately": True}
    assert old.start_body(None, None, {"inputTopic": None}) == {"appConfig": {}, "args": []}
    assert new.start_body({"a": 1}, (1,), {"inputTopic": "in", "limits": {"memory": 128}}) == {
        "appConfig": {"a": 1},
        "args": [1],
        "inputTopic": "in",
        "limits": {"memory": 128},
    }
    with pytest.raises(UnsupportedByHubError, match=r"inputTopic.*0\.18\.7"):
        old.start_body(None, None, {"inputTopic": "in"})


@pytest.mark.parametrize(
    ("modern", "value", "name", "data"),
    [
        (False, {"eventName": "pong", "message": {"a": 1}}, "pong", {"a": 1}),
        (False, {"eventName": "pong"}, "pong", None),
        (True, {"eventName": "x", "message": 1}, "asked", {"eventName": "x", "message": 1}),
        (True, None, "asked", None),
    ],
)
def test_events_of_each_generation(modern, value, name, data):
    """0.x wraps an event in an envelope, 1.x does not, and neither is guessed from the message."""
    event = Generation(version="x", modern=modern).event("asked", value)

    assert (event.event_name, event.data, event.raw) == (name, data, value)
    assert datetime.fromisoformat(event.timestamp.replace("Z", "+00:00")).tzinfo is not None


@pytest.mark.parametrize("parse", [version_from, load_from, instance_from, sequence_from])
@pytest.mark.parametrize("value", [None, [], "text", 5])
def test_answers_of_another_shape(parse, value):
    """A 2xx that is not what was promised is INVALID_RESPONSE, not an AttributeError."""
    with pytest.raises(InvalidResponseError):
        parse(answer(value))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
# What a field of another type is likeliest to be; left to `JSON` alone, some of these would be rare.
PLAIN = st.sampled_from([7, True, 1.5, None, [], {}, [7], {"a": 7}, "word"])
TIMES = st.sampled_from(["2026-11-24T08:26:43.187Z", "0001-01-01T00:00:00Z", "soon", ""])


def objects(*keys: str) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with any of these keys, each with any value, and keys that nobody knows."""
    known = st.fixed_dictionaries({}, optional=dict.fromkeys(keys, PLAIN | JSON | TIMES))
    return st.builds(lambda one, other: {**other, **one}, known, st.dictionaries(st.text(), JSON))


# On a busy machine an example may take any time to make and to run.
patient = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])

INSTANCE = objects(
    "id", "sequence", "status", "ports", "created", "started", "ended", "terminated", "appConfig"
)
SEQUENCE = objects("id", "name", "config", "instances", "location")


@patient
@given(st.lists(INSTANCE, max_size=3), st.booleans())
def test_any_instance_is_understood(values: list[dict[str, Any]], asked_to_end: bool):
    """Fields and statuses that nobody knows, or of another type, never break an instance; `raw` keeps them."""
    for value, info in zip(values, instances_from(values)):
        assert info.status in STATUSES
        assert info.raw is value
        assert instance_from(value, asked_to_end=asked_to_end).status in STATUSES
        assert seconds_since(info.started) is None or seconds_since(info.started) >= 0
        has_ended(info)


@patient
@given(SEQUENCE, INSTANCE)
def test_any_sequence_is_understood(sequence: dict[str, Any], instance: dict[str, Any]):
    """The same for sequences, and for both in one answer."""
    entities = entities_from(answer({"sequences": [sequence], "instances": [instance], "x": 1}))

    assert entities.sequences == (sequence_from(sequence),)
    assert entities.instances[0].raw is instance


@patient
@given(
    objects("healthy", "message", "uptime"),
    objects("avgLoad", "currentLoad", "memFree", "memUsed", "fsSize"),
    objects("host", "timings", "instanceRequirements", "runtimeAdapter"),
    objects("cpm"),
)
def test_any_answer_of_a_hub_is_understood(health: Any, load: Any, config: Any, status: Any):
    """The same for what a hub says of itself and of an instance's health."""
    assert health_from(answer(health), None).status in ("healthy", "unhealthy", "unknown")
    assert load_from(answer(load)).raw is load
    assert config_from(answer(config)).raw is config
    assert status_from(answer(status)).raw is status


@pytest.mark.parametrize("word", ["paused", 7, None, ["running"], {"a": 1}])
def test_unknown_status(word: object):
    """A status that this version does not know is no end of the instance."""
    info = instance_from({"id": "i", "sequence": {"id": "s"}, "status": word})

    assert info.status == "running"
    assert info.raw["status"] == word
    assert not has_ended(info)
