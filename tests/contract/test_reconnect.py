"""Reading on over broken connections, in front of every hub."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

from scramjet_client import (
    Gap,
    HostClient,
    InstanceClient,
    InstanceNotFoundError,
    Reconnect,
    StreamGapWarning,
    StreamInterruptedError,
)
from tests.contract.conftest import SEQUENCES, Hub, Start, ended
from tests.support.cutting_proxy import CuttingProxy
from tests.support.hubs import open_hub
from tests.support.real_hub import RealHub
from tests.support.waiting import LIMIT, eventually

QUICK = Reconnect(first_delay=0.02, max_delay=0.1, give_up_after=LIMIT)


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


@pytest.fixture
def proxy(hub: Hub) -> Iterator[CuttingProxy]:
    """A proxy in front of the hub."""
    with CuttingProxy(port_of(hub.url)) as relay:
        # The hub may be below a prefix.
        relay.url = relay.url.replace("/api/v1", urlsplit(hub.url).path)
        yield relay


@contextmanager
def through(proxy: CuttingProxy, id: str) -> Iterator[InstanceClient]:
    """Give a client of an instance that reaches it by way of the proxy."""
    with HostClient(proxy.url) as host:
        yield host.get_instance_client(id)


def number(line: bytes) -> int:
    word, _, count = line.strip().partition(b" ")
    assert word == b"tick"
    return int(count)


def test_lines_go_on_after_a_cut(start: Start, proxy: CuttingProxy, language: str):
    """After a cut whole lines go on, in their order, and the break is told with what is known of it."""
    ticker = start(f"{language}-ticker", 20)
    gaps: list[Gap] = []
    with through(proxy, ticker.id) as instance:
        stream = instance.get_reconnecting_stream("output", reconnect=QUICK, on_gap=gaps.append)
        with stream:
            lines = iter(stream)
            numbers = [number(next(lines)) for _ in range(3)]
            before = stream.bytes_read
            proxy.cut()
            while not gaps or len(numbers) < 10:
                numbers.append(number(next(lines)))

    assert numbers == sorted(set(numbers))
    assert (len(gaps), stream.gaps) == (1, 1)
    assert gaps[0].bytes_read >= before
    assert gaps[0].resumed
    assert gaps[0].attempts >= 1
    assert isinstance(gaps[0].cause, StreamInterruptedError)


def test_hub_that_is_away_for_a_while(start: Start, proxy: CuttingProxy):
    """While the hub can't be reached it is tried again, and reading goes on when it can."""
    ticker = start("py-ticker", 20)
    gaps: list[Gap] = []
    with through(proxy, ticker.id) as instance:
        stream = instance.get_reconnecting_stream("stdout", reconnect=QUICK, on_gap=gaps.append)
        with stream:
            lines = iter(stream)
            next(lines)
            proxy.down = True
            proxy.cut()
            # The proxy comes back when it has been tried in vain.
            back = threading.Thread(target=proxy.come_back, name="test-back")
            back.start()
            while not gaps:
                next(lines)
            back.join()

    assert gaps[0].attempts > 1


def test_break_that_nobody_listens_for(start: Start, proxy: CuttingProxy):
    """Without `on_gap` a break is a warning."""
    ticker = start("py-ticker", 20)
    with through(proxy, ticker.id) as instance:
        with instance.get_reconnecting_stream("output", reconnect=QUICK) as stream:
            lines = iter(stream)
            next(lines)
            proxy.cut()
            with pytest.warns(StreamGapWarning, match="data on its way is lost"):
                eventually(lambda: next(lines) and stream.gaps)


def test_end_of_the_instance(start: Start, proxy: CuttingProxy):
    """The end of the stream is the end, also after a break."""
    echo = start("py-echo", 0.2)
    gaps: list[Gap] = []
    with through(proxy, echo.id) as instance:
        stream = instance.get_reconnecting_stream("output", reconnect=QUICK, on_gap=gaps.append)
        with stream:
            chunks = stream.chunks()
            echo.send_input("one\n")
            assert next(chunks) == b"one\n"
            proxy.cut()
            echo.send_input("two\n", end=True)
            rest = b"".join(chunks)

    assert rest in (b"two\n", b"")  # lost, if it was sent into the broken connection
    assert len(gaps) == 1


