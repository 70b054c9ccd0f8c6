"""Streams that end after a time, each of a command in a process of its own, and the lines of a log that people see."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from scramjet_client import HostClient
from scramjet_client.cli._options import follows
from tests.cli.conftest import Command, Started, run
from tests.support.cases import mostly_long

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
def test_words_for_the_limit(start: Started, scramjet: Command, given: list[str]):
    """The limit has the names of other verbs and tools, and may stand in front of the verb."""
    scramjet(*line_of(given, start("idle").id))


def test_the_variable_limits_no_stream(start: Started, env: dict[str, str]):
    """SCRAMJET_TIMEOUT is for answers: a program that is silent for longer is heard."""
    instance = start("echo")
    done = run(
        ["inst", "inout", instance.id, "-"], {**env, "SCRAMJET_TIMEOUT": "5"}, input=b"said\n"
    )

    assert (done.code, done.out) == (0, b"said\n")


@pytest.mark.parametrize("stream", STREAMS, ids=" ".join)
def test_help_lists_the_limit(scramjet: Command, stream: list[str]):
    """The help of every such verb has the option."""
    assert "--timeout" in scramjet(*stream[:2], "--help").text


def test_output_of_a_run_goes_to_a_file(env: dict[str, str], folders: Path, tmp_path: Path):
    """`seq run -o` is as `inst output -o`: the output is in the file, stdout stays stdout."""
    target = tmp_path / "out"

    done = run(["seq", "run", folders / "many.py", "-o", target], env, stdin=subprocess.DEVNULL)

    assert (done.code, done.out) == (0, b"on stdout\n")
    assert target.read_bytes() == b"on output\n"


def test_people_do_not_see_the_looks_of_clients(start: Started, scramjet: Command):
    """The records of `Get info` are left out for people; `--all` and `--json` show them."""
    found = {}
    for option in ("", "--all", "--json"):
        instance = start("many")
        instance.wait(60)
        for _ in range(3):
            instance.get_info()
        options = [option] if option else []
        found[option] = scramjet("inst", "log", instance.id, *options).text

    assert "a word" in found[""]
    assert "Get info" not in found[""]
    assert "Get info" in found["--all"]
    assert any(
        json.loads(each)["msg"].startswith("Get info") for each in found["--json"].splitlines()
    )


@pytest.mark.parametrize("level", ["info", "INFO", "Warn"])
def test_level_of_a_log(start: Started, scramjet: Command, level: str):
    """`--level` leaves out the records below it, in any case of letters."""
    instance = start("many")
    instance.wait(60)

    said = scramjet("inst", "log", instance.id, "--level", level).text

    assert "DEBUG" not in said
    assert ("a word" in said) == (level.upper() == "INFO")


def test_lines_are_lines_shown(start: Started, scramjet: Command):
    """`-n` counts the lines that are shown, not those that are left out."""
    instance = start("many")
    instance.wait(60)

    said = scramjet("inst", "log", instance.id, "--level", "info", "-n", "1").text

    assert len(said.splitlines()) == 1
    assert " INFO " in said


def test_no_such_level(scramjet: Command):
    """A level that nobody knows is a wrong use, and the known ones are named."""
    done = scramjet.any_end("hub", "log", "--level", "loud")

    assert done.code == 2
    assert "warn" in done.err.lower()


SENDERS = [
    ["inst", "input", "ID"],
    ["inst", "stdin", "ID"],
    ["topic", "send", "unread"],
]


@pytest.mark.parametrize(
    ("sender", "piped"),
    mostly_long(
        [(sender, piped) for sender in SENDERS for piped in (True, False)],
        but=[(sender, number % 2 == 0) for number, sender in enumerate(SENDERS)],
    ),
    ids=lambda each: " ".join(each) if isinstance(each, list) else "pipe" if each else "file",
)
def test_timeout_ends_a_sending(
    start: Started, env: dict[str, str], tmp_path: Path, sender: list[str], piped: bool
):
    """A program that does not read holds a sender no longer than `--timeout`."""
    big = tmp_path / "big"
    big.write_bytes(bytes(30_000_000))
    line = [*line_of(sender, start("idle").id), "--timeout", "1"]
    given = {"input": big.read_bytes()} if piped else {"stdin": subprocess.DEVNULL}

    done = run(line if piped else [*line, big], env, **given)
    if sender[0] == "topic":
        run(["topic", "get", "unread", "-F"], env)  # the hub sees its end only when somebody reads

    assert done.code == 124
    assert "within 1 s (--timeout)" in done.err


@pytest.mark.parametrize("option", ["--time", "-t", "--timeout", "--limit", "--seconds"])
def test_words_for_the_time_of_a_stop(start: Started, scramjet: Command, option: str):
    """The time that `inst stop` gives a program has the names of other limits, too."""
    instance = start("deaf")
    with instance.get_stream("output") as output:
        assert output.readline() == b"running\n"

    done = scramjet.any_end("inst", "stop", instance.id, option, "0.5")

    assert done.code == 124
    assert "within 500 ms" in done.err


@pytest.mark.parametrize(
    ("follow", "limit", "goes_on"),
    [(None, None, False), (None, 3.0, True), (False, 3.0, False), (True, None, True)],
)
def test_a_limit_follows_a_log(follow: bool | None, limit: float | None, goes_on: bool):
    """`log --timeout 3` is the log of three seconds, unless the line says `--no-follow`."""
    assert follows(follow, limit) is goes_on


_BURST = """
import asyncio
async def run(context, input):
    for number in range(20):
        print("line", number)
        context.logger.info(f"line {number}")
        yield f"line {number}\\n"
    context.emit("done", "all")
    await asyncio.Event().wait()
"""


@pytest.mark.parametrize("stream", ["output", "stdout", "log"])
def test_lines_behind_the_last_are_not_lost_in_silence(
    host: HostClient, scramjet: Command, tmp_path: Path, stream: str
):
    """`-n` takes more from the hub than it prints, and says how much."""
    (tmp_path / "burst.py").write_text(_BURST)
    instance = host.send_sequence(tmp_path / "burst.py").start()
    instance.get_event("done", timeout=60)

    done = scramjet("inst", stream, instance.id, "-n", "3")

    assert len(done.text.splitlines()) == 3
    assert re.search(r"behind the 3 lines, \d+ more lines? had come", done.err)


@pytest.mark.parametrize(
    "line", [["inst", "output", "ID", "-n", "1"], ["hub", "log", "-n", "1"]], ids=" ".join
)
def test_nothing_lost_is_not_told(start: Started, scramjet: Command, line: list[str]):
    """If nothing came behind the lines, or the hub gives it again, there is no warning."""
    instance = start("many")
    instance.wait(60)

    assert scramjet(*line_of(line, instance.id)).err == ""


def test_lines_of_a_topic_are_not_lost_in_silence(host: HostClient, scramjet: Command):
    """A topic gives its data once, too."""
    host.create_topic("numbers")
    host.send_topic("numbers", "1\n2\n3\n")

    done = scramjet("topic", "get", "numbers", "-n", "1")

    assert done.out == b"1\n"
    assert "behind the line, 2 more lines had come" in done.err
