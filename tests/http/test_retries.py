"""What is sent again, counted at the server: JSON GETs, what never left, and nothing else."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate

import pytest

from scramjet_client import (
    HostClient,
    HttpClient,
    HubConnectionError,
    HubTimeoutError,
    NotFoundError,
    ScramjetError,
    ServerError,
    Timeouts,
    Tuning,
)
from scramjet_client.testing import Answer, Cut, FaultProxy, Reset
from tests.support.certs import Certificates
from tests.support.comes_back import ComesBack
from tests.support.scripted_hub import H1Hub
from tests.support.waiting import LIMIT, eventually
from tests.support.wire import RawServer


@pytest.fixture
def hub() -> Iterator[H1Hub]:
    with H1Hub() as hub:
        yield hub


@pytest.fixture
def proxy(hub: H1Hub) -> Iterator[FaultProxy]:
    with FaultProxy(hub.url) as proxy:
        yield proxy


@pytest.mark.parametrize(
    "fault", [Cut(), Cut(after=1), Reset(), *map(Answer, (429, 502, 503, 504))]
)
def test_gets_are_sent_again(hub: H1Hub, proxy: FaultProxy, fault):
    """A GET that fails twice is answered the third time."""
    proxy.next(fault, fault)
    with HttpClient(proxy.url, retries=2) as client:
        assert client.get("sequences") == []

    assert len(proxy.requests) == 3


@pytest.mark.parametrize("method", ["post", "put", "delete"])
@pytest.mark.parametrize(
    "fault", [Cut(), Cut(after=1), Reset(), Answer(503), Answer(503, at="answer")]
)
def test_nothing_else_is(hub: H1Hub, proxy: FaultProxy, method: str, fault):
    """Whatever happens to another request, whether it reached the hub or not, it is sent once."""
    proxy.next(*[fault] * 3)
    with HttpClient(proxy.url, retries=5) as client:
        with pytest.raises(ScramjetError):
            getattr(client, method)("sequence/x")

    assert len(proxy.requests) == 1
    assert len(hub.requests) == (fault.point != "request")


def test_streams_are_not(hub: H1Hub, proxy: FaultProxy):
    """What an output has given is gone from the hub, so it is not asked for again."""
    proxy.next(*[Cut()] * 3)
    with HttpClient(proxy.url, retries=5) as client:
        with pytest.raises(HubConnectionError):
            client.get_stream("log")

    assert len(hub.requests) == 1


def test_get_of_an_event_is_not(hub: H1Hub, proxy: FaultProxy):
    """`get_event` waits for something that may have been given to the first request."""
    instance = hub.add_instance()
    with HostClient(proxy.url, retries=5) as host:
        host.get_version()
        host.get_instance_client(instance.id).get_info()
        proxy.next(*[Cut(at="request")] * 3, of="/event/")
        with pytest.raises(HubConnectionError):
            host.get_instance_client(instance.id).get_event("tick")

    assert sum("/event/" in each for each in proxy.requests) == 1


OPERATIONS: list[Callable[[HttpClient], object]] = [
    lambda client: client.get("sequences"),
    lambda client: client.post("sequence/x/start", {}),
    lambda client: client.delete("sequence/x"),
    lambda client: client.get_stream("log").close(),
    lambda client: client.send_stream("sequence", [b"package"]),
]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_never_left_is_sent_again(hub: H1Hub, proxy: FaultProxy, operation):
    """While nobody listens everything is tried again, and arrives once."""
    hub.sequences["x"] = b""
    proxy.restart(3600)
    watch = ComesBack(proxy)
    with HttpClient(proxy.url, retries=8) as client:
        client.add_logger(watch)
        operation(client)

    assert watch.failures
    assert len(hub.requests) == 1
    assert proxy.connections == 1


def test_an_error_being_handled_does_not_count(hub: H1Hub, proxy: FaultProxy, closed_port: int):
    """A request that left is not sent again because the caller is just handling a refused connection."""
    proxy.next(*[Cut()] * 3)
    with HttpClient(proxy.url, retries=5) as client:
        with HttpClient(f"http://127.0.0.1:{closed_port}/api/v1", retries=0) as other:
            try:
                other.post("a")
            except HubConnectionError:
                with pytest.raises(HubConnectionError) as caught:
                    client.post("sequence/x")

    assert "refused" not in str(caught.value)
    assert len(hub.requests) == 1


@pytest.mark.parametrize("shape", ["seconds", "date"])
def test_retry_after_is_waited_for(proxy: FaultProxy, shape: str):
    """A refusal that says when to come back is believed."""
    said = "50" if shape == "seconds" else formatdate(time.time() + 50, usegmt=True)
    pauses: list[float] = []
    proxy.next(Answer(503, {"Retry-After": said}))
    tuning, timeout = Tuning(sleep=pauses.append), Timeouts(read=None)
    with HttpClient(proxy.url, retries=1, timeout=timeout, tuning=tuning) as client:
        client.get("sequences")

    # A date is less far away by the time when the answer comes; the client's own pause is 0.1 s at the most.
    assert len(pauses) == 1
    assert pauses[0] == 50 if shape == "seconds" else 0.1 < pauses[0] <= 50


@pytest.mark.parametrize("said", ["61", "99999"])
def test_a_pause_that_the_limit_leaves_no_time_for_is_not_begun(proxy: FaultProxy, said: str):
    """A refusal that asks for a longer pause than there is time for is raised, without any pause."""
    pauses: list[float] = []
    proxy.next(*[Answer(503, {"Retry-After": said})] * 9)
    tuning = Tuning(sleep=pauses.append)
    with HttpClient(proxy.url, timeout=LIMIT, retries=8, tuning=tuning) as client:
        with pytest.raises(ServerError) as caught:
            client.get("sequences")

    assert pauses == []
    assert caught.value.retry_after == float(said)


@pytest.mark.parametrize("said", ["a while", "Thu, 99 Foo 2099 00:00:00 GMT", "-1", ""])
def test_retry_after_that_says_nothing(proxy: FaultProxy, said: str):
    """A `Retry-After` that makes no sense is none, and the client's own pause is taken."""
    pauses: list[float] = []
    proxy.next(*[Answer(503, {"Retry-After": said})] * 9)
    tuning = Tuning(sleep=pauses.append)
    with HttpClient(proxy.url, timeout=LIMIT, retries=1, tuning=tuning) as client:
        with pytest.raises(ServerError) as caught:
            client.get("sequences")

    assert [0.05 <= pause <= 0.1 for pause in pauses] == [True]
    assert caught.value.retry_after is None


