"""The pairs of docs/migration.md: the program of another client, and the one for this client, do the same."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from scramjet_client.hub import LocalHub
from tests.support import npm
from tests.support.hubs import open_hub
from tests.support.pages import ROOT, Block, blocks
from tests.support.releases import installed
from tests.support.run_blocks import EXAMPLE_URL
from tests.support.waiting import BUILD_LIMIT

PAGE = ROOT / "docs" / "migration.md"
FOREIGN = ROOT / "tests" / "foreign"


@pytest.fixture(scope="module")
def hub() -> Iterator[LocalHub]:
    """A hub that takes any token."""
    with open_hub() as hub:
        yield hub
        hub.check()


def pair_after(heading: str) -> tuple[Block, Block]:
    """Return the two programs of a section: the other client's, and this client's."""
    above = PAGE.read_text("utf-8").partition(f"## From {heading}\n")[0].count("\n")
    old, new = [block for block in blocks(PAGE) if block.line > above and block.marker is not None][
        :2
    ]
    assert "scramjet_client" not in old.code
    assert "scramjet_client" in new.code
    return old, new


def printed(command: list[str], folder: Path, **environment: str) -> list[str]:
    """Run a program in a folder that has what the page names, and return the lines that it printed."""
    folder.mkdir()
    shutil.copytree(ROOT / "examples" / "word_count", folder / "examples" / "word_count")
    with tarfile.open(folder / "word_count.tar.gz", "w:gz") as archive:
        archive.add(ROOT / "examples" / "word_count", ".")
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **environment},
        capture_output=True, encoding="utf-8", check=False, timeout=BUILD_LIMIT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def python(block: Block, hub: LocalHub, folder: Path, path: str = "") -> list[str]:
    """Run a Python program of the page."""
    code = block.code.replace(EXAMPLE_URL, hub.url)
    searched = os.pathsep.join(each for each in (path, str(ROOT)) if each)
    return printed([sys.executable, "-c", code], folder, PYTHONPATH=searched)


def test_from_requests(hub: LocalHub, tmp_path: Path):
    """A script with requests, and the shorter one."""
    old, new = pair_after("`requests`")

    before, after = python(old, hub, tmp_path / "old"), python(new, hub, tmp_path / "new")

    assert before == after
    assert '"done": true' in before[-1]


def test_from_typescript(hub: LocalHub, tmp_path: Path):
    """A program for the platform's client from npm, and the Python one."""
    node = npm.install(FOREIGN, "to run the client of the platform")
    old, new = pair_after("TypeScript")
    code = old.code.replace(EXAMPLE_URL, hub.url)

    before = printed([node, "-e", code], tmp_path / "old", NODE_PATH=str(FOREIGN / "node_modules"))
    after = python(new, hub, tmp_path / "new")

    assert before == after
    assert '"done": true' in before[-1]


def test_from_the_other_python_client(hub: LocalHub, tmp_path: Path):
    """A program for scramjet-api-client from PyPI, and the blocking one."""
    path = installed(
        "other-clients", "scramjet-api-client", ["scramjet-api-client==1.1.1"], "client.host_client"
    )
    old, new = pair_after("`scramjet-api-client`")

    before = python(old, hub, tmp_path / "old", path)
    after = python(new, hub, tmp_path / "new")

    # The other client prints its requests, too, and an empty line after each.
    assert [line for line in before if line and "http://" not in line] == after
    assert after == ["True 1"]
