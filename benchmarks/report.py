"""Tables in Markdown, and everything as JSON."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from benchmarks.model import US, Case, Contestant, Measure, Result, Target

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "performance.md"
IMAGES = ROOT / "docs" / "images"

_BEGIN = "<!-- What follows is written by `make bench ARGS=--write`. -->\n"
_END = "<!-- What comes before is written by `make bench ARGS=--write`. -->\n"


@attrs.frozen(kw_only=True)
class Verdict:
    """What became of a target.

    Attributes:
        text: What was wanted, and what was measured.
        reached: Whether it was; None if it could not be said.
    """

    text: str
    reached: bool | None

    @property
    def word(self) -> str:
        """What became of it, in a word."""
        return {True: "reached", False: "**not reached**", None: "not measured"}[self.reached]

    def __str__(self) -> str:
        return f"{self.text}: {self.word}"


def number(value: float, digits: int) -> str:
    """Return a figure as tables show it."""
    return f"{value:,.{digits}f}"


def _cell(result: Result, name: str, measure: Measure) -> str:
    values = result.values(name, measure)
    low, middle, high = min(values), statistics.median(values), max(values)
    digits = measure.digits
    return f"{number(middle, digits)} ({number(low, digits)}-{number(high, digits)})"


def _ratio(result: Result, name: str, measure: Measure) -> str:
    """Return how many times as much as this client's a figure is."""
    if not result.samples.get(US):
        return ""
    ours = result.median(US, measure)
    return f"{result.median(name, measure) / ours:.2f}" if ours else ""


def _rows(result: Result) -> Iterator[tuple[Contestant, list[str]]]:
    case = result.case
    first = case.measures[0]
    ran = [each for each in case.contestants if each.name in result.samples]
    ran.sort(key=lambda each: result.median(each.name, first), reverse=first.more_is_better)
    for each in ran:
        cells = [_cell(result, each.name, measure) for measure in case.measures]
        yield each, [cells[0], _ratio(result, each.name, first), *cells[1:]]


def table(result: Result) -> str:
    """Return the table of a case, with its note below."""
    case = result.case
    heads = [case.measures[0].title, "ratio", *(each.title for each in case.measures[1:])]
    lines = [f"| | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for contestant, cells in _rows(result):
        name = f"**{contestant.name}**" if contestant.name == US else contestant.name
        lines.append(f"| {name} | {' | '.join(cells)} |")
    missing = {name: f"can't: {reason}" for name, reason in result.reasons.items()}
    missing.update({name: f"**failed**: {text}" for name, text in result.failures.items()})
    lines += [f"| {name} | {text} |{' |' * (len(heads) - 1)}" for name, text in missing.items()]
    return "\n".join([*lines, *(["", case.note] if case.note else [])])


def verdicts(result: Result) -> str:
    """Return what became of the targets of a case, a line each; `summary` has them in the report."""
    return "\n".join(f"- {verdict}." for verdict in judged(result))


def judged(result: Result) -> list[Verdict]:
    """Return what became of the targets of a case."""
    if not result.samples.get(US):
        return []
    return [_judged(result, target) for target in result.case.targets]


def _judged(result: Result, target: Target) -> Verdict:
    measure = target.measure
    ours = result.median(US, measure)
    more = measure.more_is_better
    sign = ">=" if more else "<="
    what = measure.title.split()[0] + " " if not more else ""
    if target.against is None:
        reached = ours >= target.bound if more else ours <= target.bound
        wanted = f"{what}{sign} {target.bound:g} {target.text}"
        return Verdict(text=f"{wanted}, measured {number(ours, measure.digits)}", reached=reached)
    wanted = f"{what}{sign} {target.bound:g} x {target.text}"
    best = result.best(_judging(result.case, measure), target.against)
    if best is None:
        return Verdict(text=wanted, reached=None)
    ratio = ours / result.median(best, measure)
    measured = f"measured {ratio:.2f}"
    by_cpu = _cpu_ratio(result, best) if more else None
    if by_cpu is not None:
        # It depends less on what else the machine does.
        measured, ratio = (
            f"measured {by_cpu:.2f} by processor time, {ratio:.2f} by the clock",
            by_cpu,
        )
    reached = ratio >= target.bound if more else ratio <= target.bound
    return Verdict(text=f"{wanted} ({best}), {measured}", reached=reached)


def _judging(case: Case, measure: Measure) -> Measure:
    """Return the figure that decides: where a rate is compared, the processor time."""
    if measure.more_is_better:
        return next((each for each in case.measures if each.title.startswith("CPU")), measure)
    return measure


def _cpu_ratio(result: Result, other: str) -> float | None:
    """Return how many times as much is done with the same processor time, or None where that is no figure."""
    for measure in result.case.measures:
        if measure.title.startswith("CPU"):
            ours = result.median(US, measure)
            return result.median(other, measure) / ours if ours else None
    return None


def document(results: list[Result], machine: Mapping[str, str], runs: int) -> str:
    """Return the whole report, from third-level headings down."""
    facts = "\n".join(f"- {name}: {value}" for name, value in machine.items())
    sections = [f"Median (minimum-maximum) of {runs} turns.\n\n{facts}", summary(results)]
    sections += [f"### {result.case.title}\n\n{table(result)}" for result in results]
    return "\n\n".join(sections) + "\n"


def as_json(results: list[Result], machine: Mapping[str, str]) -> dict[str, Any]:
    """Return everything that was measured."""
    return {
        "machine": dict(machine),
        "cases": [
            {
                "name": result.case.name,
                "title": result.case.title,
                "targets": [attrs.asdict(verdict) for verdict in judged(result)],
                "reasons": result.reasons,
                "failures": result.failures,
                "contestants": {
                    name: {
                        measure.title: [measure.of(sample) for sample in samples]
                        for measure in result.case.measures
                    }
                    for name, samples in result.samples.items()
                },
                "notes": {
                    name: [sample.notes for sample in samples]
                    for name, samples in result.samples.items()
                    if any(sample.notes for sample in samples)
                },
            }
            for result in results
        ],
    }


def summary(results: list[Result]) -> str:
    """Return a table of all targets, and what became of them."""
    rows = [
        f"| {result.case.title} | {verdict.text} | {verdict.word} |"
        for result in results
        for verdict in judged(result)
    ]
    return "\n".join(["| case | wanted, measured | |", "|---|---|---|", *rows])


def publish(text: str, images: Sequence[Path], document: Path = DOCUMENT) -> None:
    """Put a report and its plots into a page, docs/performance.md, in the place of the last one."""
    page = document.read_text("utf-8")
    before, begin, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"{document} has lost the marks between which the results stand")
    pictures = "\n".join(
        f"![{path.stem.replace('-', ' ')}](images/{path.name})\n" for path in images
    )
    document.write_text(f"{before}{begin}\n{pictures}\n{text}\n{end}{after}", "utf-8")
