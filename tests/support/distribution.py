"""The sdist and the wheel of this source, and environments with that wheel; made once for a run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.waiting import BUILD_LIMIT

ROOT = Path(__file__).resolve().parent.parent.parent

NOT_SOURCE = shutil.ignore_patterns(
    ".git", ".venv", ".nox", ".*_cache", ".hypothesis", "__pycache__", "node_modules",
    "*.egg-info", "build", "dist",
)  # fmt: skip


def run(*command: str, cwd: Path | None = None) -> str:
    """Run a command and return its stdout; what it said on stderr is in the failure."""
    # What is tested is what was installed: neither this source nor the user's own packages.
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**environment, "PYTHONNOUSERSITE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=BUILD_LIMIT,
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def install(folder: Path, requirement: str, interpreter: str = sys.executable) -> str:
    """Make a virtual environment with what is required, and return its interpreter.

    pip of this environment fills it, so that none has to be installed there.
    """
    run(interpreter, "-m", "venv", "--without-pip", str(folder))
    python = str(folder / ("Scripts" if sys.platform == "win32" else "bin") / "python")
    run(
        sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python,
        "install", "--quiet", "--no-compile", "--prefer-binary", requirement,
    )  # fmt: skip
    return python


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the sdist, and the wheel from it, of a copy of the source; return their folder."""
    folder = tmp_path_factory.mktemp("distribution")
    # A copy, so that neither an earlier build nor egg-info of the working tree has a say.
    shutil.copytree(ROOT, folder / "source", ignore=NOT_SOURCE)
    run(
        sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder / "dist"),
        cwd=folder / "source",
    )  # fmt: skip
    return folder / "dist"


@pytest.fixture(scope="session")
def wheel(dist: Path) -> Path:
    """Return the path of the wheel."""
    (path,) = dist.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def bare_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the interpreter of an environment that has the wheel and what it depends on, and nothing else."""
    return install(tmp_path_factory.mktemp("bare"), str(wheel))
