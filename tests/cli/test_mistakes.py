"""What somebody does wrong in the first hour, and the sentence that says what to do."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from scramjet_client._common import kept_tokens
from scramjet_client._common.kept_tokens import keep_token
from scramjet_client.cli._dev_watcher import is_temporary
from scramjet_client.hub import LocalHub
from tests.cli.conftest import Command, Started, run
from tests.cli.test_exits import only_line
from tests.support.wire import Conn, RawServer, Request

MISTAKES = [
    # The line ("ID" is an instance that runs, "SEQ" its sequence), the exit code, and a part of the sentence.
    (["inst", "input", "ID", "hello"], 2, "`echo hello | scramjet inst input "),
    (["inst", "stdin", "ID", "hello"], 2, "`echo hello | scramjet inst stdin "),
    (["inst", "inout", "ID", "hello"], 2, "`echo hello | scramjet inst inout "),
    (["topic", "send", "news", "hello"], 2, "`echo hello | scramjet topic send news -`"),
    (["dev", "x.py", "--once", "--input", "nope.txt"], 2, "there is no such file"),
    (["dev", "x.py", "--input", "nope.txt"], 2, "there is no such file"),
    (["inst", "info", "x" * 100_000], 77, "x…x"),
    (["inst", "x" * 100_000], 2, "x…x"),
    (["-u", "x" * 100_000, "inst", "list"], 2, "x…x"),
    (["seq", "send", "x" * 100_000], 2, "x…x"),
    (["-p", "nosuch", "inst", "list"], 78, "there is no profile 'nosuch'"),
    (["profile", "show", "nosuch"], 78, "`scramjet profile list`"),
    (["inst", "wait", "ID", "--timeout", "1.5m"], 2, "write 90"),
    (["--timeout", "nan", "inst", "list"], 2, "'nan' is not a valid number of seconds"),
    (["seq", "start", "x.py", "--memory", "1G"], 2, "write 1024"),
    (["seq", "start", "x.py", "--memory", "-5"], 2, "not in the range"),
    (["seq", "start", "x.py", "--config", "c.json"], 2, "`@c.json` reads a file"),
    (["seq", "start", "x.py", "--config", "a=1"], 2, """'{"key": "value"}'"""),
    (["seq", "start", "x.py", "--args", "a"], 2, "without --args"),
    (["inst", "event", "send", "ID", "x", "--value", "hi"], 2, "without --value"),
    (["seq", "run", "./x.py", "-o", "json"], 2, "`-o ./json`"),
    (["seq", "pack", "./x.py", "-o", ""], 2, "empty"),
    (["seq", "send", ""], 2, "empty"),
    (["seq", "send", "http://a/b.tar.gz"], 2, "is a URL"),
    (["seq", "info", "./x.py"], 2, "is a path"),
    (["inst", "stop", "all"], 66, "`$(scramjet inst list -q)`"),
    (["inst", "wait", "ID", "--timeout", "ten"], 2, "'ten' is not a valid number of seconds"),
    (["--timeout", "ten", "inst", "list"], 2, "'ten' is not a valid number of seconds"),
    (["inst", "stop", "ID", "--time", "ten"], 2, "'ten' is not a valid number of seconds"),
    (["inst", "log", "ID", "-n", "ten"], 2, "'ten' is not a valid whole number"),
    (["hub", "start", "--port", "ten"], 2, "'ten' is not a valid whole number"),
    (["seq", "start", "SEQ", "--config", "@nofile"], 2, "'nofile' can't be read: No such file"),
    (["seq", "start", "SEQ", "--args", "@nofile"], 2, "'nofile' can't be read: No such file"),
    (["inst", "event", "send", "ID", "x", "--value", "@nofile"], 2, "can't be read"),
    (["dev", "x.py", "--token", "a"], 2, "--token is for a hub elsewhere"),
    (["--insecure", "dev", "x.py"], 2, "--insecure is for a hub elsewhere"),
    (["seq", "run", "x.py:chat"], 2, "`scramjet dev x.py:chat`"),
    (["seq", "start", "x:chat"], 2, "`scramjet dev x:chat`"),
    (["seq", "run", "chat2.py"], 2, "`scramjet dev chat2.py:chat`"),
    (["dev", "chat2.py", "--once", "--port", "0"], 1, "`scramjet dev chat2.py:chat`"),
    (["dev", "chat", "--once"], 2, "did you mean 'chat2.py'?"),
    (["dev", "nope", "--once"], 2, "there is no folder and no file 'nope' (usage"),
    (["seq", "rm", "SEQ"], 77, "`scramjet seq rm --force "),
]


@pytest.mark.parametrize(
    ("line", "code", "said"), MISTAKES, ids=[" ".join(line)[:60] for line, _, _ in MISTAKES]
)
def test_mistakes(
    scramjet: Command,
    start: Started,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    line: list[str],
    code: int,
    said: str,
):
    """The error is one sentence, and names the mistake or the cure."""
    monkeypatch.chdir(tmp_path)
    Path("x.py").write_text("def run(context, input): yield ''\n")
    Path("chat2.py").write_text("def chat(context, input): yield ''\n")
    instance = start("idle")
    known = {"ID": instance.id, "SEQ": instance.get_info().sequence}

    done = scramjet(*(known.get(each, each) for each in line), code=code)

    assert said in only_line(done.err)
    assert len(done.err) < 2000


@pytest.mark.parametrize("verb", ["start", "page"])
def test_port_in_use(scramjet: Command, verb: str):
    """A used port is told with what to do, and whether it is a hub of this user."""
    with LocalHub(token="a") as other:
        port = other.url.partition("127.0.0.1:")[2].partition("/")[0]
        said = only_line(scramjet("hub", verb, "--port", port, code=1).err)
        with keep_token(other.url, "a"):
            known = only_line(scramjet("hub", verb, "--port", port, code=1).err)

    assert "in use; --port 0 takes a free one" in said
    assert "a hub of yours runs there" in known


def test_a_hub_on_another_port_is_named(
    scramjet: Command, home: Path, closed_port: int, monkeypatch: pytest.MonkeyPatch
):
    """If nothing listens at the address, but a hub of this user elsewhere, the error and the doctor name it."""
    monkeypatch.setattr(kept_tokens, "_bases", lambda: [home])
    away = f"http://127.0.0.1:{closed_port}/api/v1"
    with LocalHub(token="a") as other, keep_token(other.url, "a"):
        url = other.url
        said = only_line(scramjet("-u", away, "inst", "list", code=69).err)
        report = scramjet("-u", away, "hub", "doctor", code=69).text
    alone = only_line(scramjet("-u", away, "inst", "list", code=69).err)

    assert url in said
    assert f"a hub of yours runs at {url}" in report
    assert "`scramjet hub start` starts one here" in alone


@pytest.mark.parametrize("token", [None, "wrong"])
def test_doctor_of_a_refused_token(scramjet: Command, token: str | None):
    """A hub that wants another token is reached: the doctor ends as the other commands do."""
    given = [] if token is None else ["--token", token]
    with LocalHub(token="right") as other:
        found = scramjet("-u", other.url, *given, "hub", "doctor", code=77)
        scramjet("-u", other.url, *given, "inst", "list", code=77)

    assert re.search(r"^reachable: +yes, but it ", found.text, re.MULTILINE)


def test_doctor_of_an_old_token_and_a_hub_of_ones_own(
    scramjet: Command, home: Path, monkeypatch: pytest.MonkeyPatch
):
    """It says where the refused token is from, and how the right one is found."""
    monkeypatch.setattr(kept_tokens, "_bases", lambda: [home])
    monkeypatch.setenv("SCRAMJET_TOKEN", "old")
    with LocalHub(token="right") as hub, keep_token(hub.url, "right"):
        found = scramjet("-u", hub.url, "hub", "doctor", code=77).text
        monkeypatch.delenv("SCRAMJET_TOKEN")
        given = scramjet("-u", hub.url, "--token", "old", "hub", "doctor", code=77).text

    assert "the token of SCRAMJET_TOKEN is not the one" in found
    assert "it is a hub of yours: unset SCRAMJET_TOKEN" in found
    assert "it is a hub of yours: give none" in given


ELSEWHERE = [
    ("503 Service Unavailable", "text/plain", "away"),
    ("502 Bad Gateway", "text/html", "<html>away</html>"),
    ("200 OK", "text/html", "<html><title>Login</title></html>"),
    ("200 OK", "text/plain", "hello"),
    ("404 Not Found", "text/plain", "nothing here"),
]


@pytest.mark.parametrize(("status", "kind", "body"), ELSEWHERE)
def test_another_server_is_no_hub(scramjet: Command, status: str, kind: str, body: str):
    """A proxy, a web page or a wrong path in place of a hub is 69, of the doctor and of other commands alike."""

    def answer(conn: Conn, _request: Request) -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        conn.send(f"{head}{body}".encode())

    with RawServer(answer) as server:
        line = ["-u", server.url, "--timeout", "20"]
        said = only_line(scramjet(*line, "inst", "list", code=69).err)
        scramjet(*line[:2], "hub", "doctor", code=69)

    assert "`scramjet hub doctor`" in said


def test_more_arguments_than_the_program_takes(env: dict[str, str], folders: Path):
    """The program's error is shown once, and the file that was meant as its input is explained."""
    done = run(["seq", "run", folders / "echo.py", "big.bin"], env, stdin=subprocess.DEVNULL)

    assert done.code == 1
    assert done.err.count("positional arguments") == 1
    assert "`seq run --input FILE`" in done.err


