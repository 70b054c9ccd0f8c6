r"""A pytest plugin: a hub for the run, a client of it, and instances that are gone after the test.

    def test_shout(scramjet_instance):
        instance = scramjet_instance(shout)
        assert instance.run("hello\n", type="text/plain").output == b"HELLO\n"

Its entry point loads it wherever this package is installed. It imports and starts nothing until a test asks
for one of its fixtures. docs/testing.md is its guide. `-p no:scramjet_client` leaves it out.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from traceback import walk_tb
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
    from scramjet_client.integrations.pytest_hub import GivenHub, InstanceFactory, Witness

_WITNESS = "_scramjet_witness"
"""Attribute of a test that has asked for a hub's client."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option and the ini value that name a hub."""
    words = "URL of the API of a hub to test on, instead of a LocalHub for the run"
    group = parser.getgroup("scramjet", "Scramjet Transform Hub")
    group.addoption("--scramjet-hub-url", metavar="URL", default=None, help=words)
    parser.addini("scramjet_hub_url", words, default="")


@pytest.fixture(scope="session")
def scramjet_hub(request: pytest.FixtureRequest) -> Iterator[LocalHub | GivenHub]:
    """The hub of this run: a LocalHub, or the one that an option, a variable or the ini file names.

    It has a `url`, a `token`, which requests need, and `client()`, which sends the token. With pytest-xdist every
    worker has its own LocalHub.
    """
    from scramjet_client.integrations.pytest_hub import hub_for  # noqa: PLC0415

    with hub_for(request.config) as hub:
        yield hub


@pytest.fixture
def scramjet_host(
    request: pytest.FixtureRequest, scramjet_hub: LocalHub | GivenHub
) -> Iterator[HostClient]:
    """A client of the hub; after the test, the hub is cleared.

    If the test fails, its report shows the state and the output of its instances.
    """
    from scramjet_client.integrations.pytest_hub import host_of  # noqa: PLC0415

    with host_of(scramjet_hub) as (host, witness):
        setattr(request.node, _WITNESS, witness)
        yield host


@pytest.fixture
def scramjet_instance(scramjet_host: HostClient) -> Iterator[InstanceFactory]:
    """A factory: give it a function, a folder, a file or a package, and get a running instance.

    Call `scramjet_instance(program, *args, **options)`: `args` are the program's further arguments, the options those
    of `SequenceClient.start`. The instances are killed after the test. If the test fails, its report shows the
    program's error, how the program ended, and the end of its stdout, stderr and log.
    """
    from scramjet_client.integrations.pytest_hub import InstanceFactory  # noqa: PLC0415

    with InstanceFactory(scramjet_host) as factory:
        yield factory


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Take a trace, `*.trace.jsonl`, as a test: its program must give the same again."""
    if not file_path.name.endswith(".trace.jsonl"):
        return None
    from scramjet_client.integrations.pytest_trace import TraceFile  # noqa: PLC0415

    found: pytest.Collector = TraceFile.from_parent(parent, path=file_path)
    return found


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Iterator[None]:
    """Add the state and the output of the test's instances to the report of a failure."""
    if call.excinfo is not None:
        _hide_frames(call.excinfo.value)
    outcome: Any = yield
    report = outcome.get_result()
    witness: Witness | None = getattr(item, _WITNESS, None)
    if witness is not None and report.failed:
        report.sections += witness.sections()


@pytest.hookimpl(tryfirst=True)
def pytest_exception_interact(
    node: pytest.Item | pytest.Collector, report: pytest.CollectReport | pytest.TestReport
) -> None:
    """Show these sections before `--pdb` asks what to do; it shows only captured output by itself."""
    plugins = node.config.pluginmanager
    terminal, capture = plugins.getplugin("terminalreporter"), plugins.getplugin("capturemanager")
    sections = [each for each in report.sections if each[0].startswith("scramjet ")]
    if terminal is None or not sections or not node.config.getoption("usepdb", False):
        return
    with contextlib.nullcontext() if capture is None else capture.global_and_fixture_disabled():
        terminal.ensure_newline()
        for title, text in sections:
            terminal.section(title, sep="-")
            terminal.write_line(text)


def _hide_frames(error: BaseException) -> None:
    """Have the report show the test's lines alone, if the error says what the test did wrong or the hub refused.

    `--full-trace` and `--tb=native` still show the rest.
    """
    from scramjet_client._common.tracebacks import PACKAGE, is_beneath, module_of  # noqa: PLC0415
    from scramjet_client.errors import ScramjetError  # noqa: PLC0415

    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        told = isinstance(each, (ScramjetError, TypeError, ValueError))
        inside = False
        for frame, _ in walk_tb(each.__traceback__ if told else None):
            name = module_of(frame)
            inside = inside or name.partition(".")[0] == PACKAGE
            if inside and is_beneath(name):
                frame.f_locals["__tracebackhide__"] = True
        each = each.__cause__ or each.__context__
