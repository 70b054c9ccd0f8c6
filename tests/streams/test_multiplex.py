"""`Multiplexer`: many streams on one thread, none of them lost, mixed up or forgotten."""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from scramjet_client import (
    HttpClient,
    LineTooLongError,
    OutputStream,
    StreamBusyError,
    StreamClosedError,
    StreamIdleError,
    StreamInterruptedError,
)
from scramjet_client.http.exchange import Exchange, WaitEnded
from scramjet_client.streams.multiplex import Member, Multiplexer
from tests.support.cases import mostly_long
from tests.support.certs import Certificates
from tests.support.waiting import BUILD_LIMIT, LIMIT, eventually
from tests.support.wire import Conn, RawServer

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


class Wires:
    """A server that says on each stream what the test has it say, when it has it said."""

    def __init__(self, certificates: Certificates | None) -> None:
        context = None if certificates is None else certificates.server_context()
        self._verify = None if certificates is None else certificates.ca_path
        self._server = RawServer(self._handle, ssl_context=context)
        self._wires: dict[str, Conn] = {}
        self._over = threading.Event()

    def __enter__(self) -> Wires:
        self._server.__enter__()
        self.client = HttpClient(self._server.url, verify=self._verify)
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self.client.close()
        self._server.stop()

    def _handle(self, conn: Conn) -> None:
        request = conn.read_request()
        assert request is not None
        conn.send(HEAD)
        self._wires[request.target.rpartition("/")[2]] = conn
        self._over.wait(LIMIT)

    def stream(self, name: str, **options: object) -> OutputStream:
        return self.client.get_stream(name, **options)  # type: ignore[arg-type]

    def __getitem__(self, name: str) -> Conn:
        eventually(lambda: name in self._wires)
        return self._wires[name]


@pytest.fixture
def wires(scheme: str, certificates: Certificates) -> Iterator[Wires]:
    with Wires(certificates if scheme == "tls" else None) as wires:
        yield wires


def test_lines_come_whole_and_each_from_its_stream(wires: Wires):
    r"""A line is given when its newline has come, without its end, \r\n too; the last one at the end."""
    names = [f"s{n}" for n in range(20)]
    streams = {wires.stream(name): name for name in names}
    got: dict[str, list[bytes]] = defaultdict(list)

    def say() -> None:
        for piece in (b"a%d\nb", b"%d\r", b"\n\nlast%d"):
            for n, name in enumerate(names):
                wires[name].send_chunk(piece % n if b"%d" in piece else piece)
        for name in names:
            wires[name].send(END)

    sayer = threading.Thread(target=say, name="test-sayer")
    sayer.start()
    with Multiplexer(streams) as multiplexer:
        for stream, lines in multiplexer:
            assert lines
            got[streams[stream]] += lines
    sayer.join()

    assert got == {f"s{n}": [b"a%d" % n, b"b%d" % n, b"", b"last%d" % n] for n in range(20)}
    assert all(stream.closed for stream in streams)


def test_a_lone_carriage_return_ends_no_line(wires: Wires):
    r"""Lines end at \n alone, also where they come whole."""
    stream = wires.stream("a")
    wires["a"].send_chunk(b"x\ry\n")
    with Multiplexer([stream]) as multiplexer:
        assert next(iter(multiplexer)) == (stream, [b"x\ry"])


def test_what_was_read_before_is_not_read_again_and_nothing_is_left_out(wires: Wires):
    """A stream joins with what is in its buffers, also out of a loop, and leaves with its begun line."""
    stream = wires.stream("a")
    wires["a"].send_chunk(b"one\ntwo\nthree\nfour\nfi")
    assert stream.readline() == b"one\n"
    loop = iter(stream)
    assert next(loop) == b"two\n"
    with Multiplexer([stream]) as multiplexer:
        assert next(iter(multiplexer)) == (stream, [b"three", b"four"])
        multiplexer.remove(stream)
        assert len(multiplexer) == 0

        wires["a"].send_chunk(b"ve\nsix")
        wires["a"].send(END)
        assert stream.read() == b"five\nsix"
    assert list(loop) == []
    assert not stream.closed


