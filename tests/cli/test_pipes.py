"""Real pipes between real processes: bytes of every kind, readers that leave, terminals that can't show it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path

import pytest

from scramjet_client import HostClient
from scramjet_client.cli._streams import source
from tests.cli.conftest import Started, run, spawned
from tests.cli.terminal import COMMAND, LIMIT
from tests.support.waiting import eventually

RANDOM = os.urandom(10_000_000)


def digest(data: bytes) -> str:
    """Return the SHA-256 of data; a difference is then one line in a failure."""
    return hashlib.sha256(data).hexdigest()


def test_binary_data_both_ways(env: dict[str, str], start: Started, tmp_path: Path):
    """10 MB of random bytes through two pipes, `inst input` and `inst output`, arrive as they were."""
    id = start("echo").id
    with (
        (tmp_path / "got").open("wb") as file,
        spawned(["inst", "output", id], env, stdout=file) as reading,
    ):
        sent = run(["inst", "input", id, "-", "--end"], env, input=RANDOM)
        _, said = reading.communicate(timeout=LIMIT)

    assert (sent.code, sent.out, sent.err) == (0, b"", "")
    assert (reading.returncode, said) == (0, b"")
    assert digest((tmp_path / "got").read_bytes()) == digest(RANDOM)


def test_binary_data_through_a_filter(env: dict[str, str], folders: Path):
    """`cat file | scramjet seq run ... > file` gives 10 MB of random bytes back."""
    done = run(["seq", "run", folders / "echo.py"], env, input=RANDOM)

    assert (done.code, done.err) == (0, "")
    assert digest(done.out) == digest(RANDOM)


def test_a_file_as_stdin(env: dict[str, str], start: Started, tmp_path: Path):
    """A file as stdin is sent as it is, line ends of Windows included."""
    (tmp_path / "file").write_bytes(b"a\r\nb\r\n\xff")
    with (tmp_path / "file").open("rb") as file:
        done = run(["inst", "inout", start("echo").id], env, stdin=file)

    assert done.out == b"a\r\nb\r\n\xff"


def test_what_is_cut_off_is_no_end(monkeypatch: pytest.MonkeyPatch):
    """An upload that still reads stdin when the command is interrupted fails, where it would else have ended."""
    read, write = os.pipe()
    with os.fdopen(read) as stdin, os.fdopen(write, "w"):
        monkeypatch.setattr("sys.stdin", stdin)
        with pytest.raises(KeyboardInterrupt), source("-") as body:
            raise KeyboardInterrupt
        with pytest.raises(InterruptedError):
            next(body)
        body.close()


def test_reader_that_leaves(env: dict[str, str], start: Started):
    """`| head -1` ends the command without a word, as of a closed pipe; the instance goes on."""
    instance = start("ticks")
    with spawned(["inst", "output", instance.id], env) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"tick 0\n"
        process.stdout.close()
        assert process.wait(LIMIT) == 141
        said = process.stderr.read()

    assert said == b""
    assert instance.get_info().status == "running"


def test_reader_of_a_run_that_leaves(env: dict[str, str], host: HostClient, folders: Path):
    """`seq run | head -1` kills the instance: nobody would read it."""
    with spawned(["seq", "run", folders / "ticks.py"], env) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(LIMIT) == 141

    eventually(lambda: all(each.terminated for each in host.list_instances()))


def test_reader_of_a_list_that_leaves(env: dict[str, str]):
    """A pipe that is closed before a table comes is no complaint either."""
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [*COMMAND, "hub", "info"],
            env=env, stdout=write, stderr=subprocess.PIPE, timeout=LIMIT, check=False,
        )  # fmt: skip
    finally:
        os.close(write)

    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
def test_stdout_of_another_encoding(
    env: dict[str, str], start: Started, tmp_path: Path, encoding: str
):
    """A name or message that stdout's encoding does not have is escaped, and ends nothing; data stays as it is."""
    id = start("events").id
    there = {**env, "PYTHONIOENCODING": encoding}
    order = '{"name": "text", "message": "\\u0105"}'
    told = ["inst", "event", "send", id, "emit", "--value", order, "--wait", "text"]
    (tmp_path / "data").write_bytes("ą".encode())

    event = run(told, there)
    data = run(["inst", "inout", start("echo").id, tmp_path / "data"], there)

    assert (event.code, event.out) == (0, b"\\u0105\n")
    assert data.out == "ą".encode()


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "latin-1", "cp437", "ascii"])
def test_json_in_another_encoding(env: dict[str, str], start: Started, encoding: str):
    """JSON stays JSON with the same characters, whatever the encoding of stdout; UTF-8 needs no escape."""
    id = start("events").id
    there = {**env, "PYTHONIOENCODING": encoding}
    message = "é ą 😀"
    order = json.dumps({"name": "text", "message": message})
    told = ["inst", "event", "send", id, "emit", "--value", order, "--wait", "text", "--json"]

    event = run(told, there)

    text = event.out.decode(encoding)
    assert event.code == 0
    assert message in json.dumps(json.loads(text), ensure_ascii=False)
    assert text.isascii() == (encoding != "utf-8")


def test_no_colour_and_no_bars_in_pipes(env: dict[str, str], start: Started):
    """Nothing that a pipe carries has an escape sequence, whatever TERM says."""
    id = start("many").id
    done = [
        run(arguments, {**env, "TERM": "xterm-256color", "COLORTERM": "truecolor"})
        for arguments in (["inst", "list"], ["inst", "info", id], ["inst", "log", id])
    ]

    assert all(each.code == 0 and b"\x1b" not in each.out + each.err.encode() for each in done)
