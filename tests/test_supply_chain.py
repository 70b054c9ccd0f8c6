"""What the project takes from others: each part by a hash or a bound, and what is known of it is said."""

from __future__ import annotations

import configparser
import json
import re
from pathlib import Path

import pytest

from tests.support import audit

ROOT = Path(__file__).resolve().parent.parent

LOCKS = sorted(
    path
    for folder in ("tests", "benchmarks")
    for path in (ROOT / folder).glob("*/package-lock.json")
)


def test_there_are_locks():
    """Every folder whose packages npm installs has a lock file."""
    assert {path.parent.name for path in LOCKS} == {
        "real_hub",
        "foreign",
        "consumer",
        "wasm",
        "node",
    }


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.parent.name)
def test_npm_packages_have_hashes(lock: Path):
    """`npm ci` compares each package with a SHA-512 of the lock file, and takes none from a repository."""
    packages = json.loads(lock.read_text("utf-8"))["packages"]
    taken = {name: each for name, each in packages.items() if name}

    assert taken
    assert [
        name
        for name, each in taken.items()
        if not each.get("integrity", "").startswith("sha512-") or each.get("link")
    ] == []
    assert [name for name, each in taken.items() if "git" in each.get("resolved", "")] == []


def test_lowest_versions_are_the_lower_bounds():
    """What `make audit` asks about is what a user may have: the bounds of the core are the lowest versions tested."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", "utf-8")
    core = dict(
        re.fullmatch(r"(\w+)>=([\d.]+)(?:,<\d+)?", line).groups()  # type: ignore[union-attr]
        for line in setup["options"]["install_requires"].split()
    )
    lowest = dict(
        re.findall(r"^(\w+)==([\d.]+)", (ROOT / "tests/constraints-lowest.txt").read_text(), re.M)
    )

    assert set(core) == {"requests", "urllib3", "attrs"}
    for name, bound in core.items():
        assert lowest[name].startswith(bound)


def test_audit_knows_what_the_page_says():
    """`make audit` passes over the ids of the page, which are those of the lowest versions."""
    command = audit.command(audit.LOWEST, audit.known())
    ignored = [after for each, after in zip(command, command[1:]) if each == "--ignore-vuln"]

    assert len(ignored) > 10
    assert "CVE-2026-97687" in ignored
    assert "--ignore-vuln" not in audit.command(audit.LOWEST, [])


def test_audit_fails_where_nothing_can_be_asked():
    """What could not be asked about does not pass for sound, and this package itself is not asked about."""
    assert "--strict" in audit.command(audit.LOWEST, [])
    assert "scramjet" not in re.sub("scramjet[-_]framework", "", audit.installed())
