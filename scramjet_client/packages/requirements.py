"""Requirements of a Python sequence: how pip installs them, and how every hub's runner finds them."""

from __future__ import annotations

import importlib.util
import os
import posixpath
import re
import subprocess
import sys
import tempfile
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Union

from scramjet_client._common.checks import checked_list
from scramjet_client._common.python import own_python

FOLDER = "__pypackages__"
"""Folder of a package that 1.x hubs put on the module path (docs/protocol.md, "Sequences")."""

ENTRY = "_scramjet_entry.py"
ADAPTED = "scramjet_program.py"

Requirements = Union[Sequence[str], str, Path, None]
"""Lines of a requirements file, or the path of one: in the sequence's folder, or else from the present folder."""

_ENTRY = '''\
"""Made by scramjet_client: {what}, and runs the main file."""

import os
import sys

_folder = os.path.dirname(os.path.abspath(__file__))
{path}__file__ = os.path.join(_folder, {main!r})
with open(__file__, "rb") as _file:
    exec(compile(_file.read(), __file__, "exec"), globals())
{adapter}'''

_PATH = """\
_packages = os.path.abspath(os.path.join(_folder, {packages!r}))
if _packages not in sys.path:
    sys.path.insert(0, _packages)  # 1.x hubs have done it, 0.x hubs do not
"""

_ADAPTER = """\
if _folder not in sys.path:
    sys.path.insert(0, _folder)
run = __import__("scramjet_adapter").program(globals(){options})
"""


def entry_for(main: str) -> tuple[str, bytes]:
    """Return the name and content of a file to run in place of `main`: it finds the modules that pip has installed."""
    folder = posixpath.dirname(main)
    packages = posixpath.relpath(FOLDER, folder or ".")
    path = _PATH.format(packages=packages)
    return _entry(main, ENTRY, "puts the installed requirements on the module path", path, "")


def adapter_for(main: str, *, blocking: bool) -> tuple[str, bytes]:
    """Return the name and content of a file to run in place of `main`, whose `run` not every hub takes unchanged."""
    adapter = _ADAPTER.format(options=", blocking=True" if blocking else "")
    return _entry(
        main, ADAPTED, "has what run() gives become an output that every hub takes", "", adapter
    )


def _entry(main: str, name: str, what: str, path: str, adapter: str) -> tuple[str, bytes]:
    text = _ENTRY.format(what=what, path=path, main=posixpath.basename(main), adapter=adapter)
    return posixpath.join(posixpath.dirname(main), name), text.encode()


def install(requirements: Requirements, base: Path, into: Path) -> None:
    """Let the pip of this Python install requirements into an empty folder, `into`.

    Blocks while pip works. pip's settings (PIP_INDEX_URL, pip.conf) apply. pip downloads and builds for this Python and
    this platform. Relative paths begin at `base`; if there is no such file there, they begin at the present folder.

    Raises:
        ValueError: The file or pip is missing, or pip failed; then the message is pip's.
    """
    if isinstance(requirements, (str, Path)):
        file = base / requirements
        if not file.is_file():
            file = Path(requirements)
        if not file.is_file():
            raise ValueError(
                f"there is no requirements file {hidden(str(base / requirements))!r}; requirements themselves are "
                "given as a list"
            )
        _pip(file, file.name, base, into)
    elif requirements:
        with tempfile.TemporaryDirectory(prefix="scramjet-requirements-") as folder:
            file = Path(folder) / "requirements.txt"
            file.write_text("\n".join(requirements) + "\n", "utf-8")
            _pip(file, ", ".join(requirements), base, into)
    _tidy(into)


def checked(requirements: Any) -> Requirements:
    """Return requirements as a path or a list of lines; raise TypeError or ValueError for anything else."""
    if requirements is None or isinstance(requirements, str):
        return requirements
    if isinstance(requirements, os.PathLike):
        return Path(requirements)
    if isinstance(requirements, Mapping):
        pinned = [f"{name}=={version}" for name, version in requirements.items()]
        meant = f"such as {hidden(repr(pinned[:3]))}" if pinned else "such as ['requests>=2.31']"
    else:
        meant = "such as ['requests>=2.31']"
    return _checked_lines(checked_list("requirements", requirements, f"lines {meant}"))