def test_a_loop_that_leaves_nothing_leaves_a_member_waiting(wires: Wires):
    """A stream that joins out of a loop with nothing left to give waits for its socket, as all others do."""
    stream = wires.stream("a")
    wires["a"].send_chunk(b"one\n")
    loop = iter(stream)
    assert next(loop) == b"one\n"
    member = Member(stream, 100, lambda: None)
    wires["a"].send_chunk(b"two\n")

    got: list[bytes] = []
    eventually(lambda: got.extend(member.read(memoryview(bytearray(100)), 0.0)) or got)
    assert got == [b"two"]
    assert not member.more
    member.leave()


def test_nothing_stays_inside_openssl(wires: Wires):
    """A small chunk in the record that ends a large one is given, though no poll of the socket shows it."""
    stream = wires.stream("a")
    large, small = b"x" * 19_999 + b"\n", b"y" * 199 + b"\n"
    wires["a"].send(b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (large, small)))
    got: list[bytes] = []
    with Multiplexer([stream]) as multiplexer:
        for _, lines in multiplexer:
            got += lines
            if len(got) == 2:
                break

    assert got == [large[:-1], small[:-1]]


def test_what_ends_just_before_its_limit_has_not_ended(wires: Wires):
    """A line that comes while a limit is found to be over begins the limit anew."""
    stream = wires.stream("a", idle_timeout=5)
    member = Member(stream, 100, lambda: None)
    buffer, began = memoryview(bytearray(100)), time.monotonic()
    wires["a"].send_chunk(b"one\n")

    assert member.overdue(began + 100)
    assert eventually(lambda: member.read(buffer, began + 100)) == [b"one"]
    assert member.read(buffer, began + 100) == []
    assert not member.overdue(began + 104)
    assert not member.ended

    assert member.overdue(began + 106)
    assert member.read(buffer, began + 106) == []
    assert isinstance(member.error, StreamIdleError)
    member.leave()


def test_an_order_given_during_the_last_turn_is_carried_out(wires: Wires):
    """A stream that another thread removes while a loop's body runs is free when the loop has been left."""
    stream = wires.stream("a")
    wires["a"].send_chunk(b"one\n")
    with Multiplexer([stream]) as multiplexer, ThreadPoolExecutor(1) as pool:
        for _, lines in multiplexer:
            assert lines == [b"one"]
            pool.submit(multiplexer.remove, stream).result(LIMIT)
            break

        wires["a"].send_chunk(b"two\n")
        assert stream.readline() == b"two\n"


def test_a_finished_stream_gives_what_it_has_left(wires: Wires):
    """A stream whose whole answer has come already needs no connection to be read, and is not waited for."""
    stream = wires.stream("a")
    wires["a"].send(b"4\r\na\nb\n\r\n0\r\n\r\n")
    assert stream.peek(1) == b"a\nb\n"

    with Multiplexer([stream], tick=3600.0) as multiplexer:
        assert list(multiplexer) == [(stream, [b"a", b"b"])]


def test_nobody_else_reads_a_member(wires: Wires):
    """A stream is read in one place: a second reader, or a second multiplexer, is refused."""
    stream = wires.stream("a")
    with Multiplexer([stream]) as multiplexer:
        with pytest.raises(StreamBusyError):
            stream.read1()
        with pytest.raises(StreamBusyError), Multiplexer([stream]):
            pass
        assert stream in multiplexer


