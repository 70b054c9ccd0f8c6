"""A hub and a kernel for the tests of notebooks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scramjet_client import HostClient
from tests.notebook.hub_process import hub_process
from tests.notebook.kernel import Kernel


@pytest.fixture(scope="package")
def hub() -> Iterator[str]:
    """The URL of a hub for all of them."""
    with hub_process() as url:
        yield url


@pytest.fixture
def host(hub: str) -> Iterator[HostClient]:
    """A client of the hub."""
    with HostClient(hub) as client:
        yield client


@pytest.fixture(scope="module")
def kernel(hub: str) -> Iterator[Kernel]:
    """A kernel in which `host` is a client of the hub."""
    with Kernel() as started:
        ran = started.run(f"from scramjet_client import HostClient\nhost = HostClient({hub!r})")
        assert ran.error == ""
        yield started
