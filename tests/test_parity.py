"""docs/parity.md tells the truth: its names and tests exist, and its examples run."""

from __future__ import annotations

import ast
import contextlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

import scramjet_client
from scramjet_client import HostClient, MiddlewareClient, MultiManagerClient
from scramjet_client.packages.package import pack
from tests.support.fleet import Platform
from tests.support.waiting import LIMIT

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "parity.md"
TOKEN = "a.test.token"

PROGRAM = """
import asyncio
import sys

provides = {"provides": "", "contentType": "text/plain"}
requires = {"requires": "", "contentType": "text/plain"}


async def read(input):
    async for _ in input:
        pass


async def run(context, input):
    reading = asyncio.ensure_future(read(input))
    context.set_stop_handler(reading.cancel)
    while not reading.done():
        context.logger.info("tick")
        context.emit("tick", {"n": 1})
        yield "tick\\n"
        await asyncio.sleep(0.05)
"""


@attrs.frozen
class Row:
    """A method: the class it belongs to, its name, an example, and its test."""

    section: str
    name: str
    example: str
    test: str


def rows() -> list[Row]:
    """Return the rows of all tables of the page."""
    found = []
    section = ""
    for line in PAGE.read_text("utf-8").splitlines():
        if line.startswith("## "):
            section = line[3:]
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| `"):
            name, example, test = (re.sub(r"^`|`$", "", cell) for cell in cells[-3:])
            found.append(Row(section, name, example, test))
    return found


ROWS = rows()
each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.section}.{row.name}")


def owner(row: Row) -> type[Any]:
    """Return the class that a row is about."""
    name = "Fleet" if row.section == "Fleets" else row.section
    found: type[Any] = getattr(scramjet_client, name)
    return found


def test_page_has_a_table_for_each_class():
    """No class of the TypeScript packages is left out, nor a good part of its methods."""
    sizes = {
        section: sum(row.section == section for row in ROWS)
        for section in {r.section for r in ROWS}
    }

    assert sizes == {
        "HostClient": 28,
        "SequenceClient": 7,
        "InstanceClient": 16,
        "ManagerClient": 20,
        "MultiManagerClient": 8,
        "MiddlewareClient": 9,
        "HttpClient": 9,
        "Fleets": 12,
    }


@each_row
def test_name_exists(row: Row):
    """Each Python name is the class itself, or a public attribute of it that its objects have."""
    known = {row.section, *dir(owner(row))}
    # Set by __init__, so not on the class.
    known |= {"api_base"}

    assert row.name in known
    assert not row.name.startswith("_")


@each_row
def test_test_exists(row: Row):
    """Each test that the page names is a function of that file."""
    file, _, name = row.test.partition("::")
    tree = ast.parse((TESTS / file).read_text("utf-8"))

    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@each_row
def test_example_calls_what_it_shows(row: Row):
    """Each example has the name in its code, so that it shows that and nothing else."""
    nodes = list(ast.walk(ast.parse(row.example)))
    names = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    names |= {node.id for node in nodes if isinstance(node, ast.Name)}

    assert row.name in names


# -- the examples ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sequence of the examples: it ticks on every stream and takes what it is given."""
    path = tmp_path_factory.mktemp("parity")
    manifest = {
        "name": "parity",
        "version": "1.0.0",
        "main": "main.py",
        "engines": {"python3": ">=3.8"},
    }
    (path / "package.json").write_text(json.dumps(manifest))
    (path / "main.py").write_text(PROGRAM)
    return path


@contextlib.contextmanager
def hub() -> Iterator[str]:
    """Run a LocalHub in a process of its own, where its instances outlive the tests that start them."""
    command = [sys.executable, "-m", "scramjet_client.hub", "--port", "0", "--no-token"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    """A platform in front of two hubs; "spare" is there to be disconnected."""
    with hub() as left, hub() as right:
        with Platform(
            {"one": {"left": left, "right": right, "spare": right}}, token=TOKEN
        ) as found:
            yield found


@pytest.fixture(scope="module")
def ids() -> dict[str, str]:
    """The ids of the sequence and the instance of the examples, as long as they are good."""
    return {}


class Heard:
    """A logger that keeps nothing."""

    def request(self, method: str, url: str) -> None: ...
    def ok(self, method: str, url: str, status: int) -> None: ...
    def error(self, method: str, url: str, error: BaseException) -> None: ...
    def end(self, method: str, url: str, seconds: float) -> None: ...


def living(host: HostClient, folder: Path, ids: dict[str, str]) -> tuple[str, str]:
    """Return the ids of the sequence and of an instance of it that runs, made where there is none."""
    if "sequence" not in ids:
        ids["sequence"] = host.send_sequence(folder).id
    if "instance" in ids and host.get_instance_info(ids["instance"]).status != "running":
        del ids["instance"]
    if "instance" not in ids:
        instance = host.get_sequence_client(ids["sequence"]).start()
        instance.wait_for("running", timeout=LIMIT)
        ids["instance"] = instance.id
    return ids["sequence"], ids["instance"]


@each_row
def test_example_runs(row: Row, platform: Platform, folder: Path, ids: dict[str, str]):
    """Each example runs as it stands."""
    with contextlib.ExitStack() as stack:
        middleware = stack.enter_context(MiddlewareClient(platform.url, token=TOKEN))
        multi = stack.enter_context(MultiManagerClient(platform.multi_url, token=TOKEN))
        manager = middleware.get_manager_client("one")
        host = manager.get_host_client("left")
        sequence, instance = living(host, folder, ids)
        names = {
            **{name: getattr(scramjet_client, name) for name in scramjet_client.__all__},
            "token": TOKEN,
            "folder": folder,
            "package": pack(folder),
            "logger": Heard(),
            "middleware": middleware,
            "multi": multi,
            "manager": manager,
            "fleet": manager.fleet(),
            "host": host,
            "http": host.client,
            "sequence": host.get_sequence_client(sequence),
            "instance": host.get_instance_client(instance),
        }
        exec(compile(row.example, row.test, "exec"), names)
