"""What a release would be: it can be uploaded, works wherever it is installed, and is typed for its users."""

from __future__ import annotations

import configparser
import email.parser
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import scramjet_client
from tests.support import npm
from tests.support.distribution import ROOT, install, pythons, run
from tests.support.waiting import BUILD_LIMIT, LIMIT

CONSUMER = ROOT / "tests" / "consumer"

FOR_DEVELOPERS = {"test", "long", "fuzz", "mutants", "bench", "lint", "docs", "dev"}
"""Extras that `make` installs; the others are what users choose."""

WITHOUT = [
    ("hub", ("-c", "import scramjet_client.hub")),
    ("hub", ("-m", "scramjet_client.hub")),
    ("hub", ("-c", "from scramjet_client.hub import LocalHub; LocalHub()")),
    ("cli", ("-m", "scramjet_client")),
    ("cli", ("-m", "scramjet_client", "inst", "list")),
    ("notebook", ("-c", "import scramjet_client.integrations.notebook")),
    (
        "notebook",
        ("-c", "from scramjet_client import *; HostClient().get_instance_client('x').show()"),
    ),
    ("flask", ("-c", "import scramjet_client.integrations.flask")),
    ("pytest", ("-c", "import scramjet_client.pytest_plugin")),
]
"""What is done without an extra, by users who do not know that it takes one."""


@pytest.mark.long
def test_index_would_take_it(dist: Path) -> None:
    """twine finds nothing wrong with the metadata and with README.md as a project's page."""
    said = run(sys.executable, "-m", "twine", "check", "--strict", *map(str, dist.iterdir()))

    assert said.count("PASSED") == 2


def test_wheel_is_sound(wheel: Path) -> None:
    """check-wheel-contents finds nothing that is missing, double or in the wrong place."""
    said = run(sys.executable, "-m", "check_wheel_contents", str(wheel))

    assert said.strip().endswith("OK")


def test_version_is_in_one_place(dist: Path, wheel: Path) -> None:
    """Wheel, sdist and package have the version that the package says, and no other file says one."""
    version = scramjet_client.__version__
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith(".dist-info/METADATA")]
        metadata = email.parser.BytesParser().parsebytes(archive.read(name))
    says = re.compile(r"^(?:__version__|version|release) *= *[\"']?\d", re.MULTILINE)
    files = [
        ROOT / "setup.cfg",
        ROOT / "setup.py",
        ROOT / "pyproject.toml",
        ROOT / "docs" / "conf.py",
        *(ROOT / "scramjet_client").rglob("*.py"),
    ]

    assert metadata["Version"] == version
    assert {path.name.split("-")[1].replace(".tar.gz", "") for path in dist.iterdir()} == {version}
    assert [each.name for each in files if says.search(each.read_text("utf-8"))] == ["__init__.py"]