def test_the_busy_do_not_starve_the_others(wires: Wires):
    """Every stream that has something gets its turn before the one that always has something gets two."""
    busy, calm = wires.stream("busy"), wires.stream("calm")
    stop = threading.Event()

    def flood() -> None:
        conn = wires["busy"]
        line = b"x" * 999 + b"\n"
        while not stop.is_set():
            conn.send_chunk(line * 100)
        conn.send(END)

    flooder = threading.Thread(target=flood, name="test-flooder")
    flooder.start()
    since = answers = 0
    longest = 0
    with Multiplexer([busy, calm]) as multiplexer:
        wires["calm"].send_chunk(b"0\n")
        for stream, lines in multiplexer:
            if stream is calm:
                answers += len(lines)
                longest = max(longest, since)
                since = 0
                if answers == 50:
                    stop.set()
                    wires["calm"].send(END)
                elif answers < 50:
                    wires["calm"].send_chunk(b"%d\n" % answers)
            elif not stop.is_set():
                since += 1
    flooder.join()

    assert answers == 50
    # It is asked for again at once; between two of its turns a few of the other's may pass, never hundreds.
    assert longest < 200


def test_streams_join_and_leave_from_the_loop_and_from_other_threads(wires: Wires):
    """A loop that waits learns of a new stream, of one that leaves, and of one that is closed."""
    first = wires.stream("first")
    events: list[object] = []
    with Multiplexer([first], on_end=lambda s, e: events.append((s, type(e)))) as multiplexer:

        def elsewhere() -> None:
            second = wires.stream("second")
            multiplexer.add(second)
            wires["second"].send_chunk(b"hello\n")
            eventually(lambda: (second, [b"hello"]) in events)
            third = wires.stream("third")
            multiplexer.add(third)
            multiplexer.remove(first)
            second.close()
            eventually(lambda: (second, StreamClosedError) in events)
            wires["third"].send(END)

        other = threading.Thread(target=elsewhere, name="test-other")
        other.start()
        events.extend(multiplexer)
        other.join()
    assert not first.closed
    first.close()
    assert [kind for _, kind in events] == [[b"hello"], StreamClosedError, type(None)]


def test_a_stream_closed_while_only_select_waits(wires: Wires, monkeypatch: pytest.MonkeyPatch):
    """Plain `select` refuses a list with a closed descriptor; the other streams go on all the same."""
    closed, other = wires.stream("closed"), wires.stream("other")
    victims = [closed]

    class Closing(selectors.SelectSelector):
        """Has another thread close a stream just before it waits."""

        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            while victims:
                thread = threading.Thread(target=victims.pop().close)
                thread.start()
                thread.join()
            return super().select(timeout)

    monkeypatch.setattr(selectors, "DefaultSelector", Closing)
    ends: list[tuple[OutputStream, type[object]]] = []
    with Multiplexer([closed, other], on_end=lambda s, e: ends.append((s, type(e)))) as streams:
        wires["other"].send_chunk(b"hello\n")
        wires["other"].send(END)
        said = list(streams)

    assert said == [(other, [b"hello"])]
    assert ends == [(closed, StreamClosedError), (other, type(None))]


def test_an_order_that_is_carried_out_is_no_loop(wires: Wires):
    """A loop that begins while another thread adds a stream waits for that, and is not refused."""
    stream = wires.stream("a")
    inside, gate = threading.Event(), threading.Event()
    with Multiplexer([stream]) as multiplexer:
        orderer = threading.Thread(
            target=multiplexer._order,
            args=[lambda: inside.set() or gate.wait(LIMIT)],
            name="test-orderer",
        )
        orderer.start()
        assert inside.wait(LIMIT)
        release = threading.Timer(0.1, gate.set)
        release.name = "test-release"
        release.start()
        wires["a"].send(b"4\r\na\nb\n\r\n0\r\n\r\n")
        assert list(multiplexer) == [(stream, [b"a", b"b"])]
        orderer.join()
        release.join()


def test_one_thread_iterates(wires: Wires):
    """A second loop is refused while the first one goes on, and taken when that has ended."""
    with Multiplexer([wires.stream("a")]) as multiplexer:
        wires["a"].send_chunk(b"one\n")
        loop = iter(multiplexer)
        next(loop)
        with pytest.raises(StreamBusyError, match="iterated already"):
            next(iter(multiplexer))
        loop.close()  # type: ignore[attr-defined]
        wires["a"].send(END)
        assert list(multiplexer) == []


