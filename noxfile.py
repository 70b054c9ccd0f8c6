"""The test matrix: every Python that is found, with the lowest and the latest dependencies."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import nox

PYTHONS = ["3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15"]
CORE_ALONE = "import scramjet_client; print(scramjet_client.__version__)"

nox.options.sessions = ["lint", "build", "tests"]
nox.options.error_on_missing_interpreters = False
nox.options.reuse_existing_virtualenvs = True


def _ask_pyenv(*command: str) -> list[str]:
    done = subprocess.run(["pyenv", *command], capture_output=True, text=True, check=False)
    return done.stdout.split() if done.returncode == 0 else []


def _find_pyenv_pythons() -> None:
    """Put pyenv's interpreters on PATH; its shims of versions that are not selected do not run."""
    if shutil.which("pyenv") is None:
        return
    newest: dict[str, tuple[int, ...]] = {}
    for version in _ask_pyenv("versions", "--bare"):
        minor, _, patch = version.rpartition(".")
        if minor in PYTHONS and patch.isdigit():
            newest[minor] = max(newest.get(minor, ()), tuple(map(int, version.split("."))))
    for numbers in newest.values():
        for prefix in _ask_pyenv("prefix", ".".join(map(str, numbers))):
            os.environ["PATH"] = f"{Path(prefix, 'bin')}{os.pathsep}{os.environ['PATH']}"


_find_pyenv_pythons()


@nox.session(python=PYTHONS)
@nox.parametrize("dependencies", ["lowest", "latest"])
def tests(session: nox.Session, dependencies: str) -> None:
    """Run the test suite."""
    if dependencies == "lowest":
        session.install("-e", ".[test]", "-c", "tests/constraints-lowest.txt")
    else:
        session.install("--upgrade", "--upgrade-strategy", "eager", "-e", ".[test]")
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and types."""
    session.install("-e", ".[test,lint]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy", "--strict")
    for schema, names in (
        ("github-workflows", "workflows/*.yml"),
        ("github-issue-forms", "ISSUE_TEMPLATE/[!c]*.yml"),
        ("github-issue-config", "ISSUE_TEMPLATE/config.yml"),
        ("dependabot", "dependabot.yml"),
    ):
        files = sorted(str(each) for each in Path(".github").glob(names))
        session.run("check-jsonschema", "-q", "--builtin-schema", f"vendor.{schema}", *files)


@nox.session
def build(session: nox.Session) -> None:
    """Build the sdist and from it the wheel, and import the wheel where nothing else is installed."""
    session.install("build")
    dist = Path(session.create_tmp()) / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    session.run("python", "-m", "build", "--outdir", str(dist))
    (wheel,) = dist.glob("*.whl")
    empty = dist.parent / "empty"
    session.run("python", "-m", "venv", "--clear", str(empty))
    python = str(empty / ("Scripts" if os.name == "nt" else "bin") / "python")
    session.run(python, "-m", "pip", "install", "--quiet", str(wheel), external=True)
    session.run(python, "-I", "-W", "error", "-c", CORE_ALONE, external=True)
