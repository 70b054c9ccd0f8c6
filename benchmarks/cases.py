"""The cases that need the benchmark's own server alone, and what was wanted of each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.contestants import Job
from benchmarks.line_up import (
    CALLERS,
    CHUNK_READERS,
    HALF_DUPLEX,
    LINE_READERS,
    NO_OUTPUTS,
    RECORD_READERS,
    SENDERS,
    called,
    json_peers,
    limit,
    peers,
    python_peers,
    them,
    us,
)
from benchmarks.model import (
    CALLS,
    CPU_PER_GB,
    CPU_PER_MILLION,
    MEGABYTES,
    MEMORY,
    MILLIONS,
    P50,
    P99,
    Case,
    Scene,
    Target,
    Turn,
)
from benchmarks.runner import Failed
from benchmarks.server import Server


def expect(what: str, came: object, wanted: object) -> None:
    """Refuse a turn in which something was lost: a quick client that loses data is not quick."""
    if came != wanted:
        raise Failed(f"{what}: {came} came of {wanted}")


def outputs(server: Server, options: str, unit: int, *, by_lines: bool = False) -> Scene:
    """Return the scene of an output of some bytes.

    Args:
        server: The server.
        options: What it sends; `total` is added.
        unit: Bytes of one line, to check their number.
        by_lines: Whether the amount is a number of lines.
    """

    @contextmanager
    def scene(amount: int) -> Iterator[Turn]:
        def finish(printed: dict[str, Any]) -> None:
            if printed.get("bytes"):
                expect("bytes", printed["bytes"], amount * unit if by_lines else amount)
            if printed.get("items"):
                expect("lines", printed["items"], amount if by_lines else amount // unit)

        total = amount * unit if by_lines else amount
        base = server.base(f"{options}.total-{total}")
        yield Turn(Job(base, "bench", unit, amount, server.options), amount, finish)

    return scene


def log(server: Server) -> Scene:
    """Return the scene of a log of some records."""

    @contextmanager
    def scene(amount: int) -> Iterator[Turn]:
        def finish(printed: dict[str, Any]) -> None:
            expect("records", printed["items"], amount)

        yield Turn(
            Job(server.base(f"json.total-{amount}"), "bench", 0, amount, server.options),
            amount,
            finish,
        )

    return scene


def uploads(server: Server, size: int, *, by_items: bool) -> Scene:
    """Return the scene of an upload of items of `size` bytes; the amount is items or bytes."""

    @contextmanager
    def scene(amount: int) -> Iterator[Turn]:
        count = amount if by_items else amount // size
        server.received()

        def finish(_printed: dict[str, Any]) -> None:
            expect("bytes", server.received()["bytes"], count * size)

        yield Turn(Job(server.base(), "bench", size, count, server.options), amount, finish)

    return scene


def lone_items(server: Server) -> Scene:
    """Return the scene of items that come after a pause; the server says how old they are."""

    @contextmanager
    def scene(amount: int) -> Iterator[Turn]:
        server.received()

        def finish(printed: dict[str, Any]) -> None:
            printed["waits"] = server.received()["waits"]
            expect("items", len(printed["waits"]), amount)

        job = Job(server.base("stamped"), "bench", 21, amount, {**server.options, "pause": 0.002})
        yield Turn(job, amount, finish)

    return scene


def repeated(server: Server, options: str = "", size: int = 100) -> Scene:
    """Return the scene of something that is done some times; the amount is how often."""

    @contextmanager
    def scene(amount: int) -> Iterator[Turn]:
        def finish(printed: dict[str, Any]) -> None:
            expect("items", printed["items"], amount)

        base = server.base(f"{options}.total-{amount}" if options else "")
        yield Turn(Job(base, "bench", size, amount, server.options), amount, finish)

    return scene


def _chunk_cases(server: Server) -> list[Case]:
    return [
        Case(
            name="output-64k",
            title="Output, chunks of 64 KiB",
            measures=(MEGABYTES, CPU_PER_GB, MEMORY),
            contestants=CHUNK_READERS,
            scene=outputs(server, "chunk-65536", 65536),
            first=64 << 20,
            step=65536,
            targets=(
                Target(measure=MEGABYTES, bound=0.95, text="the best peer", against=peers),
                Target(measure=MEGABYTES, bound=0.9, text="the better raw socket", against=limit),
                Target(measure=MEMORY, bound=1.15, text="requests", against=called("requests")),
            ),
            note="The raw socket decodes nothing.",
        ),
        Case(
            name="output-100",
            title="Output, one line of 100 bytes a chunk",
            measures=(MILLIONS, CPU_PER_MILLION, MEMORY),
            contestants=CHUNK_READERS,
            scene=outputs(server, "chunk-100", 100, by_lines=True),
            first=50_000,
            targets=(
                Target(
                    measure=MILLIONS, bound=2.5, text="the best in Python", against=python_peers
                ),
            ),
            note="Millions of chunks. This is the usual shape: a hub makes one chunk of each write of a "
            "program. pycurl is not counted as Python: libcurl takes the chunks apart in C.",
        ),
    ]


def _line_cases(server: Server) -> list[Case]:
    iter_lines = called("iter_lines(65536)")
    return [
        Case(
            name="lines-64k",
            title="`for line in stream`, lines of 100 bytes in chunks of 64 KiB",
            measures=(MILLIONS, CPU_PER_MILLION, MEMORY),
            contestants=LINE_READERS,
            scene=outputs(server, "chunk-65500", 100, by_lines=True),
            first=65_500,
            step=655,
            targets=(
                Target(
                    measure=MILLIONS, bound=1.3, text="requests' iter_lines", against=iter_lines
                ),
            ),
        ),
        Case(
            name="lines-100",
            title="`for line in stream`, one line of 100 bytes a chunk",
            measures=(MILLIONS, CPU_PER_MILLION, MEMORY),
            contestants=LINE_READERS,
            scene=outputs(server, "chunk-100", 100, by_lines=True),
            first=50_000,
        ),
    ]


def _record_case(server: Server) -> Case:
    return Case(
        name="records",
        title="JSON records of a log",
        measures=(MILLIONS, CPU_PER_MILLION, MEMORY),
        contestants=RECORD_READERS,
        scene=log(server),
        first=20_000,
        targets=(
            Target(
                measure=MILLIONS, bound=1.5, text="the best with the same json", against=json_peers
            ),
        ),
        note="Records of about 115 bytes, one a chunk; all in Python use the standard library's json.",
    )


def output_cases(server: Server) -> list[Case]:
    """Return the cases that read."""
    return [*_chunk_cases(server), *_line_cases(server), _record_case(server)]


def upload_cases(server: Server) -> list[Case]:
    """Return the cases that send."""
    requests = called("requests")
    return [
        Case(
            name="upload-64k",
            title="Upload, items of 64 KiB from a generator",
            measures=(MEGABYTES, CPU_PER_GB, MEMORY),
            contestants=SENDERS,
            scene=uploads(server, 65536, by_items=False),
            first=64 << 20,
            step=65536,
            targets=(
                Target(measure=MEGABYTES, bound=1.0, text="the best peer", against=json_peers),
                Target(measure=CPU_PER_GB, bound=1.0, text="requests", against=requests),
            ),
        ),
        Case(
            name="upload-100",
            title="Upload, items of 100 bytes from a generator",
            measures=(MILLIONS, CPU_PER_MILLION, MEMORY),
            contestants=SENDERS,
            scene=uploads(server, 100, by_items=True),
            first=20_000,
            targets=(Target(measure=MILLIONS, bound=3.0, text="requests", against=requests),),
        ),
        Case(
            name="upload-lone",
            title="Upload, a lone item: from the generator to the hub",
            measures=(P50, P99),
            contestants=(
                us("lone"),
                them("with_aiohttp", "lone", "data=asynchronous generator"),
                them("raw_socket", "lone"),
            ),
            scene=lone_items(server),
            first=400,
            fixed=400,
            targets=(Target(measure=P99, bound=1000, text="µs", against=None),),
            note="An item comes every 2 ms.",
        ),
    ]


def _ping_pong(server: Server) -> Case:
    return Case(
        name="ping-pong",
        title="`inout`, round trip of a line of 100 bytes",
        measures=(P50, P99, CPU_PER_MILLION),
        contestants=(
            us("ping-pong"),
            them("with_aiohttp", "ping-pong"),
            them("with_requests", "", reason=HALF_DUPLEX),
            them("with_urllib3", "", reason=HALF_DUPLEX),
            them("with_httpx", "", reason=HALF_DUPLEX),
            them("with_pycurl", "", reason="a callback that waits stops both directions"),
            them("node", "", reason="version 0.26.1 has no inout"),
            them("old_client", "", reason="has no inout"),
            them("raw_socket", "ping-pong"),
        ),
        scene=repeated(server),
        first=500,
        fixed=5000,
        targets=(
            Target(measure=P50, bound=1.3, text="the raw socket", against=limit),
            Target(measure=P99, bound=1.3, text="the raw socket", against=limit),
        ),
    )


def _json_calls(server: Server) -> Case:
    session, typescript = called("requests, Session"), called("TypeScript")
    pool = called("PoolManager")
    return Case(
        name="json-calls",
        title="JSON calls (`get_version`)",
        measures=(CALLS, CPU_PER_MILLION, MEMORY),
        contestants=(*CALLERS, them("raw_socket", "calls")),
        scene=repeated(server),
        first=200,
        targets=(
            Target(measure=CALLS, bound=0.95, text="a bare requests.Session", against=session),
            Target(measure=CALLS, bound=1.0, text="the TypeScript client", against=typescript),
            Target(measure=CALLS, bound=0.9, text="urllib3", against=pool),
        ),
    )


def _first_byte(server: Server) -> Case:
    return Case(
        name="first-byte",
        title="From the hub's write into the user's loop",
        measures=(P50, P99),
        contestants=(
            us("delays"),
            them("with_requests", "delays", "iter_lines(65536)"),
            them("with_urllib3", "delays", "for line in response"),
            them("with_httpx", "delays", "iter_lines()"),
            them("with_aiohttp", "delays", "async for line in content"),
            them("with_pycurl", "delays", "WRITEFUNCTION"),
            them("node", "delays"),
            them("old_client", "", reason=NO_OUTPUTS),
            them("raw_socket", "delays"),
        ),
        scene=repeated(server, "gap-2000"),
        first=100,
        fixed=500,
        turns=3,
        targets=(Target(measure=P50, bound=1.2, text="the raw socket", against=limit),),
        note="The server writes a line every 2 ms.",
    )


def round_trip_cases(server: Server) -> list[Case]:
    """Return the cases that wait."""
    return [_ping_pong(server), _json_calls(server), _first_byte(server)]