@pytest.mark.waits
def test_all_attempts_have_one_limit(proxy: FaultProxy):
    """An attempt that is made late gets what is left of the time, here nothing, and not all of it again."""
    proxy.next(Answer(503))
    tuning = Tuning(sleep=lambda _pause: time.sleep(2))
    with HttpClient(proxy.url, timeout=2, retries=5, tuning=tuning) as client:
        with pytest.raises(HubTimeoutError):
            client.get("sequences")


def test_connecting_counts_too():
    """A host that takes no connection does not hold a call beyond its limit."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        # The queue is full: the kernel lets the next ones wait without an answer.
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(address)
        with HttpClient(f"http://127.0.0.1:{address[1]}/api/v1", timeout=0.5) as client:
            began = time.monotonic()
            with pytest.raises(HubTimeoutError):
                client.get("sequences")
            seconds = time.monotonic() - began
        for each in waiting:
            each.close()

    assert seconds >= 0.4


def test_pauses_grow_and_differ(closed_port: int):
    """Each pause is between a half and the whole of twice the one before, up to 5 seconds."""
    pauses: list[float] = []
    url, tuning = f"http://127.0.0.1:{closed_port}/api/v1", Tuning(sleep=pauses.append)
    with HttpClient(url, timeout=LIMIT, retries=8, tuning=tuning) as client:
        with pytest.raises(HubConnectionError):
            client.get("a")

    limits = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert len(pauses) == len(limits)
    assert all(limit / 2 <= pause <= limit for limit, pause in zip(limits, pauses))
    assert len({pause / limit for limit, pause in zip(limits, pauses)}) > 1


def test_an_outage_is_two_lines_in_the_log(proxy: FaultProxy, caplog: pytest.LogCaptureFixture):
    """However many calls and attempts fail, the log says when it begins and why, and when it is over."""
    with HttpClient(proxy.url, retries=2) as client:
        with caplog.at_level(logging.INFO, "scramjet_client"):
            proxy.next(*[Cut()] * 3)
            with pytest.raises(HubConnectionError):
                client.get("sequences")
            proxy.next(Cut(), Answer(502))
            client.get("sequences")
            client.get("sequences")

    first, last = [each.getMessage() for each in caplog.records]
    assert "the other side closed the connection" in first
    assert "trying again in 0." in first
    assert last.startswith(f"{client.api_base} answers again: 5 attempts failed within ")
    assert {each.levelname for each in caplog.records} == {"WARNING"}


def test_each_attempt_is_in_the_log_for_who_debugs(
    proxy: FaultProxy, caplog: pytest.LogCaptureFixture
):
    """On the level DEBUG every attempt has its own line."""
    proxy.next(Cut(), Answer(502))
    with caplog.at_level(logging.DEBUG, "scramjet_client"):
        with HttpClient(proxy.url, retries=2) as client:
            client.get("sequences")

    lines = [each.getMessage() for each in caplog.records if "trying again" in each.getMessage()]
    assert len(lines) == 2
    assert "the other side closed the connection" in lines[0]
    assert "502" in lines[1]


def test_a_refusal_ends_an_outage(proxy: FaultProxy, caplog: pytest.LogCaptureFixture):
    """A hub that says no answers; one failure that is raised at once is no outage."""
    with HttpClient(proxy.url, retries=1) as client:
        with caplog.at_level(logging.INFO, "scramjet_client"):
            proxy.next(Cut(), Answer(404))
            with pytest.raises(NotFoundError):
                client.get("sequences")
            proxy.next(Cut())
            with pytest.raises(HubConnectionError):
                client.post("sequences")
            client.get("sequences")

    assert [each.getMessage()[-1] for each in caplog.records] == ["s", "s"]
    assert "1 attempt failed" in caplog.messages[1]


def test_a_certificate_is_not_tried_again(certificates: Certificates):
    """A hub that is not trusted is not trusted the next time either."""
    with RawServer(lambda conn: None, ssl_context=certificates.server_context()) as server:
        with HttpClient(server.url, retries=5) as client:
            with pytest.raises(ScramjetError, match="certificate verify failed"):
                client.get("a")

        assert server.connections == 1


def test_cancelling_ends_the_retries(hub: H1Hub, proxy: FaultProxy):
    """An upload that is cancelled while nobody listens is not sent when somebody does again."""
    instance = hub.add_instance()
    with HostClient(proxy.url, retries=9) as host:
        client = host.get_instance_client(instance.id)
        client.send_input([b"a"])
        before = len(hub.requests)
        proxy.restart(3600)
        upload = client.submit_input([b"a"])
        upload.cancel()
        eventually(
            lambda: (
                not any(each.name.startswith("scramjet-answer") for each in threading.enumerate())
            )
        )
        proxy.come_back()
        assert host.get_version().version == "1.0.1"
        before += 1

    assert len(hub.requests) == before
    assert upload.cancelled()


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_number_of_retries(proxy: FaultProxy, retries: int):
    """`retries` is how often a call is tried again, and 0 never."""
    proxy.next(*[Cut()] * 9)
    with HttpClient(proxy.url, retries=retries) as client:
        with pytest.raises(HubConnectionError):
            client.get("a")

    assert len(proxy.requests) == 1 + retries
