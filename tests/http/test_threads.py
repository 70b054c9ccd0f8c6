"""A process that may start no thread: the error says so, and nothing is taken for begun."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from scramjet_client import HostClient, InstanceClient
from scramjet_client.clients.fleet import at_once
from scramjet_client.errors import NoThreadError, UploadError
from scramjet_client.hub import LocalHub
from scramjet_client.streams.multiplex import HookThread
from scramjet_client.uploads import upload as uploads
from tests.support.hubs import open_hub
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
def refuse(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let no thread start whose name begins so, but for some of the first; "" lets all start again."""
    start = threading.Thread.start

    def refuse(name: str, first: int = 0) -> None:
        begun = iter(range(first))

        def refusing(thread: threading.Thread) -> None:
            if name and thread.name.startswith(name) and next(begun, None) is None:
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
def test_no_thread(way: str, h1_hub: H1Hub, h1_host: HostClient, refuse: Callable[..., None]):
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


def test_no_thread_to_gather(h1_hub: H1Hub, h1_host: HostClient, refuse: Callable[..., None]):
    """Without the thread that sends small pieces together, they are sent one by one."""
    h1_hub.instances["i"] = Instance("i", h1_hub.stopped)
    instance = h1_host.get_instance_client("i")
    refuse("scramjet-flush")

    sent = instance.send_input((b"%d\n" % n for n in range(1000)), type="text/plain", end=True)

    assert sent.bytes_written == 3890


def silent(context: Any, input: Any) -> Iterator[str]:
    """Say nothing, until it is ended."""
    time.sleep(600)
    yield ""


@pytest.fixture(scope="module")
def shared() -> Iterator[LocalHub]:
    """A hub for all tests."""
    with open_hub() as hub:
        yield hub


@pytest.fixture
def host(shared: LocalHub) -> Iterator[HostClient]:
    """A client of it."""
    with shared.client() as client:
        yield client
    shared.clear()


OTHERS: dict[str, tuple[str, int, Callable[[InstanceClient], object], bool]] = {
    "run": ("scramjet-follow", 0, lambda i: i.run(), False),
    "run, with some": ("scramjet-follow", 3, lambda i: i.run(), False),
    "follow": ("scramjet-follow", 0, lambda i: i.follow(output=print), True),
    "follow, with one": ("scramjet-follow", 1, lambda i: i.follow(output=print, log=print), True),
}


@pytest.mark.parametrize("other", OTHERS)
def test_no_thread_to_read(other: str, host: HostClient, refuse: Callable[..., None]):
    """What was started or opened for it is ended; what was there before goes on, and works later."""
    name, first, call, lives = OTHERS[other]
    instance = host.deploy(silent).start()
    instance.wait_for("running", timeout=LIMIT)
    refuse(name, first)

    with pytest.raises(NoThreadError, match=r"can't start new thread.*ulimit.*no stream is read"):
        call(instance)
    refuse("")

    if lives:
        assert instance.get_info().status == "running"
        with instance.follow(output=print) as follow:
            instance.kill()
            follow.wait(LIMIT)
    assert instance.wait(LIMIT).status == "stopped"


@pytest.mark.parametrize("name", ["scramjet-start", "scramjet-follow"])
def test_no_thread_to_run(name: str, host: HostClient, refuse: Callable[..., None]):
    """No instance lives on that nobody knows of."""
    sequence = host.deploy(silent)
    refuse(name)

    with pytest.raises(NoThreadError, match="ulimit"):
        sequence.run()
    refuse("")

    eventually(lambda: not [each for each in sequence.get_info().instances if alive(host, each)])


def alive(host: HostClient, instance_id: str) -> bool:
    """Return whether an instance has not ended."""
    info = host.get_instance_client(instance_id).get_info()
    return info.terminated is None


def test_no_thread_for_several_hubs(refuse: Callable[..., None]):
    """The error is not taken for one of a hub, and the threads that there were end."""
    refuse("scramjet-fleet", 1)

    with pytest.raises(NoThreadError, match=r"ulimit.*some of them"):
        at_once({name: lambda: None for name in range(20)})


def test_no_thread_to_look(refuse: Callable[..., None]):
    """Without the thread for hooks of silent streams, the loop calls them."""
    refuse("scramjet-watch")
    hooks = HookThread()
    called: list[str] = []

    class Silent:
        hook_runs = False

        def call_hook(self) -> None:
            called.append("hook")

    hooks.ask(Silent(), lambda: called.append("then"))  # type: ignore[arg-type]
    refuse("")

    assert called == ["hook", "then"]
