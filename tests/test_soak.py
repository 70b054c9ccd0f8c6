"""The soak itself: it finds nothing where nothing is wrong, and what is wrong where something is."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.npm import NodeUnavailable
from tests.support.real_hub import install
from tests.support.waiting import BUILD_LIMIT


def soak(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "soak", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=BUILD_LIMIT,
    )


def hubs() -> list[str]:
    try:
        install()
    except NodeUnavailable:
        return ["local"]
    return ["local", "real"]


@pytest.mark.parametrize("minutes", ["0.05", pytest.param("0.5", marks=pytest.mark.long)])
def test_nothing_is_wrong(minutes: str):
    """Some seconds of random operations through faults lose nothing, leave nothing and raise what is expected."""
    done = soak("--minutes", minutes, "--hubs", *hubs())

    assert done.returncode == 0, done.stdout + done.stderr
    assert "errors, and the faults that they came of:" in done.stdout


@pytest.mark.parametrize(
    ("sabotage", "found"),
    [("lose", "byte 10 of "), ("leak", "this process: descriptors: ")],
)
def test_what_is_wrong_is_found(sabotage: str, found: str):
    """A byte that a program loses is found by its number, and sockets that are left open are counted."""
    done = soak(
        "--minutes",
        "0.05",
        "--seed",
        "7",
        "--hubs",
        "local",
        "--workers",
        "1",
        "--sabotage",
        sabotage,
    )

    assert done.returncode == 1, done.stdout + done.stderr
    assert found in done.stdout
    assert "again with --seed 7" in done.stdout


def test_hang_is_found():
    """An operation that does not end is named, with what all threads are doing."""
    done = soak(
        "--minutes", "1", "--hubs", "local", "--workers", "1", "--hang", "2", "--sabotage", "hang"
    )

    assert done.returncode == 2, done.stdout + done.stderr
    assert "this still goes on: local-0, operation 1: " in done.stdout
    assert "soak/workers.py" in done.stderr
