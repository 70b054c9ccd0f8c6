"""A hub by way of its manager: what runs on a hub runs on a fleet, by another URL."""

from __future__ import annotations

import itertools
import threading

import pytest

from scramjet_client import (
    HostClient,
    HubNotFoundError,
    InstanceNotFoundError,
    ManagerClient,
    ManagerNotFoundError,
    MiddlewareClient,
    StreamInterruptedError,
    UnsupportedByHubError,
)
from scramjet_client.hub import LocalHub
from tests.fleet.conftest import TOKEN, start
from tests.support.fleet import Platform
from tests.support.real_hub import RealHub


def test_echo_and_stop(host: HostClient):
    """Input, live output and a stop."""
    instance = start(host, "py-echo")

    with instance.get_stream("output") as output:
        for word in (b"one\n", b"two\n"):
            instance.send_input(word)
            assert output.readline() == word
    assert instance.get_health().status == "healthy"
    assert instance.stop(timeout=30_000).acknowledged


def test_events(host: HostClient):
    """An event there and its answer back."""
    instance = start(host, "py-events")

    with instance.expect_event("pong", timeout=60) as expected:
        instance.send_event("ping", "x")

    assert expected.value.data == {"echo": "x"}


def test_inout(host: HostClient):
    """Sending and receiving at once: each line is answered before the next is sent."""
    instance = start(host, "py-echo")
    turn = threading.Semaphore(1)

    def questions():
        for n in range(5):
            turn.acquire()
            yield f"{n}\n"

    with instance.inout(questions(), type="text/plain") as output:
        for n in range(5):
            assert output.readline() == b"%d\n" % n
            turn.release()


def test_refusal_before_the_body_has_ended(host: HostClient):
    """An endless upload to an unknown instance is refused while it runs."""
    with pytest.raises(InstanceNotFoundError):
        host.get_instance_client("nope").send_input(b"x" * 1000 for _ in itertools.count())


@pytest.mark.parametrize(
    "call",
    [
        lambda host: host.get_version(),
        lambda host: host.get_instance_client("x").get_info(),
        lambda host: host.get_instance_client("x").get_stream("output"),
        lambda host: host.get_instance_client("x").send_input(b"x" for _ in itertools.count()),
        lambda host: host.send_sequence(b"x"),
    ],
    ids=["json", "instance", "stream", "upload", "package"],
)
def test_unknown_hub(manager: ManagerClient, call):
    """A hub that its manager does not have is named as such, not as what was looked for on it."""
    with pytest.raises(HubNotFoundError, match="has no hub 'nope'") as caught:
        call(manager.get_host_client("nope"))

    assert caught.value.code == "HUB_NOT_FOUND"
    assert caught.value.status == 404


def test_missing_instance_is_not_a_missing_hub(host: HostClient):
    """A hub that is there says itself what it does not have."""
    with pytest.raises(InstanceNotFoundError):
        host.get_instance_client("nope").get_info()


def test_cut_by_the_hub():
    """A hub that dies cuts the streams through its manager; they do not look complete."""
    with RealHub() as hub, Platform({"one": {"brief": hub.url}}) as platform:
        with MiddlewareClient(platform.url) as middleware:
            host = middleware.get_manager_client("one").get_host_client("brief")
            with start(host, "py-ticker").get_stream("output") as output:
                output.readline()
                hub.kill()
                with pytest.raises(StreamInterruptedError):
                    output.read()


def test_hub_leads_to_its_manager(manager: ManagerClient):
    """A 1.x hub passes requests on to its manager."""
    found = manager.get_host_client("left").get_manager_client()

    assert {each.id for each in found.get_hosts()} == {"left", "right", "old"}
    assert found.get_host_client("old").get_version().version == "0.18.7"


def test_old_hub_does_not_lead_to_its_manager(manager: ManagerClient):
    """A 0.x hub has no such route, and the error names its version."""
    with pytest.raises(UnsupportedByHubError, match=r"0\.18\.7"):
        manager.get_host_client("old").get_manager_client().get_hosts()


def test_hub_without_a_manager(local_hubs: tuple[LocalHub, LocalHub]):
    """A hub that is connected to none says so at the first call."""
    with local_hubs[0].client() as host:
        with pytest.raises(ManagerNotFoundError, match="is not connected to a manager"):
            host.get_manager_client().get_hosts()


def test_url_of_a_hub_behind_a_manager(platform: Platform):
    """The address of a hub behind a manager is all that a HostClient needs."""
    url = f"{platform.url}/space/one/api/v1/sth/left/api/v1"
    with HostClient(url, token=TOKEN) as host:
        assert start(host, "py-echo").get_info().status in ("starting", "running")


def test_generations_behind_one_manager(manager: ManagerClient):
    """What is learned of one hub is not believed of another."""
    assert manager.get_host_client("left").get_status().cpm["connected"]
    with pytest.raises(UnsupportedByHubError, match=r"0\.18\.7"):
        manager.get_host_client("old").get_status()


def test_clients_of_one_hub_learn_once(manager: ManagerClient, local_hubs):
    """The generation of a hub is asked for once, however many clients of it are made."""
    left = local_hubs[0]
    before = sum(each.path.endswith("/version") for each in left.requests)
    for _ in range(3):
        manager.get_host_client("left").list_entities()
    asked = sum(each.path.endswith("/version") for each in left.requests) - before

    assert asked == 1


def test_doctor_of_a_hub_behind_a_manager(host: HostClient):
    """The doctor examines the hub, not its manager, and shows no token."""
    report = host.doctor()

    assert not report.problems
    assert host.api_base in str(report)
    assert host.get_version().version in str(report)
    assert TOKEN not in str(report)


@pytest.mark.parametrize("id", ["", ".", ".."])
def test_ids_that_would_leave_their_place(manager: ManagerClient, id: str):
    """An id that would lead elsewhere is refused before anything is sent."""
    with pytest.raises(ValueError, match="can't be part of a path"):
        manager.get_host_client(id)
