"""Info, health, stop and kill, on every hub."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from scramjet_client import (
    BadParametersError,
    HostClient,
    HubConnectionError,
    InstanceClient,
    InstanceNotFoundError,
    KillMessageData,
    StopTimeoutError,
)
from tests.contract.conftest import Hub, Start, ended
from tests.support.waiting import LIMIT, eventually


def start_ready(start: Start, name: str) -> InstanceClient:
    """Start a sequence and wait until its stop handler is set; 0.x has no status to wait for."""
    instance = start(name)
    assert instance.get_event("ready", timeout=LIMIT).data == "yes"
    return instance


def test_info(start: Start, hub: Hub, host: HostClient, language: str):
    """A running instance is described in the contract's words."""
    instance = start(f"{language}-echo")
    info = eventually(lambda: (i := instance.get_info()).status == "running" and i)

    assert info.id == instance.id
    assert info.sequence == hub.sequence(host, f"{language}-echo").id
    assert info.created.startswith("20")
    assert info.started is not None
    assert (info.ended, info.terminated, dict(info.ports)) == (None, None, {})
    assert info.raw["id"] == instance.id


def test_health(start: Start, language: str):
    """A running instance is healthy, and its uptime is known once its start is."""
    instance = start(f"{language}-echo")
    eventually(lambda: instance.get_info().status == "running")

    health = instance.get_health()

    assert health.status == "healthy"
    assert health.extra["processId"] > 0
    assert health.uptime is not None
    assert 0 <= health.uptime < 30


def test_three_ways_to_a_client(host: HostClient, start: Start):
    """get_instance_client, from_ and the class itself give the same client."""
    instance = start("node-echo")

    for client in (
        host.get_instance_client(instance.id),
        InstanceClient.from_(instance.id, host),
        InstanceClient(instance.id, host),
    ):
        assert client.id == instance.id
        assert client.get_info().id == instance.id


def test_stop_of_an_instance_that_ends_at_once(start: Start, language: str):
    """A long timeout is not slept through when the instance has ended."""
    instance = start_ready(start, f"{language}-stop-fast")

    answer = instance.stop(timedelta(hours=1))

    assert answer.acknowledged
    assert "ended" in answer.message
    assert eventually(lambda: ended(instance))


def test_stop_of_an_instance_that_lives_on(start: Start, language: str):
    """An instance that asks for more time and takes it is a STOP_TIMEOUT."""
    instance = start_ready(start, f"{language}-keep-alive")

    with pytest.raises(StopTimeoutError) as caught:
        instance.stop(timedelta(seconds=1), can_call_keepalive=True)

    assert caught.value.code == "STOP_TIMEOUT"
    assert isinstance(caught.value, TimeoutError)
    assert instance.id in str(caught.value)


def test_stop_whose_handler_never_finishes(start: Start, hub: Hub, language: str):
    """A stop handler that never finishes is a STOP_TIMEOUT.

    On 0.x only for Python, which lives on: a Node instance is killed by the hub when the time is over, and
    is then gone like any other, so nobody can tell that it did not end by itself.
    """
    instance = start_ready(start, f"{language}-stop-never")

    if language == "node" and not hub.modern:
        assert instance.stop(1000).acknowledged
        assert ended(instance)
        return
    with pytest.raises(StopTimeoutError):
        instance.stop(1000)


@pytest.mark.parametrize("second", ["stop", "kill"])
@pytest.mark.parametrize("first", ["stop", "kill"])
def test_end_again_after_the_end(start: Start, host: HostClient, first: str, second: str):
    """To end what one has ended is no error, although a hub forgets it, as 0.x does at once."""
    instance = start_ready(start, "node-stop-fast")
    getattr(instance, first)()
    if first == "kill":
        # Not by this client, which would remember what it sees.
        other = host.get_instance_client(instance.id)
        eventually(lambda: ended(other))

    for _ in range(2):
        answer = getattr(instance, second)()

        assert "already ended" in answer.message
        assert answer.acknowledged if second == "stop" else not answer.killed


@pytest.mark.parametrize("order", ["stop", "kill"])
def test_end_of_what_another_client_has_ended(start: Start, hub: Hub, host: HostClient, order: str):
    """That is no error where the hub still knows it, and not found where not (0.x)."""
    instance = start_ready(start, "node-stop-fast")
    instance.stop(10_000)
    other = host.get_instance_client(instance.id)

    if not hub.modern:
        with pytest.raises(InstanceNotFoundError):
            getattr(other, order)()
        return
    assert "already ended" in getattr(other, order)().message


def test_kill_during_a_stop(start: Start, hub: Hub, host: HostClient):
    """1.x takes no kill then, and the error says why; elsewhere it ends the stop."""
    instance = start_ready(start, "node-stop-never")
    with ThreadPoolExecutor(1) as threads:
        stopping = threads.submit(instance.stop, timedelta(seconds=3))
        other = host.get_instance_client(instance.id)
        if hub.modern:
            eventually(lambda: other.get_info().status == "stopping")
            with pytest.raises(BadParametersError, match="being stopped"):
                other.kill()
        else:
            assert other.kill().killed
        assert stopping.exception(LIMIT) is None or isinstance(
            stopping.exception(), StopTimeoutError
        )
    eventually(lambda: ended(other))


def test_kill_directly_after_start(start: Start, language: str):
    """A kill needs no waiting for the instance to run."""
    instance = start(f"{language}-echo")

    answer = instance.kill()

    assert answer.killed
    eventually(lambda: ended(instance))


