"""Folders of the tests whose packages npm installs from a lockfile."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.support.locked import hold

# No package needs its install script: the native ones only speed up the ssh to a remote Docker.
_NPM_CI = (
    "ci",
    "--ignore-scripts",
    "--omit=optional",
    "--no-audit",
    "--no-fund",
    "--prefer-offline",
)

_NODE_MAJOR = 16  # the oldest Node.js that the packages run on and whose npm reads the lockfiles
_LOG_TAIL = 4000  # characters of npm's output that an error message repeats


class NodeUnavailable(Exception):
    """Say what has to be installed for a program on Node.js to run."""


def install(folder: Path, purpose: str) -> str:
    """Install the packages of a folder unless they are there, and return the path of the node command.

    They are installed again when the lockfile is newer. Blocks while npm works; processes that come
    meanwhile wait for the first one.

    Args:
        folder: Has a package.json and a package-lock.json.
        purpose: What the packages are for, for error messages: "to run the real Transform Hub".

    Raises:
        NodeUnavailable: Node.js or npm is missing, too old, or failed; the text says what to do.
    """
    advice = f"install Node.js {_NODE_MAJOR} or newer with its npm {purpose}."
    node = _find_node(advice)
    if _is_installed(folder):
        return node
    npm = shutil.which("npm")
    if npm is None:
        raise NodeUnavailable(f"npm was not found: {advice}")
    with open(folder / "package-lock.json", "rb") as lock:
        hold(lock)
        if not _is_installed(folder):
            _npm_ci(npm, folder, advice)
    return node


def _last_file(folder: Path) -> Path:
    """Return what npm writes last, so that an interrupted install is not taken for a finished one."""
    return folder / "node_modules" / ".package-lock.json"


def _is_installed(folder: Path) -> bool:
    try:
        installed = _last_file(folder).stat().st_mtime
    except FileNotFoundError:
        return False
    return installed >= (folder / "package-lock.json").stat().st_mtime


def _npm_ci(npm: str, folder: Path, advice: str) -> None:
    done = subprocess.run(
        [npm, *_NPM_CI],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        raise NodeUnavailable(
            f"npm ci failed in {folder}: repair that, or {advice}\n{done.stdout[-_LOG_TAIL:]}"
        )
    os.utime(_last_file(folder))


def _find_node(advice: str) -> str:
    """Return the path of a node command that is new enough."""
    node = shutil.which("node")
    if node is None:
        raise NodeUnavailable(f"node was not found: {advice}")
    done = subprocess.run(
        [node, "--version"], stdout=subprocess.PIPE, encoding="utf-8", check=False
    )
    version = done.stdout.strip()
    major = version.lstrip("v").partition(".")[0]
    if not major.isdigit() or int(major) < _NODE_MAJOR:
        raise NodeUnavailable(f"node {version or 'does not start'}: {advice}")
    return node
