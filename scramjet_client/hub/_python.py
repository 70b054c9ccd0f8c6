"""The Python that runs the programs of a hub, and the files of the runner that it is given."""

from __future__ import annotations

import os
import shutil
import sys
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from scramjet_client._common.python import is_frozen, own_python

_RUNNER = "scramjet_client.hub._runner"
_START = "__main__.py"


class Runs(NamedTuple):
    """What runs an instance: the path of a Python, and the file of the runner."""

    python: str
    runner: Path


def interpreter(given: str | os.PathLike[str] | None = None) -> str:
    """Return the path of the Python that runs programs: the given one, else that of this process.

    Raises:
        OSError: The given one is not there, or none is given and this process has none.
    """
    if given is not None:
        found = shutil.which(os.fspath(given))
        if found is None:
            raise OSError(f"python={os.fspath(given)!r} is not a program that can be run")
        if is_frozen() and os.path.realpath(found) == os.path.realpath(sys.executable or ""):
            raise OSError(f"python={found!r} is this program itself, which is frozen. {_ADVICE}")
        return found
    python = own_python()
    if python is not None:
        return python
    if is_frozen():
        raise OSError(f"a LocalHub needs a Python, and this program is frozen. {_ADVICE}")
    raise OSError(
        "a LocalHub needs a Python, and the program of this process is none (sys.executable is"
        f" {sys.executable!r}). {_ADVICE}"
    )


_ADVICE = (
    "Name one, of the same version and with scramjet-client[hub] installed:"
    f" LocalHub(python='/usr/bin/python{sys.version_info[0]}.{sys.version_info[1]}')"
)


def runner(storage: Path) -> Path:
    """Return the file that starts an instance; from a zip its folder is copied into the storage first.

    Raises:
        OSError: The package has been installed without the files.
    """
    there = resources.files(_RUNNER)
    if isinstance(there, Path) and (there / _START).is_file():
        return (there / _START).resolve()
    folder = storage / "hub" / "_runner"
    folder.mkdir(parents=True)
    try:
        for each in there.iterdir():
            if each.name.endswith(".py"):
                (folder / each.name).write_bytes(each.read_bytes())
    except OSError:
        pass  # said below
    if not (folder / _START).is_file():
        raise OSError(
            f"a LocalHub needs the source files of {_RUNNER}, which this program does not have (PyInstaller takes"
            " them along with --collect-all scramjet_client)"
        )
    return folder / _START
