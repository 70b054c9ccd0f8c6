"""How the end of an instance is seen, and what a hub writes about those who look."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator

import pytest

from scramjet_client import HostClient, InstanceClient, Multiplexer, StreamIdleError, Tuning
from scramjet_client.http.exchange import WaitEnded
from scramjet_client.instances.watcher import EndWatcher, HubLines, SharedLooks
from tests.support.scripted_hub import H1Hub, Instance
from tests.support.tuned import tuned
from tests.support.waiting import LIMIT, eventually

plain = pytest.mark.parametrize("scheme", ["plain"], indirect=True)
"""Marks tests whose claim has nothing to do with what is below HTTP."""

HUB = b'{"msg":"Exit info","from":"CSIController","CSIController":{"id":"abc"}}\n'
ECHO = b'{"msg":"Get info [seq, info]","level":"DEBUG","from":"CSIController","CSIController":{}}\n'
PROGRAM = b'{"ts": 1, "level": "INFO", "from": "Sequence", "msg": "one"}\n'
QUOTING = json.dumps({"msg": "one", "data": json.loads(ECHO), "from": "Sequence"}).encode() + b"\n"


@pytest.fixture
def there(h1_hub: H1Hub) -> Instance:
    """The instance, on the hub's side, where each look shows in its log."""
    instance = h1_hub.add_instance()
    instance.on_look = lambda: instance.pipes["log"].write(ECHO)
    return instance


@contextlib.contextmanager
def polled(instance: InstanceClient) -> Iterator[None]:
    """Have a program ask for an instance's info again and again, so that its log is never silent."""
    over = threading.Event()

    def poll() -> None:
        while not over.wait(0.05):
            instance.get_info()

    thread = threading.Thread(target=poll, name="test-poller")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(LIMIT)


@pytest.mark.parametrize(
    ("pieces", "noise", "echoed"),
    [
        ([ECHO], [True], True),
        ([HUB], [True], False),
        ([PROGRAM], [False], False),
        ([QUOTING], [False], False),
        ([HUB + ECHO + HUB], [True], True),
        ([ECHO + PROGRAM], [False], True),
        ([PROGRAM + ECHO], [False], True),
        ([ECHO[:20], ECHO[20:]], [True, True], True),
        ([PROGRAM[:20], PROGRAM[20:], ECHO], [True, False, True], True),
        ([b"no JSON CSIController\n"], [False], False),
        ([b'"CSIController"\n'], [False], False),
        ([b'{"msg":"Get info","from":"CSIController"\n'], [False], False),
        ([b"\n", ECHO], [True, True], True),
        ([b"x" * 70_000, b"x", b"\n", ECHO], [False, False, False, True], True),
        ([b"x" * 70_000 + b"\n" + ECHO], [False], True),
    ],
)
def test_lines_of_the_hub(pieces: list[bytes], noise: list[bool], echoed: bool):
    """Whole lines that the hub writes by itself are noise, those of the program and long ones are not."""
    lines = HubLines()

    assert [lines(piece) for piece in pieces] == noise
    assert (lines.echoes > 0) is echoed


def test_log_that_is_never_silent_ends(instance: InstanceClient, there: Instance):
    """The log of an ended instance ends, however often others look at it and what two readers cause."""
    there.pipes["log"].write(PROGRAM)
    ends: list[bytes] = []
    there.end()

    with polled(instance), polled(instance):
        with instance.get_log_stream() as log:
            reader = threading.Thread(target=lambda: ends.append(log.read()), name="test-reader")
            reader.start()
            reader.join(LIMIT)
            assert not reader.is_alive()

    assert ends[0].startswith(PROGRAM)
    assert set(ends[0].splitlines(keepends=True)) == {PROGRAM, ECHO}


def test_followed_log_that_is_never_silent_ends(instance: InstanceClient, there: Instance):
    """So does one that is followed."""
    taken: list[bytes] = []
    there.pipes["log"].write(PROGRAM)
    there.end()

    with polled(instance):
        instance.follow(log=taken.append).wait(LIMIT)

    assert taken[0] == PROGRAM


def test_multiplexed_log_that_is_never_silent_ends(instance: InstanceClient, there: Instance):
    """So does one of many that one thread reads."""
    there.pipes["log"].write(PROGRAM)
    there.end()
    taken: list[bytes] = []

    def read() -> None:
        with Multiplexer([instance.get_log_stream()], tick=0.1) as streams:
            for _, lines in streams:
                taken.extend(lines)

    with polled(instance):
        reader = threading.Thread(target=read, name="test-reader", daemon=True)
        reader.start()
        reader.join(LIMIT)
        assert not reader.is_alive()

    assert taken[0] == PROGRAM.rstrip()


@pytest.mark.waits
def test_looks_break_no_silence(instance: InstanceClient, there: Instance):
    """What a hub writes because somebody looks does not count for `idle_timeout`."""
    with polled(instance):
        with instance.get_log_stream(idle_timeout=2.5) as log:
            with pytest.raises(StreamIdleError):
                log.read()
    there.end()


@plain
def test_end_of_a_log_waits_for_the_echo(h1_hub: H1Hub, there: Instance):
    """A log has not ended while the echo of the last look is on its way: program lines may be before it."""
    looks: list[None] = []
    there.on_look = lambda: looks.append(None)
    there.end()
    with tuned(h1_hub.url, tuning=Tuning(log_settle=0.0)) as host:
        exchange = EndWatcher(host.client, there.id).exchange("log")
        assert exchange.on_idle is not None
        assert exchange.is_noise is not None
        on_idle = exchange.on_idle
        assert exchange.is_noise(ECHO) is True
        eventually(lambda: on_idle(2.0) or len(looks) == 2)

        assert on_idle(100.0) is False
        assert exchange.is_noise(PROGRAM) is False
        assert on_idle(100.0) is False
        exchange.is_noise(ECHO)
        with pytest.raises(WaitEnded):
            # After a slow answer it waits some more.
            eventually(lambda: on_idle(100.0))


@pytest.mark.waits
@plain
def test_log_of_a_hub_without_echoes(h1_hub: H1Hub, there: Instance):
    """Where a hub is told not to log what it does for itself, its silence is believed."""
    there.on_look = lambda: None
    there.pipes["log"].write(PROGRAM)
    there.end()
    with HostClient(h1_hub.url) as host:
        for expected in (PROGRAM, b""):
            with host.get_instance_client(there.id).get_log_stream() as log:
                assert log.read() == expected
        assert SharedLooks.of(host.client).gives_echoes is False


@pytest.mark.waits
@plain
def test_instance_that_was_forgotten_and_comes_back(h1_hub: H1Hub, there: Instance):
    """An instance that its hub does not know for a moment, as after a restart, has not ended."""
    with tuned(h1_hub.url, tuning=Tuning(log_settle=0.0)) as host:
        exchange = EndWatcher(host.client, there.id).exchange()
        on_idle = exchange.on_idle
        assert on_idle is not None
        del h1_hub.instances[there.id]
        asked = len(h1_hub.requests)
        eventually(lambda: on_idle(0.0) or len(h1_hub.requests) > asked)
        h1_hub.instances[there.id] = there

        assert eventually(lambda: on_idle(100.0)) is True


@plain
def test_another_instance_of_the_same_id(h1_hub: H1Hub, h1_host: HostClient):
    """A wait does not take the end of an earlier instance of the same id for that of its own."""
    earlier = h1_hub.add_instance()
    earlier.end()
    assert EndWatcher(h1_host.client, earlier.id).has_ended()

    h1_hub.add_instance(id=earlier.id)

    assert not EndWatcher(h1_host.client, earlier.id).has_ended()
