"""A day's script in small: restarts of its hub, a full disk, suspended processes and a clock that jumps.

DAY_MINUTES is how long it takes.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from tests.support.waiting import LIMIT

MINUTES = float(os.environ.get("DAY_MINUTES", "20"))
RESTARTS = 5
ROOM = 24 * 2**20
"""Bytes by which memory may differ from what it was after the first rounds."""

LOG_LINE = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (INFO|WARNING|ERROR) +(day|scramjet_client): "
)


class Hub:
    """A hub that can be restarted at its port."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/api/v1"
        self.start()

    def start(self) -> None:
        """Start it, and wait until it listens."""
        command = [
            sys.executable,
            "-m",
            "scramjet_client.hub",
            "--no-token",
            "--port",
            str(self.port),
        ]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self.process.stdout is not None
        self.process.stdout.readline()

    def kill(self) -> None:
        """End it as a crash does."""
        self.process.kill()
        self.process.wait(LIMIT)
        assert self.process.stdout is not None
        self.process.stdout.close()


class Script:
    """The script, and what it has said."""

    def __init__(self, url: str, folder: Path, log: IO[str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.day.script", url, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        self.rounds: list[dict[str, int]] = []

    def round(self) -> dict[str, int]:
        """Wait until a round is over."""
        assert self.process.stdout is not None
        found: dict[str, int] = json.loads(self.process.stdout.readline())
        self.rounds.append(found)
        return found

    def go_on(self, seconds: float) -> None:
        """Let it run for so long, and then until it has done a round well."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.round()
        done = self.rounds[-1]["done"]
        while self.round()["done"] == done:
            pass

    def tell(self, order: str) -> None:
        """Give it an order."""
        assert self.process.stdin is not None
        self.process.stdin.write(order + "\n")
        self.process.stdin.flush()


def suspended(process: subprocess.Popen[str], seconds: float) -> None:
    """Have a process stand still for so long."""
    process.send_signal(signal.SIGSTOP)
    time.sleep(seconds)
    process.send_signal(signal.SIGCONT)


def restart(hub: Hub, away: float) -> None:
    """Kill a hub, and have another one in its place some seconds later."""
    hub.kill()
    time.sleep(away)
    hub.start()


@pytest.mark.long
@pytest.mark.timeout(MINUTES * 60 + 600)
def test_a_day_in_small(tmp_path: Path):
    """The log says what began and what ended, a line each; at the end it holds what it held at the start."""
    hub = Hub()
    log = tmp_path / "day.log"
    with log.open("w") as file:
        script = Script(hub.url, tmp_path, file)
        pause = MINUTES * 60 / (RESTARTS + 5)
        troubles: list[Callable[[], object]] = [
            lambda: restart(hub, 3),
            lambda: script.tell("full"),
            lambda: restart(hub, 0),
            lambda: suspended(script.process, 3),
            lambda: restart(hub, 10),
            lambda: suspended(hub.process, 8),
            lambda: script.tell("jump"),
            lambda: restart(hub, 1),
            lambda: restart(hub, 3),
        ]
        try:
            for _ in range(5):
                script.round()
            first = script.rounds[-1]
            for trouble in troubles:
                trouble()
                script.go_on(pause)
            for _ in range(3):
                script.round()
            last = script.rounds[-1]
            assert script.process.stdin is not None
            script.process.stdin.close()
            assert script.process.wait(LIMIT) == 0
        finally:
            script.process.kill()
            script.process.wait(LIMIT)
            assert script.process.stdout is not None
            script.process.stdout.close()
            hub.kill()
    said = log.read_text()
    print(said, json.dumps([first, last]), sep="\n")

    assert (last["threads"], last["descriptors"]) == (first["threads"], first["descriptors"])
    assert abs(last["memory"] - first["memory"]) < ROOM
    assert all(LOG_LINE.match(line) for line in said.splitlines()), said
    assert "No space left on device" in said
    judge_outages([line for line in said.splitlines() if " scramjet_client: " in line])
    assert not re.search(r"IncompleteRead|ConnectionPool|object at 0x|Traceback|\*\*\*", said)
    assert "timed out: timed out" not in said


def judge_outages(lines: list[str]) -> None:
    """Check that each outage is a line for its begin and one for its end, in turn."""
    kinds = [kind for line in lines for kind in ("trying again", "answers again") if kind in line]
    assert kinds == ["trying again", "answers again"] * (len(kinds) // 2), lines
    assert len(kinds) // 2 >= 3
