"""What a signal handler raises, in every call that waits: limits of the user's own, of Celery, of test runners."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from scramjet_client import InstanceClient, Multiplexer
from scramjet_client.hub import LocalHub
from tests.support.waiting import eventually


class SoftTimeLimitExceeded(Exception):
    """As Celery's."""


class OwnTimeout(TimeoutError):
    """A limit that is a subclass of what sockets raise."""


class OwnValueError(ValueError):
    """What http.client raises when its connection is closed below it."""


class OwnInterrupt(KeyboardInterrupt):
    """A subclass of Ctrl-C."""


class OwnExit(BaseException):
    """What no `except Exception` catches."""


RAISED: list[type[BaseException]] = [
    SoftTimeLimitExceeded,
    TimeoutError,
    OwnTimeout,
    ConnectionError,
    OSError,
    OwnValueError,
    AssertionError,
    OwnInterrupt,
    OwnExit,
]


async def deaf(context: Any, input: Any) -> None:
    """Read nothing, say nothing."""
    await asyncio.Event().wait()


@pytest.fixture
def instance() -> Iterator[InstanceClient]:
    """An instance that reads nothing, on a hub of its own, which holds what was cut off until it ends."""
    with LocalHub() as hub, hub.client() as host:
        yield host.deploy(deaf).start()


def flood(closed: list[bool]) -> Iterator[bytes]:
    try:
        while True:
            yield bytes(65536)
    finally:
        closed.append(True)


def sent(call: Callable[[InstanceClient, Iterator[bytes]], object]) -> Callable[[Any], None]:
    """Return a send of an endless generator, which is closed by the time that all is over."""

    def send(instance: InstanceClient) -> None:
        closed: list[bool] = []
        try:
            call(instance, flood(closed))
        finally:
            eventually(lambda: closed)

    return send


def waited_for(instance: InstanceClient) -> None:
    upload = instance.submit_input(flood([]))
    try:
        upload.result()
    finally:
        # It goes on: who waits is not who sends.
        assert not upload.done()
        upload.cancel()


def followed(instance: InstanceClient) -> None:
    with instance.follow(stdout=lambda line: None) as follow:
        follow.wait()


def written(instance: InstanceClient) -> None:
    with instance.open_input() as file:
        while True:
            file.write(bytes(65536))


def closed(instance: InstanceClient) -> None:
    file = instance.open_input()
    upload = file.upload
    try:
        file.write(bytes(8_000_000))
        file.close()
    finally:
        assert upload.cancelled()


def multiplexed(instance: InstanceClient) -> None:
    with instance.get_stream("stdout") as stream, Multiplexer([stream]) as multiplexer:
        list(multiplexer)


def read(instance: InstanceClient) -> None:
    with instance.get_stream("output") as stream:
        stream.read()


def lines(instance: InstanceClient) -> None:
    with instance.get_stream("stderr") as stream:
        list(stream.lines())


def conversed(instance: InstanceClient) -> None:
    with instance.inout(flood([]), end=False) as stream:
        stream.read()


CALLS: dict[str, Callable[[InstanceClient], object]] = {
    "send_input": sent(lambda instance, source: instance.send_input(source)),
    "send_stdin": sent(lambda instance, source: instance.send_stdin(source)),
    "parse text": sent(
        lambda instance, source: instance.send_stream("input", source, parse_response="text")
    ),
    "submit and result": waited_for,
    "run": sent(lambda instance, source: instance.run(source, unfinished="leave")),
    "wait": lambda instance: instance.wait(),
    "wait_for": lambda instance: instance.wait_for("stopping"),
    "get_event": lambda instance: instance.get_event("never"),
    "get_next_event": lambda instance: instance.get_next_event("never"),
    "read": read,
    "lines": lines,
    "inout": conversed,
    "follow": followed,
    "write": written,
    "close": closed,
    "multiplexer": multiplexed,
}


@contextlib.contextmanager
def alarm(error: BaseException) -> Iterator[None]:
    """Have a signal handler raise an exception in a moment, whatever the main thread does by then."""

    def handler(number: int, frame: Any) -> None:
        raise error

    before = signal.signal(signal.SIGALRM, handler)
    # The call that follows can't say that it blocks; too early a signal is no failure.
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.skipif(
    threading.current_thread() is not threading.main_thread(),
    reason="signals are the main thread's",
)
@pytest.mark.parametrize(
    ("call", "kind"),
    [
        *((call, kind) for call in CALLS for kind in (SoftTimeLimitExceeded, TimeoutError)),
        *((call, kind) for call in ("send_input", "read", "get_event") for kind in RAISED[2:]),
    ],
)
def test_what_a_signal_handler_raises_passes_through(
    instance: InstanceClient, call: str, kind: type[BaseException]
):
    """It is the same exception that comes out of the call, and what was being sent is cancelled."""
    error = kind("enough")

    with pytest.raises(kind) as caught, alarm(error):
        CALLS[call](instance)

    assert caught.value is error
