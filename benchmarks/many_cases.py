"""Many streams followed in one process, plain and TLS."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.cases import expect
from benchmarks.contestants import Job
from benchmarks.line_up import called, them, us
from benchmarks.model import (
    CPU_SECONDS,
    FOLLOWING,
    OPENING,
    PER_STREAM,
    THREADS,
    Case,
    Scene,
    Target,
    Turn,
)
from benchmarks.server import Server

_LINES = 15  # of each stream
_RATE = 5000  # lines a second of all streams together
_STREAMS = 1000

_crowds = itertools.count(1)


def _crowd(server: Server, order: str) -> Scene:
    """Return the scene of many streams: silence until the client says that all of them are open, then lines.

    When a line is sent is a matter of the clock and of the stream's number alone. If it were a time after the
    stream was opened, a client that opens all at once would be sent lines in bursts, one that opens them one by
    one a line at a time, and the two would not be doing the same work.
    """

    @contextmanager
    def scene(amount: int) -> Iterator[Turn]:
        def finish(printed: dict[str, Any]) -> None:
            expect("lines", printed["items"], amount * _LINES)

        gap = 1_000_000 * amount // _RATE
        base = server.base(f"{order}.gap-{gap}.crowd-{next(_crowds)}.total-{_LINES}")
        yield Turn(Job(base, "bench", 100, amount, server.options), amount, finish)

    return scene


def cases(plain: Server, tls: Server) -> list[Case]:
    """Return the cases."""

    def case(name: str, title: str, scene: Scene, what: str) -> Case:
        return Case(
            name=name,
            title=f"{_STREAMS:,} streams followed in one process, {title}",
            measures=(CPU_SECONDS, OPENING, FOLLOWING, PER_STREAM, THREADS),
            contestants=(
                us("many"),
                them("with_aiohttp", "many", "a task each"),
                them("with_requests", "many", "a thread each"),
            ),
            scene=scene,
            first=20,
            fixed=_STREAMS,
            turns=3 / 5,
            targets=(
                Target(measure=FOLLOWING, bound=1.0, text="aiohttp", against=called("aiohttp")),
                Target(measure=PER_STREAM, bound=64, text="KiB", against=None),
                Target(measure=THREADS, bound=1, text="thread", against=None),
            ),
            note=f"All streams are silent until every client has opened them, and then give {_LINES} lines of "
            f"100 bytes each, one every {1000 * _STREAMS // _RATE} ms: {what}. Memory is the growth of "
            "the process.",
        )

    out_of_step = "each at a moment of its own, the same for every client"
    in_step = "all of them at the same moment"
    return [
        case("many-plain", "plain", _crowd(plain, "apart"), out_of_step),
        case("many-tls", "TLS", _crowd(tls, "apart"), out_of_step),
        case("many-plain-in-step", "plain, in step", _crowd(plain, "step"), in_step),
        case(
            "many-tls-in-step",
            "TLS, in step",
            _crowd(tls, "step"),
            in_step,
        ),
    ]
