"""What is built is what is meant: files, metadata, and a wheel that needs the core dependencies alone."""

from __future__ import annotations

import email.parser
import json
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

NOT_SOURCE = shutil.ignore_patterns(
    ".git", ".venv", ".nox", ".*_cache", ".hypothesis", "__pycache__", "node_modules",
    "*.egg-info", "build", "dist",
)  # fmt: skip

# What is installed beside the package: the core dependencies and what requests needs of its own.
CORE = {"requests", "urllib3", "attrs", "certifi", "idna", "charset-normalizer"}


def run(*command: str, cwd: Path | None = None) -> str:
    """Run a command and return its stdout; what it said on stderr is in the failure."""
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=False, timeout=110
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the sdist, and the wheel from it, of a copy of the source; return their folder."""
    folder = tmp_path_factory.mktemp("packaging")
    # A copy, so that neither an earlier build nor egg-info of the working tree has a say.
    shutil.copytree(ROOT, folder / "source", ignore=NOT_SOURCE)
    run(
        sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder / "dist"),
        cwd=folder / "source",
    )  # fmt: skip
    return folder / "dist"


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    """Return the path of the wheel."""
    (path,) = dist.glob("*.whl")
    return path


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

    assert names - information == modules | {"scramjet_client/py.typed"}
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
        "docs/protocol.md",
        "examples/word_count/package.json",
        "tests/constraints-lowest.txt",
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


_MISSING_HUB = """
try:
    import scramjet_client.hub
except ImportError as error:
    print(error)
"""


def test_wheel_works_alone(wheel: Path, tmp_path: Path) -> None:
    """In an empty environment the wheel brings the core alone, which imports; the hub says what it needs."""
    run(sys.executable, "-m", "venv", "--without-pip", str(tmp_path))
    python = str(tmp_path / ("Scripts" if sys.platform == "win32" else "bin") / "python")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python)
    run(*pip, "install", "--quiet", "--prefer-binary", str(wheel))
    installed = {each["name"].lower() for each in json.loads(run(*pip, "list", "--format", "json"))}
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "scramjet_client").glob("*.py")
        if path.stem != "__init__"
    ]
    run(python, "-I", "-W", "error", "-c", f"import {', '.join(modules)}", cwd=tmp_path)
    said = run(python, "-I", "-c", _MISSING_HUB, cwd=tmp_path)
    assert (
        said.strip()
        == "scramjet_client.hub needs the package 'aiohttp': pip install 'scramjet_client[hub]'"
    )

    assert {name.replace("_", "-") for name in installed} == {"scramjet-client"} | CORE
