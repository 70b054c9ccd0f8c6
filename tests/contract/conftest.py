"""The hubs that the contract suite runs on, and instances started on them.

Every test is written once, for both generations. Where hubs differ the test says so, and why.
`SCRAMJET_TEST_HUB_URL` names one more hub to run everything on.

LocalHub is tested once more behind a line that is slow and stalls, and behind a real nginx: what is decided by silence
or by seconds must not turn wrong there. Of that, `make test` runs a part (see `_PART`), and `make test-long` all.

LocalHub runs only Python sequences. So a test that takes a Node sequence for no reason of its own gets
the Python one of the same name there, and a test that runs with both languages runs with one.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs
import pytest

from scramjet_client import (
    BadParametersError,
    HostClient,
    InstanceClient,
    InstanceNotFoundError,
    ScramjetError,
    SequenceClient,
)
from tests.support.hubs import open_hub
from tests.support.nginx import NGINX, below, nginx
from tests.support.real_hub import RealHub
from tests.support.slow_proxy import SlowProxy
from tests.support.waiting import LIMIT

SEQUENCES = Path(__file__).parent.parent / "sequences"

Start = Callable[..., InstanceClient]


@attrs.define
class Hub:
    """A hub to test on: where it is, what it speaks, and the sequences that were sent to it."""

    name: str
    url: str
    modern: bool
    sent: dict[str, str] = attrs.field(factory=dict)

    def sequence(self, host: HostClient, name: str) -> SequenceClient:
        """Return a sequence of tests/sequences, sent once."""
        name = self.own(name)
        if name not in self.sent:
            self.sent[name] = host.send_sequence(SEQUENCES / name).id
        return host.get_sequence_client(self.sent[name])

    def forget(self, name: str) -> None:
        """Have a sequence sent again the next time."""
        self.sent = {known: id for known, id in self.sent.items() if known != self.own(name)}

    def own(self, name: str) -> str:
        """Return the name of the sequence that stands for another one on this hub."""
        return name.replace("node-", "py-", 1) if self.is_local else name

    @property
    def is_local(self) -> bool:
        """Whether it is LocalHub, whatever stands before it."""
        return self.name in _LOCAL


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what LocalHub has no second language for (see above)."""
    kept, left_out = [], []
    for item in items:
        params = getattr(getattr(item, "callspec", None), "params", {})
        hub = params.get("hub")
        twice = hub in _LOCAL and params.get("language") == "node"
        if hub in _BEHIND and item.path.stem not in _PART:
            item.add_marker(pytest.mark.long)
        (left_out if twice else kept).append(item)
    items[:] = kept
    config.hook.pytest_deselected(items=left_out)


_LOCAL = ("local", "slow", "nginx", "far")
_BEHIND = ("slow", "nginx")
"""Names of LocalHub, and of LocalHub behind something. "far" is one of another process, on systems without LocalHub."""

_PART = ("test_streams", "test_follow", "test_inout")
"""Files of the suite that run behind something each time: most of what is decided by silence is in them."""


def _hubs() -> list[str]:
    given = ["given"] if os.environ.get("SCRAMJET_TEST_HUB_URL") else []
    if hasattr(os, "fork"):
        return ["local", *_BEHIND, "real", *given]
    # No LocalHub runs here, as on Windows: it is one of another process that somebody names.
    return ["far"] * len(given)


@pytest.fixture(scope="session", params=_hubs())
def hub(request: pytest.FixtureRequest) -> Iterator[Hub]:
    """LocalHub, the real hub from npm, and the one that SCRAMJET_TEST_HUB_URL names."""
    name: str = request.param
    with contextlib.ExitStack() as stack:
        if name in _LOCAL and name != "far":
            local = stack.enter_context(open_hub())
            # The hub's own failures are failures of its last test.
            stack.callback(local.check)
            url = _behind(name, local.url, request, stack)
        elif name == "real":
            url = stack.enter_context(RealHub()).url
        else:
            url = os.environ["SCRAMJET_TEST_HUB_URL"]
        with HostClient(url) as host:
            modern = host.get_version().api_version is not None
        yield Hub(name=name, url=url, modern=modern)


def _behind(
    name: str, url: str, request: pytest.FixtureRequest, stack: contextlib.ExitStack
) -> str:
    """Return the address of a LocalHub by way of what is to stand before it."""
    hub_port = urlsplit(url).port
    assert hub_port is not None
    if name == "slow":
        proxy = stack.enter_context(SlowProxy(hub_port))
        return f"http://127.0.0.1:{proxy.port}/api/v1"
    if name == "nginx":
        if NGINX is None:
            pytest.skip("nginx is not installed; `make test` installs it as root on Debian")
        folder = request.getfixturevalue("tmp_path_factory").mktemp("nginx")
        port = stack.enter_context(nginx(folder, below("/a/hub"), hub_port))
        return f"http://127.0.0.1:{port}/a/hub/api/v1"
    return url


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
    started: list[tuple[str, InstanceClient]] = []

    def start_one(name: str, *args: Any, **options: Any) -> InstanceClient:
        instance = hub.sequence(host, name).start(args=list(args), timeout=LIMIT, **options)
        started.append((name, instance))
        if hub.own(name) == "node-echo":
            # Hub 0.18.7 sometimes repeats input that comes while a Node program starts (docs/protocol.md).
            assert instance.get_event("ready", timeout=LIMIT).data == "yes"
        return instance

    yield start_one
    for name, instance in started:
        try:
            instance.kill(remove_immediately=True)
        except InstanceNotFoundError:
            pass
        except BadParametersError:
            # A 1.x hub takes no kill after a stop; an instance that lives on goes with its sequence, for which
            # that hub takes 15 seconds. What runs on this machine can be killed without it.
            if hub.is_local:
                with contextlib.suppress(ProcessLookupError):  # its own end came first
                    os.kill(instance.get_health().extra["processId"], getattr(signal, "SIGKILL", 9))
            elif not ended(instance):
                host.delete_sequence(hub.sequence(host, name).id, force=True)
                hub.forget(name)


def ended(instance: InstanceClient) -> bool:
    """Say whether the hub says, or no longer knows, that the instance has ended."""
    try:
        return instance.get_info().terminated is not None
    except ScramjetError as error:
        if error.code == "INSTANCE_NOT_FOUND":
            return True
        raise
