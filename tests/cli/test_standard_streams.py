"""No stdin, stdout or stderr, full disks, pipes that nobody reads: each verb works, or says one sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scramjet_client import HostClient
from tests.cli.conftest import Started
from tests.cli.terminal import COMMAND, LIMIT
from tests.support.cases import mostly_long

VERBS = [
    ["--help"],
    ["--version"],
    ["nothing"],
    ["hub", "info"],
    ["hub", "load"],
    ["hub", "log"],
    ["hub", "doctor"],
    ["seq", "pack", "{folder}/echo.py", "-o", "-"],
    ["seq", "pack", "{folder}/echo.py", "--list"],
    ["seq", "send", "{folder}/echo.py"],
    ["seq", "send", "-"],
    ["seq", "list"],
    ["seq", "list", "--json"],
    ["seq", "info", "{sequence}"],
    ["seq", "start", "{sequence}"],
    ["seq", "run", "{folder}/many.py", "--log"],
    ["seq", "run", "{folder}/many.py", "--json"],
    ["seq", "run", "{folder}/stdin.py", "--stdin", "--output-only"],
    ["seq", "run", "{folder}/fails.py"],
    ["seq", "rm", "{unused}"],
    ["seq", "prune"],
    ["inst", "list"],
    ["inst", "info", "{instance}"],
    ["inst", "info", "nothing"],
    ["inst", "health", "{instance}"],
    ["inst", "log", "{instance}"],
    ["inst", "output", "{instance}", "--no-follow"],
    ["inst", "input", "{instance}", "--end"],
    ["inst", "stdin", "{instance}"],
    ["inst", "inout", "{instance}"],
    ["inst", "attach", "{ended}"],
    ["inst", "event", "send", "{instance}", "a", "b"],
    ["inst", "event", "wait", "{instance}", "a", "--limit", "0.2"],
    ["inst", "stop", "{instance}"],
    ["inst", "kill", "{instance}"],
    ["inst", "wait", "{ended}"],
    ["topic", "create", "one"],
    ["topic", "list"],
    ["topic", "send", "two"],
    ["topic", "get", "three", "--no-follow"],
    ["topic", "rm", "nothing"],
    ["profile", "list"],
    ["profile", "create", "lab", "--url", "http://127.0.0.1:1"],
    ["profile", "show", "lab"],
    ["profile", "rm", "lab"],
    ["completion", "bash"],
    ["hub", "start", "--port", "x"],
]

ALL_AT_ONCE = ["<&- >&- 2>&-", "<&- > /dev/full 2>&1"]

EACH = ["<&-", ">&-", "2>&-", "2> /dev/full", "0> /dev/null", "gone"]
"""As the shell writes it; "gone" is a pipe that nobody reads, for stdout and stderr."""

ALWAYS = {
    *("--help", "--version", "nothing", "hub load", "hub log", "seq pack {folder}/echo.py -o -"),
    *("seq send -", "seq list", "seq list --json", "seq run {folder}/many.py --json"),
    *("seq run {folder}/stdin.py --stdin --output-only", "seq run {folder}/fails.py"),
    *("inst info nothing", "inst output {instance} --no-follow", "inst input {instance} --end"),
    *("inst inout {instance}", "inst attach {ended}", "inst stop {instance}", "completion bash"),
    "topic get three --no-follow",
}
"""One of each kind: what is printed, listed, streamed in and out, packed, asked for in vain."""

CASES = [
    *mostly_long(
        [(verb, streams) for verb in VERBS for streams in ALL_AT_ONCE],
        but=[
            (verb, ALL_AT_ONCE[number % 2])
            for number, verb in enumerate(VERBS)
            if " ".join(verb) in ALWAYS
        ],
    ),
    *((verb, streams) for verb in (VERBS[0], VERBS[10], VERBS[15]) for streams in EACH),
]


@pytest.mark.parametrize(
    ("verb", "streams"), CASES, ids=lambda each: each if isinstance(each, str) else " ".join(each)
)
def test_verbs(
    env: dict[str, str],
    start: Started,
    folders: Path,
    host: HostClient,
    verb: list[str],
    streams: str,
):
    """It ends, with a code of the table, and with no traceback and no confession."""
    needed = " ".join(verb)
    values = {"folder": str(folders)}
    if "{sequence}" in needed or "{unused}" in needed:
        values["sequence"] = values["unused"] = start.sequence("many")
    if "{instance}" in needed:
        values["instance"] = start("echo").id
    if "{ended}" in needed:
        instance = start("many")
        instance.wait(LIMIT)
        values["ended"] = instance.id
    line = [*COMMAND, *(each.format(**values) for each in verb)]
    script = '"$@" ' + (streams if streams != "gone" else "")
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            ["bash", "-c", script, "bash", *line],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=write if streams == "gone" else subprocess.PIPE,
            stderr=write if streams == "gone" else subprocess.PIPE,
            timeout=LIMIT,
            check=False,
        )
    finally:
        os.close(write)

    said = ((done.stderr or b"") + (done.stdout or b"")).decode("utf-8", "replace")
    assert "defect" not in said
    assert "Exception ignored" not in said
    assert "scramjet_client/cli" not in said
    assert done.returncode in {0, 1, 2, 66, 69, 77, 78, 79, 124, 137, 141}, said


def to_a_full_disk(arguments: list[str], env: dict[str, str]) -> tuple[int, bytes]:
    """Run a command whose stdout is full; return its exit code and its stderr."""
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*COMMAND, *arguments], env=env, stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE,
            timeout=LIMIT, check=False,
        )  # fmt: skip
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    "verb",
    [
        ["seq", "list"],
        ["--help"],
        ["--version"],
        ["hub", "log"],
        ["seq", "list", "--json"],
        ["completion", "zsh"],
    ],
    ids=" ".join,
)
def test_full_disk(env: dict[str, str], verb: list[str]):
    """A result that can't be written is 1, and one sentence that says that it is stdout."""
    assert to_a_full_disk(verb, env) == (1, b"Error: stdout: No space left on device\n")


