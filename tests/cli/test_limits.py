"""Streams that end after a time, and the lines of a log that people see; each command is a process of its own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from scramjet_client.hub import LocalHub
from tests.cli.conftest import Started, run

STREAMS = [
    ["inst", "output", "ID"],
    ["inst", "stdout", "ID"],
    ["inst", "stderr", "ID"],
    ["inst", "log", "-f", "ID"],
    ["inst", "events", "ID", "name"],
    ["inst", "inout", "ID", "--no-end"],
    ["inst", "attach", "ID", "--no-stdin"],
    ["hub", "log", "-f"],
    ["topic", "get", "limited"],
]


def line_of(stream: list[str], id: str) -> list[str]:
    """Return the command line for an instance."""
    return [id if each == "ID" else each for each in stream]


@pytest.mark.parametrize("stream", STREAMS, ids=" ".join)
def test_timeout_ends_a_stream(start: Started, env: dict[str, str], stream: list[str]):
    """Every verb that follows a stream ends well after `--timeout` seconds, though the stream goes on."""
    id = start("idle").id

    done = run([*line_of(stream, id), "--timeout", "1"], env, stdin=subprocess.DEVNULL)

    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize(
    "given",
    [
        ["inst", "output", "ID", "--limit", "1"],
        ["inst", "output", "ID", "--seconds", "1"],
        ["--timeout", "1", "inst", "output", "ID"],
        ["inst", "--timeout", "1", "output", "ID"],
    ],
    ids=" ".join,
)
def test_words_for_the_limit(start: Started, env: dict[str, str], given: list[str]):
    """The limit has the names of other verbs and tools, and may stand in front of the verb."""
    assert run(line_of(given, start("idle").id), env).code == 0


def test_the_variable_limits_no_stream(start: Started, env: dict[str, str]):
    """SCRAMJET_TIMEOUT is for answers: a program that is silent for longer is heard."""
    instance = start("echo")
    done = run(
        ["inst", "inout", instance.id, "-"], {**env, "SCRAMJET_TIMEOUT": "5"}, input=b"said\n"
    )

    assert (done.code, done.out) == (0, b"said\n")


@pytest.mark.parametrize("stream", STREAMS, ids=" ".join)
def test_help_lists_the_limit(env: dict[str, str], stream: list[str]):
    """The help of every such verb has the option."""
    assert "--timeout" in run([*stream[:2], "--help"], env).text


def test_output_of_a_run_goes_to_a_file(env: dict[str, str], folders: Path, tmp_path: Path):
    """`seq run -o` is as `inst output -o`: the output is in the file, stdout stays stdout."""
    target = tmp_path / "out"

    done = run(["seq", "run", folders / "many.py", "-o", target], env, stdin=subprocess.DEVNULL)

    assert (done.code, done.out) == (0, b"on stdout\n")
    assert target.read_bytes() == b"on output\n"


def test_people_do_not_see_the_looks_of_clients(start: Started, env: dict[str, str]):
    """The records of `Get info` are left out for people; `--all` and `--json` show them."""
    found = {}
    for option in ("", "--all", "--json"):
        instance = start("many")
        instance.wait(60)
        for _ in range(3):
            instance.get_info()
        options = [option] if option else []
        found[option] = run(["inst", "log", instance.id, *options], env).text

    assert "a word" in found[""]
    assert "Get info" not in found[""]
    assert "Get info" in found["--all"]
    assert any(
        json.loads(each)["msg"].startswith("Get info") for each in found["--json"].splitlines()
    )


@pytest.mark.parametrize("level", ["info", "INFO", "Warn"])
def test_level_of_a_log(start: Started, env: dict[str, str], level: str):
    """`--level` leaves out the records below it, in any case of letters."""
    instance = start("many")
    instance.wait(60)

    said = run(["inst", "log", instance.id, "--level", level], env).text

    assert "DEBUG" not in said
    assert ("a word" in said) == (level.upper() == "INFO")


def test_lines_are_lines_shown(start: Started, env: dict[str, str]):
    """`-n` counts the lines that are shown, not those that are left out."""
    instance = start("many")
    instance.wait(60)

    said = run(["inst", "log", instance.id, "--level", "info", "-n", "1"], env).text

    assert len(said.splitlines()) == 1
    assert " INFO " in said


def test_no_such_level(hub: LocalHub, env: dict[str, str]):
    """A level that nobody knows is a wrong use, and the known ones are named."""
    done = run(["hub", "log", "--level", "loud"], env)

    assert done.code == 2
    assert "warn" in done.err.lower()
