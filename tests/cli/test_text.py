"""Text is sent as text and everything else as bytes, by each verb that feeds a program, from each kind of source."""

from __future__ import annotations

import hashlib
import os
import subprocess
import threading
from pathlib import Path

import pytest

from scramjet_client import HostClient, UnsupportedByHubError
from scramjet_client.cli._bodies import Text, begins_as_text, is_text
from tests.cli.conftest import run, spawned
from tests.cli.terminal import LIMIT

SUM = """
import hashlib
def run(context, input):
    found, kinds = hashlib.sha256(), set()
    for piece in input:
        kinds.add(type(piece).__name__)
        found.update(piece.encode() if isinstance(piece, str) else piece)
    yield f"{found.hexdigest()} {' '.join(kinds)}\\n"
"""

DATA = [
    ("lines", b"one\ntwo\n", "str"),
    ("no line end", b"one", "str"),
    ("not ASCII", "zażółć gęślą jaźń\n".encode() * 20_000, "str"),
    ("latin", b"caf\xe9 one\n", "bytes"),
    ("latin at the end of a file", b"one\n" * 100_000 + b"\xe9\n", "bytes"),
    ("half a character", b"abc\xc3", "bytes"),
    ("NUL", b"one\0two\n", "bytes"),
    ("long line", b"a" * 70_000, "bytes"),
    ("random", hashlib.shake_256(b"seed").digest(300_000), "bytes"),
    ("empty", b"", ""),
]
"""Its name, some data, and what a Python program gets."""

_ONLY_OF_A_FILE = ("latin at the end of a file",)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program that gives the sum and the kind of its input."""
    path = tmp_path / "sum.py"
    path.write_text(SUM)
    return path


@pytest.mark.parametrize("way", ["file", "stdin is a file", "pipe", "named pipe"])
@pytest.mark.parametrize(("name", "data", "kind"), DATA, ids=lambda each: None)
def test_seq_run(
    program: Path, env: dict[str, str], tmp_path: Path, way: str, name: str, data: bytes, kind: str
):
    """No byte is lost, and text comes as text, whichever way it comes."""
    if name in _ONLY_OF_A_FILE and "file" not in way:
        pytest.skip("the beginning of a pipe does not show it")
    file = tmp_path / "data"
    line: list[object] = ["seq", "run", program]
    if way == "named pipe":
        if not hasattr(os, "mkfifo"):
            pytest.skip("there are no named pipes")
        os.mkfifo(file)
        threading.Thread(target=file.write_bytes, args=(data,), daemon=True).start()
    elif way != "pipe":
        file.write_bytes(data)
    if way == "stdin is a file":
        with file.open("rb") as stdin:
            done = run(line, env, stdin=stdin)
    elif way == "pipe":
        done = run(line, env, input=data)
    else:
        done = run([*line, "--input", file], env, stdin=subprocess.DEVNULL)

    assert done.code == 0, done
    assert done.text.split() == [hashlib.sha256(data).hexdigest(), *kind.split()]


@pytest.mark.parametrize(
    ("data", "kind"), [(b"one\n", "str"), (b"\xff\n", "bytes")], ids=["text", "bytes"]
)
@pytest.mark.parametrize("verb", ["input", "inout", "dev", "dev by a pipe"])
def test_the_other_verbs(
    program: Path,
    host: HostClient,
    env: dict[str, str],
    home: Path,
    tmp_path: Path,
    verb: str,
    data: bytes,
    kind: str,
):
    """`inst input`, `inst inout` and `dev` have the rule of `seq run`."""
    want = f"{hashlib.sha256(data).hexdigest()} {kind}"
    if verb.startswith("dev"):
        file = tmp_path / "data"
        file.write_bytes(data)
        own = {name: value for name, value in env.items() if name != "SCRAMJET_API_URL"}
        line = ["dev", program, "--once", "--port", 0]
        done = (
            run([*line, "--input", file], own, stdin=subprocess.DEVNULL)
            if verb == "dev"
            else run(line, own, input=data)
        )
        assert want in done.text, done
        return
    if verb == "inout" and kind == "bytes":
        pytest.skip("hubs carry only UTF-8 there")
    instance = host.send_sequence(program).start()
    with instance.get_stream("output") as output:
        if verb == "input":
            done = run(["inst", "input", instance.id, "-", "--end"], env, input=data)
            assert (done.code, output.read().decode().strip()) == (0, want)
    if verb == "inout":
        done = run(["inst", "inout", instance.id, "-"], env, input=data)
        assert (done.code, done.text.strip()) == (0, want)


def test_a_type_that_is_given_holds(program: Path, env: dict[str, str]):
    """`-t application/octet-stream` sends text as bytes."""
    done = run(["seq", "run", program, "-t", "application/octet-stream"], env, input=b"one\n")

    assert done.text.split()[1:] == ["bytes"]


def test_a_pipe_that_is_not_text_later_is_refused(env: dict[str, str], tmp_path: Path):
    """What began as text and is not text later is an error that names the place and the option."""
    (tmp_path / "up.py").write_text(
        "def run(context, input):\n    for piece in input:\n        yield piece.upper()\n"
    )
    with spawned(["seq", "run", tmp_path / "up.py"], env, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"one\n")
        process.stdin.flush()
        # It has been taken for text.
        assert process.stdout.readline() == b"ONE\n"
        process.stdin.write(b"caf\xe9\n")
        process.stdin.close()
        process.stdin = None
        _, err = process.communicate(timeout=LIMIT)

    assert process.returncode == 1
    assert b"the byte 0xe9 at offset 7" in err
    assert b"`-t application/octet-stream`" in err


def test_the_output_is_shown_while_stdin_is_silent(env: dict[str, str], tmp_path: Path):
    """A program that speaks first is heard before a pipe has given anything."""
    (tmp_path / "first.py").write_text(
        "def run(context, input):\n    yield 'hello\\n'\n    for piece in input:\n        yield 'you said ' + piece\n"
    )
    with spawned(["seq", "run", tmp_path / "first.py"], env, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"hello\n"
        process.stdin.write(b"hi\n")
        process.stdin.close()
        process.stdin = None
        out, err = process.communicate(timeout=LIMIT)

    assert (process.returncode, out) == (0, b"you said hi\n"), err


@pytest.mark.parametrize(
    "pieces",
    [[b"one\n", b"caf\xe9\n"], [b"a" * 40_000, b"a" * 40_000], [b"one\n", b"a" * 65_536]],
    ids=["not UTF-8", "long line", "long last line"],
)
def test_text_refuses_what_would_not_arrive(pieces: list[bytes]):
    """A byte that is not UTF-8, and a line that no Python runner delivers, are found in whatever piece they are."""
    text = Text("stdin")

    with pytest.raises(UnsupportedByHubError, match="stdin began as text"):
        list(map(text.of, pieces))


def test_a_character_over_two_pieces_is_one():
    """A pipe may be cut anywhere."""
    text = Text("stdin")
    data = "zażółć\n".encode()

    assert "".join(text.of(data[at : at + 1]) for at in range(len(data))) == "zażółć\n"
    assert text.of(b"", final=True) == ""


def test_the_beginning_may_end_within_a_character(tmp_path: Path):
    """The beginning of a pipe may be cut; a whole file may not."""
    (tmp_path / "cut").write_bytes(b"abc\xc3")

    assert begins_as_text([b"abc\xc3"])
    assert not begins_as_text([b"abc\xc3"], whole=True)
    assert not is_text(tmp_path / "cut")
