"""A LocalHub for the tests of its own defences."""

from tests.support.hub_fixtures import hub, shared, url  # noqa: F401  # fixtures
