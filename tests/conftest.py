"""Fixtures for all tests, and the guard that fails any test which leaves a thread or a socket behind."""

from __future__ import annotations

import gc
import os
import re
import socket
import threading
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import hypothesis
import pytest

from scramjet_client import HostClient, InstanceClient, Tuning
from tests.support.certs import Certificates
from tests.support.distribution import bare_python, dist, wheel  # noqa: F401  # fixtures
from tests.support.quick import starts_processes
from tests.support.scripted_hub import H1Hub, Instance
from tests.support.signals import as_in_a_terminal
from tests.support.sockets import described
from tests.support.waiting import LIMIT

# Examples have neither a limit of their own nor a speed in which they have to be found.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")

_GRACE = LIMIT
"""Seconds that threads and sockets get to go away after a test; only a leak uses them up."""

# Whatever started the suite: tests of Ctrl-C need it, in this process and in the programs that they start.
as_in_a_terminal()


# Elsewhere than on POSIX systems there is no LocalHub. Most other tests can be collected there, and `-m quick` runs.
collect_ignore = [] if hasattr(os, "fork") else ["hub", "surroundings", "test_benchmarks.py"]

_SCENARIOS = {
    "benchmarks", "completion", "docs", "docs_site", "endings", "faults", "first_input", "hostile", "injection",
    "messages", "no_clock", "surroundings",
}  # fmt: skip
"""Folders, and files test_*.py, whose tests take the client through many cases of one kind: none is quick."""


_LONGEST = [
    *(
        "test_dev",
        "test_pytest_plugin",
        "test_docs_site",
        "test_replay",
        "test_soak",
        "test_release",
    ),
    *(
        "test_ends_of_functions",
        "test_other_systems",
        "test_local_hub",
        "test_package",
        "test_docs",
    ),
    *(
        "test_crashes",
        "test_events",
        "test_samples",
        "test_function",
        "test_targets",
        "test_uploads",
    ),
    *("test_table", "test_follow", "test_examples", "test_page", "test_streams", "test_packages"),
    *(
        "test_limits",
        "test_commands",
        "test_standard_streams",
        "test_si",
        "test_document",
        "test_run",
    ),
]
"""Files of tests that take longest, and longer first. A worker that began one of them last would have all wait."""


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep ten thousand collected tests out of sight of the garbage collector, which tests have look for what is left.

    With them each look takes a third of a second of the processor, and so do many of its own accord.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest; mark as quick what starts no process, by itself or by a fixture, and does not wait."""
    turn = {stem: number for number, stem in enumerate(_LONGEST)}
    items.sort(key=lambda item: turn.get(item.path.stem, len(turn)))
    for item in items:
        if not isinstance(item, pytest.Function):
            continue
        if (
            item.get_closest_marker("long") is not None
            or item.get_closest_marker("waits") is not None
        ):
            continue
        if not _SCENARIOS.isdisjoint(re.split(r"[./]|test_", item.location[0])):
            continue
        fixtures = [each[-1].func for each in item._fixtureinfo.name2fixturedefs.values()]
        cases = item.callspec.params.values() if hasattr(item, "callspec") else ()
        if not starts_processes(item.function, *fixtures, *cases):
            item.add_marker("quick")


def _threads() -> set[threading.Thread]:
    return {each for each in threading.enumerate() if each.name.startswith(("scramjet-", "test-"))}


def _sockets() -> set[str]:
    folder = Path("/proc/self/fd")
    found = set()
    for entry in folder.iterdir() if folder.is_dir() else ():
        try:
            target = os.readlink(entry)
        except OSError:
            continue
        if target.startswith("socket:"):
            found.add(target)
    return found


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves a `scramjet-*` or `test-*` thread, or an open socket."""
    if "caplog" in request.fixturenames:
        # An upload whose error nobody asked for says so when it is collected: in the log of the test that left it.
        gc.collect()
    threads, sockets = _threads(), _sockets()
    yield
    deadline = time.monotonic() + _GRACE
    while (_threads() - threads or _sockets() - sockets) and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.01)
    assert not _threads() - threads, "threads left behind"
    left = _sockets() - sockets
    assert not left, f"sockets left behind: {described(left)}"


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """A CA of the tests' own, and certificates for loopback."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(params=["plain", "tls"])
def scheme(request: pytest.FixtureRequest) -> str:
    """Run the test over plain sockets and over TLS."""
    return str(request.param)


@pytest.fixture
def h1_hub(scheme: str, certificates: Certificates) -> Iterator[H1Hub]:
    """A server that says on the wire what a 1.0 hub says, plain and TLS."""
    context = certificates.server_context() if scheme == "tls" else None
    with H1Hub(ssl_context=context) as hub:
        yield hub
        hub.check()


@pytest.fixture
def h1_host(h1_hub: H1Hub, certificates: Certificates) -> Iterator[HostClient]:
    """A client of `h1_hub`, which never answers late: silence says as much there after a moment as on a hub later."""
    with HostClient(h1_hub.url, verify=certificates.ca_path) as host:
        host.client.tuning = Tuning(
            look_every=0.1,
            answer_settle=0.1,
            log_settle=0.1,
            stream_settle=0.2,
            log_echo=0.2,
            input_settle=0.02,
        )
        yield host


@pytest.fixture
def there(h1_hub: H1Hub) -> Instance:
    """An instance of `h1_hub`, on the hub's side."""
    return h1_hub.add_instance()


@pytest.fixture
def instance(h1_host: HostClient, there: Instance) -> InstanceClient:
    """The instance `there`, on the client's side."""
    return h1_host.get_instance_client(there.id)


@pytest.fixture
def closed_port() -> int:
    """A loopback port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port
