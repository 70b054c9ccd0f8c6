"""The hubs that foreign clients are run on, and how they are run.

LocalHub is what is judged. The real hub 0.18.7 is the control: what a client is made to do here is what a hub of its
own maker takes from it, and where the two generations differ the tests say so.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.support import npm
from tests.support.hubs import open_hub
from tests.support.real_hub import RealHub

HERE = Path(__file__).parent
SEQUENCES = HERE.parent / "sequences"

LIMIT = 60.0
"""Seconds that one command gets; only a failure uses them up."""

Run = Callable[..., str]


@attrs.frozen
class Hub:
    """A hub that runs: where it is, and whether it speaks as 1.x."""

    url: str
    modern: bool


@pytest.fixture(scope="session")
def real_hub() -> Iterator[RealHub]:
    """The real hub from npm."""
    with RealHub() as hub:
        yield hub


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run `si` on its own maker's hub by one test; `make test-long` runs all, to see that LocalHub is as that hub."""
    for item in items:
        params = getattr(getattr(item, "callspec", None), "params", {})
        if (
            item.path == HERE / "test_si.py"
            and params.get("hub") == "real"
            and "test_hub" not in item.name
        ):
            item.add_marker(pytest.mark.long)


@pytest.fixture(params=["local", "real"])
def hub(request: pytest.FixtureRequest) -> Iterator[Hub]:
    """A LocalHub for each test, and the real hub as a control."""
    if request.param == "real":
        yield Hub(request.getfixturevalue("real_hub").url, modern=False)
        return
    with open_hub() as local:
        yield Hub(local.url, modern=True)
        local.check()


@pytest.fixture
def package(tmp_path: Path) -> Callable[[str], Path]:
    """Pack a folder of tests/sequences, by the standard library alone."""

    def pack(name: str) -> Path:
        path = tmp_path / f"{name.replace('/', '-')}.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            for each in sorted((SEQUENCES / name).iterdir()):
                archive.add(each, each.name)
        return path

    return pack


def run(command: list[str], *, stdin: bytes = b"", **options: Any) -> str:
    """Run a command to its end and return what it printed; a failure is told with what it said of it."""
    done: subprocess.CompletedProcess[bytes] = subprocess.run(
        command, input=stdin, capture_output=True, timeout=LIMIT, check=False, **options
    )
    assert done.returncode == 0, (
        f"{' '.join(command)} ended by {done.returncode}:\n"
        f"{done.stdout.decode(errors='replace')}\n{done.stderr.decode(errors='replace')}"
    )
    return done.stdout.decode()


@pytest.fixture(scope="session")
def node() -> str:
    """The path of node, with the clients of package.json installed."""
    return npm.install(HERE, "to run the clients of the platform")


@pytest.fixture
def api_client(node: str, hub: Hub) -> Callable[..., Any]:
    """Run one scenario of api_client.js on the hub and return the JSON value that it printed."""

    def scenario(name: str, *arguments: str | Path) -> Any:
        script = str(HERE / "api_client.js")
        return json.loads(run([node, script, hub.url, name, *map(str, arguments)]))

    return scenario


class Si:
    """The `si` command, with a home of its own."""

    def __init__(self, node: str, home: Path) -> None:
        self._command = [
            node,
            str(HERE / "node_modules" / "@scramjet" / "cli" / "bin" / "index.js"),
        ]
        # Profiles are below HOME; the session file, by which it knows its last ids, is below TMPDIR.
        kept = {name: os.environ[name] for name in ("PATH",) if name in os.environ}
        self._options: dict[str, Any] = {
            "env": {**kept, "HOME": str(home), "TMPDIR": str(home)},
            "cwd": home,
        }

    def __call__(self, *arguments: str | Path, stdin: bytes = b"") -> str:
        """Run `si ARGUMENTS` to its end and return what it printed."""
        return run([*self._command, *map(str, arguments)], stdin=stdin, **self._options)

    def json(self, *arguments: str | Path) -> Any:
        """Run `si ARGUMENTS` to its end and return the JSON value that it printed."""
        return json.loads(self(*arguments))

    def refused(self, *arguments: str | Path) -> Any:
        """Run `si ARGUMENTS`, which has to fail, and return the error that it printed as JSON."""
        done = subprocess.run(
            [*self._command, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LIMIT,
            check=False,
            **self._options,
        )
        assert done.returncode == 1
        return json.loads(done.stdout)

    def follow(self, *arguments: str | Path) -> Lines:
        """Start `si ARGUMENTS`, which does not end by itself; use the result in a `with` block."""
        return Lines([*self._command, *map(str, arguments)], self._options)


class Lines:
    """A command that runs, and the lines that it prints; it is killed at the end of the `with` block."""

    def __init__(self, command: list[str], options: dict[str, Any]) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, **options
        )
        assert self._process.stdout is not None
        self._printed = self._process.stdout

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.kill()
        self._process.wait()
        self._printed.close()

    def ready(self) -> bool:
        """Say whether it has printed something that nobody has taken yet."""
        return bool(select.select([self._printed], [], [], 0)[0])

    def __iter__(self) -> Iterator[str]:
        """Yield the lines; the limit of the test holds for the wait."""
        for line in self._printed:
            yield line.decode().rstrip("\n")


_NOWHERE = "http://127.0.0.1:1/api/v1"


@pytest.fixture(scope="session")
def si_home(node: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which `si` was set up by its own commands, for a hub that is nowhere."""
    home = tmp_path_factory.mktemp("si")
    si = Si(node, home)
    si("config", "set", "apiUrl", _NOWHERE)
    si("config", "set", "log", "--format", "json")
    return home


@pytest.fixture
def si(node: str, si_home: Path, hub: Hub, tmp_path: Path) -> Si:
    """The `si` command of @scramjet/cli, set up for the hub."""
    home = tmp_path / "home"
    shutil.copytree(si_home, home)
    settings = [each for each in home.rglob("*") if each.is_file() and _NOWHERE in each.read_text()]
    assert settings
    for each in settings:
        each.write_text(each.read_text().replace(_NOWHERE, hub.url))
    return Si(node, home)


@pytest.fixture
def curl_path() -> str:
    """The path of curl."""
    path = shutil.which("curl")
    if path is None:
        pytest.fail("curl was not found: install curl (apt install curl, brew install curl).")
    return path
