"""A program that crashes, or is killed, while a command feeds it or reads it; each command is a process of its own."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from scramjet_client import HostClient, InstanceEndedError
from scramjet_client.hub import LocalHub
from tests.cli.conftest import Started, run, spawned
from tests.support.cases import mostly_long

TEXT_BOT = """
def run(context, input):
    yield "ready\\n"
    for line in input:
        yield "you said " + line
"""

LINES = b"hi\n"

AS_BYTES = ["-t", "application/octet-stream"]


@pytest.fixture
def bot(host: HostClient, tmp_path: Path) -> Callable[[], str]:
    """Start a program that takes text, and crashes at bytes; return its id once it runs."""
    (tmp_path / "bot.py").write_text(TEXT_BOT)
    sequence = host.send_sequence(tmp_path / "bot.py")

    def start() -> str:
        instance = sequence.start()
        # A program that has not begun yet does not crash at its input either.
        with instance.get_stream("output") as output:
            assert output.readline() == b"ready\n"
        return instance.id

    return start


@pytest.mark.parametrize(
    ("verb", "options"),
    mostly_long(
        [
            ("inout", AS_BYTES),
            ("inout", ["--no-end", *AS_BYTES]),
            ("input", AS_BYTES),
            ("input", ["--end", *AS_BYTES]),
        ],
        but=[("inout", AS_BYTES), ("input", ["--end", *AS_BYTES])],
    ),
    ids=str,
)
def test_feeding_a_program_that_crashes(
    bot: Callable[[], str], env: dict[str, str], verb: str, options: list[str]
):
    """The program's error, the option that cures it, and its exit code come from the command that feeds it."""
    id = bot()

    done = run(["inst", verb, id, "-", *options], env, input=LINES)

    assert done.code == 1
    assert "TypeError: can only concatenate str" in done.err
    assert f"instance '{id}' failed" in done.err
    assert "`-t text/plain`" in done.err


