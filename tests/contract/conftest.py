"""The hubs that the contract suite runs on, and instances started on them.

Every test is written once, for both generations. Where hubs differ the test says so, and why.
`SCRAMJET_TEST_HUB_URL` names one more hub to run everything on.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from scramjet_client import HostClient, InstanceClient, ScramjetError, SequenceClient
from tests.support.real_hub import RealHub

SEQUENCES = Path(__file__).parent.parent / "sequences"

Start = Callable[..., InstanceClient]


@attrs.define
class Hub:
    """A hub to test on: where it is, what it speaks, and the sequences that were sent to it."""

    url: str
    modern: bool
    sent: dict[str, str] = attrs.field(factory=dict)

    def sequence(self, host: HostClient, name: str) -> SequenceClient:
        """Return a sequence of tests/sequences, sent once."""
        if name not in self.sent:
            self.sent[name] = host.send_sequence(SEQUENCES / name).id
        return host.get_sequence_client(self.sent[name])


def _hubs() -> list[str]:
    return ["real", *(["given"] if os.environ.get("SCRAMJET_TEST_HUB_URL") else [])]


@pytest.fixture(scope="session", params=_hubs())
def hub(request: pytest.FixtureRequest) -> Iterator[Hub]:
    """The real hub from npm, and the one that SCRAMJET_TEST_HUB_URL names."""
    with contextlib.ExitStack() as stack:
        given = request.param == "given"
        url = os.environ["SCRAMJET_TEST_HUB_URL"] if given else stack.enter_context(RealHub()).url
        with HostClient(url) as host:
            modern = host.get_version().api_version is not None
        yield Hub(url=url, modern=modern)


@pytest.fixture
def host(hub: Hub) -> Iterator[HostClient]:
    """A client of the hub."""
    with HostClient(hub.url) as client:
        yield client


@pytest.fixture(params=["py", "node"])
def language(request: pytest.FixtureRequest) -> str:
    """Run the test with a Python sequence and with a Node one."""
    return str(request.param)


@pytest.fixture
def start(hub: Hub, host: HostClient) -> Iterator[Start]:
    """Start a sequence of tests/sequences by name; all instances are ended after the test."""
    started: list[InstanceClient] = []

    def start_one(name: str, *args: Any, **options: Any) -> InstanceClient:
        instance = hub.sequence(host, name).start(args=list(args), timeout=30, **options)
        started.append(instance)
        return instance

    yield start_one
    for instance in started:
        # A 1.x hub takes no kill after a stop, but then the instance is on its way out.
        with contextlib.suppress(ScramjetError):
            instance.kill(remove_immediately=True)


def ended(instance: InstanceClient) -> bool:
    """Say whether the hub says, or no longer knows, that the instance has ended."""
    try:
        return instance.get_info().terminated is not None
    except ScramjetError as error:
        if error.code == "INSTANCE_NOT_FOUND":
            return True
        raise