def test_instance_that_ended_in_between(start: Start, proxy: CuttingProxy, hub: Hub):
    """An instance that has ended meanwhile is the end of the stream, and the break is told."""
    ticker = start("py-ticker", 20)
    gaps: list[Gap] = []
    with through(proxy, ticker.id) as instance:
        stream = instance.get_reconnecting_stream("output", reconnect=QUICK, on_gap=gaps.append)
        with stream:
            lines = iter(stream)
            next(lines)
            proxy.cut()
            ticker.kill()
            eventually(lambda: ended(ticker))
            for _ in lines:
                pass

    assert len(gaps) == 1
    # A 1.x hub still has the stream, and ends it; a 0.x hub has forgotten all of it.
    assert gaps[0].resumed == hub.modern


def test_log_ends_after_a_break(start: Start, proxy: CuttingProxy):
    """The log, which 1.x hubs never end, ends with the instance after a break as well.

    1.0.1 gives nothing more of a log that a reader has left (docs/protocol.md, "Output streams").
    """
    ticker = start("py-ticker", 20)
    gaps: list[Gap] = []
    rest: list[Any] = []
    with through(proxy, ticker.id) as instance:
        stream = instance.get_reconnecting_stream("log", reconnect=QUICK, on_gap=gaps.append)
        with stream:
            records = stream.records()
            next(records)
            reader = threading.Thread(target=lambda: rest.extend(records), name="test-reader")
            reader.start()
            proxy.cut()
            eventually(lambda: gaps)
            ticker.kill()
            reader.join(LIMIT)
            assert not reader.is_alive()

    assert all("msg" in record for record in rest)


@pytest.mark.parametrize("kind", ["local", "real"])
def test_restarted_hub(kind: str):
    """A hub that was restarted without the instance is given up in time, with an error that says why."""
    new_hub: Any = open_hub if kind == "local" else RealHub
    gaps: list[Gap] = []
    with CuttingProxy(0) as proxy:
        with new_hub() as first, HostClient(first.url) as host:
            proxy.port = port_of(first.url)
            ticker = host.send_sequence(SEQUENCES / "py-ticker").start(args=[20])
            policy = Reconnect(first_delay=0.05, max_delay=0.2, give_up_after=1.2)
            with through(proxy, ticker.id) as instance:
                stream = instance.get_reconnecting_stream(
                    "output", reconnect=policy, on_gap=gaps.append
                )
            lines = iter(stream)
            assert next(lines) == b"tick 0\n"
            proxy.down = True
            proxy.cut()
        with new_hub() as second:
            proxy.port = port_of(second.url)
            # The other hub answers when there was an attempt in vain.
            back = threading.Thread(target=proxy.come_back, name="test-back")
            back.start()
            with stream, pytest.raises(StreamInterruptedError) as caught:
                for _ in lines:
                    pass
            back.join()

    assert isinstance(caught.value.__cause__, InstanceNotFoundError)
    assert gaps == []


def test_unknown_instance(host: HostClient):
    """An instance that is not there is an error of the call, not something to wait for."""
    with pytest.raises(InstanceNotFoundError):
        host.get_instance_client("nobody").get_reconnecting_stream("output")


def test_close_while_it_waits(start: Start, proxy: CuttingProxy):
    """Closing frees a reader that waits for its next attempt."""
    ticker = start("py-ticker", 20)
    ended: list[BaseException | None] = []
    with through(proxy, ticker.id) as instance:
        policy = Reconnect(first_delay=60, max_delay=60, give_up_after=None)
        stream = instance.get_reconnecting_stream("output", reconnect=policy)

        def read() -> None:
            try:
                for _ in stream:
                    proxy.cut()
                ended.append(None)
            except BaseException as error:
                ended.append(error)

        reader = threading.Thread(target=read, name="test-reader")
        reader.start()
        eventually(lambda: stream.bytes_read and not proxy.open)
        stream.close()
        reader.join(LIMIT)

    assert [type(error).__name__ for error in ended] == ["StreamClosedError"]