def test_name_of_a_sequence_and_of_a_folder(
    scramjet: Command, tmp_path: Path, start: Started, monkeypatch: pytest.MonkeyPatch
):
    """A name that is a sequence on the hub and a folder here is the hub's, with a warning."""
    start.sequence("idle")
    monkeypatch.chdir(tmp_path)
    quiet = scramjet("seq", "start", "idle")
    Path("idle").mkdir()

    warned = scramjet("seq", "start", "idle")

    assert "Warning" not in quiet.err
    assert "./idle" in only_line(warned.err)


def test_error_at_import(env: dict[str, str], tmp_path: Path):
    """A program that fails while it is loaded shows its own frames alone."""
    (tmp_path / "main.py").write_text("import nosuchmodule\ndef run(context, input): yield ''\n")
    (tmp_path / "package.json").write_text(
        '{"name": "x", "version": "1.0.0", "main": "main.py", "engines": {"python3": ">=3"}}'
    )

    done = run(["seq", "run", tmp_path], env, stdin=subprocess.DEVNULL)

    assert "nosuchmodule" in done.err
    assert "scramjet_program.py" not in done.err


@pytest.mark.parametrize(
    ("name", "temporary"),
    [
        ("prog.py", False),
        ("data.txt", False),
        ("prog.py~", True),
        (".prog.py.swp", True),
        (".#prog.py", True),
        ("prog.py.tmp", True),
        ("sed2qGP3v", True),
    ],
)
def test_temporary_files_of_editors(tmp_path: Path, name: str, temporary: bool):
    """`dev` names what a user has saved: not what an editor makes for a moment, or what is gone again."""
    if name != "sed2qGP3v":
        (tmp_path / name).write_text("")

    assert is_temporary(str(tmp_path / name)) is temporary
