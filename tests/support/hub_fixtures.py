"""Fixtures: a LocalHub that the tests of a module share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scramjet_client import HostClient
from scramjet_client.hub import LocalHub
from tests.support.hubs import open_hub


@pytest.fixture(scope="module")
def shared() -> Iterator[LocalHub]:
    """One hub for the tests of a module."""
    with open_hub() as hub:
        yield hub


@pytest.fixture
def hub(shared: LocalHub) -> Iterator[LocalHub]:
    """The shared hub, emptied after the test, in which it must not have failed."""
    yield shared
    try:
        shared.check()
    finally:
        shared.clear()


@pytest.fixture
def url(hub: LocalHub) -> str:
    """Its base URL."""
    return hub.url


@pytest.fixture
def host(hub: LocalHub) -> Iterator[HostClient]:
    """A client of it."""
    with hub.client() as client:
        yield client
