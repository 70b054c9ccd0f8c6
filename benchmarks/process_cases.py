"""The cases that are about a process: its start, its memory, and the embedded hub's start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.cases import expect
from benchmarks.contestants import Job
from benchmarks.line_up import called, them
from benchmarks.model import (
    CPU_EACH,
    GROWTH,
    MEGABYTES,
    MEMORY,
    MILLISECONDS_EACH,
    P50_MS,
    P99_MS,
    US,
    Case,
    Contestant,
    Kind,
    Scene,
    Target,
    Turn,
)
from benchmarks.server import Server


@contextmanager
def _nothing(amount: int) -> Iterator[Turn]:
    """The scene of what needs no server."""
    yield Turn(Job("", "", 0, amount, {}), amount)


def _long_output(server: Server, *, slow: bool) -> Scene:
    @contextmanager
    def scene(amount: int) -> Iterator[Turn]:
        def finish(printed: dict[str, Any]) -> None:
            expect("bytes", printed["bytes"], amount)

        base = server.base(f"chunk-65536.total-{amount}")
        yield Turn(
            Job(base, "bench", 65536, amount, {**server.options, "slow": slow}), amount, finish
        )

    return scene


def _whole(server: Server) -> Scene:
    """Return the scene of processes that each ask a hub something; the amount is how many."""

    @contextmanager
    def scene(amount: int) -> Iterator[Turn]:
        yield Turn(Job(server.base(), "bench", 0, amount, server.options), amount)

    return scene


def _process(name: str, way: str, kind: Kind = "python") -> Contestant:
    return Contestant(name=name, kind=kind, module="whole", way=way)


def starts(server: Server) -> list[Case]:
    """Return the cases of whole processes, from the interpreter's start to its end."""
    itself = _process("Python itself", "nothing", "limit")

    def case(name: str, title: str, *contestants: Contestant, target: Target) -> Case:
        return Case(
            name=f"start-{name}",
            title=f"A whole process: {title}",
            measures=(CPU_EACH, MILLISECONDS_EACH),
            contestants=(*contestants, itself),
            scene=_whole(server),
            first=3,
            fixed=3,
            targets=(target,),
            note="From the interpreter's start to its end, with the bytecode there.",
        )

    def beside_requests(bound: float) -> Target:
        return Target(measure=CPU_EACH, bound=bound, text="requests", against=called("requests"))

    others = ("requests", "urllib3", "httpx", "aiohttp")
    return [
        case(
            "answer",
            "import, and one answer of the hub",
            _process(US, "ours", "this"),
            *(_process(name, name) for name in others),
            _process("pycurl", "pycurl", "c"),
            target=beside_requests(1.2),
        ),
        case(
            "help",
            "`scramjet --help`",
            _process(US, "help", "this"),
            target=Target(measure=CPU_EACH, bound=100, text="ms", against=None),
        ),
        case(
            "list",
            "`scramjet inst list`",
            _process(US, "list", "this"),
            _process("a script with requests", "requests-list"),
            target=beside_requests(1.2),
        ),
    ]


def memory(server: Server, size: int) -> list[Case]:
    """Return the cases of a long output, read fast and slowly."""
    return [
        Case(
            name=f"memory-{pace}",
            title=f"Memory, {size / 1e9:.0f} GB through one stream, {pace} reader",
            measures=(GROWTH, MEMORY, MEGABYTES),
            contestants=(
                Contestant(name=US, kind="this", module="this_client", way="memory"),
                them("with_requests", "memory", "iter_content(65536)"),
                them("with_aiohttp", "memory", "iter_chunked(65536)"),
            ),
            scene=_long_output(server, slow=pace == "slow"),
            first=64 << 20,
            fixed=size // 65536 * 65536,
            turns=1 / 5,
            targets=(Target(measure=GROWTH, bound=10, text="MB", against=None),),
            note="Growth is that of the memory in use between the first 16 MiB and any later moment. The slow reader "
            "stops for a second at first, and then for 20 ms after each 16 MiB: the server is always ahead of it.",
        )
        for pace in ("fast", "slow")
    ]


def local_hub() -> Case:
    """Return the case of LocalHub's start; nobody else has one."""
    return Case(
        name="local-hub",
        title="LocalHub, start",
        measures=(P50_MS, P99_MS),
        contestants=(
            Contestant(name=f"{US}, a hub to its first answer", kind="this", module="local_hub", way="hub"),
            Contestant(name=f"{US}, an instance", kind="this", module="local_hub", way="instance"),
        ),
        scene=_nothing,
        first=2,
        fixed=10,
        note="The import of the package is left out.",
    )  # fmt: skip


def saving() -> Case:
    """Return the case of a save in an editor."""
    return Case(
        name="save",
        title="From a saved file to the first output of the new version",
        measures=(P50_MS, P99_MS),
        contestants=(
            Contestant(name=f"{US}, `scramjet dev`", kind="this", module="saving", way="dev"),
            Contestant(name="`flask --debug run`", kind="python", module="saving", way="flask"),
            Contestant(name="nodemon", kind="node", module="saving", way="nodemon"),
        ),
        scene=_nothing,
        first=2,
        fixed=10,
        targets=(Target(measure=P50_MS, bound=1000, text="ms", against=None),),
        note="The program is sent to a LocalHub, started and read each time; the other two start a server's process. "
        "A save is followed by 0.3 s of rest.",
    )
