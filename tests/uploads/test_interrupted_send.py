"""Ctrl-C in a send that the program holds back: the thread that writes is blocked in the socket then."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Iterator

import pytest

from scramjet_client import InstanceClient
from scramjet_client.hub import LocalHub
from tests.support.waiting import LIMIT, eventually


async def deaf(context, input):
    """Read nothing."""
    await asyncio.Event().wait()


@pytest.fixture
def instance() -> Iterator[InstanceClient]:
    """An instance that reads nothing."""
    with LocalHub() as hub, hub.client() as host:
        yield host.deploy(deaf).start()


def test_interrupt_frees_a_writer_that_is_held_back(instance: InstanceClient):
    """After Ctrl-C in a send whose writer is blocked in the socket, that thread and its generator end."""
    moved, closed = threading.Event(), threading.Event()

    def flood() -> Iterator[bytes]:
        try:
            while True:
                yield bytes(65536)
        finally:
            closed.set()

    def interrupt_when_held_back() -> None:
        assert moved.wait(LIMIT)
        while moved.wait(0.5):
            moved.clear()
        os.kill(os.getpid(), signal.SIGINT)

    watcher = threading.Thread(target=interrupt_when_held_back, name="test-watcher")
    watcher.start()
    with pytest.raises(KeyboardInterrupt):
        instance.send_input(flood(), progress=lambda _sent, _total: moved.set())
    watcher.join(LIMIT)

    assert closed.wait(LIMIT)
    eventually(lambda: not any("upload" in each.name for each in threading.enumerate()))
