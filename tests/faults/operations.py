"""What the faults happen to: one function for each operation of the fault table.

Each runs one operation by way of the proxy, checks every byte that it gets, and says "ok" if it succeeded. `World`
then looks at the hub's side, whatever the outcome was.
"""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Callable, Iterator

import attrs

from scramjet_client import HostClient, InstanceClient
from scramjet_client.testing import FaultProxy
from tests.support.comes_back import ComesBack
from tests.support.scripted_hub import H1Hub, Instance
from tests.support.waiting import LIMIT, eventually

LINES = [b'{"msg": "line %04d", "level": "INFO"}\n' % n for n in range(40)]
ALL_LINES = b"".join(LINES)
BODY = bytes(range(256)) * 8
PIECES = [BODY[at : at + 128] for at in range(0, len(BODY), 128)]


@attrs.frozen(kw_only=True)
class Limits:
    """Seconds. Only what the outcome of a cell is about is short, and that is what stalls for ever.

    Attributes:
        answer: Of calls and of the heads of answers, of the connection, and beyond a stop's own timeout.
        silence: Of streams.
        send: Of a whole send.
        patience: After which a writer that has no limit is cancelled.
    """

    answer: float = LIMIT
    silence: float = LIMIT
    send: float = LIMIT
    patience: float = LIMIT

    @classmethod
    def of(cls, outcome: str, seconds: float) -> Limits:
        """Return the limits of a cell by its outcome."""
        if outcome == "late":
            return cls(answer=seconds, send=seconds)
        if outcome == "silent":
            return cls(silence=seconds)
        return cls(patience=seconds) if outcome == "waits" else cls()


class World:
    """One instance on a scripted hub, and a client of it by way of a proxy.

    Attributes:
        limits: The limits that operations give.
        received: What the operation got from the hub, also if it failed.
        failures: Of requests, those that were sent again included.
    """

    def __init__(self, hub: H1Hub, proxy: FaultProxy, host: HostClient, limits: Limits) -> None:
        self.limits = limits
        self.hub = hub
        self.proxy = proxy
        self.host = host
        self.hub_instance: Instance = hub.add_instance()
        self.hub_instance.on_stop = lambda _timeout: self.hub_instance.end(138)
        self.instance: InstanceClient = host.get_instance_client(self.hub_instance.id)
        self.received = b""
        watch = ComesBack(proxy)
        self.failures = watch.failures
        host.client.add_logger(watch)

    @property
    def taken(self) -> bytes:
        """What the hub has taken of an upload."""
        return self.hub_instance.pipes["output"].held()

    def delivered(self, pattern: str) -> int:
        """Return how many requests like this, of this instance, have reached the hub itself."""
        lines = [f"{each.method} {each.target}" for each in self.hub.requests]
        own = [each for each in lines if "/instance/" not in each or self.instance.id in each]
        return sum(bool(re.search(pattern, each)) for each in own)

    def read(self, pieces: Iterator[bytes], size: int | None = None) -> None:
        """Collect what a stream gives, up to a size or its end."""
        for piece in pieces:
            self.received += piece
            if size is not None and len(self.received) >= size:
                return


def get(world: World) -> None:
    assert world.instance.get_info().id == world.hub_instance.id


def post(world: World) -> None:
    assert world.instance.send_event("go", "now").sent
    assert world.hub_instance.received == [
        ("_event", [5001, {"eventName": "go", "message": "now"}])
    ]


def output(world: World) -> None:
    pipe = world.hub_instance.pipes["output"]
    for line in LINES:
        pipe.write(line)
    pipe.end()
    with world.instance.get_stream("output") as stream:
        world.read(stream.chunks())
    assert world.received == ALL_LINES


def log(world: World) -> None:
    for line in LINES:
        world.hub_instance.pipes["log"].write(line)
    with world.instance.get_log_stream() as stream:
        world.read(stream.chunks(), len(ALL_LINES))
    assert world.received == ALL_LINES


def events(world: World) -> None:
    with world.instance.get_event_stream("tick") as stream:
        eventually(lambda: world.hub_instance.listeners)
        for n in range(20):
            world.hub_instance.emit("tick", {"n": n, "text": "some text, so that it has a length"})
        for n in range(20):
            assert next(stream).data == {"n": n, "text": "some text, so that it has a length"}


def send(world: World) -> None:
    answer = world.instance.send_input(PIECES, {"timeout": world.limits.send})
    assert answer.bytes_written == len(BODY)
    assert world.taken == BODY


def submit(world: World) -> None:
    upload = world.instance.submit_input(PIECES, {"timeout": world.limits.send})
    assert upload.result(LIMIT).bytes_written == len(BODY)
    assert world.taken == BODY


def writer(world: World) -> None:
    file = world.instance.open_input()
    patience = threading.Timer(world.limits.patience, file.cancel)
    patience.name = "test-patience"
    patience.start()
    try:
        with file:
            file.upload.accepted(LIMIT)
            for piece in PIECES:
                file.write(piece)
            file.detach()
    finally:
        patience.cancel()
    assert world.taken == BODY


def inout(world: World) -> None:
    """A conversation: a line is sent when the one before has come back."""
    lines: queue.Queue[bytes | None] = queue.Queue()
    lines.put(LINES[0])
    limit = min(world.limits.send, world.limits.silence)
    try:
        with world.instance.inout(iter(lines.get, None), {"timeout": limit}, end=False) as stream:
            for line, after in zip(LINES, [*LINES[1:], None]):
                world.received += stream.read(len(line))
                lines.put(after)
    finally:
        lines.put(None)
    assert world.received == ALL_LINES


def stop(world: World) -> None:
    assert world.instance.stop(100).acknowledged
    assert world.hub_instance.terminated


def package(world: World) -> None:
    sequence = world.host.send_sequence(PIECES)
    assert world.hub.sequences == {sequence.id: BODY}


OPERATIONS: dict[str, tuple[Callable[[World], None], str]] = {
    "GET": (get, "GET .*/instance/[^/]+$"),
    "POST": (post, "POST .*/_event$"),
    "output": (output, "GET .*/output$"),
    "log": (log, "GET .*/log$"),
    "events": (events, "GET .*/events/tick$"),
    "send": (send, "POST .*/input$"),
    "submit": (submit, "POST .*/input$"),
    "writer": (writer, "POST .*/input$"),
    "inout": (inout, "POST .*/inout$"),
    "stop": (stop, "POST .*/_stop$"),
    "package": (package, "POST .*/sequence$"),
}
"""What runs it, and which of its requests the fault happens to."""
