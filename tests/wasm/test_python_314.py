"""The package in Python 3.14, which Pyodide from npm has: no threads and no sockets, but every module."""

from __future__ import annotations

import json
import subprocess
import sysconfig
from pathlib import Path

import pytest

from tests.support import npm
from tests.support.waiting import LIMIT

HERE = Path(__file__).parent
ROOT = HERE.parent.parent

OF_EXTRAS = ("hub", "pytest_plugin", "integrations", "packages.on_hub", "cli")
"""What needs packages that have parts in C, or the framework of a hub."""


@pytest.mark.long
def test_every_module_of_the_core_is_imported():
    """No module of the core warns or fails in 3.14: no annotation, slot, or name of the standard library."""
    node = npm.install(HERE, "to import the package in Python 3.14")
    done = subprocess.run(
        [node, "imports.mjs", str(ROOT), sysconfig.get_path("purelib")],
        cwd=HERE, capture_output=True, encoding="utf-8", check=False, timeout=4 * LIMIT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.splitlines()[-1])

    assert told["version"].startswith("3.14.")
    assert len(told["imported"]) > 80
    ours = tuple(f"scramjet_client.{each}" for each in OF_EXTRAS)
    assert {name: why for name, why in told["refused"].items() if not name.startswith(ours)} == {}
    assert told["decoded"] == "abc"
    assert told["shown"].startswith("Timeouts(connect=5.0, read=3.0")
