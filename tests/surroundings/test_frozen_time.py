"""A test of the user's that freezes the time, as freezegun does: limits pass, and nothing waits for ever."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from scramjet_client import (
    HostClient,
    HubTimeoutError,
    InstanceClient,
    ScramjetError,
)
from scramjet_client.hub import LocalHub
from tests.support.hubs import open_hub
from tests.support.waiting import LIMIT


async def echo(_context: Any, stream: Any) -> Any:
    async for chunk in stream:
        yield chunk


@pytest.fixture(scope="module")
def local() -> Iterator[LocalHub]:
    with open_hub() as found:
        yield found


@pytest.fixture
def hub(local: LocalHub) -> Iterator[LocalHub]:
    yield local
    local.clear()


@pytest.fixture
def host(hub: LocalHub) -> Iterator[HostClient]:
    with hub.client() as client:
        yield client


@pytest.fixture
def instance(host: HostClient) -> InstanceClient:
    return host.deploy(echo).start()


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/api/v1"


@pytest.fixture
def frozen(instance: InstanceClient, monkeypatch: pytest.MonkeyPatch) -> Iterator[InstanceClient]:
    """An instance, from now on in a time that stands still."""
    for name in ("monotonic", "time", "perf_counter"):
        now = getattr(time, name)()
        monkeypatch.setattr(time, name, lambda now=now: now)
    yield instance
    monkeypatch.undo()


def _read(instance: InstanceClient) -> bytes:
    with instance.get_stream("output", idle_timeout=0.1) as stream:
        return stream.read()


LIMITS: dict[str, Callable[[InstanceClient], object]] = {
    "wait": lambda instance: instance.wait(timeout=0.1),
    "get_event": lambda instance: instance.get_event("none", timeout=0.1),
    "idle stream": _read,
    "wait_for": lambda instance: instance.wait_for("stopped", timeout=0.1),
}


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_passes(frozen: InstanceClient, name: str):
    """Each limit of a call passes in a time that stands still."""
    with pytest.raises(ScramjetError):
        LIMITS[name](frozen)


def test_a_run_returns(frozen: InstanceClient, host: HostClient):
    """A run without a limit returns when the program has ended."""
    assert host.deploy(echo).run(b"a").output == b"a"


def test_a_silent_hub(silent: str, monkeypatch: pytest.MonkeyPatch):
    """The limit of a request passes."""
    monkeypatch.setattr(time, "monotonic", lambda: 5.0)

    with HostClient(silent, timeout=0.2, retries=0) as host, pytest.raises(HubTimeoutError):
        host.get_version()


def test_imported_in_frozen_time(silent: str):
    """The package may also be imported while the time stands still."""
    program = f"""
import time
time.monotonic = lambda: 5.0
from scramjet_client import HostClient, HubTimeoutError
try:
    HostClient({silent!r}, timeout=0.2, retries=0).get_version()
except HubTimeoutError:
    print("passed")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=LIMIT, check=True
    )

    assert done.stdout == "passed\n"
