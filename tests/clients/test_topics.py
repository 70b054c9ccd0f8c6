"""Topics of a client: how long it waits for them."""

from __future__ import annotations

import concurrent.futures
import contextlib

import pytest

from scramjet_client import HostClient, HubTimeoutError, ManagerClient, Timeouts
from scramjet_client.hub import LocalHub
from tests.support.waiting import LIMIT, eventually
from tests.support.wire import Conn, RawServer

SHORT = 0.3


def knows_its_hub(host: HostClient) -> bool:
    """Return whether a client whose limit is short has had an answer, so that it asks for nothing first."""
    with contextlib.suppress(HubTimeoutError):
        host.get_topics()
        return True
    return False


def test_waiting_for_the_turn_has_no_limit():
    """Who waits until another has ended its body to a topic is not timed out, as nothing is wrong."""
    short = Timeouts(read=SHORT)
    with LocalHub() as hub, hub.client() as patient, hub.client(timeout=short) as host:
        with patient.open_topic("turns") as first, patient.get_topic("turns") as topic:
            first.write(b"1\n")
            assert topic.readline() == b"1\n"
            eventually(lambda: knows_its_hub(host))
            second = host.submit_topic("turns", b"2\n")
            assert concurrent.futures.wait([second], 4 * SHORT).not_done
            first.close()

            assert topic.readline() == b"2\n"
        assert second.result(LIMIT).bytes_written == 2


def test_waiting_for_a_reader_has_a_limit_that_the_caller_sets():
    """A send to a topic whose turn does not come ends at the time given for it."""
    with LocalHub() as hub, hub.client() as host:
        with host.open_topic("turns") as first:
            first.write(b"1\n")
            eventually(host.get_topics)
            with pytest.raises(HubTimeoutError):
                host.send_topic("turns", b"2\n", {"timeout": SHORT})


def test_store_that_never_answers():
    """A manager that takes a package for its store and never answers is late, not waited for."""

    def take_and_be_silent(conn: Conn) -> None:
        request = conn.read_request()
        assert request is not None
        conn.read_body(request)
        conn.read_request()

    with RawServer(take_and_be_silent) as server:
        with ManagerClient(server.url, timeout=Timeouts(read=SHORT)) as manager:
            with pytest.raises(HubTimeoutError):
                manager.put_store_item(b"x")
