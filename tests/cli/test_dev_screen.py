"""The events of `scramjet dev` on their way to stdout, which may be held up."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from scramjet_client.cli._dev_screen import OwnEvents, Screen
from tests.support.waiting import LIMIT


class HeldScreen(Screen):
    """A screen that prints nothing until it is let, and keeps what it was to print."""

    def __init__(self) -> None:
        super().__init__(as_json=False, quiet=True)
        self.let = threading.Event()
        self.began = threading.Event()
        self.events: list[Any] = []
        self.problems: list[str] = []

    def event(self, name: str, message: Any) -> None:
        self.began.set()
        assert self.let.wait(LIMIT)
        self.events.append(message)

    def problem(self, text: str) -> None:
        self.problems.append(text)


@pytest.fixture
def screen() -> HeldScreen:
    return HeldScreen()


@pytest.fixture
def events(screen: HeldScreen) -> Iterator[OwnEvents]:
    made = OwnEvents(screen, lambda error: None)
    yield made
    screen.let.set()
    made.close()


def record(instance: str, message: Any) -> dict[str, Any]:
    return {"kind": "came", "from": "event", "instance": instance, "name": "e", "message": message}


def test_events_before_the_id_is_known(events: OwnEvents, screen: HeldScreen):
    """Events of an instance that is being started wait for its id; those of others are dropped then."""
    screen.let.set()
    events.expect()
    events.take(record("new", 1))
    events.take(record("foreign", 2))
    events.take(record("new", 3))
    assert screen.events == []

    events.show("new")
    events.wait()
    assert screen.events == [1, 3]


def test_more_events_than_are_kept(events: OwnEvents, screen: HeldScreen):
    """While stdout is held up, nobody waits; the oldest events beyond 10,000 are left out, and this is said."""
    events.show("i")
    events.take(record("i", -1))
    assert screen.began.wait(LIMIT)
    for number in range(10_005):
        events.take(record("i", number))
    screen.let.set()
    events.wait()

    assert screen.events == [-1, *range(5, 10_005)]
    assert screen.problems == ["5 events are not shown: stdout was not read"]
