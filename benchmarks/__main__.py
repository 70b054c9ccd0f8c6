"""Measure everything beside its peers: `make bench`, or `python -m benchmarks --help`."""

from __future__ import annotations

import argparse
import compileall
import json
import resource
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import attrs

from benchmarks import (
    cases,
    far_cases,
    hub_cases,
    machine,
    many_cases,
    plots,
    process_cases,
    real_hub,
    report,
    tls_cases,
)
from benchmarks.model import Case, Result
from benchmarks.peers import ROOT, Peers
from benchmarks.runner import Settings, run_case
from benchmarks.server import Server, serving, serving_tls

OUT = ROOT / "build" / "benchmarks"


def all_cases(stack: ExitStack, server: Server, tls: Server, *, full: bool) -> list[Case]:
    """Return every case, in the order of the report; what they start is ended by the stack."""
    stage = stack.enter_context(closing(real_hub.Stage()))
    hubs = stack.enter_context(closing(hub_cases.Hubs()))
    far = stack.enter_context(far_cases.far(tls))
    return [
        *cases.output_cases(server),
        *cases.upload_cases(server),
        *cases.round_trip_cases(server),
        *tls_cases.cases(tls),
        *many_cases.cases(server, tls),
        many_cases.uploads(server),
        *far_cases.cases(tls, far),
        *process_cases.starts(server),
        *process_cases.memory(server, 10**10 if full else 2 * 10**9),
        process_cases.local_hub(),
        *hub_cases.cases(hubs),
        process_cases.saving(),
        *real_hub.cases(stage),
    ]


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "cases", nargs="*", help="names of cases, or how they begin; none means all"
    )
    parser.add_argument("--list", action="store_true", help="print the names of the cases")
    parser.add_argument("--quick", action="store_true", help="one small turn each: does it work?")
    parser.add_argument("--full", action="store_true", help="10 GB for memory, instead of 2")
    parser.add_argument("--runs", type=int, default=5, help="turns of each contestant")
    parser.add_argument("--seconds", type=float, default=1.0, help="about how long a turn takes")
    parser.add_argument(
        "--only", action="append", default=[], help="part of the name of a contestant"
    )
    parser.add_argument(
        "--before",
        metavar="FOLDER",
        help="folder with another scramjet_client, to be measured beside this one",
    )
    parser.add_argument("--out", type=Path, default=OUT, help="folder for results.md and .json")
    parser.add_argument(
        "--write", action="store_true", help="put the results into docs/performance.md"
    )
    parser.add_argument(
        "--without",
        action="append",
        default=[],
        help="how the names of cases begin that are left out",
    )
    parser.add_argument("--no-install", action="store_true", help="compare with what is there")
    parser.add_argument("--python-server", action="store_true", help="do without a C compiler")
    options = parser.parse_args(given)
    if options.write and (options.cases or options.only or options.quick or options.before):
        parser.error("--write is for a whole run, so that all figures are of one")
    return options


def _chosen(every: list[Case], names: Sequence[str]) -> list[Case]:
    for name in names:
        if not any(case.name.startswith(name) for case in every):
            sys.exit(f"there is no case {name!r}: {', '.join(case.name for case in every)}")
    return [case for case in every if not names or case.name.startswith(tuple(names))]


def _with_before(case: Case, folder: str) -> Case:
    """Return a case in which this client takes part twice."""
    contestants = []
    for each in case.contestants:
        contestants.append(each)
        if each.kind == "this":
            name = f"{each.name} in {folder}"
            contestants.append(attrs.evolve(each, name=name, package=str(Path(folder).resolve())))
    return attrs.evolve(case, contestants=tuple(contestants))


def _allow_many_sockets() -> None:
    """Raise this process's limit of open files, which those that it starts inherit."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _save(
    results: list[Result], facts: dict[str, str], runs: int, options: argparse.Namespace
) -> None:
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    text = report.document(results, facts, runs)
    (out / "results.md").write_text(text, "utf-8")
    values = report.as_json(results, facts)
    (out / "results.json").write_text(json.dumps(values, indent=1), "utf-8")
    try:
        plots.drawn(results, out)
        plots.overview(values, out)
    except ImportError as error:
        _say(f"no plots: {error}")
    _say(f"\nwritten to {out}")
    if any(result.failures for result in results):
        sys.exit("some contestants failed")
    if options.write:
        report.publish(text, plots.drawn(results, report.IMAGES))
        plots.overview(values, report.IMAGES)


def main(given: Sequence[str] | None = None) -> None:
    """Run what the command line says."""
    options = _arguments(given)
    settings = Settings(
        runs=1 if options.quick else options.runs,
        seconds=None if options.quick else options.seconds,
        only=tuple(options.only),
        limit=60 if options.quick else 900,
    )
    _allow_many_sockets()
    compileall.compile_dir(str(ROOT / "scramjet_client"), quiet=2)
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        server = stack.enter_context(serving(folder, program=not options.python_server))
        tls = stack.enter_context(serving_tls(folder, program=not options.python_server))
        every = all_cases(stack, server, tls, full=options.full)
        if options.list:
            print("\n".join(f"{case.name:16} {case.title}" for case in every))
            return
        facts = machine.described(server)
        peers = Peers(server, folder, install=not options.no_install)
        results: list[Result] = []
        every = [case for case in every if not case.name.startswith(tuple(options.without))]
        for chosen in _chosen(every, options.cases):
            case = _with_before(chosen, options.before) if options.before else chosen
            results.append(run_case(case, settings, peers, _say))
            done = results[-1]
            print(
                f"\n### {case.title}\n\n{report.table(done)}\n\n{report.verdicts(done)}", flush=True
            )
    facts["load"] = f"{machine.load()} at the end, over 15 minutes; a run by itself makes about 1.5"
    _save(results, facts, settings.runs, options)


if __name__ == "__main__":
    main()
