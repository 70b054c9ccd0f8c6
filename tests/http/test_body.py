"""Small pieces go out together, in their order, and none of them waits for the next one."""

from __future__ import annotations

import socket
import sys
import threading
import time
import types
from collections.abc import Iterator

import pytest

from scramjet_client import HttpClient
from scramjet_client.http.body import ENOUGH, BodyWriter, Gathering, shut
from scramjet_client.uploads.sources import Source
from tests.support.waiting import LIMIT, eventually
from tests.support.wire import Conn, RawServer


class Written:
    """Keeps what was written.

    Args:
        hold: Seconds that a piece is held.

    Attributes:
        now: What the clock says; it all but stands still by itself, so that all pieces are of one burst.
    """

    def __init__(self, hold: float) -> None:
        self.pieces: list[bytes] = []
        self.errors: list[BaseException] = []
        self.now = 0.0
        self.gathering = Gathering(
            self._write, self.errors.append, "test-flush", clock=self._tell, hold=hold
        )

    def _tell(self) -> float:
        self.now += 1e-12
        return self.now

    def _write(self, data: bytes | memoryview) -> bool:
        self.pieces.append(bytes(data))
        return True


@pytest.fixture
def hold() -> float:
    """Seconds that a piece is held: longer than any test, unless that is what is tested."""
    return 3600.0


@pytest.fixture
def written(hold: float) -> Iterator[Written]:
    it = Written(hold)
    yield it
    it.gathering.close()


def test_burst_goes_out_together_and_in_order(written: Written):
    """Many pieces become few writes, of which none is larger than it may be."""
    items = [b"line %d\n" % n for n in range(50_000)]
    for item in items:
        assert written.gathering.put(item)
    written.gathering.flush()

    assert b"".join(written.pieces) == b"".join(items)
    assert len(written.pieces) <= 2 + sum(map(len, items)) / ENOUGH
    assert max(map(len, written.pieces)) < ENOUGH + 100


def test_first_piece_goes_at_once(written: Written):
    """A piece after a pause is not held at all, and needs no thread."""
    for item in (b"one", b"two"):
        written.gathering.put(item)
        assert written.pieces[-1] == item
        written.now += 0.001  # the pause

    assert not [each for each in threading.enumerate() if each.name == "test-flush"]


@pytest.mark.parametrize("hold", [0.0005])
def test_held_piece_does_not_wait_for_the_next(written: Written):
    """What is held goes out while the source waits for something."""
    written.gathering.put(b"one")
    written.gathering.put(b"two")

    eventually(lambda: written.pieces == [b"one", b"two"])


def test_large_piece_stays_behind_what_is_held(written: Written):
    """A piece that is large enough by itself does not overtake."""
    large = b"x" * ENOUGH
    for item in (b"one", b"two", large, b"three"):
        written.gathering.put(item)
    written.gathering.flush()

    assert b"".join(written.pieces) == b"onetwo" + large + b"three"


def test_failure_of_a_late_write_is_told():
    """What a write raises while nobody waits for it is passed on."""

    def fail(data: bytes | memoryview) -> bool:
        if data == b"two":
            raise OSError("broken")
        return True

    errors: list[BaseException] = []
    gathering = Gathering(fail, errors.append, "test-flush", clock=lambda: 0.0)
    gathering.put(b"one")
    gathering.put(b"two")

    eventually(lambda: errors)
    assert str(errors[0]) == "broken"


def test_items_of_a_generator_arrive_whole_and_in_order():
    """300,000 small items, now and then with a pause, arrive as they were sent, in fewer chunks."""
    got: list[bytes] = []

    def handle(conn: Conn) -> None:
        conn.read_request()
        got.extend(conn.chunks())
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    def items():
        for n in range(300_000):
            if n % 50_000 == 0:
                time.sleep(0.01)  # a pause between two bursts
            yield b"item %d\n" % n

    with RawServer(handle) as server, HttpClient(server.url) as client:
        client.send_stream("upload", items())

    assert b"".join(got) == b"".join(b"item %d\n" % n for n in range(300_000))
    assert len(got) < 300_000


def test_sockets_of_eventlet(monkeypatch: pytest.MonkeyPatch):
    """Before a socket can be closed, eventlet asks the system: it wakes nobody who waits for a closed one."""
    done: list[str] = []
    eventlet = types.ModuleType("eventlet")
    monkeypatch.setattr(eventlet, "sleep", lambda _seconds: done.append("turn"), raising=False)
    monkeypatch.setitem(sys.modules, "eventlet", eventlet)

    class GreenSocket:
        __module__ = "eventlet.greenio.base"

        def shutdown(self, _how: int) -> None:
            done.append("shutdown")

    shut(GreenSocket())  # type: ignore[arg-type]

    assert done == ["shutdown", "turn", "turn"]


def read_to_end(sock: socket.socket) -> bytes:
    sock.settimeout(LIMIT)
    return b"".join(iter(lambda: sock.recv(65536), b""))


def payload(chunked: bytes) -> bytes:
    """Return what a whole chunked body carries."""
    data = b""
    while True:
        line, _, rest = chunked.partition(b"\r\n")
        size = int(line, 16)
        data += rest[:size]
        chunked = rest[size + 2 :]
        if not size:
            assert not chunked
            return data


def test_source_that_raises_between_two_requests():
    """It cuts the request that waits for its answer, and the one that would have carried the rest."""
    let_go = threading.Event()

    def items() -> Iterator[bytes]:
        yield b"abc"
        let_go.wait(LIMIT)
        raise KeyError("x")

    writer = BodyWriter(Source(items()))
    first, hub = socket.socketpair()
    second, same_hub = socket.socketpair()
    with first, hub, second, same_hub:
        writer.attach(first)
        assert eventually(lambda: writer.bytes_sent == 3)
        writer.roll_over()
        let_go.set()

        assert read_to_end(hub) == b"3\r\nabc\r\n0\r\n\r\n"
        assert not writer.between_requests
        assert writer.join(LIMIT)
        writer.attach(second)
        assert read_to_end(same_hub) == b""
    assert (repr(writer.error), writer.blamed) == ("KeyError('x')", "source")


@pytest.mark.parametrize("text", ["x", "ą", "漢", "😀", "xą漢😀"])
def test_body_is_cut_between_characters(text: str):
    """Each request has at most so many bytes, and whole characters only."""
    writer = BodyWriter(Source(iter([text * 3, text * 37])), size_limit=7)
    bodies = []
    while not writer.finished:
        sock, hub = socket.socketpair()
        with sock, hub:
            writer.attach(sock)
            assert eventually(lambda: writer.between_requests or writer.finished)
            sock.shutdown(socket.SHUT_WR)
            bodies.append(payload(read_to_end(hub)))

    assert max(map(len, bodies)) <= 7
    assert "".join(body.decode() for body in bodies) == text * 40


def test_request_that_is_not_answered_between_two():
    """The limit of a stall counts also while the hub does not say that it has taken what one request carries."""
    writer = BodyWriter(Source(b"x" * 25), size_limit=10, stall_limit=0.3)
    sock, hub = socket.socketpair()
    with sock, hub:
        writer.attach(sock)

        assert read_to_end(hub) == b"a\r\n" + b"x" * 10 + b"\r\n0\r\n\r\n"
    assert writer.join(LIMIT)
    assert str(writer.error) == "the hub took nothing for 0.3 s (Timeouts.write)"
