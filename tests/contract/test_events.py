"""Events in both directions, and waits that a hub would never end."""

from __future__ import annotations

import json
import threading
import time

import pytest

from scramjet_client import (
    HubResponseError,
    HubTimeoutError,
    InstanceClient,
    InstanceEndedError,
    InstanceNotFoundError,
    UnsupportedByHubError,
)
from tests.contract.conftest import Hub, Start
from tests.support.waiting import LIMIT, eventually


@pytest.fixture
def instance(start: Start, language: str) -> InstanceClient:
    """An instance of the events sequence that listens; an event before that would be lost."""
    instance = start(f"{language}-events")
    assert instance.get_event("ready", timeout=LIMIT).data == "yes"
    return instance


def test_events_come_and_go(instance: InstanceClient):
    """An event sent is answered by one that is received, with its name, data and time."""
    with instance.get_event_stream("pong") as pongs:
        sent = instance.send_event("ping", "ą")
        event = next(pongs)

    assert (sent.event_name, sent.message, sent.sent) == ("ping", "ą", True)
    assert (event.event_name, event.data) == ("pong", {"echo": "ą"})
    assert event.timestamp.endswith("Z")


def test_get_event_gives_the_last(instance: InstanceClient):
    """The last event of a name is there without waiting."""
    instance.send_event("ping", "last")

    eventually(lambda: instance.get_event("pong", timeout=LIMIT).data == {"echo": "last"})


def test_get_next_event_waits_for_the_next(instance: InstanceClient):
    """The next event is not the last one, which had been seen before."""
    later = threading.Timer(0.3, lambda: instance.send_event("ping", "next"))
    later.start()

    assert instance.get_next_event("pong", timeout=LIMIT).data == {"echo": "next"}
    later.join()


@pytest.mark.parametrize(
    "message", [{"a": [1, 2]}, [1], "text", 42, True, 0, "", None, {}, "a\nb ą"]
)
def test_values_of_events(instance: InstanceClient, hub: Hub, message: object):
    """get_next_event carries every JSON value; 1.x turns falsy ones into an empty object."""
    order = json.dumps({"name": "value", "message": message})
    later = threading.Timer(0.3, lambda: instance.send_event("emit", order))
    later.start()

    data = instance.get_next_event("value", timeout=LIMIT).data

    later.join()
    assert data == (message or {} if hub.modern else message)


def test_other_messages_than_text(instance: InstanceClient, hub: Hub):
    """1.x takes any JSON value as a message, 0.x text alone, and the client says so."""
    if not hub.modern:
        with pytest.raises(UnsupportedByHubError, match=r"0\.18\.7"):
            instance.send_event("ping", {"a": 1})
        return
    with instance.get_event_stream("pong") as pongs:
        instance.send_event("ping", {"a": 1})
        assert next(pongs).data == {"echo": {"a": 1}}


def test_key_that_becomes_a_status(instance: InstanceClient, hub: Hub):
    """1.x answers with the status that a message names, and has forgotten it at the second look; 0.x does neither."""
    message = {"opStatus": "Conflict", "x": 1}
    instance.send_event("emit", json.dumps({"name": "value", "message": message}))
    if not hub.modern:
        assert instance.get_event("value", timeout=LIMIT).data == message
        return

    with pytest.raises(HubResponseError) as caught:
        instance.get_event("value", timeout=LIMIT)

    assert caught.value.status == 409
    assert instance.get_event("value", timeout=LIMIT).data == {"x": 1, "error": "Conflict"}


@pytest.mark.parametrize("message", [7, 1.5, True, {}])
def test_lost_message_warns(instance: InstanceClient, hub: Hub, message: object):
    """What 1.x loses of a last event is told by a warning; 0.x loses nothing."""
    instance.send_event("emit", json.dumps({"name": "value", "message": message}))
    if not hub.modern:
        assert instance.get_event("value", timeout=LIMIT).data == message
        return

    with pytest.warns(
        UserWarning, match="lost the message of event 'value'.*get_next_event"
    ) as warned:
        assert instance.get_event("value", timeout=LIMIT).data is None

    assert warned[0].filename == __file__


def test_event_for_an_ended_instance(instance: InstanceClient):
    """A hub accepts an event for an instance that has ended; a client that has seen the end does not."""
    instance.kill()
    instance.wait(LIMIT)

    with pytest.raises((InstanceEndedError, InstanceNotFoundError), match=instance.id):
        instance.send_event("ping", "too late")


@pytest.mark.parametrize("name", ["get_event", "get_next_event"])
def test_time_limit(instance: InstanceClient, name: str):
    """A wait for an event ends in time, as a TimeoutError that says what was awaited."""
    began = time.monotonic()

    with pytest.raises(HubTimeoutError) as caught:
        getattr(instance, name)("never", timeout=0.5)

    assert time.monotonic() - began >= 0.4
    assert isinstance(caught.value, TimeoutError)
    assert "never" in str(caught.value)


@pytest.mark.parametrize("name", ["get_event", "get_next_event"])
def test_instance_ends_while_an_event_is_awaited(instance: InstanceClient, name: str):
    """A hub would never answer; the client does, when it sees that the instance has ended."""
    killer = threading.Timer(0.3, instance.kill)
    killer.start()

    with pytest.raises(InstanceEndedError) as caught:
        getattr(instance, name)("never")

    killer.join()
    assert caught.value.code == "INSTANCE_ENDED"


@pytest.mark.parametrize("what", ["events", "log", "inout"])
def test_instance_ends_while_a_stream_is_read(instance: InstanceClient, what: str):
    """Streams that a hub leaves open end when the instance has ended, after all that had come."""
    gate = threading.Event()

    def items():
        yield "x"
        gate.wait(LIMIT)

    killer = threading.Timer(0.3, instance.kill)
    if what == "events":
        stream = instance.get_event_stream("never")
    elif what == "log":
        stream = instance.get_log_stream()
    else:
        stream = instance.inout(items(), type="text/plain", end=False)
    killer.start()

    with stream:
        list(stream)

    gate.set()
    killer.join()
