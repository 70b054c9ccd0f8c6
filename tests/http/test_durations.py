"""Every place that takes a duration, with every value that may be given: one table of each."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from datetime import datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import urllib3

from scramjet_client import (
    HostClient,
    InstanceClient,
    InstanceNotFoundError,
    KeepAlive,
    Multiplexer,
    Reconnect,
    SequenceClient,
    Timeouts,
    Tuning,
)
from scramjet_client.http.durations import duration, milliseconds
from scramjet_client.http.requester import BodyRequest
from scramjet_client.hub import LocalHub
from scramjet_client.uploads.sending import answer_text
from scramjet_client.uploads.sources import Source
from scramjet_client.uploads.upload import Transfer, Upload
from tests.support.cases import mostly_long

ECHO = Path(__file__).parent.parent / "sequences" / "py-echo"


@pytest.fixture(scope="module")
def hub() -> Iterator[LocalHub]:
    with LocalHub() as hub:
        yield hub


class Scene:
    """What the places have at hand."""

    def __init__(self, hub: LocalHub, host: HostClient, sequence: SequenceClient) -> None:
        self.hub = hub
        self.host = host
        self.sequence = sequence

    def instance(self) -> InstanceClient:
        return self.sequence.start()

    def ended(self) -> InstanceClient:
        instance = self.sequence.start()
        instance.send_input(b"", end=True)
        with instance.get_stream("output") as output:
            output.read()
        instance.wait(60)
        return instance

    def submit(self) -> Upload[Any]:
        return self.instance().submit_input(b"a\n")

    def client(self, **timeouts: Any) -> HostClient:
        token = self.hub.token if hasattr(self.hub, "token") else None
        return HostClient(self.hub.url, token=token, timeout=Timeouts(**timeouts))


@pytest.fixture
def nowhere(hub: LocalHub) -> Iterator[Scene]:
    with hub.client() as host:
        yield NowhereScene(hub, host, host.get_sequence_client("x"))


@pytest.fixture
def scene(hub: LocalHub) -> Iterator[Scene]:
    with hub.client() as host:
        yield Scene(hub, host, host.send_sequence(ECHO))
    hub.clear()


class NowhereScene(Scene):
    """The same for what is refused before anything is asked of the hub: nothing is started."""

    def instance(self) -> InstanceClient:
        return self.host.get_instance_client("x")

    def submit(self) -> Upload[Any]:
        request = BodyRequest(path="x", headers={})
        transfer = Transfer(
            requester=self.host.client, request=request, name="x", convert=answer_text
        )
        return Upload(transfer, Source(b""))

    def ended(self) -> InstanceClient:
        return Scene(self.hub, self.host, self.host.send_sequence(ECHO)).ended()


def upload(scene: Scene, wait: Callable[[Any], object]) -> None:
    submitted = scene.submit()
    try:
        wait(submitted)
    finally:
        submitted.cancel()


def read(scene: Scene, value: Any) -> None:
    instance = scene.instance()
    with instance.get_stream("output", idle_timeout=value) as output:
        instance.send_input(b"a\n", end=True)
        assert output.read()


def with_limits(scene: Scene, **limits: Any) -> None:
    with scene.client(**limits) as host:
        instance = host.get_instance_client(scene.instance().id)
        instance.send_input(b"a\n", end=True)
        with instance.get_stream("output") as output:
            assert output.read()


def stopped(instance: InstanceClient) -> InstanceClient:
    with contextlib.suppress(InstanceNotFoundError):
        instance.stop()
    return instance


def followed(scene: Scene, value: Any) -> None:
    with scene.ended().follow(output=lambda line: None) as follow:
        follow.wait(value)


def expected(scene: Scene, value: Any) -> None:
    with scene.host.get_instance_client("x").expect_event("a", timeout=value):
        raise LookupError


def plain_client(scene: Scene, value: Any) -> None:
    HostClient(scene.hub.url, timeout=value, token=getattr(scene.hub, "token", None)).get_version()


PLACES: dict[str, tuple[str, Callable[[Scene, Any], object]]] = {
    "HostClient": ("read|timeout", plain_client),
    "connect": ("connect", lambda scene, value: with_limits(scene, connect=value)),
    "read": ("read", lambda scene, value: with_limits(scene, read=value)),
    "write": ("write", lambda scene, value: with_limits(scene, write=value)),
    "idle": ("idle", lambda scene, value: with_limits(scene, idle=value)),
    "start": ("timeout", lambda scene, value: scene.sequence.start(timeout=value)),
    "sequence.run": ("timeout", lambda scene, value: scene.sequence.run(b"a\n", timeout=value)),
    "run": ("timeout", lambda scene, value: scene.instance().run(b"a\n", timeout=value)),
    "wait": ("timeout", lambda scene, value: stopped(scene.instance()).wait(value)),
    "wait_for": ("timeout", lambda scene, value: scene.instance().wait_for("running", value)),
    "idle_timeout": ("idle_timeout", read),
    "send": (
        "timeout",
        lambda scene, value: scene.instance().send_input(b"a\n", {"timeout": value}),
    ),
    "result": ("timeout", lambda scene, value: upload(scene, lambda sent: sent.result(value))),
    "exception": (
        "timeout",
        lambda scene, value: upload(scene, lambda sent: sent.exception(value)),
    ),
    "accepted": ("timeout", lambda scene, value: upload(scene, lambda sent: sent.accepted(value))),
    "follow": ("timeout", followed),
    "doctor": ("timeout", lambda scene, value: scene.host.doctor(timeout=value)),
    "first_delay": ("first_delay", lambda scene, value: Reconnect(first_delay=value)),
    "max_delay": ("max_delay", lambda scene, value: Reconnect(max_delay=value)),
    "give_up_after": ("give_up_after", lambda scene, value: Reconnect(give_up_after=value)),
    "keep-alive": ("idle", lambda scene, value: KeepAlive(idle=value)),
    "look": ("look", lambda scene, value: Tuning(look=value)),
    "input_settle": ("input_settle", lambda scene, value: Tuning(input_settle=value)),
    "tick": ("tick", lambda scene, value: Multiplexer(tick=value).close()),
    "stop": ("timeout", lambda scene, value: scene.instance().stop(value)),
}

LONG = [86400 * 25, 1e10, math.inf, timedelta.max]

WRONG = [
    math.nan, -1, -math.inf, timedelta(seconds=-1), True, "5", b"5", [5], 5j, np.timedelta64(5, "ns")
]  # fmt: skip


@pytest.mark.parametrize(
    "value", mostly_long(LONG, but=[1e10, math.inf]), ids=lambda value: repr(value)[:30]
)
@pytest.mark.parametrize("place", PLACES)
def test_a_long_limit_is_as_good_as_none(scene: Scene, place: str, value: Any):
    """A limit that is longer than the system can count, or infinite, works as one that is not reached."""
    PLACES[place][1](scene, value)


@pytest.mark.parametrize("value", WRONG, ids=repr)
@pytest.mark.parametrize("place", PLACES)
def test_what_is_no_duration_is_refused_by_name(nowhere: Scene, place: str, value: Any):
    """What is no length of time is refused, and the error names the argument."""
    name, use = PLACES[place]

    with pytest.raises(
        (TypeError, ValueError), match=rf"^({name}|request_init\['{name}'\]) must be"
    ):
        use(nowhere, value)


@pytest.mark.parametrize("value", WRONG, ids=repr)
def test_an_expected_event_is_refused_before_its_block(nowhere: Scene, value: Any):
    """The block of `expect_event` is not entered with a limit that is none."""
    with pytest.raises((TypeError, ValueError), match=r"^timeout must be"):
        expected(nowhere, value)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (1, 1.0),
        (0.5, 0.5),
        (Fraction(1, 2), 0.5),
        (Decimal("0.5"), 0.5),
        (np.float32(0.5), 0.5),
        (np.int64(2), 2.0),
        (timedelta(minutes=1), 60.0),
        (None, None),
        (math.inf, None),
        (10**400, None),
        (Fraction(10**400, 3), None),
        (Decimal("inf"), None),
        (np.float32("inf"), None),
        (86400 * 50, 86400.0 * 50),
        (timedelta(days=25), 86400.0 * 25),
    ],
)
def test_a_duration_is_seconds(value: object, seconds: float | None):
    """Seconds and timedeltas are seconds; None and infinite are no limit."""
    assert duration("timeout", value) == seconds


HUB_PLACES: dict[str, Callable[[Any], LocalHub]] = {
    "instance_lifetime": lambda value: LocalHub(instance_lifetime=value),
    "head_timeout": lambda value: LocalHub(head_timeout=value),
}


@pytest.mark.parametrize("value", [86400 * 25, 1e10, math.inf, 10**400, timedelta.max, None])
@pytest.mark.parametrize("place", HUB_PLACES)
def test_a_hub_takes_a_long_time(place: str, value: Any):
    """The times of a LocalHub may be as long as those of a client."""
    with HUB_PLACES[place](value) as hub, hub.client() as host:
        assert host.get_config()
        assert host.get_version().version


@pytest.mark.parametrize("value", [math.nan, -1, timedelta(-1), True, "5", [5]], ids=repr)
@pytest.mark.parametrize("place", HUB_PLACES)
def test_a_hub_refuses_what_is_no_duration(place: str, value: Any):
    """What is no length of time is refused before the hub starts, and named."""
    with pytest.raises((TypeError, ValueError), match=f"^{place} must be"):
        HUB_PLACES[place](value)


def test_keep_alive_is_whole_seconds():
    """What a system can't count is rounded or refused, and no error of a socket."""
    assert KeepAlive(idle=0.2, interval=timedelta(minutes=1)).interval == 60  # type: ignore[arg-type]
    assert KeepAlive(idle=0.2).idle == 1  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="count must be"):
        KeepAlive(count=0)


