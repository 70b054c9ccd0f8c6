"""Reading on over broken connections, on a raw server that breaks them where a test wants."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from scramjet_client import (
    AuthenticationError,
    Gap,
    HostClient,
    HubConnectionError,
    Reconnect,
    ReconnectingStream,
    ServerError,
    StreamClosedError,
    StreamGapWarning,
    StreamIdleError,
    StreamInterruptedError,
)
from tests.support.interrupted import interrupt
from tests.support.waiting import LIMIT, eventually, long_enough
from tests.support.wire import Conn, RawServer

QUICK = Reconnect(first_delay=0.01, max_delay=0.05, give_up_after=LIMIT)
HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

Act = Callable[[Conn], object]


def gives(*chunks: bytes, end: bool = False) -> Act:
    """Return what sends chunks of a stream, and its end or none."""

    def act(conn: Conn) -> None:
        conn.send(HEAD)
        for chunk in chunks:
            conn.send_chunk(chunk)
        if end:
            conn.send(b"0\r\n\r\n")
        else:
            # FIN, with everything before it delivered, and no last chunk.
            conn.close()

    return act


def refuses(status: str) -> Act:
    """Return what refuses a request."""
    return lambda conn: conn.send(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())


def cuts(conn: Conn) -> None:
    """Close the connection without an answer."""
    conn.reset()


@contextmanager
def server(*acts: Act) -> Iterator[RawServer]:
    """Serve one act for each connection, the last one again and again."""
    turns = itertools.chain(acts, itertools.repeat(acts[-1]))

    def serve(conn: Conn) -> None:
        if conn.read_request() is not None:
            next(turns)(conn)

    with RawServer(serve) as running:
        yield running
        running.check()


@contextmanager
def reading(
    *acts: Act, policy: Reconnect = QUICK, idle_timeout: float | None = None
) -> Iterator[tuple[ReconnectingStream, list[Gap]]]:
    """Give a stream of a server, and its gaps."""
    gaps: list[Gap] = []
    with server(*acts) as running, HostClient(running.url, retries=0) as host:
        stream = host.get_instance_client("x").get_reconnecting_stream(
            "output", reconnect=policy, on_gap=gaps.append, idle_timeout=idle_timeout
        )
        with stream:
            yield stream, gaps


def test_halves_of_a_line_are_never_joined():
    """A line that a cut goes through is left out, and both of its halves are in the gap."""
    with reading(gives(b"one\ntw"), gives(b"o\nthree\n", end=True)) as (stream, gaps):
        assert list(stream) == [b"one\n", b"three\n"]

    assert (gaps[0].unfinished, gaps[0].rest) == (b"tw", b"o\n")
    assert gaps[0].bytes_read == 6
    assert stream.bytes_read == 14
    assert "line that began with b'tw'" in str(gaps[0])


def test_rest_of_a_cut_line_in_pieces():
    """The rest of a cut line is left out however it comes, over another cut too."""
    acts = (gives(b"one\ntw"), gives(b"o", b"oo"), gives(b"ooo\nthree\n", end=True))
    with reading(*acts) as (stream, gaps):
        assert list(stream) == [b"one\n", b"three\n"]

    assert [gap.unfinished for gap in gaps] == [b"tw", b""]
    assert gaps[0].rest == b"oooooo\n"
    assert stream.gaps == 2


def test_cut_between_lines():
    """A cut between two lines leaves nothing out."""
    with reading(gives(b"one\n"), gives(b"two\nthree", end=True)) as (stream, gaps):
        assert list(stream) == [b"one\n", b"two\n", b"three"]

    assert (gaps[0].unfinished, gaps[0].rest) == (b"", b"")


def test_cut_in_a_record():
    """Half a record is not taken for one."""
    acts = (gives(b'{"n":1}\n{"n'), gives(b'":2}\n{"n":3}\n', end=True))
    with reading(*acts) as (stream, gaps):
        assert list(stream.records()) == [{"n": 1}, {"n": 3}]

    assert gaps[0].rest == b'":2}\n'


def test_lines_without_their_ends():
    r"""lines() takes off b"\n" and b"\r\n"."""
    with reading(gives(b"one\r\n", b"two\n\n", b"three", end=True)) as (stream, _):
        assert list(stream.lines()) == [b"one", b"two", b"", b"three"]


def test_chunks_go_on():
    """Chunks are passed on as they come, before and after a break."""
    with reading(gives(b"one\ntw"), gives(b"o\n", end=True)) as (stream, gaps):
        assert b"".join(stream.chunks()) == b"one\ntwo\n"

    assert (len(gaps), gaps[0].unfinished) == (1, b"")


@pytest.mark.parametrize("way", ["chunks", "lines", "records", "__iter__"])
def test_a_gap_warns_at_the_readers_line(way: str):
    """Without `on_gap`, the warning names the line that reads, however it reads."""
    acts = (gives(b"1\n"), gives(b"2\n", end=True))
    with server(*acts) as running, HostClient(running.url, retries=0) as host:
        stream = host.get_instance_client("x").get_reconnecting_stream("output", reconnect=QUICK)
        with stream, pytest.warns(StreamGapWarning) as caught:
            for _ in getattr(stream, way)():
                pass

    assert [each.filename for each in caught] == [__file__]


def test_refusals_of_a_hub_that_comes_up():
    """A hub that can't be reached, or fails, is tried again until it answers."""
    acts = (gives(b"one\n"), cuts, refuses("503 Service Unavailable"), gives(b"two\n", end=True))
    with reading(*acts) as (stream, gaps):
        assert list(stream) == [b"one\n", b"two\n"]

    assert [gap.attempts for gap in gaps] == [3]