def test_an_id_to_a_full_disk(env: dict[str, str], start: Started):
    """What was made is not lost: stderr has its id."""
    code, said = to_a_full_disk(["seq", "start", start.sequence("idle")], env)

    (instance,) = start.host.list_instances()
    assert code == 1
    assert instance.id in said.decode()


def test_output_of_an_instance_to_a_full_disk(env: dict[str, str], start: Started):
    """So is a stream."""
    given = ["inst", "output", start("many").id]

    assert to_a_full_disk(given, env) == (1, b"Error: stdout: No space left on device\n")


def test_no_socket_takes_the_place_of_stdout(env: dict[str, str], start: Started):
    """Without any of them, what is printed does not go into the connection to the hub."""
    id = start("echo").id
    done = subprocess.run(
        ["bash", "-c", '"$@" <&- >&- 2>&-', "bash", *COMMAND, "--debug", "inst", "stop", id],
        env=env, timeout=LIMIT, check=False,
    )  # fmt: skip

    assert done.returncode == 0
    assert start.host.get_instance_client(id).get_info().status == "stopped"


def test_help_that_nobody_reads(env: dict[str, str]):
    """Help and completion into a closed pipe end as everything else does there."""
    for verb in (["--help"], ["inst", "--help"], ["inst", "log", "--help"], ["--version"]):
        read, write = os.pipe()
        os.close(read)
        try:
            done = subprocess.run(
                [*COMMAND, *verb], env=env, stdout=write, stderr=subprocess.PIPE, timeout=LIMIT, check=False,
            )  # fmt: skip
        finally:
            os.close(write)

        assert (done.returncode, done.stderr) == (141, b"")


def test_stdin_that_can_not_be_read(env: dict[str, str], start: Started, tmp_path: Path):
    """A file that is only written to, in the place of stdin, is one sentence."""
    script = f'"$@" 0> {tmp_path / "file"}'
    done = subprocess.run(
        ["bash", "-c", script, "bash", *COMMAND, "inst", "input", start("echo").id],
        env=env, capture_output=True, text=True, timeout=LIMIT, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "defect" not in done.stderr


def test_python_without_streams(env: dict[str, str]):
    """`main()` works in a Python that has no streams, as under pythonw."""
    code = (
        "import sys; sys.stdin = sys.stdout = sys.stderr = None;"
        "from scramjet_client.cli import main; sys.exit(main(['seq', 'list']) or main(['nothing']))"
    )
    done = subprocess.run([sys.executable, "-c", code], env=env, timeout=LIMIT, check=False)

    assert done.returncode == 2
