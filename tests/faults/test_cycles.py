"""Opening and closing again and again: nothing grows."""

from __future__ import annotations

import gc
import io
import json
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator

import psutil
import pytest

from scramjet_client import HostClient, InstanceClient
from tests.support.waiting import LIMIT, eventually

_SINK = """
async def run(context, input):
    async for chunk in input:
        pass
    yield b""
"""


def _packed() -> bytes:
    """Return a sequence package with that program."""
    files = {
        "package.json": b'{"name": "sink", "main": "main.py", "engines": {"python3": "3.9.0"}}',
        "main.py": _SINK.encode(),
    }
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as package:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            package.addfile(entry, io.BytesIO(data))
    return made.getvalue()


_PACKAGE = _packed()

_WARM = 20
"""Cycles before the first measurement: pools, caches and the allocator reach their size."""

_SLACK = 8 * 2**20
"""Bytes that the allocator may keep: threads that end while others begin make it take 5 MB, once. A buffer that
leaked with each cycle would be far more, and objects are counted beside it."""


@pytest.fixture(scope="module")
def sink() -> Iterator[tuple[str, str]]:
    """The URL of a LocalHub in a process of its own, whose memory is not ours, and an instance that takes all."""
    command = [sys.executable, "-m", "scramjet_client.hub", "--port", "0", "--no-token"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as hub:
        try:
            assert hub.stdout is not None
            url = hub.stdout.readline().strip()
            with HostClient(url) as host:
                instance = host.send_sequence([_PACKAGE]).start()
                instance.wait_for("running", timeout=LIMIT)
            yield url, instance.id
        finally:
            hub.terminate()


@pytest.fixture
def instance(sink: tuple[str, str]) -> Iterator[InstanceClient]:
    """A client of that instance."""
    url, id = sink
    with HostClient(url) as host:
        yield host.get_instance_client(id)


def _writer(instance: InstanceClient) -> None:
    with instance.open_input() as file:
        file.write(b"some data")
        file.detach()


def _cancelled_writer(instance: InstanceClient) -> None:
    file = instance.open_input()
    file.write(b"some data")
    file.cancel()


def _cancelled(instance: InstanceClient) -> None:
    gate = threading.Event()

    def source() -> Iterator[bytes]:
        yield b"some data"
        gate.wait(LIMIT)

    upload = instance.submit_input(source())
    upload.accepted(LIMIT)
    upload.cancel()
    gate.set()


def _package(instance: InstanceClient) -> None:
    answer = instance.client.send_stream("sequence", [_PACKAGE])
    instance.client.delete(f"sequence/{json.loads(answer)['id']}")


KINDS: dict[str, Callable[[InstanceClient], object]] = {
    "output": lambda instance: instance.get_stream("output").close(),
    "stdout": lambda instance: instance.get_stream("stdout").close(),
    "forgotten": lambda instance: instance.get_stream("output"),
    "log": lambda instance: instance.get_log_stream().close(),
    "events": lambda instance: instance.get_event_stream("tick").close(),
    "inout": lambda instance: instance.inout([b"some data"], end=False).close(),
    "send": lambda instance: instance.send_input([b"some", b"data"]),
    "submit": lambda instance: instance.submit_input([b"some", b"data"]).result(LIMIT),
    "cancelled": _cancelled,
    "writer": _writer,
    "cancelled writer": _cancelled_writer,
    "package": _package,
}


def _state() -> tuple[int, int, int, int]:
    """Return the numbers of threads, descriptors and objects, and the bytes of memory."""
    gc.collect()
    process = psutil.Process()
    return (
        threading.active_count(),
        process.num_fds(),
        len(gc.get_objects()),
        process.memory_info().rss,
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cycles", [200, pytest.param(1000, marks=pytest.mark.long)])
def test_nothing_grows(instance: InstanceClient, kind: str, cycles: int):
    """Any number of streams and uploads, one after the other, leave threads, descriptors and memory as they were."""
    cycle = KINDS[kind]
    running = threading.active_count()
    for _ in range(_WARM):
        cycle(instance)
    eventually(lambda: threading.active_count() <= running)
    threads, descriptors, objects, memory = _state()
    for _ in range(cycles):
        cycle(instance)

    # A thread or two, and their sockets, may still be on their way out.
    eventually(lambda: _state()[0] <= threads and _state()[1] <= descriptors)
    assert _state()[2] - objects < cycles
    assert _state()[3] - memory < _SLACK
