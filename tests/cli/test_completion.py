"""Completion in real shells: a line that was completed and entered runs nothing that a hub has made up."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.cli.terminal import LIMIT, Terminal, environment
from tests.cli.test_settings import completed
from tests.support.cases import mostly_long
from tests.support.wire import Conn, RawServer

ATTACKS = [
    "a$(touch${IFS}x)",
    "a`touch${IFS}x`",
    "a;touch${IFS}x",
    "a|touch${IFS}x",
    "a&touch${IFS}x",
    "a\ntouch x",
    "a,plain\nplain,a;touch${IFS}x",
    "a>x",
    "a*",
    "a?",
    "a~",
    "a!!",
    "a#x",
    "a b",
    "a'b",
    'a"b',
    "a\\b",
    "a{x,y}",
    "a=x",
    "a:x",
    "a@(x)",
    "a\u202eb",
    "a\x1b[2J",
    "aą",
    "",
    "-a",
    "--token=a",
]

ALONE = {
    "b": "b$(touch${IFS}x)",
    "c": "c`touch${IFS}x`",
    "d": "d;touch${IFS}x",
    "e": "e|touch${IFS}x",
    "f": "f>x",
}
"""What a shell completes at once, as nothing else begins like it."""

GOOD = ["a-good.one_1"]

WORD = re.compile(r"[A-Za-z0-9._-]+")


def _handle(conn: Conn) -> None:
    words = [*ATTACKS, *ALONE.values(), *GOOD]
    answers = {
        "version": {"version": "1.0.1", "apiVersion": "v1"},
        "instances": [{"id": each, "sequence": "s", "status": "x; touch x"} for each in words],
        "sequences": [
            *({"id": each, "config": {"name": "other\nplain\nz"}} for each in words),
            *({"id": "9", "config": {"name": each}} for each in words),
        ],
        "topics": [{"topicName": each, "contentType": "t\nplain\na;touch x"} for each in words],
    }
    while (request := conn.read_request()) is not None:
        conn.read_body(request)
        body = json.dumps(answers.get(request.target.rpartition("/")[2], {})).encode()
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


@pytest.fixture(scope="module")
def hostile() -> Iterator[str]:
    """A hub whose ids and names are programs of a shell."""
    with RawServer(_handle) as server:
        yield server.url


LINES = [
    "inst info a",
    "inst output a",
    "inst stop a",
    "inst event send a",
    "seq info a",
    "seq run a",
    "seq start a",
    "seq rm a",
    "topic get a",
    "topic rm a",
    "profile use a",
    "profile show a",
    "profile rm a",
    "--profile a",
]


def _profiles(home: Path) -> None:
    folder = home / ".si" / "profiles"
    folder.mkdir(parents=True)
    for each in [*ATTACKS, *ALONE.values(), *GOOD]:
        if each and "/" not in each:
            (folder / f"{each}.json").write_text("{}")


@pytest.mark.parametrize(
    "line",
    mostly_long(["inst info a", "seq run a", "topic get a", "profile use a"], but=["inst info a"]),
)
def test_bash(hostile: str, home: Path, tmp_path: Path, line: str):
    """In a real bash: TAB, then Enter; no file has been made, and the harmless word was offered."""
    _profiles(home)
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "scramjet"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m scramjet_client "$@"\n')
    command.chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    env = environment(home, hostile, PS1="> ", INPUTRC=os.devnull)
    env["PATH"] = f"{command.parent}{os.pathsep}{env['PATH']}"
    shell = Terminal(
        ["--norc", "--noprofile", "-i"], env, command=[shutil.which("bash") or ""], cwd=work
    )
    try:
        shell.type('eval "$(scramjet completion bash)"; echo ready-$((1+1))\n')
        shell.until("ready-2")
        # Twice lists what may follow.
        shell.type(f"scramjet {line}\t\t")
        shell.until("a-good.one_1")
        shell.type("\n")
        for letter in ALONE:
            shell.type(f"scramjet {line[:-1]}{letter}\t")
            # Comes when the completion is over.
            shell.type("\n")
        shell.type("echo over-$((1+1))\n")
        shell.until("over-2")
        shell.type("exit\n")
        shell.end()
    finally:
        shell.close()

    assert os.listdir(work) == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize("line", LINES)
def test_offers(hostile: str, home: Path, monkeypatch: pytest.MonkeyPatch, shell: str, line: str):
    """Only harmless words are offered to any shell, and nothing beside them is taken for another one."""
    _profiles(home)
    monkeypatch.setenv("SCRAMJET_API_URL", hostile)
    monkeypatch.setenv("_SCRAMJET_COMPLETE", f"{shell}_complete")
    monkeypatch.setenv("COMP_WORDS", f"scramjet {line}")
    monkeypatch.setenv("COMP_CWORD", "a" if shell == "fish" else str(len(line.split())))
    said = Command(monkeypatch)().text.splitlines()

    if shell == "zsh":
        assert set(said[::3]) == {"plain"}
        words, help = said[1::3], said[2::3]
    else:
        words = [each.partition(",")[2].partition("\t")[0] for each in said]
        assert {each.partition(",")[0] for each in said} == {"plain"}
        help = [each.partition("\t")[2] for each in said if "\t" in each]
    if shell != "fish" or words == GOOD:
        assert words == GOOD
    assert all(re.fullmatch(r"[A-Za-z0-9._/+ -]*", each) for each in help)


def test_ids_behind_options(hostile: str, home: Path, monkeypatch: pytest.MonkeyPatch):
    """The hub that is asked is the one of the line, wherever its option stands."""
    for line in (f"scramjet -u {hostile} inst info a", f"scramjet inst -u {hostile} info a"):
        assert completed(Command(monkeypatch), monkeypatch, line) == GOOD


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_script_is_bash(home: Path):
    """What `completion bash` prints is a script that bash takes."""
    script = subprocess.run(
        [sys.executable, "-m", "scramjet_client", "completion", "bash"],
        env=environment(home, None), capture_output=True, check=True, timeout=LIMIT,
    ).stdout  # fmt: skip

    assert subprocess.run(["bash", "-n"], input=script, check=False, timeout=LIMIT).returncode == 0
    assert all(WORD.fullmatch(each) for each in GOOD)
