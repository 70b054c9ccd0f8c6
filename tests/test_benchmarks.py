"""The benchmarks run, count what comes, and write where they should; how quick anything is is not tested."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
import pytest
import requests

from benchmarks import cases, compare, plots, report
from benchmarks.contestants import CrowdWatch, Job
from benchmarks.model import US, Case, Result, Sample, Turn
from benchmarks.peers import Peers
from benchmarks.runner import Settings, run_case
from benchmarks.server import Server, serving
from tests.support.cases import mostly_long

ROOT = Path(__file__).resolve().parent.parent
QUICK = Settings(runs=1, seconds=None, limit=60)


GROUPS = {
    "one of each kind": (["output-100", "lines-100", "upload-100", "ping-pong", "start"], 7),
    "streams": (
        ["output", "lines", "records", "upload", "ping-pong", "json-calls", "first-byte"],
        11,
    ),
    "TLS": (["tls"], 6),
    "far": (["far"], 4),
    "process": (["many", "start", "memory", "local-hub"], 11),
    "hubs": (["hub-"], 4),
    "real hub": (["real"], 6),
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """The benchmark's server."""
    with serving(tmp_path) as running:
        yield running


@pytest.fixture
def peers(server: Server, tmp_path: Path) -> Peers:
    """What is installed."""
    folder = tmp_path / "empty"
    folder.mkdir()
    return Peers(server, folder, install=False)


def case_of(server: Server, name: str) -> Case:
    """Return a case that needs the benchmark's own server alone."""
    every = [
        *cases.output_cases(server),
        *cases.upload_cases(server),
        *cases.round_trip_cases(server),
    ]
    return next(case for case in every if case.name == name)


def ours_alone(case: Case) -> Case:
    """Return a case in which only this client takes part."""
    contestants = tuple(each for each in case.contestants if each.kind == "this")
    return attrs.evolve(case, contestants=contestants)


@pytest.mark.parametrize("group", mostly_long(GROUPS, but={"one of each kind"}))
def test_each_case_works(group: str, tmp_path: Path) -> None:
    """This client can do each case, and nothing less comes than was asked for."""
    names, count = GROUPS[group]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *names, "--quick", "--no-install", "--only", US, "--out", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    found = json.loads((tmp_path / "results.json").read_text())["cases"]

    assert done.returncode == 0, done.stdout + done.stderr
    assert len(found) == count
    assert [case["name"] for case in found if not case["contestants"]] == []


def test_peers_are_measured_in_the_same_run(server: Server, peers: Peers) -> None:
    """A case has this client, its peers and the raw socket, or says why one can't do it."""
    result = run_case(case_of(server, "ping-pong"), QUICK, peers, lambda _text: None)

    assert {US, "aiohttp", "raw socket"} == set(result.samples)
    assert result.reasons["requests"] == "reads no answer before the body is sent"
    assert result.failures == {}


@pytest.mark.parametrize(
    "name", ["output-100", "upload-100", "upload-lone", "ping-pong", "records"]
)
def test_server_in_python(name: str, tmp_path: Path) -> None:
    """Where there is no C compiler, the server in Python does the same."""
    with serving(tmp_path, program=False) as server:
        case = ours_alone(case_of(server, name))
        result = run_case(case, QUICK, Peers(server, tmp_path, install=False), lambda _text: None)

    assert list(result.samples) == [US]


