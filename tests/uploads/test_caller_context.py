"""Code of the caller that runs on other threads sees the caller's context variables."""

from __future__ import annotations

import contextvars
import decimal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import flask
import numpy as np
import pytest

from scramjet_client import HostClient, InstanceClient
from tests.support.waiting import LIMIT

TENANT: contextvars.ContextVar[str] = contextvars.ContextVar("tenant", default="nobody")
APP = flask.Flask(__name__)


async def echo(_context: Any, stream: Any) -> Any:
    async for chunk in stream:
        yield chunk


@pytest.fixture
def instance(host: HostClient) -> InstanceClient:
    return host.deploy(echo).start()


@pytest.fixture(autouse=True)
def tenant() -> Iterator[None]:
    token = TENANT.set("alice")
    yield
    TENANT.reset(token)


class File:
    """A file that names the tenant in each read, and in its last one that which a read has set."""

    def __init__(self) -> None:
        self._left = 3

    def read(self, _size: int) -> str:
        self._left -= 1
        return f"{TENANT.get()}\n" if self._left >= 0 else ""


class Closing:
    """An iterator that records the tenant that its `close` sees."""

    def __init__(self) -> None:
        self.seen = ""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self.seen:
            raise StopIteration
        self.seen = "nobody yet"
        return "a\n"

    def close(self) -> None:
        self.seen = TENANT.get()


def names() -> Iterator[str]:
    for _ in range(3):
        yield f"{TENANT.get()}\n"


def within() -> Iterator[str]:
    """Set the variable in a block that begins before the first item and ends after the last."""
    token = TENANT.set("bob")
    yield f"{TENANT.get()}\n"
    yield f"{TENANT.get()}\n"
    TENANT.reset(token)
    yield f"{TENANT.get()}\n"


SOURCES: dict[str, tuple[Callable[[], Any], str]] = {
    "generator": (names, "alice\nalice\nalice\n"),
    "generator that sets it": (within, "bob\nbob\nalice\n"),
    "iterator": (lambda: map(str, names()), "alice\nalice\nalice\n"),
    "file": (File, "alice\nalice\nalice\n"),
}


@pytest.mark.parametrize("type", [None, "text/plain"])
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("way", ["send_input", "submit_input"])
def test_source_sees_the_context(instance: InstanceClient, way: str, source: str, type: str | None):
    """A source gives what it would give in the caller's thread."""
    make, expected = SOURCES[source]
    with instance.get_stream("output") as output:
        if way == "send_input":
            instance.send_input(make(), type=type, end=True)
        else:
            instance.submit_input(make(), type=type, end=True).result(LIMIT)

        assert output.read().decode() == expected


@pytest.mark.parametrize("type", [None, "text/plain"])
def test_close_sees_the_context(instance: InstanceClient, type: str | None):
    """So does the closing of a source."""
    source = Closing()

    instance.send_input(source, type=type, end=True)

    assert source.seen == "alice"


def test_precision_and_values(instance: InstanceClient):
    """A local precision of `decimal` holds for values that are sent as JSON."""
    with instance.get_stream("output") as output, decimal.localcontext() as context:
        context.prec = 50
        instance.send_input(
            (str(decimal.Decimal(1) / decimal.Decimal(7)) for _ in range(1)), json=True, end=True
        )

        assert len(output.read()) > 50


def test_errstate_around_a_yield(instance: InstanceClient):
    """A block of numpy's error state may begin with the first item and end with the last."""

    def numbers() -> Iterator[str]:
        with np.errstate(divide="ignore"):
            yield f"{np.float64(1) / np.float64(0)}\n"
            yield f"{np.float64(1) / np.float64(0)}\n"

    with instance.get_stream("output") as output:
        instance.send_input(numbers(), end=True)

        assert output.read() == b"inf\ninf\n"


def test_request_of_flask(instance: InstanceClient):
    """A generator in a view may use the request, whose body it reads."""
    with APP.test_request_context("/up", data=b"x" * 5000), instance.get_stream("output") as output:
        instance.send_input(iter(lambda: flask.request.stream.read(1000), b""), end=True)

        assert output.read() == b"x" * 5000


def test_progress_sees_the_context(instance: InstanceClient):
    """The progress hook is called in it too."""
    seen = set()

    instance.submit_input(names(), progress=lambda _sent, _total: seen.add(TENANT.get())).result(
        LIMIT
    )

    assert seen == {"alice"}


def test_follow_sees_the_context(instance: InstanceClient):
    """A callback that gets output on a thread of its own is called in it."""
    seen = []

    with instance.follow(
        output=lambda _line: seen.append((TENANT.get(), threading.get_ident()))
    ) as follow:
        instance.send_input("a\n", end=True)
        follow.wait()

    assert [name for name, _ in seen] == ["alice"]
    assert seen[0][1] != threading.get_ident()
