r"""A pytest plugin: a hub for the run, a client of it, and instances that are gone after the test.

    def test_shout(scramjet_instance):
        instance = scramjet_instance(shout)
        assert instance.run("hello\n", type="text/plain").output == b"HELLO\n"

It is loaded by its entry point wherever this package is installed, and imports and starts nothing until a
test asks for one of its fixtures. docs/testing.md is its guide. `-p no:scramjet_client` leaves it out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

try:
    import pytest
except ImportError as _error:
    if _error.name != "pytest":
        raise
    raise ImportError(
        "scramjet_client.pytest_plugin needs pytest: pip install 'scramjet_client[pytest]'",
        name="pytest",
    ) from _error

if TYPE_CHECKING:
    from scramjet_client.clients.host import HostClient
    from scramjet_client.hub import LocalHub
    from scramjet_client.integrations.pytest_hub import GivenHub, InstanceFactory

_FACTORY = "_scramjet_instances"
"""Attribute of a test that has asked for instances."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option and the ini value that name a hub."""
    words = "URL of the API of a hub to test on, instead of a LocalHub for the run"
    group = parser.getgroup("scramjet", "Scramjet Transform Hub")
    group.addoption("--scramjet-hub-url", metavar="URL", default=None, help=words)
    parser.addini("scramjet_hub_url", words, default="")


@pytest.fixture(scope="session")
def scramjet_hub(request: pytest.FixtureRequest) -> Iterator[LocalHub | GivenHub]:
    """The hub of this run: a LocalHub, or the one that an option, a variable or the ini file names.

    It has a `url`, a `token`, which requests need, and `client()`, which sends it. With pytest-xdist every worker
    has a LocalHub of its own.
    """
    from scramjet_client.integrations.pytest_hub import hub_for  # noqa: PLC0415

    with hub_for(request.config) as hub:
        yield hub


@pytest.fixture
def scramjet_host(scramjet_hub: LocalHub | GivenHub) -> Iterator[HostClient]:
    """A client of the hub, which is cleared after the test."""
    from scramjet_client.integrations.pytest_hub import host_of  # noqa: PLC0415

    with host_of(scramjet_hub) as host:
        yield host


@pytest.fixture
def scramjet_instance(
    request: pytest.FixtureRequest, scramjet_host: HostClient
) -> Iterator[InstanceFactory]:
    """A factory: give it a function, a folder, a file or a package, and get a running instance.

    `scramjet_instance(program, *args, **options)`: `args` are the program's further arguments, the options those
    of `SequenceClient.start`. The instances are killed after the test. If it fails, its report has
    what they wrote to stdout, stderr and log and nobody has read.
    """
    from scramjet_client.integrations.pytest_hub import InstanceFactory  # noqa: PLC0415

    with InstanceFactory(scramjet_host) as factory:
        setattr(request.node, _FACTORY, factory)
        yield factory


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Add to the report of a test that failed what its instances have said."""
    outcome: Any = yield
    report = outcome.get_result()
    factory: InstanceFactory | None = getattr(item, _FACTORY, None)
    if factory is not None and report.when == "call" and report.failed:
        report.sections += factory.sections()
