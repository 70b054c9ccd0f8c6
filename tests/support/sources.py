"""The files of this repository, without what was installed or built."""

from __future__ import annotations

import os
from pathlib import Path

_LEFT_OUT = {"node_modules", "build", "dist"}


def sources(root: Path, suffix: str) -> list[Path]:
    """Return the files below a folder that end so, in order; hidden folders are left out."""
    found = []
    for folder, below, names in os.walk(root):
        # Walked through, an environment and its packages take longer than all the rest.
        below[:] = [each for each in below if each not in _LEFT_OUT and not each.startswith(".")]
        found += [
            Path(folder, each)
            for each in names
            if each.endswith(suffix) and not each.startswith(".")
        ]
    return sorted(found)
