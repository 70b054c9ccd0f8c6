"""What is built is what is meant: files, metadata, and a wheel that needs the core dependencies alone."""

from __future__ import annotations

import email.parser
import json
import sys
import tarfile
import zipfile
from email.message import Message
from pathlib import Path

import pytest

from tests.support.distribution import ROOT, run

# What is installed beside the package: the core dependencies and what requests needs of its own.
CORE = {"requests", "urllib3", "attrs", "certifi", "idna", "charset-normalizer"}

# Modules at the top of the package that need pytest.
OF_EXTRAS = {"__init__", "pytest_plugin", "_pytest_hub"}


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    """Return the wheel's metadata."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith(".dist-info/METADATA")]
        return email.parser.BytesParser().parsebytes(archive.read(name))


def test_wheel_holds_the_package_alone(wheel: Path) -> None:
    """The wheel has every module, py.typed and the license, and no tests, examples or tools."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    package = ROOT / "scramjet_client"
    modules = {path.relative_to(ROOT).as_posix() for path in package.rglob("*.py")}
    information = {name for name in names if name.split("/")[0].endswith(".dist-info")}

    page = {f"scramjet_client/hub/page/{each}" for each in ("index.html", "page.css", "page.js")}
    data = {"scramjet_client/py.typed", "scramjet_client/integrations/live_view.js"}
    assert names - information == modules | page | data
    assert any(name.endswith("/LICENSE") for name in information)


def test_sdist_is_complete(dist: Path) -> None:
    """Whoever unpacks the sdist can read the documents, run the demo and run the tests."""
    (path,) = dist.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    assert {
        "LICENSE",
        "README.md",
        "CHANGELOG.md",
        "Makefile",
        "noxfile.py",
        "setup.cfg",
        "docs/conf.py",
        "docs/guides/index.md",
        "docs/picture.svg",
        "docs/protocol.md",
        "examples/word_count/package.json",
        "tests/constraints-lowest.txt",
        "tests/consumer/consumer/py.typed",
        "tests/consumer/package-lock.json",
        "tests/real_hub/package-lock.json",
        "tests/test_packaging.py",
    } <= names
    assert not any("node_modules" in name for name in names)


def test_metadata(metadata: Message) -> None:
    """The metadata names the license by its SPDX id, the oldest Python and the core dependencies."""
    required = metadata.get_all("Requires-Dist") or []

    assert metadata["Name"] in ("scramjet_client", "scramjet-client")
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Requires-Python"] == ">=3.9"
    assert sorted(line for line in required if "extra ==" not in line) == [
        "attrs>=22.2",
        "requests<3,>=2.31",
        "urllib3<3,>=1.26.18",
    ]


def test_wheel_works_alone(bare_python: str, tmp_path: Path) -> None:
    """In an empty environment the wheel brings the core alone, and every module that is no extra's can be imported."""
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", bare_python)
    listed = json.loads(run(*pip, "list", "--format", "json"))
    installed = {each["name"].lower().replace("_", "-") for each in listed}
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "scramjet_client").glob("*.py")
        if path.stem not in OF_EXTRAS
    ]
    run(bare_python, "-I", "-W", "error", "-c", f"import {', '.join(modules)}", cwd=tmp_path)

    assert installed == {"scramjet-client"} | CORE