def _checked_lines(requirements: list[str]) -> list[str]:
    for each in requirements:
        # pip splits lines as str.splitlines does, and a backslash joins one line with the next.
        if any(unicodedata.category(char) in ("Cc", "Zl", "Zp") for char in each) or each.endswith(
            "\\"
        ):
            raise ValueError(f"a requirement must be one line of text, not {hidden(repr(each))}")
        if (option := _OPTION.search(each.partition(" #")[0])) is not None:
            raise ValueError(
                f"a requirement must be a package, and {hidden(repr(each))} has the option {option[1]!r}: options "
                "have their place in a requirements file, given by its path, or in pip's settings (PIP_INDEX_URL)"
            )
    return requirements


_OPTION = re.compile(r"(?:^|\s)(-(?!-hash[=\s])[^\s=]+)")
"""An option of pip within a line. `--hash` belongs to a package, and can only refuse it."""

_USER = re.compile(r"(\w:/{1,2})(?:[^\s/@:]*:(?!\d+(?:/|$))\S*|[^\s/@]+)@")


def hidden(text: str) -> str:
    """Return a text without the user names and passwords in its addresses."""
    return _USER.sub(r"\1****@", text)


def _pip(file: Path, what: str, base: Path, into: Path) -> None:
    if importlib.util.find_spec("pip") is None:
        raise ValueError(f"{hidden(what)} cannot be installed: {sys.executable} has no pip")
    python = own_python()
    if python is None:
        raise ValueError(
            f"{hidden(what)} cannot be installed: this program has no Python to run pip with (it is frozen, or embeds"
            " Python). Install them into the folder of the package before"
        )
    done = subprocess.run(
        [
            *(python, "-m", "pip", "--disable-pip-version-check", "--no-input", "install"),
            *("--quiet", "--no-compile", "--no-warn-script-location"),
            *("--target", str(into), "--requirement", str(file.resolve())),
        ],
        cwd=base,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        # With these two user settings, pip would refuse to install into a folder.
        env={**os.environ, "PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"},
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        lines = [line for line in done.stdout.splitlines() if line.strip()]
        said = [line for line in lines if line.startswith("ERROR:")] or lines[-1:]
        told = " ".join(said) or done.returncode
        raise ValueError(
            hidden(f"pip could not install {what}: {_VERSIONS.sub(_latest, str(told))}")
        )


_VERSIONS = re.compile(r"\(from versions: ([^()]*)\)")
"""The list of all versions of a package, oldest first."""

_LISTED = 3
"""How many versions an error repeats."""


def _latest(found: re.Match[str]) -> str:
    versions = found[1].split(", ")
    more = len(versions) - _LISTED
    if more <= 0:
        return found[0]
    return f"(latest versions: {', '.join(versions[-_LISTED:])}; {more} older ones)"


def _tidy(into: Path) -> None:
    """Remove everything specific to this machine, so that the same requirements make the same bytes."""
    # On Windows it depends on pip's version which of them it makes.
    for scripts in [into / "bin", *([into / "Scripts"] if os.name == "nt" else [])]:
        for each in sorted(scripts.glob("*")):
            # Programs whose first line is this Python's path.
            each.unlink()
        if scripts.is_dir():
            scripts.rmdir()
    for info in into.glob("*.dist-info"):
        (info / "direct_url.json").unlink(missing_ok=True)
        record = info / "RECORD"
        if record.is_file():
            lines = record.read_text("utf-8").splitlines(keepends=True)
            kept = [each for each in lines if not _is_gone(each)]
            record.write_bytes("".join(kept).encode("utf-8"))


def _is_gone(line: str) -> bool:
    name = line.partition(",")[0]
    return name.startswith("../") or name.endswith(("/direct_url.json", ".pyc"))


def provided(into: Path) -> set[str]:
    """Return the first names of the modules that can be imported from a folder."""
    return {each.name.partition(".")[0] for each in into.iterdir()} if into.is_dir() else set()