@pytest.mark.parametrize("again", ["kill", "stop"])
@pytest.mark.parametrize("name", ["node-echo", "node-stop-never"])
def test_what_is_already_being_killed(start: Start, hub: Hub, name: str, again: str):
    """Whoever kills or stops it once more is told that it ends anyway."""
    if not hub.modern:
        pytest.skip("0.x forgets it")
    instance = start(name)

    for _ in range(5):
        instance.kill()
    answer = instance.kill() if again == "kill" else instance.stop(1000)

    assert "kill" in answer.message
    eventually(lambda: ended(instance))


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_wait_for_the_end_that_was_ordered(start: Start, host: HostClient, how: str):
    """Whoever ended it may wait for its end, also when the hub (0.x) has forgotten it by then."""
    instance = start("node-echo")
    if how == "kill":
        instance.kill()
    else:
        instance.stop(1000)
    # Not by this client, which would remember what it sees.
    other = host.get_instance_client(instance.id)
    eventually(lambda: ended(other))

    assert instance.wait(LIMIT).status == "stopped"


def test_kill_of_what_never_was(host: HostClient):
    """An order that was refused proves no end."""
    instance = host.get_instance_client("never-was")
    with pytest.raises(InstanceNotFoundError):
        instance.kill()

    with pytest.raises(InstanceNotFoundError):
        instance.wait(LIMIT)


def test_kill_options(start: Start):
    """The options of the contract go as an object, a mapping or a keyword."""
    for options in (
        {"opts": KillMessageData(remove_immediately=True)},
        {"remove_immediately": True},
    ):
        instance = start("node-echo")

        assert instance.kill(**options).killed
        eventually(lambda instance=instance: ended(instance))


def test_crash_while_loading(start: Start, hub: Hub, language: str):
    """An instance that can't be loaded is seen to end; only 1.x says how."""
    instance = start(f"{language}-crash-load")

    eventually(lambda: ended(instance))
    if hub.modern:
        info = instance.wait(timeout=LIMIT)
        assert info.status == "crashed"
        assert info.terminated is not None


def test_wait(start: Start, hub: Hub, language: str):
    """`wait` returns when the instance has ended, and says how where the hub does (1.x)."""
    instance = start(f"{language}-crash-later", 0.5)

    info = instance.wait(timeout=LIMIT)

    if hub.modern:
        assert info.status == "crashed"
        assert info.terminated is not None
    else:
        assert info.status == "stopped"


def test_health_of_a_crashed_instance(start: Start, hub: Hub, language: str):
    """A crashed instance is not healthy, though its hub repeats what the program had said."""
    instance = start(f"{language}-crash-later", 0.5)
    assert instance.get_health().status == "healthy"
    instance.wait(timeout=LIMIT)

    if not hub.modern:
        with pytest.raises(InstanceNotFoundError):
            instance.get_health()
        return
    health = instance.get_health()
    assert health.raw["healthy"] is True
    # 1.0.1 says 213 of each end of a Python program; `wait` has found out more.
    assert health.status == "unhealthy"
    assert str(health.message).startswith("the instance has crashed")


def test_health_of_a_stopped_instance(start: Start, hub: Hub):
    """An instance that was stopped is not healthy any more either, and has not failed."""
    if not hub.modern:
        pytest.skip("0.x forgets an instance with its end")
    instance = start("py-stop-fast")
    assert instance.get_health().status == "healthy"
    instance.stop(2000)

    health = instance.get_health()

    assert (health.status, health.message) == ("unknown", "the instance has ended")


@pytest.mark.parametrize(
    "call",
    [
        lambda nobody: nobody.get_info(),
        lambda nobody: nobody.get_health(),
        lambda nobody: nobody.stop(1000),
        lambda nobody: nobody.kill(),
        lambda nobody: nobody.send_event("ping", "x"),
        lambda nobody: nobody.get_event("pong", timeout=LIMIT),
        lambda nobody: nobody.get_next_event("pong", timeout=LIMIT),
        lambda nobody: nobody.get_event_stream("pong"),
        lambda nobody: nobody.get_log_stream(),
        lambda nobody: nobody.get_stream("output"),
        lambda nobody: nobody.send_input("x"),
        lambda nobody: nobody.send_stdin("x"),
        lambda nobody: nobody.submit_input("x").result(LIMIT),
        lambda nobody: nobody.inout("x", end=False).read1(),
    ],
)
def test_unknown_instance(host: HostClient, call):
    """Whatever is asked of an unknown instance is INSTANCE_NOT_FOUND."""
    with pytest.raises(InstanceNotFoundError) as caught:
        call(host.get_instance_client("00000000-0000-0000-0000-000000000000"))

    assert caught.value.code == "INSTANCE_NOT_FOUND"
    assert caught.value.status == 404


@pytest.mark.parametrize(
    "id", ["a/b", "../version", "a b", "ą/😀", "%2e%2e", "a?b#c", "x/../../version"]
)
def test_strange_ids_stay_in_their_route(host: HostClient, id: str):
    """An id is one segment of the path, whatever is in it: the hub finds no such instance."""
    with pytest.raises(InstanceNotFoundError):
        host.get_instance_client(id).get_info()


def test_hub_that_is_down(closed_port: int):
    """A hub that does not answer is CANNOT_CONNECT, for every kind of call."""
    with HostClient(f"http://127.0.0.1:{closed_port}/api/v1") as host:
        instance = host.get_instance_client("abc")
        for call in (
            instance.get_info,
            instance.stop,
            instance.get_log_stream,
            lambda: instance.send_input("x"),
            lambda: instance.inout("x"),
        ):
            with pytest.raises(HubConnectionError) as caught:
                call()
            assert caught.value.code == "CANNOT_CONNECT"
