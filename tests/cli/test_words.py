"""Options behind the verb, words of other tools, and help: what somebody types who has not read the manual."""

from __future__ import annotations

import click
import pytest

from scramjet_client.cli import _words
from scramjet_client.cli._root import root
from scramjet_client.hub import LocalHub
from tests.cli.conftest import Command, Started
from tests.cli.test_commands import document
from tests.cli.test_document import verbs
from tests.cli.test_exits import only_line

GUESSES = [
    (["ps"], "inst list"),
    (["ls"], "inst list"),
    (["logs", "x"], "inst log"),
    (["log", "x"], "inst log"),
    (["rm", "x"], "seq rm"),
    (["exec", "x"], "inst attach"),
    (["run", "x.py"], "seq run"),
    (["start"], "seq start"),
    (["stop", "x"], "inst stop"),
    (["kill", "x"], "inst kill"),
    (["images"], "seq list"),
    (["describe", "x"], "inst info"),
    (["get", "instances"], "inst list"),
    (["deploy", "x"], "seq send"),
    (["push", "x"], "seq send"),
    (["build", "x"], "seq pack"),
    (["top"], "hub load"),
    (["version"], "--version"),
    (["help"], "--help"),
    (["serve"], "hub start"),
    (["doctor"], "hub doctor"),
    (["instances"], "inst"),
    (["sequence", "list"], "seq"),
    (["isnt", "list"], "inst"),
    (["inst", "ls"], "inst list"),
    (["inst", "lst"], "inst list"),
    (["inst", "ps"], "inst list"),
    (["inst", "logs", "x"], "inst log"),
    (["inst", "rm", "x"], "inst kill"),
    (["inst", "exec", "x"], "inst attach"),
    (["inst", "show", "x"], "inst info"),
    (["inst", "run", "x"], "seq run"),
    (["seq", "ls"], "seq list"),
    (["seq", "delete", "x"], "seq rm"),
    (["seq", "deploy", "x"], "seq send"),
    (["seq", "exec", "x"], "seq run"),
    (["seq", "clean"], "seq prune"),
    (["chat", "x"], "inst inout"),
    (["inst", "chat", "x"], "inst inout"),
    (["inst", "chat", "x"], "inst attach"),
    (["inst", "ask", "x"], "inst inout"),
    (["inst", "talk", "x"], "inst attach"),
    (["inst", "send", "x"], "inst input"),
    (["inst", "cancel", "x"], "inst stop"),
    (["topic", "publish"], "topic send"),
    (["profile", "switch"], "profile use"),
    (["hub", "logs"], "hub log"),
    (["inst", "log", "x", "--tail", "3"], "--lines"),
    (["inst", "log", "x", "--folow"], "--follow"),
    (["inst", "list", "--format", "json"], "--json"),
    (["inst", "list", "-o", "json"], "--json"),
    (["inst", "stop", "x", "--timeot", "3"], "--timeout"),
    (["inst", "stop", "x", "--grace-period", "3"], "--time"),
    (["seq", "run", "x.py", "--env", "A=1"], "--config"),
    (["seq", "run", "x.py", "--rm"], "--keep"),
    (["seq", "rm", "x", "--yes"], "--force"),
    (["--verbose", "inst", "list"], "--debug"),
    (["inst", "list", "--verbose"], "--debug"),
    (["inst", "list", "--server", "x"], "--url"),
    (["--jsn", "inst", "list"], "--json"),
]


@pytest.mark.parametrize(("line", "meant"), GUESSES, ids=[" ".join(line) for line, _ in GUESSES])
def test_guesses(scramjet: Command, line: list[str], meant: str):
    """A word that is none here is 2, in one sentence that names what was meant."""
    said = only_line(scramjet(*line, code=2).err)

    assert "did you mean" in said
    assert f"{meant}`" in said


def test_meaning_goes_before_spelling(scramjet: Command):
    """A word that is known by its meaning is not taken for a misspelt other one."""
    assert "inst health" not in scramjet("inst", "chat", "x", code=2).err


def test_what_is_suggested_exists():
    """Whatever the table of words leads to is a command."""
    known = {path.partition(" ")[2] for path in verbs(root, "scramjet")}

    assert {each for each in _words._VERBS if not each.startswith("-")} <= known
    assert set(_words._GROUPS) <= set(root.list_commands(click.Context(root)))


@pytest.mark.parametrize("option", ["--url", "-u", "--api-url"])
def test_options_behind_the_verb(scramjet: Command, option: str, closed_port: int):
    """The options of the command are taken in front of the group, behind it, and behind the verb, which wins."""
    away = f"http://127.0.0.1:{closed_port}/api/v1"
    with LocalHub(token="right") as other:
        given = [option, other.url, "--token", "right"]
        for line in (
            [*given, "hub", "info", "--json"],
            ["hub", *given, "info", "--json"],
            ["hub", "info", *given, "--json"],
            ["hub", "info", "--json", *given, "--timeout", "5"],
            ["-u", away, "--json", "hub", "info", *given],
        ):
            assert document(scramjet(*line).text)["url"] == other.url


def test_options_that_contradict(scramjet: Command):
    """A contradiction is found wherever its halves stand."""
    assert "give one" in scramjet("-u", "http://a", "inst", "list", "-p", "b", code=2).err


def test_an_option_of_the_verb_is_its_own(scramjet: Command, hub: LocalHub):
    """Where a verb has an option of that name, it is the verb's."""
    scramjet("profile", "create", "lab", "--url", "http://127.0.0.1:1")

    assert "127.0.0.1:1" in scramjet("profile", "show", "lab", "--debug").text
    assert document(scramjet("hub", "doctor", "--timeout", "5", "--json").text)["url"] == hub.url


def test_streams_take_the_options_too(scramjet: Command, hub: LocalHub, start: Started):
    """So do the verbs whose results are no documents."""
    id = start("many").id

    assert scramjet("inst", "output", id, "--url", hub.url, "--json").out == b"on output\n"


@pytest.mark.parametrize("path", list(verbs(root, "scramjet")))
def test_help(scramjet: Command, path: str):
    """Help prints no marks of its own making, and keeps the example on its line."""
    said = scramjet(*path.split()[1:], "--help").text

    assert "\\b" not in said
    assert "\b" not in said
    assert path in said.partition("\n")[2]
