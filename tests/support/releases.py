"""Old releases of other packages, each in a folder beside the packages of this Python's environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.locked import hold


def installed(kind: str, name: str, requirements: list[str], module: str, trial: str = "") -> str:
    """Return the folder of a release for the module path, installing it the first time.

    Workers that come meanwhile wait for the first one. Where it can't be installed or imported, as old releases on
    new Pythons, the test is skipped, and says why.

    Args:
        kind: Groups the folders: "flask-releases".
        name: What the release is called in there, and in the reason of a skip.
        requirements: What pip installs.
        module: What has to be imported then.
        trial: Code that has to work after that: some can be imported where they don't work.
    """
    folder = Path(sys.prefix) / kind / name
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        hold(lock)
        if not (folder / "done").exists():
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            _run([*pip, "--upgrade", "--target", str(folder), *requirements], name, "be installed")
            (folder / "done").touch()
    path = {**os.environ, "PYTHONPATH": str(folder)}
    _run([sys.executable, "-c", f"import {module}; {trial}"], name, "be used", path)
    return str(folder)


def _run(
    command: list[str], name: str, purpose: str, environment: dict[str, str] | None = None
) -> None:
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=800
    )
    if done.returncode:
        pytest.skip(f"{name} can't {purpose} on {sys.version}: {done.stderr[-500:]}")
