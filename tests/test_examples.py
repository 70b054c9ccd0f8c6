"""The scripts of examples/, run as their users run them, on LocalHub and on the real hub: what they say is right."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.cases import mostly_long
from tests.support.real_hub import RealHub
from tests.support.waiting import BUILD_LIMIT

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"

_AT_ONCE = 3


def ship_logs(said: str) -> None:
    log = (EXAMPLES / "data" / "access.log").read_text().splitlines()
    failed = [
        f"line {at}: {found[2]} {found[1]}"
        for at, line in enumerate(log, 1)
        if (found := re.search(r'"(.*)" (5\d\d) ', line))
    ]

    assert len(failed) == 4
    assert said.splitlines() == [*failed, "9267 bytes shipped"]


def transform_files(said: str) -> None:
    files = re.findall(r"^(\w+\.md)$", said, re.MULTILINE)

    assert files == sorted(path.name for path in (ROOT / "docs").glob("p*.md"))
    assert (
        "packages.md\nPackages\n  A function\n    Read lines\n    Values that are secrets\n" in said
    )
    assert "\n  A folder or a file\n  What is left out\n  Requirements\n\nparity.md\n" in said


def chat(said: str) -> None:
    assert said == (
        "> hello\n< hello, stranger\n"
        "> my name is Ada\n< pleased to meet you, Ada\n"
        "> what is my name?\n< it is Ada\n"
        "> add 2 3.5 36.5\n< that is 42\n"
        "> bye\n< bye, Ada\n"
    )


def csv_to_json(said: str) -> None:
    assert len(said.splitlines()) == 8
    assert "Earth     5514 kg/m³\n" in said
    assert "Saturn     687 kg/m³\n" in said


def job_progress(said: str) -> None:
    percents = re.findall(r"(\d+)%", said)

    assert percents == ["20", "40", "60", "80", "100"]
    assert said.endswith("17984 primes below 200000\n")


def watchdog(said: str) -> None:
    assert said == (
        "life 1: it is unhealthy, starting anew\n"
        "life 2: it has ended, starting anew\n"
        "life 3: it is well\n"
    )


def fleet(said: str) -> None:
    assert re.match(r"3 instances have their orders, on [13] hubs\n", said)
    assert "share 1: 100 numbers, 2984950\n" in said
    assert said.endswith("sum of all squares: 8955050\n")


def batch(said: str) -> None:
    measured = dict(line.split(": ", 1) for line in said.splitlines())

    assert list(measured) == ["batch.py", "chat.py", "csv_to_json.py", "access.log"]
    assert re.match(r'\{"functions": ?2, ?"statements": ?33\}', measured["chat.py"])
    assert measured["access.log"] == "failed, SyntaxError"


def tail_many(said: str) -> None:
    assert len(re.findall(r"sensor \d: 2\d degrees\n", said)) > 20
    assert said.endswith(
        "readings: sensor 1 20, sensor 2 20, sensor 3 20, sensor 4 20, sensor 5 20\n"
    )


def deploy_function(said: str) -> None:
    found = re.findall(r'\{"at": ?(\d+), ?"value": ?([\d.]+)\}', said)

    assert found == [("400", "35.5"), ("777", "4.25")]


CHECKS: dict[str, Callable[[str], None]] = {
    each.__name__: each
    for each in (
        ship_logs,
        transform_files,
        chat,
        csv_to_json,
        job_progress,
        watchdog,
        fleet,
        batch,
        tail_many,
        deploy_function,
    )
}


@pytest.fixture(scope="module")
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(_AT_ONCE, "examples") as executor:
        yield executor


@pytest.fixture(scope="module")
def runs(
    request: pytest.FixtureRequest, pool: ThreadPoolExecutor
) -> Iterator[dict[tuple[str, str], Future[str]]]:
    """All runs that the tests of this session want, some at a time: most of them wait most of the time."""
    wanted = [
        (item.callspec.params["hub"], item.callspec.params["name"])
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.originalname == test_example.__name__
    ]
    if any(hub == "real" for hub, _ in wanted):
        with RealHub() as real:
            urls = {"local": [], "real": [real.url]}
            yield {each: pool.submit(_run, each[1], *urls[each[0]]) for each in wanted}
    else:
        yield {each: pool.submit(_run, each[1]) for each in wanted}


def _run(name: str, *urls: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", f"examples/{name}.py", *urls],
        cwd=ROOT,
        capture_output=True,
        check=False,
        timeout=BUILD_LIMIT,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr == b""
    return done.stdout.decode()


RUNS = [
    (name, hub)
    for hub in ("local", "real")
    for name in CHECKS
    # Each of its jobs lives on for 10 s on an old hub; deploy_function tells that `run` works there.
    if (name, hub) != ("batch", "real")
]

ALWAYS = [
    (name, hub) for name, hub in RUNS if hub == "local" or name in ("chat", "deploy_function")
]
"""On a real hub that runs, an example with input and one that sends its own program."""


@pytest.mark.parametrize(("name", "hub"), mostly_long(RUNS, but=ALWAYS))
def test_example(runs: dict[tuple[str, str], Future[str]], name: str, hub: str):
    """It needs no arguments, or the URL of a hub, ends well, and its result is right."""
    CHECKS[name](runs[hub, name].result())


def test_examples_are_short_and_listed():
    """There are ten scripts of fewer than 50 lines, each in the list of examples/README.md and tested here."""
    scripts = {
        path.stem: len(path.read_text().splitlines())
        for path in EXAMPLES.glob("*.py")
        if path.stem not in ("demo", "_common")
    }
    listed = re.findall(r"\[(\w+)\.py\]", (EXAMPLES / "README.md").read_text())

    assert {name: lines for name, lines in scripts.items() if lines >= 50} == {}
    assert sorted(scripts) == sorted(CHECKS)
    assert set(scripts) <= set(listed)
