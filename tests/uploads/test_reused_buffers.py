"""Sources that use one buffer again and again, as `readinto` does: what was given is what is sent."""

from __future__ import annotations

import io
import mmap
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from scramjet_client import HostClient, InstanceClient
from scramjet_client.uploads.sources import Source
from tests.support.waiting import LIMIT

BINARY = "application/octet-stream"
COUNT, SIZE = 500, 100
EXPECTED = b"".join(bytes([number % 256]) * SIZE for number in range(COUNT))


async def echo(_context: Any, stream: Any) -> Any:
    async for chunk in stream:
        yield chunk


@pytest.fixture
def instance(host: HostClient) -> InstanceClient:
    return host.deploy(echo).start()


def views() -> Iterator[memoryview]:
    buffer = bytearray(SIZE)
    for number in range(COUNT):
        buffer[:] = bytes([number % 256]) * SIZE
        yield memoryview(buffer)


def bytearrays() -> Iterator[bytearray]:
    buffer = bytearray()
    for number in range(COUNT):
        buffer += bytes([number % 256]) * SIZE
        yield buffer
        buffer.clear()


def arrays() -> Iterator[Any]:
    array = np.zeros(SIZE, "u1")
    for number in range(COUNT):
        array[:] = number % 256
        yield array


def parts_of_a_file() -> Iterator[memoryview]:
    file = io.BytesIO()
    for number in range(COUNT):
        file.write(bytes([number % 256]) * SIZE)
        yield file.getbuffer()
        file.seek(0)
        file.truncate()


def maps() -> Iterator[memoryview]:
    for number in range(COUNT):
        with mmap.mmap(-1, SIZE) as area:
            area[:] = bytes([number % 256]) * SIZE
            yield memoryview(area)


class Reader:
    """A file that reads into its own buffer, and empties it before each read."""

    def __init__(self) -> None:
        self._items = views()
        self._buffer = bytearray()

    def read(self, _size: int) -> bytearray:
        self._buffer.clear()
        self._buffer += next(self._items, b"")
        return self._buffer


class Loop(io.RawIOBase):
    """A file that is read by a loop, and uses its buffer again."""

    def readable(self) -> bool:
        return True

    def __iter__(self) -> Any:
        return bytearrays()


SOURCES: list[Callable[[], Any]] = [
    views,
    bytearrays,
    arrays,
    parts_of_a_file,
    maps,
    Reader,
    Loop,
    lambda: (item for item in bytearrays()),
]


@pytest.mark.parametrize("make", SOURCES, ids=lambda make: make.__name__)
@pytest.mark.parametrize("type", [None, BINARY])
def test_reused_buffer(instance: InstanceClient, type: str | None, make: Callable[[], Any]):
    """The program gets what each item held when it was given."""
    with instance.get_stream("output") as output:
        instance.submit_input(make(), type=type, end=True).result(LIMIT)

        assert output.read() == EXPECTED


def test_inout_reused_buffer(instance: InstanceClient):
    """A conversation sends what each item held."""
    with instance.inout(views()) as output:
        assert output.read() == EXPECTED


def test_run_reused_buffer(host: HostClient):
    """A run sends what each item held."""
    assert host.deploy(echo).run(bytearrays()).output == EXPECTED


def test_topic_reused_buffer(host: HostClient):
    """A topic gets what each item held."""
    with host.get_topic("numbers", content_type=BINARY) as stream:
        host.send_topic("numbers", bytearrays(), content_type=BINARY)

        assert stream.read(len(EXPECTED)) == EXPECTED


@pytest.mark.parametrize("wrapped", [lambda data: data, memoryview, lambda data: [data, b""]])
def test_memory_changes_after_a_submit(instance: InstanceClient, wrapped: Callable[[Any], Any]):
    """The caller may use its memory again at once: the upload has a copy."""
    buffer = bytearray(b"x" * 3_000_000)

    with instance.get_stream("output") as output:
        upload = instance.submit_input(wrapped(buffer), end=True)
        buffer[:] = b"y" * len(buffer)

        assert output.read() == b"x" * len(buffer)
        upload.result(LIMIT)


def test_fixed_memory_is_not_copied():
    """Bytes, and views of bytes, are sent from where they are."""
    data = b"x" * 3_000_000

    assert Source(data, own=True).whole.obj is data
    assert Source(memoryview(data), own=True).whole.obj is data
