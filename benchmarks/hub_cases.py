"""LocalHub beside the real hub 0.18.7: the same client sends the same to the same program."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.cases import expect
from benchmarks.contestants import Job
from benchmarks.line_up import called
from benchmarks.model import (
    MEGABYTES,
    MILLISECONDS_EACH,
    P50_MS,
    P99_MS,
    US,
    Case,
    Contestant,
    Measure,
    Scene,
    Target,
    Turn,
)
from scramjet_client import HostClient
from scramjet_client.packages.package import pack
from tests.support.real_hub import RealHub

_SEQUENCES = Path(__file__).parent / "sequences"


class Hubs:
    """Both hubs, started when a case first needs them, each in a process of its own."""

    def __init__(self) -> None:
        self._real = RealHub()
        self._local: subprocess.Popen[str] | None = None
        self._options: dict[str, Any] = {}

    def close(self) -> None:
        """Stop them."""
        if self._local is not None:
            self._local.terminate()
            self._local.communicate()
            self._real.stop()

    @property
    def options(self) -> dict[str, Any]:
        """For each hub its URL, its token, and the id of its echo."""
        if self._local is None:
            self._local = subprocess.Popen(
                [sys.executable, "-m", "scramjet_client.hub", "--port", "0", "--no-token"],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            self._real.start()
            assert self._local.stdout is not None
            local = self._local.stdout.readline().strip()
            self._options = {
                "local": _with_echo(local, "echo_python"),
                "python": _with_echo(self._real.url, "echo_python"),
                "node": _with_echo(self._real.url, "echo"),
            }
        return self._options


def _with_echo(base: str, folder: str) -> dict[str, Any]:
    with HostClient(base) as host:
        sequence = host.send_sequence(pack(_SEQUENCES / folder))
    return {"base": base, "token": None, "sequence": sequence.id}


def _scene(hubs: Hubs, size: int) -> Scene:
    """Return the scene of items through a program; the amount is bytes where they have a size, else instances."""

    @contextmanager
    def scene(amount: int) -> Iterator[Turn]:
        def finish(printed: dict[str, Any]) -> None:
            expect("bytes", printed["bytes"], amount if size else 0)

        times = amount // size if size else amount
        yield Turn(Job("", "", size, times, hubs.options), amount, finish)

    return scene


def _contestants(way: str) -> tuple[Contestant, ...]:
    return (
        Contestant(name=US, kind="this", module="hubs", way=f"{way}-local"),
        Contestant(name="hub 0.18.7, Python", kind="python", module="hubs", way=f"{way}-python"),
        Contestant(name="hub 0.18.7, Node.js", kind="node", module="hubs", way=f"{way}-node"),
    )


_NOTE = "The first is LocalHub. This client is in front of each, and the hub is the bottleneck."


def _ahead(measure: Measure) -> tuple[Target, ...]:
    """Return what was wanted: LocalHub is ahead of the real hub, whatever runs there."""
    against = called("hub 0.18.7")
    return (Target(measure=measure, bound=1.0, text="the real hub", against=against),)


def cases(hubs: Hubs) -> list[Case]:
    """Return the cases."""
    return [
        *(
            Case(
                name=f"hub-echo-{name}",
                title=f"LocalHub and the real hub: {words} through an echo",
                measures=(MEGABYTES,),
                contestants=_contestants("echo"),
                scene=_scene(hubs, size),
                first=first,
                step=size,
                targets=_ahead(MEGABYTES),
                note=_NOTE,
            )
            for name, words, size, first in (
                ("64k", "chunks of 64 KiB", 65536, 16 << 20),
                ("100", "items of 100 bytes", 100, 500_000),
            )
        ),
        Case(
            name="hub-start",
            title="LocalHub and the real hub: from the start of an instance to its first output",
            measures=(P50_MS, P99_MS),
            contestants=_contestants("start"),
            scene=_scene(hubs, 0),
            first=2,
            fixed=10,
            targets=_ahead(P50_MS),
            note=_NOTE,
        ),
        Case(
            name="hub-fifty",
            title="LocalHub and the real hub: 50 instances at once, each to its first output",
            measures=(MILLISECONDS_EACH,),
            contestants=_contestants("at-once"),
            scene=_scene(hubs, 0),
            first=4,
            fixed=50,
            targets=_ahead(MILLISECONDS_EACH),
            note=f"{_NOTE} The figure is the time for all, divided by 50.",
        ),
    ]
