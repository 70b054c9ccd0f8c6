"""Uploads of a process that may start no thread: their error says so, and nothing is taken for begun."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from scramjet_client import HostClient, InstanceClient
from scramjet_client.errors import UploadError
from scramjet_client.uploads import upload as uploads
from tests.support.scripted_hub import H1Hub, Instance
from tests.support.waiting import LIMIT, eventually


class Source:
    """Items, and whether they have been closed."""

    def __init__(self) -> None:
        self.closed = threading.Event()

    def items(self) -> Iterator[bytes]:
        try:
            yield b"one"
            yield b"two"
        finally:
            self.closed.set()

    def begun(self) -> Iterator[bytes]:
        """Return the items, of which the first has been taken: a generator that has not begun has nothing to close."""
        items = self.items()
        next(items)
        return items


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let no thread start whose name begins so; "" lets all start again."""
    start = threading.Thread.start

    def refuse(name: str) -> None:
        def refusing(thread: threading.Thread) -> None:
            if name and thread.name.startswith(name):
                raise RuntimeError("can't start new thread")
            start(thread)

        monkeypatch.setattr(threading.Thread, "start", refusing)

    return refuse


WAYS: dict[str, tuple[str, Callable[[InstanceClient, Any], object]]] = {
    "submit_input": ("scramjet-answer", lambda i, items: i.submit_input(items, end=True)),
    "submit_stream": (
        "scramjet-answer",
        lambda i, items: i.submit_stream("input", items, end=True),
    ),
    "inout": ("scramjet-answer", lambda i, items: i.inout(items)),
    "its type": ("scramjet-first", lambda i, items: i.submit_input(items, end=True)),
    "send_input": ("scramjet-upload", lambda i, items: i.send_input(items, end=True)),
    "the body of a submit": (
        "scramjet-upload",
        lambda i, items: i.submit_input(items, end=True).result(LIMIT),
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_no_thread(way: str, h1_hub: H1Hub, h1_host: HostClient, refuse: Callable[[str], None]):
    """The error names what is short, the source is closed, and the input takes data when there are threads again."""
    h1_hub.instances["i"] = Instance("i", h1_hub.stopped)
    instance = h1_host.get_instance_client("i")
    name, send = WAYS[way]
    source = Source()
    items = source.begun()
    refuse(name)

    with pytest.raises(UploadError, match=r"can't start new thread.*ulimit"):
        send(instance, items)
    refuse("")

    if way != "its type":
        assert source.closed.wait(LIMIT)
    eventually(lambda: not [each for each in uploads._running._items if not each.done()])
    assert instance.send_input(b"again", type="text/plain", end=True).bytes_written == 5


def test_no_thread_to_gather(h1_hub: H1Hub, h1_host: HostClient, refuse: Callable[[str], None]):
    """Without the thread that sends small pieces together, they are sent one by one."""
    h1_hub.instances["i"] = Instance("i", h1_hub.stopped)
    instance = h1_host.get_instance_client("i")
    refuse("scramjet-flush")

    sent = instance.send_input((b"%d\n" % n for n in range(1000)), type="text/plain", end=True)

    assert sent.bytes_written == 3890
