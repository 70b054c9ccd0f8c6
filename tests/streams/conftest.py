"""Fixtures of this folder."""

from tests.support.hub_fixtures import host, hub, shared, url  # noqa: F401  # fixtures