@pytest.mark.parametrize(
    "value",
    [
        np.timedelta64(5, "s"),
        np.bool_(True),
        np.array(5),
        Decimal("nan"),
        Decimal("sNaN"),
        datetime(2020, 1, 1),
        time(0, 5),
        range(3),
        urllib3.Timeout(3),
        (3, 5),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_only_looks_like_a_duration_is_refused_by_name(value: object):
    """Numbers with a unit of their own, and pairs of limits as requests takes them, are no seconds."""
    for name, use in {"timeout": duration, "stop": milliseconds}.items():
        with pytest.raises((TypeError, ValueError), match=f"^{name} must be"):
            use(name, value)


def test_durations_of_pandas():
    """Its length of time is one, and its missing one is none."""
    import pandas  # noqa: PLC0415 - it takes half a second, and whoever collects other tests needs none

    assert duration("timeout", pandas.Timedelta("1min")) == 60.0
    with pytest.raises((TypeError, ValueError), match=r"^timeout must be"):
        duration("timeout", pandas.NaT)
    with pytest.raises((TypeError, ValueError), match=r"^stop must be"):
        milliseconds("stop", pandas.NaT)


def test_zero_is_for_looking_once():
    """0 is no limit of a request, and may be one of a wait."""
    assert duration("timeout", 0, zero=True) == 0
    with pytest.raises(ValueError, match="more than 0"):
        duration("timeout", 0)


@pytest.mark.parametrize(
    ("value", "sent"),
    [(0, 0), (1500, 1500), (timedelta(seconds=2), 2000), (math.inf, 2**31 - 1), (2**31, 2**31 - 1)],
)
def test_a_stop_has_no_longer_time_than_a_hub_can_count(value: Any, sent: float):
    """Node.js takes a time of 2**31 ms for 1 ms, so that the program would be killed at once."""
    assert milliseconds("timeout", value) == sent
