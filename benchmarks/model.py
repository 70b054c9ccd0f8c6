"""What is measured: cases, the contestants of each, what they took, and what was wanted."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal

import attrs

from benchmarks.contestants import Job

Kind = Literal["this", "limit", "server", "python", "c", "node"]
"""This client; a raw socket; the server alone; a client in Python; one in C with a binding; one on Node.js."""

US = "scramjet_client"


@attrs.frozen(kw_only=True)
class Contestant:
    """One way to do a case.

    Attributes:
        name: How tables call it.
        kind: What sort of thing it is.
        module: Module of `benchmarks.contestants`, or what stands for it on Node.js or in C.
        way: What to run there.
        reason: Why it can't do the case; then nothing is run.
        package: Folder that this client is imported from, where it is not this one.
    """

    name: str
    kind: Kind
    module: str
    way: str
    reason: str = ""
    package: str = ""


@attrs.frozen(kw_only=True)
class Sample:
    """What one turn took.

    Attributes:
        seconds: Wall-clock time.
        cpu: Seconds of the client process on a processor, in user and system mode.
        amount: Bytes or items.
        memory: The most bytes of memory that the process used.
        waits: Microseconds of each round trip or delay.
        notes: Other figures, by name.
    """

    seconds: float
    cpu: float
    amount: int
    memory: int = 0
    waits: tuple[float, ...] = ()
    notes: dict[str, float] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Measure:
    """A figure that a table shows.

    Attributes:
        title: Head of its column.
        of: Computes it of a sample.
        more_is_better: Which of two is the better one.
        digits: After the point.
    """

    title: str
    of: Callable[[Sample], float]
    more_is_better: bool = False
    digits: int = 1


def _percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


MEGABYTES = Measure(
    title="MB/s", of=lambda s: s.amount / s.seconds / 1e6, more_is_better=True, digits=0
)
MILLIONS = Measure(
    title="M/s", of=lambda s: s.amount / s.seconds / 1e6, more_is_better=True, digits=3
)
CALLS = Measure(title="calls/s", of=lambda s: s.amount / s.seconds, more_is_better=True, digits=0)
CPU_PER_GB = Measure(title="CPU s/GB", of=lambda s: s.cpu / s.amount * 1e9, digits=3)
CPU_PER_MILLION = Measure(title="CPU s/M", of=lambda s: s.cpu / s.amount * 1e6, digits=3)
MEMORY = Measure(title="peak MB", of=lambda s: s.memory / 1e6, digits=0)
P50 = Measure(title="p50 µs", of=lambda s: _percentile(s.waits, 0.50))
P99 = Measure(title="p99 µs", of=lambda s: _percentile(s.waits, 0.99))
P50_MS = Measure(title="p50 ms", of=lambda s: _percentile(s.waits, 0.50) / 1e3)
P99_MS = Measure(title="p99 ms", of=lambda s: _percentile(s.waits, 0.99) / 1e3)
GROWTH = Measure(title="growth MB", of=lambda s: s.notes["growth"] / 1e6)
CPU_SECONDS = Measure(title="CPU s", of=lambda s: s.cpu, digits=2)
OPENING = Measure(title="opening", of=lambda s: s.notes["opening_cpu"], digits=2)
FOLLOWING = Measure(title="following", of=lambda s: s.cpu - s.notes["opening_cpu"], digits=2)
PER_STREAM = Measure(title="KiB a stream", of=lambda s: s.notes["bytes_per_stream"] / 1024)
THREADS = Measure(title="threads", of=lambda s: s.notes["threads"], digits=0)
MILLISECONDS_EACH = Measure(title="ms", of=lambda s: s.seconds / s.amount * 1e3)
CPU_EACH = Measure(title="CPU ms", of=lambda s: s.cpu / s.amount * 1e3)
FAR = 0.08
"""Seconds of a round trip to the hub that is far."""
ROUND_TRIPS = Measure(title="trips", of=lambda s: s.seconds / FAR, digits=2)
GROWTH_EACH = Measure(title="KiB each", of=lambda s: s.notes["bytes_each"] / 1024)


@attrs.frozen(kw_only=True)
class Target:
    """What was wanted: a ratio to others in the same run, or a limit.

    Attributes:
        measure: Of which figure.
        bound: The smallest or largest ratio (or value) that reaches it.
        against: Picks the contestants of which the best counts; None means that `bound` is a value.
        text: How to call those.
    """

    measure: Measure
    bound: float
    text: str
    against: Callable[[Contestant], bool] | None


Scene = Callable[[int], "AbstractContextManager[Turn]"]
"""Prepares one turn of some amount; what is left to do after it is done when it is left."""


@attrs.define
class Turn:
    """One turn: the job, and how its result is checked and completed.

    Attributes:
        job: What to do.
        amount: Bytes or items that it moves.
        finish: Called with what the contestant printed, before it becomes a sample; may raise or add.
    """

    job: Job
    amount: int
    finish: Callable[[dict[str, Any]], None] = lambda printed: None


@attrs.frozen(kw_only=True)
class Case:
    """Something to do, and everybody who does it.

    Attributes:
        name: For the command line.
        title: For tables.
        measures: What is shown; the first decides the order of tables and what plots show.
        contestants: Who takes part.
        scene: Prepares a turn.
        first: Bytes or items of the turn by which the amount of the others is found.
        step: Amounts are multiples of it.
        fixed: Amount of every turn; None means as much as takes the time of a turn.
        turns: Times the turns that were asked for: what is quick needs more, what is steady fewer.
        targets: What was wanted.
        note: What else a reader has to know.
    """

    name: str
    title: str
    measures: tuple[Measure, ...]
    contestants: tuple[Contestant, ...]
    scene: Scene
    first: int
    step: int = 1
    fixed: int | None = None
    turns: float = 1
    targets: tuple[Target, ...] = ()
    note: str = ""


@attrs.define
class Result:
    """What a case gave.

    Attributes:
        case: The case.
        samples: By contestant; empty for one that took no part.
        reasons: Why one took no part.
        failures: What went wrong with one that should have.
    """

    case: Case
    samples: dict[str, list[Sample]] = attrs.field(factory=dict)
    reasons: dict[str, str] = attrs.field(factory=dict)
    failures: dict[str, str] = attrs.field(factory=dict)

    def values(self, name: str, measure: Measure) -> list[float]:
        """Return a figure of each turn of a contestant."""
        return [measure.of(sample) for sample in self.samples[name]]

    def median(self, name: str, measure: Measure) -> float:
        """Return the median of a figure over the turns."""
        return statistics.median(self.values(name, measure))

    def best(self, measure: Measure, among: Callable[[Contestant], bool]) -> str | None:
        """Return the name of the best of some contestants, this client left out."""
        names = [
            each.name
            for each in self.case.contestants
            if among(each) and each.name != US and self.samples.get(each.name)
        ]
        pick = max if measure.more_is_better else min
        return pick(names, key=lambda name: self.median(name, measure), default=None)