def live_program() -> str:
    """Return the program of README.md's section "Live streams"."""
    text = (ROOT / "README.md").read_text("utf-8")
    found = re.search(r"^## Live streams\n.*?```python\n(.*?)```", text, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


HELLO = "HELLO ADA\nHELLO GRACE\nHELLO MARGARET\n37 bytes sent\n"


def smoke(python: str, folder: Path) -> str:
    """Run README.md's live program and the command by an interpreter, and return what was said."""
    (folder / "first.py").write_text(live_program(), "utf-8")
    version = run(
        python, "-c", "import scramjet_client as s; print(s.__version__, s.__file__)", cwd=folder
    )
    assert str(ROOT) not in version
    command = run(python, "-m", "scramjet_client", "--version", cwd=folder)
    assert scramjet_client.__version__ in command
    return run(python, "-W", "error", "first.py", cwd=folder)


def test_wheel_works(wheel: Path, tmp_path: Path) -> None:
    """README's live program and the command run by the wheel; what its extras need are the packages of the tests."""
    python = install(tmp_path / "venv", str(wheel))
    folder = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    # Behind its own packages; .pth files in there, and with them the working tree, are not heeded.
    Path(folder, "beside.pth").write_text(sysconfig.get_path("purelib") + "\n", "utf-8")

    assert smoke(python, tmp_path) == HELLO


@pytest.mark.long
@pytest.mark.timeout(900)  # pip installs a dozen packages on each of them
def test_wheel_works_on_every_python_found(wheel: Path, tmp_path: Path) -> None:
    """The wheel is installed with its hub and command on each Python from 3.9 on, and README's live program runs."""
    found = pythons()

    def tried(minor: str, interpreter: str) -> str:
        folder = tmp_path / minor
        folder.mkdir()
        python = install(folder / "venv", f"{wheel}[hub,cli]", interpreter)
        return smoke(python, folder)

    with ThreadPoolExecutor(3) as pool:
        said = {minor: pool.submit(tried, minor, python) for minor, python in found.items()}
        results = {minor: each.result(timeout=800) for minor, each in said.items()}

    assert results == dict.fromkeys(results, HELLO)


def test_every_extra_of_users_is_tried() -> None:
    """No extra that users choose is without its sentence below."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", "utf-8")

    assert {extra for extra, _ in WITHOUT} == set(setup["options.extras_require"]) - FOR_DEVELOPERS


@pytest.mark.parametrize(("extra", "arguments"), WITHOUT, ids=lambda each: str(each)[:60])
def test_missing_extra_is_named(
    extra: str, arguments: tuple[str, ...], bare_python: str, tmp_path: Path
) -> None:
    """What needs an extra that is not there says so in one sentence, with the command that brings it."""
    done = subprocess.run(
        [bare_python, "-I", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT,
    )
    last = done.stderr.strip().splitlines()[-1]

    assert done.returncode != 0
    assert re.search(rf"needs .*: pip install 'scramjet_client\[{extra}\]'$", last), done.stderr


@pytest.fixture(scope="module")
def consumer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project that uses this one, away from the settings of this repository."""
    folder = tmp_path_factory.mktemp("consumer") / "project"
    shutil.copytree(CONSUMER, folder, ignore=shutil.ignore_patterns("node_modules"))
    return folder


def test_mypy_sees_the_types(consumer: Path, bare_python: str) -> None:
    """mypy --strict finds every type of the public API, from outside, and every misuse."""
    said = run(
        sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--no-incremental",
        "--python-executable", bare_python, "consumer",
        cwd=consumer,
    )  # fmt: skip

    assert said == ""


def pyright(python: str, *arguments: str, cwd: Path) -> dict[str, Any]:
    """Run pyright for the environment of an interpreter, and return its report."""
    node = npm.install(CONSUMER, "to check the types by pyright")
    done = subprocess.run(
        [node, str(CONSUMER / "node_modules" / "pyright" / "index.js"), "--outputjson", *arguments],
        cwd=cwd,
        # --verifytypes does not look at --pythonpath.
        env={**os.environ, "PATH": os.pathsep.join((str(Path(python).parent), os.environ["PATH"]))},
        capture_output=True,
        text=True,
        check=False,
        timeout=BUILD_LIMIT,
    )
    report: dict[str, Any] = json.loads(done.stdout)
    return report


@pytest.mark.long
def test_pyright_sees_the_types(consumer: Path, bare_python: str) -> None:
    """pyright, strict, finds every type of the public API, from outside, and every misuse."""
    report = pyright(bare_python, cwd=consumer)

    assert report["generalDiagnostics"] == []
    assert report["summary"]["filesAnalyzed"] == 1


@pytest.mark.long
def test_public_types_are_complete(consumer: Path, bare_python: str) -> None:
    """pyright knows the type of every public name, and that other checkers see the same one."""
    report = pyright(
        bare_python, "--verifytypes", "scramjet_client", "--ignoreexternal", cwd=consumer
    )["typeCompleteness"]
    public = [
        each
        for each in report["symbols"]
        # What stands between this package and another one can't be known without that one.
        if each["isExported"] and not each["name"].startswith("scramjet_client.integrations.")
    ]
    names = {each["name"] for each in public}

    assert {f"scramjet_client.{name}" for name in scramjet_client.__all__} - names == {
        "scramjet_client.__version__"
    }
    assert [e["name"] for e in public if not e["isTypeKnown"] or e["isTypeAmbiguous"]] == []