def test_crash_while_more_is_sent(bot: Callable[[], str], env: dict[str, str]):
    """A crash is told as such though the rest of the data can't be sent any more."""
    id = bot()

    done = run(["inst", "input", id, "-", *AS_BYTES], env, input=LINES * (50_000_000 // len(LINES)))

    assert done.code == 1
    assert f"instance '{id}' failed" in done.err
    assert "`-t text/plain`" in done.err


@pytest.mark.parametrize("line", [["output"], ["stdout"], ["attach", "--no-stdin"]], ids=" ".join)
def test_reading_a_program_that_crashes(
    bot: Callable[[], str], host: HostClient, env: dict[str, str], line: list[str]
):
    """Whoever reads it while it crashes is told, and gets its exit code."""
    id = bot()
    with spawned(["inst", line[0], id, *line[1:]], env) as reader:
        # The program may crash before the hub has answered.
        with contextlib.suppress(InstanceEndedError):
            host.get_instance_client(id).send_input(LINES, type="application/octet-stream")
        out, err = reader.communicate(timeout=60)

    assert reader.returncode == 1
    assert b"TypeError: can only concatenate str" in err
    assert b"`-t text/plain`" in err
    assert out == b""


def test_what_a_program_gives_is_no_matter_of_its_input(env: dict[str, str], tmp_path: Path):
    """An error about what a program has given speaks of bytes, and no type of the input cures it."""
    (tmp_path / "table.py").write_text(
        "class Table:\n    def to_csv(self): ...\ndef run(context, input):\n    return Table()\n"
    )

    done = run(["seq", "run", str(tmp_path / "table.py")], env, input=LINES)

    assert "give its .to_csv()" in done.err
    assert "send its input" not in done.err


@pytest.mark.parametrize("options", [[], ["-t", "text/plain"]], ids=str)
def test_the_right_type_works(bot: Callable[[], str], env: dict[str, str], options: list[str]):
    """Text is sent as text, with the type and without: the program answers, nothing is said, and the code is 0."""
    done = run(["inst", "inout", bot(), "-", *options], env, input=LINES)

    assert (done.code, done.out, done.err) == (0, b"you said hi\n", "")


def test_text_where_bytes_are_taken(host: HostClient, env: dict[str, str], tmp_path: Path):
    """The reverse mistake gets the reverse hint."""
    (tmp_path / "takes.py").write_text(
        "def run(context, input):\n    for piece in input:\n        yield piece.decode()\n"
    )
    id = host.send_sequence(tmp_path / "takes.py").start().id

    done = run(["inst", "inout", id, "-"], env, input=LINES)

    assert done.code == 1
    assert "`-t application/octet-stream`" in done.err


def test_reading_what_has_crashed_before(start: Started, env: dict[str, str]):
    """The output of a program that has crashed already is printed, and then how it ended."""
    instance = start("fails")
    instance.wait(60)

    done = run(["inst", "output", instance.id], env)

    assert (done.code, done.out) == (1, b"before\n")
    assert "RuntimeError: after that" in done.err


def test_a_reader_who_leaves_before_the_end_is_not_told(start: Started, env: dict[str, str]):
    """After `-n` lines the command ends with 0, however the program goes on."""
    done = run(["inst", "output", start("fails").id, "-n", "1"], env)

    assert (done.code, done.out, done.err) == (0, b"before\n", "")


def test_reading_what_is_killed(start: Started, env: dict[str, str]):
    """A killed program has not ended well: its reader gets 137, and a sentence."""
    instance = start("ticks")
    with spawned(["inst", "output", instance.id], env) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == b"tick 0\n"
        instance.kill()
        _, err = reader.communicate(timeout=60)

    assert reader.returncode == 137
    assert b"killed" in err


def test_missing_module(host: HostClient, env: dict[str, str], tmp_path: Path):
    """The cure names the option of the command, not an argument of Python."""
    (tmp_path / "needs.py").write_text("import nosuchmodule\ndef run(context, input): yield 'x'\n")

    done = run(["seq", "run", tmp_path / "needs.py"], env, stdin=subprocess.DEVNULL)

    assert done.code != 0
    assert "-r FILE" in done.err
    assert "requirements=" not in done.err


def test_list_tells_killed_from_stopped(start: Started, hub: LocalHub, env: dict[str, str]):
    """`inst list` and `inst info` say which instance was killed."""
    killed, stopped = start("idle"), start("idle")
    for each in (killed, stopped):
        each.wait_for("running", 60)
    killed.kill()
    stopped.stop()
    for each in (killed, stopped):
        each.wait(60)

    rows = [line.split() for line in run(["inst", "list"], env).text.splitlines()]

    assert {row[0]: row[2] for row in rows[1:]} == {killed.id: "killed", stopped.id: "stopped"}
    assert "status:" in run(["inst", "info", killed.id], env).text
    assert "killed" in run(["inst", "info", killed.id], env).text


def test_wait_for_several(start: Started, env: dict[str, str]):
    """`inst wait` takes several instances, and ends as the first that did not end well."""
    good, bad, killed = start("many"), start("fails"), start("idle")
    killed.kill()

    done = run(["inst", "wait", good.id, bad.id, killed.id], env)
    other = run(["inst", "wait", good.id, killed.id, bad.id, "--json"], env)

    assert done.code == 1
    assert "RuntimeError: after that" in done.err
    assert other.code == 137
    assert len(other.text.splitlines()) == 3


def test_wait_for_several_with_a_limit(start: Started, env: dict[str, str]):
    """The limit is for all of them; those that have ended are known by then."""
    done = run(["inst", "wait", start("many").id, start("idle").id, "--limit", "3"], env)

    assert done.code == 124


def test_words_of_the_program_stay(host: HostClient, env: dict[str, str], tmp_path: Path):
    """What the program itself says is not taken for words of the library."""
    (tmp_path / "says.py").write_text(
        "def run(context, input):\n    raise ValueError('argument token, `requirements=`')\n"
    )
    id = host.send_sequence(tmp_path / "says.py").start().id

    done = run(["inst", "output", id], env)

    assert done.code == 1
    assert "failed: ValueError: argument token, `requirements=`" in done.err


FOLDER = '{"main": "main.py", "engines": {"python3": "3"}}'


def folder_of(path: Path, text: str) -> Path:
    """Return a folder with a program, which goes to the hub as it is."""
    (path / "package.json").write_text(FOLDER)
    (path / "main.py").write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "options", "said", "advice"),
    [
        (
            "return input.map(str.upper)",
            ["-t", "application/octet-stream"],
            "TypeError: descriptor 'upper'",
            "`-t text/plain`",
        ),
        ("return input.map(int)", ["-t", "text/plain"], "ValueError: invalid literal", ""),
        ("return input.map(int)", ["-t", "application/x-ndjson"], "input cannot be read", ""),
    ],
)
def test_error_that_a_program_survives(
    env: dict[str, str], tmp_path: Path, text: str, options: list[str], said: str, advice: str
):
    """What has gone wrong in a program that lives on is a warning at once."""
    folder = folder_of(tmp_path, f"def run(context, input):\n    {text}\n")
    line = ["seq", "run", str(folder), "--input", str(folder / "main.py"), *options]

    with spawned(line, env) as process:
        assert process.stderr is not None
        warned = b""
        while said.encode() not in warned or advice.encode() not in warned:
            piece = process.stderr.readline()
            assert piece, warned
            warned += piece
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)

    assert b"still runs, but its log says" in warned


def test_byte_that_is_no_text(env: dict[str, str], tmp_path: Path):
    """A file that is not UTF-8 is refused as text, with a cure in the words of the command."""
    (tmp_path / "up.py").write_text("def run(context, input):\n    yield from input\n")

    done = run(["seq", "run", str(tmp_path / "up.py"), "-t", "text/plain"], env, input=b"caf\xe9\n")

    assert done.code == 1
    assert "carries only UTF-8 and would change the bytes b'\\xe9' at offset 3" in done.err
    assert "send it as application/octet-stream (--type) from the first data on" in done.err
