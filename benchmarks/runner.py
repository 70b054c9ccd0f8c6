"""Run the cases: each contestant in a process of its own, turn by turn."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import attrs

from benchmarks.model import Case, Contestant, Result, Sample, Turn
from benchmarks.peers import Peers

_TAIL = 8
"""Lines that are shown of what a contestant printed when it failed."""

_ENOUGH = 0.2
"""The part of the wanted time that a first turn has to take before it is believed."""


class Failed(Exception):
    """A contestant failed, or did not do what was asked of it."""


@attrs.frozen(kw_only=True)
class Settings:
    """How to run.

    Attributes:
        runs: Turns of each contestant.
        seconds: About how long a turn should take; None means that each does the first amount only.
        limit: Seconds after which a turn has failed; only a contestant that hangs uses them up.
        only: Parts of the names of the contestants that are to run; empty means all.
    """

    runs: int = 5
    seconds: float | None = 1.0
    only: tuple[str, ...] = ()
    limit: float = 900

    def wants(self, contestant: Contestant) -> bool:
        """Say whether a contestant is to run."""
        return not self.only or any(part in contestant.name for part in self.only)


def run_turn(
    case: Case, contestant: Contestant, amount: int, peers: Peers, limit: float = 900
) -> Sample:
    """Run one turn.

    Raises:
        Failed: It did not do what was asked of it; the text says what it printed.
    """
    with case.scene(amount) as turn:
        command = peers.command(contestant, turn.job)
        environment = peers.environment(contestant, turn.job)
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=limit,
                cwd=peers.folder, env=environment,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise Failed(
                f"{contestant.name} in {case.name} did not end in {limit:.0f} s"
            ) from error
        if done.returncode != 0:
            raise Failed(f"{contestant.name} failed in {case.name}:\n{done.stderr[-4000:]}")
        printed = json.loads(done.stdout.strip().splitlines()[-1])
        turn.finish(printed)
    return _sample(turn, printed)


def _sample(turn: Turn, printed: dict[str, object]) -> Sample:
    def number(name: str) -> float:
        value = printed.get(name, 0)
        assert isinstance(value, (int, float))
        return value

    waits = printed.get("waits") or []
    notes = printed.get("notes") or {}
    assert isinstance(waits, list)
    assert isinstance(notes, dict)
    return Sample(
        seconds=number("seconds"),
        cpu=number("cpu_user") + number("cpu_system"),
        amount=turn.amount,
        memory=int(number("memory")),
        waits=tuple(wait / 1000 for wait in waits),
        notes=notes,
    )


def amount_of(case: Case, contestant: Contestant, settings: Settings, peers: Peers) -> int:
    """Return how much a contestant moves in about `seconds`, by trying; that warms things up too."""
    amount, seconds = case.first, settings.seconds
    if seconds is None:
        return amount
    if case.fixed is not None:
        run_turn(case, contestant, amount, peers, settings.limit)
        return case.fixed
    while True:
        sample = run_turn(case, contestant, amount, peers, settings.limit)
        wanted = amount * seconds / sample.seconds
        if sample.seconds >= seconds * _ENOUGH:
            return max(case.step, round(wanted / case.step) * case.step)
        # A short turn tells little: go on in steps, so that its error is not multiplied.
        amount = max(case.step, round(min(wanted, amount * 20) / case.step) * case.step)


def run_case(case: Case, settings: Settings, peers: Peers, say: Callable[[str], None]) -> Result:
    """Run a case: the contestants take turns, so that a busy moment of the machine hits all of them."""
    result = Result(case)
    amounts: dict[str, int] = {}
    for contestant in case.contestants:
        if not settings.wants(contestant):
            continue
        reason = contestant.reason or peers.missing(contestant)
        if reason:
            result.reasons[contestant.name] = reason
            continue
        with _failures_noted(result, contestant, say):
            amounts[contestant.name] = amount_of(case, contestant, settings, peers)
            result.samples[contestant.name] = []
    turns = max(1, round(settings.runs * case.turns)) if settings.seconds is not None else 1
    for number in range(turns):
        say(f"{case.name}: turn {number + 1} of {turns}")
        for contestant in case.contestants:
            if contestant.name in result.samples:
                with _failures_noted(result, contestant, say):
                    sample = run_turn(
                        case, contestant, amounts[contestant.name], peers, settings.limit
                    )
                    result.samples[contestant.name].append(sample)
    return result


@contextmanager
def _failures_noted(
    result: Result, contestant: Contestant, say: Callable[[str], None]
) -> Iterator[None]:
    """Let the others go on when one fails, and take what it has done before out of the result."""
    try:
        yield
    except Failed as error:
        say("\n".join(str(error).strip().splitlines()[-_TAIL:]))
        result.samples.pop(contestant.name, None)
        result.failures[contestant.name] = str(error).strip().splitlines()[-1]
