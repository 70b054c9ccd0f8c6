"""What is imported when: a script that needs one answer of a hub starts quickly."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {
    "scramjet_client.clients.doctor",
    "scramjet_client.clients.sequence",
    "scramjet_client.instances.client",
    "scramjet_client.packages.package",
    "scramjet_client.uploads.sources",
    "tarfile",
}
"""Modules that take longer than the rest of a first answer together."""

LATER = {
    "decimal",
    "difflib",
    "html",
    "scramjet_client._common.kept_tokens",
    "scramjet_client.api.generations",
    "scramjet_client.config",
    "scramjet_client.models.hub",
    "scramjet_client.models.managers",
    "scramjet_client.streams.output",
}
"""Modules that a first answer does not need (docs/decisions/start.md)."""

STARTS = {
    "a client": ("from scramjet_client import HostClient; HostClient()", HEAVY | LATER),
    "the command's help": (
        "from scramjet_client.cli import main; main(['--help'])",
        HEAVY | LATER | {"attr", "requests", "ssl", "scramjet_client.models.instances"},
    ),
}


@pytest.mark.parametrize("start", STARTS)
def test_a_start_imports_nothing_heavy(start: str):
    """What a start does not need is imported when it is used."""
    code, heavy = STARTS[start]
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; import sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert heavy & set(done.stdout.split()) == set()
