"""The sdist and the wheel of this source, and environments with that wheel; made once for a run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.locked import hold
from tests.support.waiting import BUILD_LIMIT

ROOT = Path(__file__).resolve().parent.parent.parent

PYTHONS = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15")

NOT_SOURCE = shutil.ignore_patterns(
    ".git", ".venv", ".nox", ".*_cache", ".hypothesis", "__pycache__", "node_modules",
    "*.egg-info", "build", "dist", "mutants",
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


def interpreter_of(folder: Path) -> str:
    """Return the interpreter of a virtual environment."""
    return str(folder / ("Scripts" if sys.platform == "win32" else "bin") / "python")


def install(folder: Path, requirement: str, interpreter: str = sys.executable) -> str:
    """Make a virtual environment with what is required, and return its interpreter.

    pip of this environment fills it, so that none has to be installed there.
    """
    run(interpreter, "-m", "venv", "--without-pip", str(folder))
    python = interpreter_of(folder)
    run(
        sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python,
        "install", "--quiet", "--no-compile", "--prefer-binary", requirement,
    )  # fmt: skip
    return python


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder that one worker of this run makes, while the others wait."""
    # Each worker of xdist has a folder of its own in that of the run.
    shared = "PYTEST_XDIST_WORKER" in os.environ
    run_folder = factory.getbasetemp().parent if shared else factory.getbasetemp()
    folder = run_folder / name
    with (run_folder / f"{name}.lock").open("w") as lock:
        hold(lock)
        if not (folder / "done").exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a worker that failed
            folder.mkdir()
            make(folder)
            (folder / "done").touch()
    return folder


def _build(folder: Path) -> None:
    # A copy, so that neither an earlier build nor egg-info of the working tree has a say.
    shutil.copytree(ROOT, folder / "source", ignore=NOT_SOURCE)
    run(
        sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder / "dist"),
        cwd=folder / "source",
    )  # fmt: skip


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the sdist, and the wheel from it, of a copy of the source; return their folder."""
    return made_once(tmp_path_factory, "distribution", _build) / "dist"


@pytest.fixture(scope="session")
def wheel(dist: Path) -> Path:
    """Return the path of the wheel."""
    (path,) = dist.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def bare_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the interpreter of an environment that has the wheel and what it depends on, and nothing else."""
    folder = made_once(tmp_path_factory, "bare", lambda folder: install(folder, str(wheel)))
    return interpreter_of(folder)


def pythons() -> dict[str, str]:
    """Return the interpreters of this machine by their minor version; that of the tests first."""
    running = ".".join(map(str, sys.version_info[:2]))
    found = {running: sys.executable}
    for minor in PYTHONS:
        named = [shutil.which(f"python{minor}") or ""]
        if shutil.which("pyenv"):
            listed = subprocess.run(
                ["pyenv", "versions", "--bare"], capture_output=True, text=True, check=False
            ).stdout.split()
            root = subprocess.run(
                ["pyenv", "root"], capture_output=True, text=True, check=False
            ).stdout.strip()
            named += [
                f"{root}/versions/{each}/bin/python"
                for each in listed
                if each.startswith(f"{minor}.")
            ]
        for each in named:
            # pyenv's shims of versions that are not selected are there, and do not run.
            if (
                each
                and subprocess.run([each, "-c", ""], capture_output=True, check=False).returncode
                == 0
            ):
                found.setdefault(minor, each)
    return found
