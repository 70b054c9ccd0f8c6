"""A platform in front of two LocalHubs and the real hub, which run as long as these tests do."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from scramjet_client import (
    HostClient,
    InstanceClient,
    ManagerClient,
    MiddlewareClient,
    NotFoundError,
    SequenceClient,
)
from scramjet_client.hub import LocalHub
from tests.support.fleet import Platform
from tests.support.hubs import open_hub
from tests.support.real_hub import RealHub
from tests.support.waiting import eventually

SEQUENCES = Path(__file__).parent.parent / "sequences"

TOKEN = "a.test.token"


@pytest.fixture(scope="session")
def real_hub() -> Iterator[RealHub]:
    """The hub from npm, 0.18.7."""
    with RealHub() as hub:
        yield hub


@pytest.fixture(scope="session")
def local_hubs() -> Iterator[tuple[LocalHub, LocalHub]]:
    """Two embedded hubs, which speak 1.x."""
    with open_hub() as left, open_hub() as right:
        yield left, right


@pytest.fixture
def platform(local_hubs: tuple[LocalHub, LocalHub], real_hub: RealHub) -> Iterator[Platform]:
    """The space "one" with the hubs left, right and old, and the space "two" with nothing; all emptied later."""
    left, right = local_hubs
    urls = {"left": left.url, "right": right.url, "old": real_hub.url}
    with Platform({"one": urls, "two": {}}, token=TOKEN) as running:
        yield running
    for hub in local_hubs:
        hub.check()
        hub.clear()
    with HostClient(real_hub.url) as host:
        for instance in host.list_instances():
            with contextlib.suppress(NotFoundError):
                host.get_instance_client(instance.id).kill()
        eventually(lambda: not host.list_instances())
        for sequence in host.list_sequences():
            host.delete_sequence(sequence.id)


@pytest.fixture
def middleware(platform: Platform) -> Iterator[MiddlewareClient]:
    """A client of the platform."""
    with MiddlewareClient(platform.url, token=TOKEN) as client:
        yield client


@pytest.fixture
def manager(middleware: MiddlewareClient) -> ManagerClient:
    """The manager of the three hubs."""
    return middleware.get_manager_client("one")


@pytest.fixture(params=["left", "old"])
def host(request: pytest.FixtureRequest, manager: ManagerClient) -> HostClient:
    """A client of a hub behind the manager: LocalHub, and the real hub."""
    return manager.get_host_client(request.param)


def send(host: HostClient, name: str) -> SequenceClient:
    """Send a sequence of tests/sequences."""
    return host.send_sequence(SEQUENCES / name)


def start(host: HostClient, name: str, *args: object) -> InstanceClient:
    """Send a sequence of tests/sequences, and start it."""
    return send(host, name).start(args=list(args), timeout=60)
