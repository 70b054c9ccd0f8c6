"""Measure two commits of this client in turns: `make bench-compare BEFORE=COMMIT`."""

from __future__ import annotations

import argparse
import compileall
import io
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import attrs

from benchmarks import cases, process_cases, tls_cases
from benchmarks.model import US, Case, Contestant, Sample
from benchmarks.peers import ROOT, Peers
from benchmarks.runner import Settings, amount_of, run_turn
from benchmarks.server import Server, serving, serving_tls

WORKING_TREE = "."
"""What stands for the files as they are, instead of a commit."""

CORE = (
    "output-64k", "output-100", "lines-64k", "lines-100", "records", "upload-64k", "upload-100", "ping-pong",
    "json-calls", "tls-output-64k", "tls-lines-100", "tls-lines-64k", "tls-upload-64k", "tls-upload-100",
    "start-answer",
)  # fmt: skip
"""The cases that every large change should leave as quick as they were."""


@attrs.frozen(kw_only=True)
class Compared:
    """What two commits took for a case, turn by turn.

    Attributes:
        name: The case.
        before: A sample of each turn.
        after: As many samples.
    """

    name: str
    before: list[Sample]
    after: list[Sample]

    def ratios(self, figure: str) -> list[float]:
        """Return after / before of each turn, for "cpu" or "seconds"."""
        pairs = zip(self.before, self.after)
        return [getattr(b, figure) / (getattr(a, figure) or 1e-9) for a, b in pairs]

    def slower(self, limit: float) -> bool:
        """Return whether the later commit takes more processor time, by more than a limit."""
        return statistics.median(self.ratios("cpu")) > limit

    def line(self, limit: float) -> str:
        """Return a row of the table."""
        cpu, wall = self.ratios("cpu"), self.ratios("seconds")
        mark = "**slower**" if self.slower(limit) else ""
        cells = (
            self.name,
            f"{statistics.median(cpu):.3f} ({min(cpu):.2f}-{max(cpu):.2f})",
            f"{statistics.median(wall):.3f}",
            mark,
        )
        return f"| {' | '.join(cells)} |"


HEAD = "| case | processor time, after / before | wall clock | |\n|---|---|---|---|"


def checked_out(commit: str, folder: Path) -> Path:
    """Put the package of a commit into a folder of its own, with its bytecode, and return that folder."""
    if commit == WORKING_TREE:
        skip = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "scramjet_client", folder / "scramjet_client", ignore=skip)
    else:
        command = ["git", "archive", "--format=tar", commit, "scramjet_client"]
        packed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(folder)
    compileall.compile_dir(str(folder), quiet=2)
    return folder


def core_cases(server: Server, tls: Server) -> dict[str, Case]:
    """Return the cases that can be compared, by name."""
    every = [
        *cases.output_cases(server),
        *cases.upload_cases(server),
        *cases.round_trip_cases(server),
        *tls_cases.cases(tls),
        *process_cases.starts(server),
    ]
    return {case.name: case for case in every}


def ours(case: Case) -> Contestant:
    """Return this client in a case."""
    return next(each for each in case.contestants if each.name == US)


def compared(
    case: Case, packages: Sequence[Path], settings: Settings, peers: Peers
) -> Iterator[Sample]:
    """Run the turns of a case; gives samples of the earlier and the later commit in turns."""
    both = [attrs.evolve(ours(case), package=str(package)) for package in packages]
    amount = amount_of(case, both[0], settings, peers)
    for turn in range(max(1, round(settings.runs * case.turns))):
        order = (0, 1) if turn % 2 == 0 else (1, 0)
        samples = {n: run_turn(case, both[n], amount, peers, settings.limit) for n in order}
        yield samples[0]
        yield samples[1]


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__)
    parser.add_argument("before", help="the earlier commit")
    parser.add_argument(
        "after", nargs="?", default=WORKING_TREE, help="the later one; the files as they are"
    )
    parser.add_argument("--cases", nargs="+", default=CORE, help=f"of {', '.join(CORE)}")
    parser.add_argument("--runs", type=int, default=9, help="turns of each")
    parser.add_argument("--seconds", type=float, default=0.5, help="about how long a turn takes")
    parser.add_argument(
        "--limit", type=float, default=1.03, help="the ratio from which on a case is slower"
    )
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> None:
    """Run what the command line says; exit with 1 if a case has become slower."""
    options = _arguments(given)
    settings = Settings(runs=options.runs, seconds=options.seconds)
    slower = []
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        packages = []
        for number, commit in enumerate((options.before, options.after)):
            place = folder / str(number)
            place.mkdir()
            packages.append(checked_out(commit, place))
        server = stack.enter_context(serving(folder))
        every = core_cases(server, stack.enter_context(serving_tls(folder)))
        if unknown := sorted(set(options.cases) - set(every)):
            sys.exit(f"there is no case {unknown[0]!r}: {', '.join(every)}")
        peers = Peers(server, folder, install=False)
        print(
            f"{options.before} and {options.after}: medians of turns (smallest-largest)\n\n{HEAD}"
        )
        for case in options.cases:
            samples = list(compared(every[case], packages, settings, peers))
            result = Compared(name=case, before=samples[::2], after=samples[1::2])
            print(result.line(options.limit), flush=True)
            slower += [case] if result.slower(options.limit) else []
    if slower:
        sys.exit(f"slower: {', '.join(slower)}")


if __name__ == "__main__":
    main()
