"""Targets that would lose data in silence: those that take a part of it, and those that do nothing when called."""

from __future__ import annotations

import functools
import io
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from scramjet_client import HostClient, InstanceClient, SequenceClient
from tests.support.waiting import LIMIT

SIZE = 30_000


def lines(_context: Any, _stream: Any) -> Iterator[str]:
    for _ in range(SIZE // 100):
        yield "x" * 99 + "\n"


@pytest.fixture
def sequence(host: HostClient) -> SequenceClient:
    return host.deploy(lines)


@pytest.fixture
def instance(sequence: SequenceClient) -> InstanceClient:
    return sequence.start()


# -- parts ------------------------------------------------------------------------------------------


class Raw(io.RawIOBase):
    """A raw file that takes at most 7 bytes at a time, as one on a full disk takes few."""

    def __init__(self) -> None:
        self.taken = b""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.taken += bytes(data[:7])
        return len(data[:7])


class Wrapper:
    """A wrapper as those of tempfile and tqdm are."""

    def __init__(self, file: Any) -> None:
        write = file.write

        @functools.wraps(write)
        def wrapped(*args: Any) -> Any:
            return write(*args)

        self.write = wrapped


TAKERS: dict[str, Callable[[Raw], Any]] = {
    "raw": lambda raw: raw,
    "wrapper": Wrapper,
    "wrapper of a wrapper": lambda raw: Wrapper(Wrapper(raw)),
    "method": lambda raw: raw.write,
    "method of a wrapper": lambda raw: Wrapper(raw).write,
    "partial": lambda raw: functools.partial(raw.write),
}


@pytest.mark.parametrize("name", TAKERS)
@pytest.mark.parametrize("way", ["pipe_to", "follow", "run"])
def test_target_takes_parts(sequence: SequenceClient, way: str, name: str):
    """A target that takes a part of the data gets the rest."""
    raw = Raw()
    target = TAKERS[name](raw)

    if way == "run":
        sequence.run(output=target)
    elif way == "follow":
        with sequence.start().follow(output=target) as follow:
            follow.wait()
    else:
        with sequence.start().get_stream("output") as stream:
            stream.pipe_to(target)

    assert len(raw.taken) == SIZE


def test_descriptors_and_sockets(instance: InstanceClient):
    """So do `os.write` and a socket's `send`."""
    here, there = socket.socketpair()
    taken: list[bytes] = []

    def take() -> None:
        while piece := there.recv(65536):
            taken.append(piece)

    reader = threading.Thread(target=take, name="test-reader")
    reader.start()
    with there, instance.get_stream("output") as stream:
        with here:

            def send(data: Any) -> int:
                return here.send(data[:4096])

            stream.pipe_to(functools.wraps(here.send)(send))
        reader.join(LIMIT)

    assert len(b"".join(taken)) == SIZE


class Liar:
    """A file that is not raw, and takes a part of what it gets."""

    def write(self, data: bytes) -> int:
        return len(data) - 1


def test_file_that_took_less(instance: InstanceClient):
    """Data that a target has not taken is an error."""
    with (
        instance.get_stream("output") as stream,
        pytest.raises(OSError, match=r"took \d+ of \d+ bytes"),
    ):
        stream.pipe_to(Liar())


# -- callbacks that do nothing ----------------------------------------------------------------------


async def coroutine(*_given: Any) -> None:
    pass


def generator(*_given: Any) -> Iterator[None]:
    yield


async def async_generator(*_given: Any) -> Any:
    yield


class AsyncCall:
    async def __call__(self, *_given: Any) -> None:
        pass


class GeneratorCall:
    def __call__(self, *_given: Any) -> Iterator[None]:
        yield


class Methods:
    async def coroutine(self, *_given: Any) -> None:
        pass

    def generator(self, *_given: Any) -> Iterator[None]:
        yield


class AsyncFile:
    async def write(self, data: bytes) -> int:
        return len(data)


CALLBACKS: dict[str, Any] = {
    "async function": coroutine,
    "generator function": generator,
    "async generator function": async_generator,
    "async call": AsyncCall(),
    "generator call": GeneratorCall(),
    "async method": Methods().coroutine,
    "generator method": Methods().generator,
    "partial": functools.partial(coroutine),
    "partial of a call": functools.partial(AsyncCall()),
    "result is a coroutine": lambda data, *_more: coroutine(data),
    "result is a generator": lambda data, *_more: generator(data),
    "result is an async generator": lambda data, *_more: async_generator(data),
}

WAYS: dict[str, Callable[[InstanceClient, Any], object]] = {
    "pipe_to": lambda instance, call: instance.get_stream("output").pipe_to(call),
    "follow": lambda instance, call: instance.follow(output=call).wait(),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", CALLBACKS)
@pytest.mark.parametrize("way", WAYS)
def test_callback_that_does_nothing(instance: InstanceClient, way: str, name: str):
    """A callback that nobody awaits or iterates is refused, at the latest when it is first called."""
    with pytest.raises(TypeError, match="nobody here"):
        WAYS[way](instance, CALLBACKS[name])


@pytest.mark.parametrize("way", WAYS)
def test_file_that_is_async(instance: InstanceClient, way: str):
    """So is a file whose `write` is async."""
    with pytest.raises(TypeError, match="nobody here"):
        WAYS[way](instance, AsyncFile())


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", CALLBACKS)
def test_progress_hook_that_does_nothing(instance: InstanceClient, name: str):
    """So is a progress hook."""
    with pytest.raises(Exception, match="nobody here"):
        instance.send_input("a", progress=CALLBACKS[name])


def test_callback_that_returns_something(instance: InstanceClient):
    """What else a callback returns means nothing."""
    seen: list[bytes] = []

    def call(data: bytes) -> int:
        seen.append(data)
        return 1

    with instance.get_stream("output") as stream:
        assert stream.pipe_to(call) == SIZE