def test_a_closed_member_does_not_take_its_number_along(wires: Wires):
    """A stream that gets the descriptor of one that was closed, and has not left yet, is read as any other."""
    first, other = wires.stream("first"), wires.stream("other")
    events: list[object] = []
    with Multiplexer(
        [first, other], on_end=lambda s, e: events.append((s, type(e)))
    ) as multiplexer:
        loop = iter(multiplexer)
        wires["other"].send_chunk(b"one\n")
        assert next(loop) == (other, [b"one"])

        def elsewhere() -> None:
            number = first._reader.exchange._sock.fileno()  # type: ignore[union-attr]
            # A new socket gets the lowest number that is free.
            with contextlib.ExitStack() as lower:
                while (taken := os.open(os.devnull, os.O_RDONLY)) < number:
                    lower.callback(os.close, taken)
                os.close(taken)
                first.close()
                second = wires.stream("second")
            assert second._reader.exchange._sock.fileno() == number  # type: ignore[union-attr]
            multiplexer.add(second)
            wires["second"].send_chunk(b"two\n")
            wires["second"].send(END)
            events.append(second)

        thread = threading.Thread(target=elsewhere, name="test-other")
        thread.start()
        thread.join()
        second = events[0]
        assert next(loop) == (second, [b"two"])
        wires["other"].send(END)
        assert list(loop) == []
    assert set(events[1:]) == {
        (first, StreamClosedError),
        (second, type(None)),
        (other, type(None)),
    }


def test_a_loop_may_remove_what_it_is_at(wires: Wires):
    """Removed in the loop's body, a stream is its other readers' at once, even if more of it is there."""
    stream = wires.stream("a")
    wires["a"].send_chunk(b"head\n" + b"x" * 200_000)
    wires["a"].send(END)
    with Multiplexer([stream]) as multiplexer:
        for each, lines in multiplexer:
            assert (each, lines) == (stream, [b"head"])
            multiplexer.remove(each)
            assert len(each.read()) == 200_000


def test_an_error_is_raised_and_the_others_go_on(wires: Wires):
    """A cut is raised out of the loop, and a new loop goes on; with `on_end` the loop goes on by itself."""
    cut, good = wires.stream("cut"), wires.stream("good")
    with Multiplexer([cut, good]) as multiplexer:
        wires["cut"].send_chunk(b"whole\nhal")
        wires["cut"].close()
        loop = iter(multiplexer)
        assert next(loop) == (cut, [b"whole"])
        with pytest.raises(StreamInterruptedError, match="after 9 bytes"):
            next(loop)
        assert cut.closed
        wires["good"].send_chunk(b"fine\n")
        wires["good"].send(END)
        assert list(multiplexer) == [(good, [b"fine"])]


@pytest.mark.parametrize("after", [b"", b"\n", b"\nmore\n", b"\r\n"])
def test_a_line_without_an_end_has_a_limit(wires: Wires, after: bytes):
    """A stream whose line is too long ends with an error, whether the line's end has come with it or not."""
    stream = wires.stream("a")
    ends: list[object] = []
    with Multiplexer([stream], limit=1000, on_end=lambda s, e: ends.append(e)) as multiplexer:
        wires["a"].send_chunk(b"fine\n" + b"x" * 1001 + after)
        assert list(multiplexer) == [(stream, [b"fine"])]
    assert isinstance(ends[0], LineTooLongError)
    assert stream.closed


@pytest.mark.waits
def test_an_idle_limit_holds(wires: Wires):
    """A stream that has an `idle_timeout` keeps it, and the one beside it does not get it."""
    calm, quick = wires.stream("calm"), wires.stream("quick", idle_timeout=0.2)
    ends: list[object] = []
    with Multiplexer([calm, quick], on_end=lambda s, e: ends.append((s, type(e)))) as multiplexer:
        multiplexer.remove(calm)
        assert list(multiplexer) == []
    calm.close()
    assert ends == [(quick, StreamIdleError)]


