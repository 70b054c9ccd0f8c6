"""Reading and sending over TLS, as most users of a platform do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.cases import expect, outputs, uploads
from benchmarks.contestants import Job
from benchmarks.line_up import (
    CHUNK_READERS,
    HALF_DUPLEX,
    LINE_READERS,
    SENDERS,
    called,
    json_peers,
    them,
    us,
)
from benchmarks.model import (
    CPU_PER_GB,
    CPU_PER_MILLION,
    MEGABYTES,
    MEMORY,
    MILLIONS,
    US,
    Case,
    Contestant,
    Measure,
    Scene,
    Target,
    Turn,
)
from benchmarks.server import Server

_CHUNK = 65536


def _over_tls(contestants: tuple[Contestant, ...]) -> tuple[Contestant, ...]:
    """Leave out the program in C, which has no TLS on its own side."""
    return tuple(each for each in contestants if each.kind != "server")


def _best(measure: Measure, bound: float) -> Target:
    return Target(measure=measure, bound=bound, text="the best peer in Python", against=json_peers)


def _line_case(tls: Server, name: str, title: str, *, chunk: int, bound: float) -> Case:
    return Case(
        name=name,
        title=f"TLS: `for line in stream`, {title}",
        measures=(MILLIONS, CPU_PER_MILLION, MEMORY),
        contestants=_over_tls(LINE_READERS),
        scene=outputs(tls, f"chunk-{chunk}", 100, by_lines=True),
        first=65_500,
        step=chunk // 100,
        targets=(_best(MILLIONS, bound),),
    )


def _reading(tls: Server) -> list[Case]:
    return [
        Case(
            name="tls-output-64k",
            title="TLS: output, chunks of 64 KiB",
            measures=(MEGABYTES, CPU_PER_GB, MEMORY),
            contestants=_over_tls(CHUNK_READERS),
            scene=outputs(tls, f"chunk-{_CHUNK}", _CHUNK),
            first=32 << 20,
            step=_CHUNK,
            targets=(_best(MEGABYTES, 1.0), _best(CPU_PER_GB, 1.0)),
            note="The raw socket decodes nothing, and reads one TLS record a call.",
        ),
        _line_case(tls, "tls-lines-100", "one line of 100 bytes a chunk", chunk=100, bound=3.0),
        _line_case(
            tls, "tls-lines-64k", "lines of 100 bytes in chunks of 64 KiB", chunk=65500, bound=1.2
        ),
    ]


def _sending(tls: Server) -> list[Case]:
    return [
        Case(
            name="tls-upload-64k",
            title="TLS: upload, items of 64 KiB from a generator",
            measures=(MEGABYTES, CPU_PER_GB, MEMORY),
            contestants=_over_tls(SENDERS),
            scene=uploads(tls, _CHUNK, by_items=False),
            first=32 << 20,
            step=_CHUNK,
            targets=(_best(MEGABYTES, 1.0),),
        ),
        Case(
            name="tls-upload-100",
            title="TLS: upload, items of 100 bytes from a generator",
            measures=(MILLIONS, CPU_PER_MILLION, MEMORY),
            contestants=_over_tls(SENDERS),
            scene=uploads(tls, 100, by_items=True),
            first=20_000,
            targets=(_best(MILLIONS, 3.0),),
        ),
    ]


def _there_and_back(tls: Server) -> Scene:
    """Return the scene of items that are sent and come back; the amount is bytes of one way."""

    @contextmanager
    def scene(amount: int) -> Iterator[Turn]:
        def finish(printed: dict[str, Any]) -> None:
            expect("bytes", printed["bytes"], amount)

        base = tls.base(f"chunk-{_CHUNK}.total-{amount}")
        yield Turn(Job(base, "bench", _CHUNK, amount // _CHUNK, tls.options), amount, finish)

    return scene


def _both_ways(tls: Server) -> Case:
    apart = f"{US}, an upload and then an output"
    return Case(
        name="tls-both",
        title="TLS: `inout`, items of 64 KiB both ways at once",
        measures=(MEGABYTES, CPU_PER_GB, MEMORY),
        contestants=(
            us("both-ways"),
            Contestant(name=apart, kind="this", module="this_client", way="ways-apart"),
            them("with_aiohttp", "both-ways"),
            them("with_requests", "", reason=HALF_DUPLEX),
            them("with_urllib3", "", reason=HALF_DUPLEX),
            them("with_httpx", "", reason=HALF_DUPLEX),
        ),
        scene=_there_and_back(tls),
        first=32 << 20,
        step=_CHUNK,
        targets=(
            Target(
                measure=CPU_PER_GB,
                bound=1.25,
                text="an upload and then an output, which is 0.8 times as much for the same processor time",
                against=called(apart),
            ),
        ),
        note="MB/s of one way, while as much goes the other way. The server sends back what comes, on one thread.",
    )


def cases(tls: Server) -> list[Case]:
    """Return the cases."""
    return [*_reading(tls), *_sending(tls), _both_ways(tls)]
