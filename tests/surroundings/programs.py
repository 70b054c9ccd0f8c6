"""Programs in processes of their own, which talk to a hub in the process of the test."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.waiting import LIMIT

ROOT = Path(__file__).resolve().parent.parent.parent


def environment(**further: str) -> dict[str, str]:
    """Return an environment that finds the package, and whose warnings are as they are by default."""
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONWARNINGS", "PYTHONDEVMODE")}
    return {**kept, "PYTHONPATH": str(ROOT), **further}


def run(
    code: str, *args: str, flags: tuple[str, ...] = (), limit: float = LIMIT, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; its output is text."""
    return subprocess.run(
        [sys.executable, *flags, "-c", code, *args],
        cwd=ROOT,
        env=environment(**env),
        capture_output=True,
        text=True,
        timeout=limit,
        check=False,
    )
