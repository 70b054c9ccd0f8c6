"""A hub with one instance, for programs in other processes."""

from __future__ import annotations

import pytest

from tests.support.scripted_hub import H1Hub, Instance


@pytest.fixture
def hub(h1_hub: H1Hub) -> H1Hub:
    """A hub with the instance "i", an echo, plain and TLS."""
    h1_hub.instances["i"] = Instance("i", h1_hub.stopped)
    return h1_hub
