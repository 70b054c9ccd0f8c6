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
    GROWTH_EACH,
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
                Target(measure=OPENING, bound=1.0, text="aiohttp", against=called("aiohttp")),
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


_UPLOADS = 200
_ITEMS = 200  # of each upload


def uploads(server: Server) -> Case:
    """Return the case of many uploads at once."""

    @contextmanager
    def scene(amount: int) -> Iterator[Turn]:
        server.received()

        def finish(_printed: dict[str, Any]) -> None:
            received = server.received()
            expect("uploads", received["bodies"], amount)
            expect("bytes", received["bytes"], amount * _ITEMS * 1000)

        options = {**server.options, "items": _ITEMS}
        yield Turn(Job(server.base(), "bench", 1000, amount, options), amount, finish)

    return Case(
        name="many-uploads",
        title=f"{_UPLOADS} uploads at once from one process",
        measures=(CPU_SECONDS, GROWTH_EACH, THREADS),
        contestants=(
            us("many-uploads"),
            them("with_requests", "many-uploads", "a thread each"),
        ),
        scene=scene,
        first=20,
        fixed=_UPLOADS,
        targets=(
            Target(measure=CPU_SECONDS, bound=1.0, text="requests", against=called("requests")),
            Target(measure=GROWTH_EACH, bound=1.0, text="requests", against=called("requests")),
        ),
        note=f"Each of {_ITEMS} items of 1,000 bytes. The first items are sent when all uploads have begun, and then "
        "the threads are counted. This client has two threads for each upload that sends in bursts.",
    )