def test_instance_that_is_gone():
    """Where the hub was never away, an instance that it does not know has ended."""
    with reading(gives(b"one\ntw"), refuses("404 Not Found")) as (stream, gaps):
        assert list(stream) == [b"one\n"]

    assert not gaps[0].resumed
    assert gaps[0].unfinished == b"tw"
    assert "its instance has ended" in str(gaps[0])


@pytest.mark.parametrize(
    ("acts", "cause"),
    [((cuts,), HubConnectionError), ((refuses("503 Service Unavailable"),), ServerError)],
)
def test_giving_up(acts: tuple[Act, ...], cause: type[Exception]):
    """After the time that is allowed, reading raises that it was cut, and why it can't go on."""
    policy = Reconnect(first_delay=0.01, max_delay=0.05, give_up_after=0.3)
    with reading(gives(b"one\n"), *acts, policy=policy) as (stream, gaps):
        lines = iter(stream)
        assert next(lines) == b"one\n"
        with pytest.raises(StreamInterruptedError, match="could not be opened again") as caught:
            next(lines)

    assert isinstance(caught.value.__cause__, cause)
    assert gaps == []


def test_refusal_for_good():
    """What no further attempt can change is raised at once."""
    with reading(gives(b"one\n"), refuses("401 Unauthorized")) as (stream, _):
        with pytest.raises(AuthenticationError):
            list(stream)


def test_silence_as_a_break():
    """With `idle_timeout`, a connection over which nothing comes is taken for broken."""

    def read(limit: float) -> tuple[list[bytes], list[Gap]]:
        silent = threading.Event()

        def falls_silent(conn: Conn) -> None:
            conn.send(HEAD)
            conn.send_chunk(b"one\n")
            silent.wait(LIMIT)

        acts = (falls_silent, gives(b"two\n", end=True))
        with reading(*acts, idle_timeout=limit) as (stream, gaps):
            lines = list(stream)
            silent.set()
        return lines, gaps

    lines, gaps = long_enough(read, lambda it: b"one\n" in it[0])

    assert lines == [b"one\n", b"two\n"]
    assert isinstance(gaps[0].cause, StreamIdleError)


def test_close_while_it_is_opened_again():
    """Closing frees a reader whose next connection has not been answered."""
    asked = threading.Event()
    held = threading.Event()
    errors: list[BaseException] = []

    def holds(conn: Conn) -> None:
        asked.set()
        held.wait(LIMIT)

    with reading(gives(b"one\n"), holds) as (stream, _):

        def read() -> None:
            try:
                list(stream)
            except BaseException as error:
                errors.append(error)

        reader = threading.Thread(target=read, name="test-reader")
        reader.start()
        assert asked.wait(LIMIT)
        stream.close()
        reader.join(LIMIT)
        freed = not reader.is_alive()
        held.set()

    assert freed
    assert [type(error) for error in errors] == [StreamClosedError]


def test_leaving_the_loop_closes():
    """Leaving a loop early gives the connection up."""
    gone = threading.Event()

    def waits(conn: Conn) -> None:
        conn.send(HEAD)
        conn.send_chunk(b"one\n")
        if conn.wait_closed(LIMIT):
            gone.set()

    with reading(waits) as (stream, _):
        for _line in stream:
            break
        assert gone.wait(LIMIT)


def test_break_that_nobody_listens_for():
    """A break that nobody listens for is a warning with what is known of it."""
    with server(gives(b"one\n"), gives(b"two\n", end=True)) as running:
        with HostClient(running.url) as host:
            stream = host.get_instance_client("x").get_reconnecting_stream(
                "output", reconnect=QUICK
            )
            with pytest.warns(UserWarning, match="output of 'x' was cut after 4 bytes"):
                list(stream)


@pytest.mark.parametrize(
    "settings",
    [{"first_delay": 0}, {"max_delay": -1}, {"give_up_after": 0}, {"give_up_after": True}],
)
def test_wrong_settings(settings):
    """Times that make no sense are refused."""
    with pytest.raises((TypeError, ValueError), match=next(iter(settings))):
        Reconnect(**settings)


SIGINT = """
import sys
from scramjet_client import HostClient, Reconnect
stream = HostClient(sys.argv[1]).get_instance_client("x").get_reconnecting_stream(
    "output", reconnect=Reconnect(first_delay=3600, max_delay=3600), on_gap=print
)
try:
    print("ready")
    for line in stream:
        print("got", line)
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize("quiet", [True, False])
def test_sigint(quiet: bool):
    """Ctrl-C frees a reader that waits for data, and one that waits for its next attempt."""
    over = threading.Event()

    def waits(conn: Conn) -> None:
        conn.send(HEAD)
        over.wait(LIMIT)

    with server(waits if quiet else gives(b"one\n")) as running:
        code, said = interrupt(SIGINT, running.url)
        over.set()

    assert (code, said.splitlines()[-1]) == (0, "interrupted")


def test_repr():
    """What is printed of a stream says what it is."""
    with reading(gives(b"one\n", end=True)) as (stream, _):
        eventually(lambda: list(stream) == [b"one\n"])
        assert repr(stream) == "<ReconnectingStream output of 'x': 4 bytes read, 0 gaps>"
