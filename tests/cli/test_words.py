"""Options behind the verb, words of other tools, and help: what somebody types who has not read the manual."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

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
    (["sequence", "list"], "seq list"),
    (["isnt", "list"], "inst list"),
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
    (["inst", "log", "x", "--folow"], "--follow"),
    (["inst", "list", "--format", "json"], "--json"),
    (["inst", "list", "-o", "json"], "--json"),
    (["inst", "stop", "x", "--timeot", "3"], "--timeout"),
    (["inst", "stop", "x", "--grace-period", "3"], "--time"),
    (["seq", "rm", "x", "--yes"], "--force"),
    (["--verbose", "inst", "list"], "--debug"),
    (["inst", "list", "--verbose"], "--debug"),
    (["inst", "list", "--server", "x"], "--url"),
    (["--jsn", "inst", "list"], "--json"),
    (["help", "inst", "log"], "scramjet inst log --help"),
    (["inst", "help", "log"], "scramjet inst log --help"),
    (["inst", "log", "x", "-?"], "--help"),
    (["list", "inst"], "inst list"),
    (["delete", "instance", "x"], "inst kill"),
    (["get", "pods"], "inst list"),
    (["config", "set", "url"], "profile create"),
    (["inst", "X", "log"], "inst log X"),
    (["seqrun", "x.py"], "seq run"),
    (["inst:log", "x"], "inst log"),
    (["list-instances"], "inst list"),
    (["ps:stop", "x"], "inst stop"),
    (["docker", "exec", "x"], "inst attach"),
    (["kubectl", "get", "pods"], "inst list"),
    (["hlep", "inst"], "scramjet inst --help"),
    (["verison"], "--version"),
    (["seq", "prn"], "seq prune"),
    (["seq", "rum", "x"], "seq run"),
    (["seq", "mr", "x"], "seq rm"),
    (["inst", "loh", "x"], "inst log"),
    (["sqe", "ls"], "seq list"),
    (["hbu", "start"], "hub start"),
    (["topci"], "topic"),
    (["seq", "pru"], "seq prune"),
    (["seq", "delte", "x"], "seq rm"),
    (["inst", "list", "--josn"], "--json"),
    (["inst", "list", "-json"], "--json"),
    (["inst", "list", "--ap-base", "x"], "--url"),
    (["inst", "list", "--output=json"], "--json"),
    (["inst", "list", "-ojson"], "--json"),
    (["inst", "list", "-o", "name"], "--ids"),
    (["inst", "top"], "hub load"),
    (["inst", "stats"], "hub load"),
    (["inst", "create", "x"], "seq start"),
    (["inst", "start", "x"], "seq start"),
    (["inst", "deploy", "x"], "seq send"),
    (["inst", "follow", "x"], "inst output"),
    (["inst", "follow", "x"], "inst log -f"),
    (["inst", "stdio", "x"], "inst attach"),
    (["seq", "stop", "x"], "inst stop"),
    (["seq", "logs", "x"], "inst log"),
    (["seq", "watch", "x"], "dev"),
    (["use", "x"], "profile use"),
    (["hub", "ps"], "inst list"),
    (["hub", "dashboard"], "hub page"),
    (["store", "list"], "seq list"),
    (["pods"], "inst"),
    (["inst", "stopp", "x"], "inst stop"),
    (["inst", "otuput", "x"], "inst output"),
    (["inst", "input", "x", "--eof"], "--end"),
    (["inst", "input", "x", "--close"], "--end"),
    (["inst", "wait", "x", "--for", "running"], "--status"),
    (["seq", "run", "x.py", "-m", "5"], "--memory"),
    (["seq", "run", "x.py", "--mem", "5"], "--memory"),
    (["seq", "run", "x.py", "--outputonly"], "--output-only"),
    (["seq", "run", "x.py", "--name", "x"], "--id"),
    (["seq", "start", "x", "--config-string", "{}"], "--config"),
    (["inst", "stop", "x", "--delay", "3"], "--time"),
    (["inst", "kill", "x", "--remove-immediately"], "--forget"),
    (["hub", "start", "-p", "9"], "--port"),
    (["hub", "start", "--bind", "::1"], "--host"),
    (["dev", "x.py", "--debugger"], "--pdb"),
]


ADVICE = [
    # A word for which there is nothing of that kind, and what its message says instead.
    (["restart", "x"], "`scramjet seq start` starts a new one"),
    (["inst", "restart", "x"], "`scramjet seq start` starts a new one"),
    (["hub", "stop"], "Ctrl-C"),
    (["hub", "restart"], "Ctrl-C"),
    (["down"], "`scramjet inst stop`"),
    (["cp", "a", "b"], "`scramjet inst output -o FILE`"),
    (["inst", "cp", "a", "b"], "`scramjet inst input`"),
    (["pause", "x"], "can't pause"),
    (["inst", "unpause", "x"], "can't pause"),
    (["scale", "x"], "one more instance"),
    (["inst", "use", "x"], "`scramjet profile use`"),
    (["seq", "use", "x"], "`scramjet profile use`"),
    (["hub", "use", "x"], "`scramjet profile use`"),
    (["seq", "replace", "x", "y"], "`scramjet seq send PATH --replace SEQ`"),
    (["seq", "update", "x", "y"], "`scramjet seq send PATH --replace SEQ`"),
    (["seq", "pull", "x"], "`scramjet seq pack`"),
    (["hub", "audit"], "get_audit_stream"),
    (["hub", "config"], "get_config"),
    (["space", "list"], "MiddlewareClient"),
    (["env"], "`--config JSON`"),
    (["init"], "`run(context, input)`"),
    (["logout"], "SCRAMJET_TOKEN"),
    (["x.py"], "`scramjet seq run x.py`"),
    (["./folder"], "`scramjet seq run ./folder`"),
    (["inst", "407c4ddc"], "`scramjet inst info 407c4ddc`"),
    (["inst", "event", "407c4ddc", "hi"], "`scramjet inst event send 407c4ddc`"),
    (["seq", "run", "x.py", "--rm"], "deleted at the end anyhow"),
    (["seq", "run", "x.py", "-d"], "`scramjet seq start`"),
    (["seq", "run", "x.py", "--detach"], "`scramjet seq start`"),
    (["seq", "start", "x.py", "-d"], "does not wait"),
    (["seq", "start", "x.py", "--input", "f"], "`scramjet seq run`"),
    (["seq", "run", "x.py", "-it"], "`scramjet inst attach`"),
    (["seq", "run", "-ti", "x.py"], "`scramjet inst attach`"),
    (["inst", "attach", "-it", "x"], "anyhow"),
    (["seq", "run", "x.py", "--env", "A=1"], "`--config JSON`"),
    (["seq", "run", "x.py", "-e", "A=1"], "`--config JSON`"),
    (["seq", "run", "x.py", "-v", "a:b"], "mounts nothing"),
    (["seq", "run", "x.py", "--cpus", "2"], "`--memory MB`"),
    (["seq", "run", "x.py", "--network", "host"], "forwards no ports"),
    (["inst", "log", "x", "--tail", "3"], "`| tail -n N`"),
    (["inst", "output", "x", "--tail", "3"], "`| tail -n N`"),
    (["hub", "log", "--tail", "3"], "`--follow`"),
    (["inst", "log", "x", "--since", "1h"], "choose by time"),
    (["inst", "log", "x", "--timestamps"], "with its time anyhow"),
    (["inst", "log", "x", "--grep", "a"], "`| grep WORD`"),
    (["inst", "log", "x", "-o", "f.txt"], "`> f.txt`"),
    (["inst", "info", "x", "--output", "f.txt"], "`> f.txt`"),
    (["inst", "list", "-o", "wide"], "whole"),
    (["inst", "list", "--format", "{{.ID}}"], "`--json`"),
    (["inst", "output", "x", "-20"], "`-n 20`"),
    (["seq", "list", "-a"], "lists all"),
    (["inst", "list", "-n", "3"], "`| head -n N`"),
    (["inst", "list", "x"], "`| grep WORD`"),
    (["hub", "start", ":9000"], "`--port 9000`"),
    (["--url", "inst", "list"], "`--url` takes a value"),
    (["http://a:1", "inst", "list"], "`scramjet --url http://a:1`"),
    (["restart", "inst", "x"], "`scramjet seq start`"),
    (["inst", "event", "send", "x", "--name", "y"], "behind the instance"),
    (["login"], "`scramjet profile create NAME --url URL`"),
    (["inst", "kill", "x", "--force"], "at once"),
    (["inst", "kill", "x", "--signal", "TERM"], "SIGKILL"),
    (["inst", "stop", "x", "--signal", "TERM"], "`scramjet inst kill`"),
    (["inst", "stop", "x", "--force"], "`scramjet inst kill`"),
    (["inst", "stop", "--all"], "scramjet inst list -q"),
    (["inst", "list", "--filter", "a=b"], "`| grep WORD`"),
    (["inst", "list", "--watch"], "`watch scramjet inst list`"),
    (["inst", "input", "x", "--text", "hi"], "`echo hello | "),
    (["seq", "send", "x", "-t", "name"], "package.json"),
    (["seq", "send", "x", "--dry-run"], "--list`"),
    (["seq", "prune", "--yes"], "asks"),
    (["dev", "x.py", "--reload"], "at each save anyhow"),
    (["dev", "x.py", "--watch"], "at each save anyhow"),
    (["hub", "start", "-d"], "until Ctrl-C"),
    (["hub", "start", "--token", "x"], "SCRAMJET_HUB_TOKEN"),
    (["--token", "x", "hub", "start"], "SCRAMJET_HUB_TOKEN"),
    (["hub", "start", "--url", "http://a"], "`--port`"),
    (["-u", "http://a", "hub", "start"], "`--port`"),
    (["hub", "start", "--profile", "x"], "asks no hub"),
    (["hub", "start", "--timeout", "3"], "until Ctrl-C"),
    (["hub", "start", "--insecure"], "TLS"),
    (["profile", "create", "x", "--url", "http://a", "--token", "t"], "SCRAMJET_TOKEN"),
    (["seq", "pack", "x.py", "--url", "http://a"], "asks no hub"),
    (["profile", "list", "--timeout", "3"], "asks no hub"),
    (["completion", "bash", "--token", "x"], "asks no hub"),
    (["inst", "list", "--no-color"], "NO_COLOR"),
    (["inst", "--version"], "`scramjet --version`"),
]


@pytest.mark.parametrize(("line", "said"), ADVICE, ids=[" ".join(line) for line, _ in ADVICE])
def test_words_without_a_counterpart(scramjet: Command, line: list[str], said: str, tmp_path: Path):
    """A word of another tool that names nothing here is 2, and the sentence says what to do instead."""
    (tmp_path / "x.py").write_text("")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        message = only_line(scramjet(*line, code=2).err)

    assert said in message
    assert "did you mean" not in message
    assert "usage:" not in message


UNKNOWN = [
    ["seq", "rim"],
    ["hub", "tip", "x"],
    ["inst", "tip"],
    ["inst", "hop"],
    ["bananas"],
    ["seq", "fog"],
    ["hub", "lag"],
    ["inst", "list", "--shape"],
    ["inst", "log", "x", "--bananas"],
    ["seq", "run", "x.py", "--lag"],
    ["inst", "stop", "x", "--tide"],
]


@pytest.mark.parametrize("line", UNKNOWN, ids=" ".join)
def test_nothing_is_better_than_a_wrong_guess(scramjet: Command, line: list[str]):
    """A word that only looks like one of ours is not taken for it."""
    said = only_line(scramjet(*line, code=2).err)

    assert "did you mean" not in said
    assert "--help`" in said


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

    suggested = {
        *_words._VERBS,
        *_words._USUAL.values(),
        *itertools.chain(*_words._ELSEWHERE.values()),
    }
    assert {_words._verb(each) for each in suggested if not each.startswith("-")} <= known
    assert set(_words._GROUPS) <= set(root.list_commands(click.Context(root)))


def test_advice_names_what_exists():
    """The places of the tables of advice are commands, and so is whatever they send a user to."""
    known = {path.partition(" ")[2] for path in verbs(root, "scramjet")}
    assert set(_words._advice_on_extra()) <= known
    groups = {"scramjet", "*", *root.list_commands(click.Context(root)), "inst event"}
    rows = {**_words._advice_in(_words._NO_COMMAND), **_words._advice_in(_words._NO_OPTION)}

    assert {place for place, _ in rows} <= known | groups
    for row in rows.items():
        for line in re.findall(r"`scramjet ((?:[a-z]+ ?)+)", row[1]):
            assert any(f"{line.strip()} ".startswith(f"{each} ") for each in known), row


def test_no_word_is_advice_on_an_option_that_exists():
    """No row speaks of an option that the verb has: it would never be read."""
    for path in verbs(root, "scramjet"):
        command: click.Command = root
        for word in path.split()[1:]:
            assert isinstance(command, click.Group)
            command = command.get_command(click.Context(command), word) or command
        params = command.get_params(click.Context(command))
        here = {name for param in params for name in (*param.opts, *param.secondary_opts)}
        words = {
            word
            for place, word in _words._advice_in(_words._NO_OPTION)
            if place == path.partition(" ")[2]
        }
        assert not here & words, (path, here & words)


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
