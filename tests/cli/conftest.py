"""One LocalHub for all tests of the command, and the command itself: in this process, or in one of its own."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import attrs
import pytest

from scramjet_client import HostClient, InstanceClient, cli
from scramjet_client.hub import LocalHub
from tests.cli.terminal import COMMAND, LIMIT, environment
from tests.hub import programs
from tests.support.hubs import FarHub, open_hub

_VARIABLES = (
    "SCRAMJET_API_URL",
    "SCRAMJET_TOKEN",
    "SCRAMJET_CA_BUNDLE",
    "SCRAMJET_TIMEOUT",
    "SI_CONFIG_PATH",
    "SI_CONFIG",
)


@attrs.frozen
class Result:
    """What a command did."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        """Its stdout as text."""
        return self.out.decode()


class Command:
    """The `scramjet` command in this process; its stdin, stdout and stderr are files in memory."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch

    def __call__(self, *arguments: object, stdin: bytes = b"", code: int = 0) -> Result:
        """Run it, and expect an exit code."""
        result = self.any_end(*arguments, stdin=stdin)
        assert result.code == code, result
        return result

    def any_end(self, *arguments: object, stdin: bytes = b"") -> Result:
        """Run it, whatever it ends with."""
        out, err = io.BytesIO(), io.BytesIO()
        files = {
            name: io.TextIOWrapper(file, "utf-8", write_through=True)
            for name, file in (("stdin", io.BytesIO(stdin)), ("stdout", out), ("stderr", err))
        }
        with self._patch.context() as patch:
            for name, file in files.items():
                patch.setattr(sys, name, file)
            got = cli.main([str(each) for each in arguments])
        return Result(got, out.getvalue(), err.getvalue().decode())


@pytest.fixture(scope="session")
def shared_hub() -> Iterator[LocalHub]:
    """The hub of all tests of the command."""
    with open_hub() if hasattr(os, "fork") else cast("LocalHub", FarHub()) as hub:
        yield hub


@pytest.fixture
def hub(shared_hub: LocalHub) -> Iterator[LocalHub]:
    """The shared hub, emptied after the test, in which it must not have failed."""
    yield shared_hub
    try:
        shared_hub.check()
    finally:
        shared_hub.clear()


@pytest.fixture
def host(hub: LocalHub) -> Iterator[HostClient]:
    """A client of the hub."""
    with hub.client() as client:
        yield client


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder in which `si` was never used, and an environment that names no hub."""
    for name in _VARIABLES:
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    return folder


@pytest.fixture
def scramjet(hub: LocalHub, home: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command, for the hub."""
    monkeypatch.setenv("SCRAMJET_API_URL", hub.url)
    return Command(monkeypatch)


@pytest.fixture
def here(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command in this process and a folder of the test, with no hub but those that it starts or is told of."""
    monkeypatch.chdir(tmp_path)
    return Command(monkeypatch)


@pytest.fixture
def env(hub: LocalHub, home: Path) -> dict[str, str]:
    """The environment of a command in a process of its own."""
    return environment(home, hub.url)


@contextlib.contextmanager
def spawned(
    arguments: list[object],
    env: dict[str, str],
    stdin: Any = subprocess.DEVNULL,
    stdout: Any = subprocess.PIPE,
    before: Sequence[str] = (),
) -> Iterator[subprocess.Popen[bytes]]:
    """Run the command in a process of its own while the block runs; stderr is a pipe, too."""
    process = subprocess.Popen(
        [*before, *COMMAND, *map(str, arguments)],
        env=env,
        stdin=stdin,
        stdout=stdout,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def run(arguments: list[object], env: dict[str, str], **options: Any) -> Result:
    """Run the command in a process of its own."""
    command = [*COMMAND, *map(str, arguments)]
    done = subprocess.run(
        command, env=env, capture_output=True, timeout=LIMIT, check=False, **options
    )
    return Result(done.returncode, done.stdout, done.stderr.decode())


_PROGRAMS = {
    "echo": programs.ECHO,
    "idle": programs.IDLE,
    "events": programs.EVENTS,
    "stdin": programs.STDIN,
    "many": """
import sys
async def run(context, input):
    context.logger.info("a word")
    sys.stdout.write("on stdout\\n")
    sys.stderr.write("on stderr\\n")
    yield "on output\\n"
""",
    "fails": """
async def run(context, input):
    yield "before\\n"
    raise RuntimeError("after that")
""",
    "ticks": """
import asyncio
async def run(context, input):
    for number in range(1000000):
        yield f"tick {number}\\n"
        await asyncio.sleep(0.02)  # fifty a second
""",
    "deaf": """
import asyncio
async def run(context, input):
    async def stop(timeout=None, can_keep_alive=None):
        await asyncio.Event().wait()
    context.set_stop_handler(stop)
    yield "running\\n"
    await asyncio.Event().wait()
""",
    "tells": """
import json
async def run(context, input, *args):
    yield json.dumps([context.config, args]) + "\\n"
""",
}


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the programs of these tests, each one Python file."""
    root = tmp_path_factory.mktemp("programs")
    for name, text in _PROGRAMS.items():
        (root / f"{name}.py").write_text(text, encoding="utf-8")
    return root


class Started:
    """Sends and starts programs of these tests."""

    def __init__(self, host: HostClient, folders: Path) -> None:
        self.host = host
        self._folders = folders

    def sequence(self, name: str) -> str:
        """Send one, and return its id."""
        return self.host.send_sequence(self._folders / f"{name}.py").id

    def __call__(self, name: str, *args: Any) -> InstanceClient:
        """Send and start one."""
        return self.host.get_sequence_client(self.sequence(name)).start(args=list(args))


@pytest.fixture
def start(host: HostClient, folders: Path) -> Started:
    """Start a program on the hub, by name."""
    return Started(host, folders)
