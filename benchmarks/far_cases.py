"""A hub that is far: what counts there is how often a client waits for an answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import attrs

from benchmarks.cases import expect, outputs
from benchmarks.contestants import Job
from benchmarks.line_up import limit, them, us
from benchmarks.model import FAR, ROUND_TRIPS, Case, Contestant, Scene, Target, Turn
from benchmarks.server import Server
from tests.support.slow_proxy import SlowProxy

_ITEM = 65536
_PEERS = ("with_requests", "with_urllib3", "with_httpx", "with_aiohttp", "with_pycurl")


@contextmanager
def far(near: Server) -> Iterator[Server]:
    """Put a server far away."""
    with SlowProxy(near.port, delay=FAR / 2, stalls=0) as proxy:
        yield attrs.evolve(near, port=proxy.port)


def _uploads(near: Server, away: Server) -> Scene:
    """Return the scene of one upload; the amount is items."""

    @contextmanager
    def scene(amount: int) -> Iterator[Turn]:
        near.received()

        def finish(_printed: dict[str, Any]) -> None:
            expect("bytes", near.received()["bytes"], amount * _ITEM)

        yield Turn(Job(away.base(), "bench", _ITEM, amount, away.options), amount, finish)

    return scene


def _calls(away: Server) -> Scene:
    @contextmanager
    def scene(amount: int) -> Iterator[Turn]:
        yield Turn(Job(away.base(), "bench", 0, amount, away.options), amount)

    return scene


def _everybody(way: str) -> tuple[Contestant, ...]:
    return (us(way), *(them(module, way) for module in _PEERS), them("raw_socket", way))


def cases(near: Server, away: Server) -> list[Case]:
    """Return the cases; `away` is the server `near`, seen from afar."""

    def case(name: str, title: str, way: str, scene: Scene, amount: int) -> Case:
        return Case(
            name=f"far-{name}",
            title=f"A hub {FAR * 1000:.0f} ms away, TLS: {title}",
            measures=(ROUND_TRIPS,),
            contestants=_everybody(way),
            scene=scene,
            first=amount,
            fixed=amount,
            turns=1 / 5,
            targets=(
                Target(measure=ROUND_TRIPS, bound=1.05, text="the raw socket", against=limit),
            ),
            note="The time of a new client until it has what it wanted, divided by that of a round trip. A "
            "proxy on loopback delays what it passes on, but answers a connect at once, to everybody.",
        )

    return [
        case("first-byte", "the first output byte of a new client", "chunks", outputs(away, "chunk-100", 100), 100),
        case("calls", "100 small calls", "calls", _calls(away), 100),
        case("upload", "an upload of 50 MB", "upload", _uploads(near, away), 763),
        case("item", "a lone item", "upload", _uploads(near, away), 1),
    ]  # fmt: skip
