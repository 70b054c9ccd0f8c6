"""What the command says of an end, a silence or a wrong word: the reason, where it is, and the next step."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scramjet_client import HostClient, Tuning
from scramjet_client.cli import _say
from tests.cli.conftest import Command, Started
from tests.support.tuned import tuned

EXITS = """
import sys
def run(context, input):
    print("bad row", file=sys.stderr)
    raise SystemExit(4)
    yield
"""


def test_wait_shows_the_stderr_that_it_has_read(
    scramjet: Command, host: HostClient, tmp_path: Path
):
    """The next reader would not get it; whoever waits again is told how it ended, and where the reason was."""
    (tmp_path / "exits.py").write_text(EXITS)
    id = host.send_sequence(tmp_path / "exits.py").start().id

    first, second = scramjet("inst", "wait", id, code=4), scramjet("inst", "wait", id, code=4)
    third = scramjet("inst", "output", id, code=4)

    assert "bad row\n" in first.err
    for each in (first, second, third):
        assert "it ended with exit code 4" in each.err
        assert "may say why" not in each.err


def test_wait_leaves_nothing_of_a_traceback_out(scramjet: Command, start: Started):
    """The error of a crash comes with its traceback, as from `inst output`."""
    instance = start("fails")

    done = scramjet("inst", "wait", instance.id, code=1)

    assert "Traceback (most recent call last):" in done.err
    assert "RuntimeError: after that" in done.err
    assert done.err.splitlines()[-1].startswith(f"Error: instance '{instance.id}' failed")


def test_info_says_the_programs_own_code(scramjet: Command, host: HostClient, tmp_path: Path):
    """A code of `sys.exit` is not called a failure of the runner."""
    (tmp_path / "exits.py").write_text(EXITS)
    id = host.send_sequence(tmp_path / "exits.py").start().id
    scramjet("inst", "wait", id, code=4)

    assert re.search(r"^exit code: +4$", scramjet("inst", "info", id).text, re.MULTILINE)


def test_an_event_for_an_ended_instance_is_an_error(scramjet: Command, start: Started):
    """Hubs take it, and nobody gets it."""
    instance = start("idle")
    instance.kill()
    instance.wait(60)

    done = scramjet("inst", "event", "send", instance.id, "ping", code=1)

    assert "ended while event 'ping' was being sent" in done.err


def test_an_empty_log_names_stdout(scramjet: Command, start: Started):
    """A person is told where the program's prints are; a program that reads JSON is not."""
    instance = start("idle")

    assert f"`scramjet inst stdout {instance.id}`" in scramjet("inst", "log", instance.id).err
    assert scramjet("inst", "log", instance.id, "--json").err == ""


def test_the_limit_of_wait_is_what_was_given(scramjet: Command, start: Started):
    """The message has the user's number, and a cure for the shell."""
    instance = start("idle")

    err = scramjet("inst", "wait", instance.id, "--limit", "0.5", code=124).err

    assert "after 0.5 s" in err
    assert f"`scramjet inst input {instance.id} --end < /dev/null`" in err
    assert "send_input" not in err


@pytest.mark.parametrize("verb", [["seq", "run"], ["seq", "start"], ["dev"]], ids=" ".join)
def test_an_option_of_the_program_comes_behind_dashes(scramjet: Command, verb: list[str]):
    """An option that the command does not have may be meant for the program."""
    assert "behind `--`" in scramjet(*verb, "x.py", "--n", "5", code=2).err


@pytest.mark.parametrize("here", [False, True], ids=["beside it", "also here"])
def test_a_missing_module_names_the_requirements(
    scramjet: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: bool
):
    """`seq run` does not install requirements.txt by itself, and says what to type."""
    folder = tmp_path / "sizes"
    folder.mkdir()
    (folder / "main.py").write_text("import not_there\ndef run(context, input):\n    pass\n")
    (folder / "package.json").write_text(
        '{"name": "sizes", "main": "main.py", "engines": {"python3": ">=3.9"}}'
    )
    (folder / "requirements.txt").write_text("not_there\n")
    monkeypatch.chdir(tmp_path)
    if here:
        (tmp_path / "requirements.txt").write_text("other\n")

    err = scramjet("seq", "run", "./sizes", code=1).err

    assert f"`-r {'sizes/' if here else ''}requirements.txt`" in err


def test_silence_with_an_open_input_is_told(
    scramjet: Command, host: HostClient, folders: Path, monkeypatch: pytest.MonkeyPatch
):
    """A run that has given nothing, and whose input is open, says so; then the input is ended here."""
    said: list[str] = []

    def warn(text: str) -> None:
        said.append(text)
        if found := re.search(r"instance '([^']+)' has given nothing", text):
            host.get_instance_client(found[1]).send_input(b"", end=True)

    patient = tuned(host.api_base, tuning=Tuning(run_silence=0.1))
    monkeypatch.setattr(HostClient, "from_env", lambda **_options: patient)
    monkeypatch.setattr(_say, "warn", warn)
    with patient:
        scramjet("seq", "run", folders / "echo.py", "--no-input")

    assert [each for each in said if "for 0.1 s" in each and "< /dev/null" in each]


def test_a_local_hub_has_no_notes_about_nodejs(scramjet: Command):
    """It runs no Node.js programs."""
    told = scramjet("hub", "doctor").text

    assert "stdin and inout carry only UTF-8" in told
    assert "Node.js" not in told


def test_a_wrong_path_is_answered(scramjet: Command, host: HostClient):
    """Something answers there, so it is not out of reach; the next step is named."""
    root = host.api_base.removesuffix("/api/v1")
    report = scramjet("hub", "doctor", "--url", root, code=69).text
    refused = scramjet("inst", "list", "--url", root, code=69).err

    assert re.search(r"^reachable: +something answers, but", report, re.MULTILINE)
    assert f"a hub's API answers at {host.api_base}" in refused
    assert "API version" not in report + refused


def test_a_refused_connection_is_not_asked_about_again(scramjet: Command):
    """Nobody is sent to find out what has just been said."""
    said = scramjet("inst", "list", "--url", "http://127.0.0.1:9/api/v1", code=69).err

    assert "connection refused" in said
    assert "still answers" not in said