@pytest.mark.waits
def test_a_watched_stream_ends_with_its_instance_and_holds_up_no_other(wires: Wires):
    """The look at an instance that takes its time happens on another thread; its outcome ends the stream."""
    released, looking = threading.Event(), threading.Event()

    def on_idle(silence: float) -> None:
        looking.set()
        assert released.wait(LIMIT)
        raise WaitEnded("its instance has ended")

    watched = wires.client.get_stream("log", exchange=Exchange(on_idle=on_idle, poll=0.1))
    other = wires.stream("other")
    with Multiplexer([watched, other]) as multiplexer:
        loop = iter(multiplexer)
        wires["log"].send_chunk(b"begun")
        wires["other"].send_chunk(b"1\n")
        assert next(loop) == (other, [b"1"])

        def while_it_looks() -> None:
            assert looking.wait(LIMIT)
            wires["other"].send_chunk(b"2\n")

        sayer = threading.Thread(target=while_it_looks, name="test-sayer")
        sayer.start()
        assert next(loop) == (other, [b"2"])
        sayer.join()
        released.set()
        assert next(loop) == (watched, [b"begun"])
        wires["other"].send(END)
        assert list(loop) == []


def test_close_from_another_thread_ends_the_loop(wires: Wires):
    """A loop that waits for nothing ends when the multiplexer is closed, and so do its streams."""
    stream = wires.stream("a")
    multiplexer = Multiplexer([stream], until_closed=True)
    closer = threading.Timer(0.2, multiplexer.close)
    closer.name = "test-closer"
    closer.start()
    assert list(multiplexer) == []
    closer.join()
    assert stream.closed
    with pytest.raises(ValueError, match="closed"):
        multiplexer.add(wires.stream("b"))
    multiplexer.close()


def test_a_closed_stream_is_refused(wires: Wires):
    """What can't be waited for is a ValueError at once."""
    stream = wires.stream("a")
    stream.close()
    with Multiplexer() as multiplexer:
        with pytest.raises(ValueError, match="closed"):
            multiplexer.add(stream)
        with pytest.raises(ValueError, match="not in here"):
            multiplexer.remove(stream)
        assert list(multiplexer) == []


@pytest.mark.parametrize(
    ("streams", "tls"),
    mostly_long(
        [(300, False), (300, True), (1000, False), (1000, True)], but=[(300, False), (300, True)]
    ),
)
def test_many_streams_on_one_thread(streams: int, tls: bool, certificates: Certificates):
    """Hundreds of streams of two hubs: every line of each arrives, on one thread, in little memory."""
    program = Path(__file__).parents[1] / "support" / "many_streams.py"
    command = [
        sys.executable,
        str(program),
        str(streams // 2),
        *([certificates.ca_path] if tls else []),
    ]
    context = certificates.server_context() if tls else None

    def handle(conn: Conn) -> None:
        request = conn.read_request()
        assert request is not None
        name = request.target.rpartition("/")[2].encode()
        conn.send(HEAD)
        # Quiet until all of them are there, then busy.
        assert ready.wait(BUILD_LIMIT)
        for n in range(20):
            conn.send_chunk(b"%b line %d\n%b half" % (name, n, name))
            conn.send_chunk(b" %d\n" % n)
        conn.send(END)

    ready = threading.Event()
    with (
        RawServer(handle, ssl_context=context) as one,
        RawServer(handle, ssl_context=context) as two,
    ):
        process = subprocess.Popen(
            [*command, one.url, two.url], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
        )
        with process:
            assert process.stdout is not None
            assert process.stdout.readline() == "opened\n"
            ready.set()
            said = process.stdout.read()
        assert process.returncode == 0
    print(said)
    lines, threads, kilobytes = (float(word) for word in said.split())
    assert lines == streams * 40
    assert threads == 1
    assert kilobytes < 128
