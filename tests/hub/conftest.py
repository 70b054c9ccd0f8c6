"""A LocalHub for the tests that drive it by foreign means."""

from tests.support.hub_fixtures import host, hub, shared, url  # noqa: F401  # fixtures