@pytest.mark.parametrize("in_c", [True, False])
def test_lines_of_many_streams_come_by_the_clock(in_c: bool, tmp_path: Path) -> None:
    """Streams begin when all are open, each at a moment of its own, however they were opened, with both servers."""
    gap, behind = 400_000, {7: 18_279, 3: 65_009, 9: 180_808, 1: 236_862, 4: 384_026}
    with serving(tmp_path, program=in_c) as server, requests.Session() as session:
        base = server.base(f"apart.gap-{gap}.crowd-1.total-1")
        answers = {
            number: session.get(f"{base}/instance/bench-{number}/output", stream=True)
            for number in sorted(behind)
        }
        opened = time.monotonic_ns() // 1000
        start = session.get(f"{base}/begin").json()["from"]
        again = session.get(f"{base}/begin").json()["from"]
        sent = {number: int(answer.content[:20]) // 1000 for number, answer in answers.items()}

    assert opened < start == again
    assert all(sent[number] >= start + gap + late for number, late in behind.items())


@pytest.mark.parametrize("in_c", [True, False])
def test_crowds_begin_apart(in_c: bool, tmp_path: Path) -> None:
    """The lines of a crowd whose streams are not all open yet wait while another crowd has its own."""
    with serving(tmp_path, program=in_c) as server, requests.Session() as session:
        first, second = (server.base(f"step.gap-1000.crowd-{n}.total-1") for n in (1, 2))
        waiting = session.get(f"{first}/instance/bench-1/output", stream=True)
        CrowdWatch(Job(second, "bench", 100, 1, {"ca": None})).opened()
        given = session.get(f"{second}/instance/bench-1/output").content
        CrowdWatch(Job(first, "bench", 100, 1, {"ca": None})).opened()

        assert int(given[:20]) < int(waiting.content[:20])


def test_lost_data_is_a_failure(server: Server, peers: Peers) -> None:
    """A contestant with whom less comes than was asked for has failed."""
    case = ours_alone(case_of(server, "lines-100"))

    @contextmanager
    def losing(amount: int) -> Iterator[Turn]:
        with case.scene(amount) as turn, case.scene(amount - 1) as smaller:
            yield attrs.evolve(turn, job=smaller.job)

    lossy = attrs.evolve(case, scene=losing, first=50)
    result = run_case(lossy, QUICK, peers, lambda _text: None)

    assert result.failures == {US: "bytes: 4900 came of 5000"}
    assert result.samples == {}


def test_two_commits_are_compared_in_turns(tmp_path: Path) -> None:
    """A case of the earlier and of the later package is run in turns, and a table has their ratio."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.compare",
        compare.WORKING_TREE,
        compare.WORKING_TREE,
    ]
    options = ["--cases", "output-100", "--runs", "2", "--seconds", "0.02", "--limit", "1000"]
    done = subprocess.run(
        [*command, *options], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(
        r"^\| output-100 \| \d+\.\d{3} \(.*\) \| \d+\.\d{3} \|  \|$", done.stdout, re.M
    )


@pytest.mark.parametrize(("after", "slower"), [(1.02, False), (1.04, True), (0.5, False)])
def test_a_case_is_slower_by_the_median_of_its_pairs(after: float, slower: bool) -> None:
    """Each turn is compared with its own partner, so that a busy moment hits both sides of a ratio."""
    moments = [1.0, 9.0, 2.0]
    result = compare.Compared(
        name="case",
        before=[Sample(seconds=m, cpu=m, amount=1) for m in moments],
        after=[Sample(seconds=m, cpu=m * after, amount=1) for m in moments],
    )

    assert result.slower(1.03) is slower


def test_rates_are_judged_by_processor_time(server: Server) -> None:
    """A rate that a busy machine held down does not decide about a target, if processor time was measured."""
    case = case_of(server, "upload-64k")
    slow, quick = Sample(seconds=9, cpu=1, amount=10**9), Sample(seconds=1, cpu=2, amount=10**9)
    result = Result(case, samples={US: [slow], "requests, data=generator": [quick]})

    assert [verdict.reached for verdict in report.judged(result)] == [True, True]


def test_the_overview_needs_this_client_and_requests() -> None:
    """The first picture of the page has the cases in which both took part, each at its best."""
    ways = {
        "requests, data=generator": {"CPU s/GB": [2.0, 4.0, 3.0]},
        "requests, data=file": {"CPU s/GB": [5.0]},
    }
    both = {"name": "upload-64k", "contestants": {US: {"CPU s/GB": [1.0]}, **ways}}
    alone = {"name": "upload-100", "contestants": {US: {"CPU s/GB": [1.0]}}}

    rows = plots.overview_rows({"cases": [both, alone]})

    assert rows == {"upload-64k": {US: 1.0, "requests": 3.0}}


def test_results_replace_the_last_ones(tmp_path: Path) -> None:
    """Writing into the page replaces what stands between the marks, and nothing else."""
    page = tmp_path / "page.md"
    page.write_text(report.DOCUMENT.read_text("utf-8"), "utf-8")
    before = page.read_text("utf-8").partition("<!--")[0]
    report.publish("first results\n", [], page)
    report.publish("second results\n", [tmp_path / "reading.svg"], page)
    text = page.read_text("utf-8")

    assert text.startswith(before)
    assert "second results" in text
    assert "![reading](images/reading.svg)" in text
    assert "first results" not in text
