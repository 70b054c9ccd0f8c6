"""Traces: `dev --record`, `LocalHub(record=...)`, `scramjet replay`, and traces as tests."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scramjet_client import HostClient
from scramjet_client._common.trace import TraceWriter, read_trace
from scramjet_client.hub import LocalHub
from tests.cli.conftest import Command, run
from tests.cli.terminal import environment
from tests.support.waiting import LIMIT, eventually

PROGRAM = """
import sys
async def run(context, input, *args):
    context.on("louder", lambda message: context.emit("heard", message))
    context.emit("begun", {"args": list(args)})
    print("a note", file=sys.stderr)
    async for text in input:
        print("seen", flush=True)
        yield text.upper()
"""


@pytest.fixture
def own(home: Path) -> dict[str, str]:
    """The environment of a command that starts its own hub."""
    return environment(home, None)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a program, and the trace of a run of it."""
    folder = tmp_path_factory.mktemp("recorded")
    (folder / "app.py").write_text(PROGRAM)
    (folder / "lines.txt").write_text("one\ntwo\n")
    arguments = ["dev", "app.py", "word", "--once", "--port", "0", "-i", "lines.txt"]
    own = environment(folder, None)
    done = run([*arguments, "--record", "app.trace.jsonl"], own, cwd=folder)
    assert done.code == 0, done
    return folder


@pytest.fixture
def trace(recorded: Path, tmp_path: Path) -> Path:
    """A trace of a program in its folder, which belong to the test."""
    for name in ("app.py", "lines.txt", "app.trace.jsonl"):
        shutil.copy(recorded / name, tmp_path)
    return tmp_path / "app.trace.jsonl"


def test_a_trace_is_json_lines(trace: Path):
    """Each line is a record: what was sent and what came, in order, with times."""
    head, *records = [json.loads(each) for each in trace.read_text("utf-8").splitlines()]
    found = read_trace(trace)

    assert head["scramjet_trace"] == 1
    assert head["program"] == "app.py"
    times = [each["t"] for each in records]
    assert times == sorted(times)
    (one,) = found.runs
    assert one.args == ["word"]
    assert one.came["output"] == b"ONE\nTWO\n"
    assert one.events == [("begun", {"args": ["word"]})]
    assert [each["kind"] for each in one.sent][-1] == "closed"
    assert (one.exit_code, one.stopped) == (-1, False)


def test_same_again(trace: Path, own: dict[str, str], tmp_path: Path):
    """A program that has not changed gives the same, from any folder."""
    (tmp_path / "elsewhere").mkdir()
    done = run(["replay", trace], own, cwd=tmp_path / "elsewhere")

    assert (done.code, done.text) == (0, "")


CHANGES = [
    ("upper", "title", "output", ["-ONE", "+One", "+Two"]),
    ('print("seen", flush=True)', "pass", "stdout", ["-seen"]),
    ('"a note"', '"another"', "stderr", ["-a note", "+another"]),
    ('"begun", {', '"begun", {"more": 1, ', "events", ['-begun {"args": ["word"]}']),
    ("        yield", "        raise SystemExit(3)\n        yield", "end", ["+it failed with exit code 3"]),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "of", "shown"), CHANGES)
def test_differences(
    trace: Path, here: Command, tmp_path: Path, old: str, new: str, of: str, shown: list[str]
):
    """What a program gives otherwise is a diff of that stream, and exit code 1."""
    (tmp_path / "app.py").write_text(PROGRAM.replace(old, new))
    done = here.any_end("replay", trace)

    assert done.code == 1
    assert f"{of} differs" in done.text.splitlines()
    assert set(shown) <= set(done.text.splitlines())


def test_differences_as_json(trace: Path, here: Command, tmp_path: Path):
    """With `--json` they are for programs, with the same exit code."""
    (tmp_path / "app.py").write_text(PROGRAM.replace("upper", "title"))
    done = here.any_end("replay", trace, "--json")

    assert done.code == 1
    assert [each["of"] for each in json.loads(done.text)["differences"]] == ["output"]


def test_events_and_a_program_that_goes_on(own: dict[str, str], tmp_path: Path):
    """What a client sends is replayed, events too, and a program that did not end is stopped again."""
    (tmp_path / "app.py").write_text(PROGRAM)
    with LocalHub(record=tmp_path / "trace.jsonl") as hub, hub.client() as host:
        instance = host.send_sequence(tmp_path / "app.py").start()
        instance.get_event("begun", timeout=LIMIT)
        with instance.expect_event("heard", timeout=LIMIT) as expected:
            instance.send_event("louder", {"by": 2})
        instance.send_input("more\n", end=False)
        with instance.get_stream("output") as output:
            assert output.readline() == b"MORE\n"
    assert expected.value is not None
    done = run(["replay", "trace.jsonl", "app.py"], own, cwd=tmp_path)
    (tmp_path / "app.py").write_text(PROGRAM.replace('"heard", message', '"heard", 1'))
    changed = run(["replay", "trace.jsonl", "app.py"], own, cwd=tmp_path)
    nameless = run(["replay", "trace.jsonl"], own, cwd=tmp_path)

    assert (done.code, done.text) == (0, "")
    assert '-heard {"by": 2}' in changed.text
    assert nameless.code == 2
    assert "give its PATH" in nameless.err


STEADY = """
import asyncio
async def run(context, input):
    while True:
        yield "x\\n"
        await asyncio.sleep(0.05)  # a rate: it gives something for ever
"""


def record_steady(tmp_path: Path) -> None:
    """Record a program that gives something for ever, and is stopped."""
    (tmp_path / "app.py").write_text(STEADY)
    with LocalHub(record=tmp_path / "t.jsonl") as hub, hub.client() as host:
        instance = host.send_sequence(tmp_path / "app.py").start()
        with instance.get_stream("output") as output:
            assert [output.readline() for _ in range(3)] == [b"x\n"] * 3
    lines = (tmp_path / "t.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "t.jsonl").write_text(
        "".join(each for each in lines if '"kind": "end"' not in each)
    )


@pytest.mark.parametrize(
    ("old", "new", "differs"),
    [
        ("", "", []),
        ("0.05", "0.001", []),
        ("0.05", "0", []),
        ('"x', '"y', ["output"]),
        ("        yield", "        print('more', flush=True)\n        yield", []),
        ("while True", "for _ in range(2)", ["end", "output"]),
    ],
)
def test_steady_program(here: Command, tmp_path: Path, old: str, new: str, differs: list[str]):
    """The replay of a program that gives something for ever ends; what it would have given later does not count."""
    record_steady(tmp_path)
    (tmp_path / "app.py").write_text(STEADY.replace(old, new) if old else STEADY)
    done = here.any_end("replay", "t.jsonl", "app.py", "--json")

    found = {each["of"] for each in json.loads(done.text)["differences"]}
    assert found - {"stdout"} == set(differs)


def test_more_than_in_the_silence_of_a_trace(trace: Path, here: Command, tmp_path: Path):
    """A program that gives more while the trace was silent differs, even if it goes on in both."""
    lines = [json.loads(each) for each in trace.read_text().splitlines()]
    kept = [each for each in lines if each.get("kind") not in ("closed", "end")]
    kept.append({"t": 3600.0, "instance": lines[1]["instance"], "kind": "end", "exit_code": 138})
    trace.write_text("".join(json.dumps(each) + "\n" for each in kept))
    same = here.any_end("replay", trace)
    (tmp_path / "app.py").write_text(PROGRAM.replace("text.upper()", "text.upper() * 2"))
    changed = here.any_end("replay", trace)

    assert (same.code, same.text) == (0, "")
    assert changed.code == 1


def test_trace_of_an_end_against_a_program_without_one(own: dict[str, str], tmp_path: Path):
    """A program that now gives something for ever is stopped, and that is what differs."""
    (tmp_path / "app.py").write_text(STEADY.replace("while True", "for _ in range(2)"))
    with LocalHub(record=tmp_path / "t.jsonl") as hub, hub.client() as host:
        host.send_sequence(tmp_path / "app.py").run()
    (tmp_path / "app.py").write_text(STEADY)
    done = run(["replay", "t.jsonl", "app.py", "--patience", "1"], own, cwd=tmp_path)

    assert "+it was still running, and was stopped" in done.text


def test_bytes_survive(own: dict[str, str], tmp_path: Path):
    """Data that is no text is in the trace as it was."""
    data = bytes(range(256)) * 10
    (tmp_path / "app.py").write_text(
        "async def run(context, input):\n    async for chunk in input:\n        yield chunk\n"
    )
    (tmp_path / "data.bin").write_bytes(data)
    arguments = ["dev", "app.py", "--once", "--port", "0", "-i", "data.bin"]
    run([*arguments, "--record", "t.jsonl"], own, cwd=tmp_path)

    assert read_trace(tmp_path / "t.jsonl").runs[0].came["output"] == data
    assert run(["replay", "t.jsonl"], own, cwd=tmp_path).code == 0


def test_record_on_another_hub(host: HostClient, hub: LocalHub, home: Path, tmp_path: Path):
    """With `--api-url` the command itself keeps the trace, and a replay there gives the same."""
    (tmp_path / "app.py").write_text(PROGRAM)
    (tmp_path / "lines.txt").write_text("one\n")
    env = environment(home, None)
    where = ["--api-url", hub.url]
    arguments = ["dev", "app.py", "--once", "-i", "lines.txt", "--record", "t.jsonl", *where]
    done = run(arguments, env, cwd=tmp_path)
    again = run(["replay", "t.jsonl", *where], env, cwd=tmp_path)

    assert done.code == 0, done
    (one,) = read_trace(tmp_path / "t.jsonl").runs
    assert one.came["output"] == b"ONE\n"
    assert again.code == 0, again
    eventually(lambda: not host.list_sequences())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty"),
        ("x\n", "line 1: this is not JSON"),
        ("{}\n", 'must have "scramjet_trace"'),
        ('{"scramjet_trace": 2}\n', "format 2"),
        ('{"scramjet_trace": 1}\n[]\n', "line 2: a record is a JSON object"),
        ('{"scramjet_trace": 1, "program": "app.py"}\n', "has no run"),
        (
            '{"scramjet_trace": 1}\n{"kind": "sent", "instance": "a", "to": "input", "base64": "?"}\n',
            "not base64",
        ),
        (
            '{"scramjet_trace": 1}\n{"instance": "a"}\n',
            'line 2: "kind" is not there; it is one of start, sent',
        ),
        (
            '{"scramjet_trace": 1}\n{"kind": "stat", "instance": "a"}\n',
            "line 2: \"kind\" is 'stat'",
        ),
        ('{"scramjet_trace": 1}\n{"kind": [], "instance": "a"}\n', 'line 2: "kind" is []'),
        ('{"scramjet_trace": 1}\n{"kind": "start"}\n', 'line 2: a record has its "instance"'),
        (
            '{"scramjet_trace": 1}\n{"kind": "start", "instance": "a", "args": 5}\n',
            'line 2: "args" is 5, and not a JSON list',
        ),
        (
            '{"scramjet_trace": 1}\n{"kind": "start", "instance": "a", "config": []}\n',
            'line 2: "config" is [], and not a JSON object',
        ),
        (
            '{"scramjet_trace": 1}\n{"kind": "start", "instance": "a", "t": "x"}\n',
            "line 2: \"t\" is 'x'",
        ),
        (
            '{"scramjet_trace": 1}\n{"kind": "sent", "instance": "a", "to": "inptu", "text": "x"}\n',
            "line 2: \"to\" is 'inptu'; it is one of input, stdin, event",
        ),
        (
            '{"scramjet_trace": 1}\n{"kind": "closed", "instance": "a"}\n',
            'line 2: "to" is not there',
        ),
        (
            '{"scramjet_trace": 1}\n{"kind": "came", "instance": "a", "from": "outptu", "text": "x"}\n',
            "line 2: \"from\" is 'outptu'",
        ),
        (
            '{"scramjet_trace": 1}\n{"kind": "came", "instance": "a", "from": "output"}\n',
            "line 2: there is no data",
        ),
        (
            '{"scramjet_trace": 1}\n{"kind": "sent", "instance": "a", "to": "input", "text": 5}\n',
            'line 2: "text" is 5, and not text',
        ),
        (
            '{"scramjet_trace": 1}\n{"kind": "sent", "instance": "a", "to": "event"}\n',
            'line 2: an event has a "name"',
        ),
    ],
)
def test_no_trace(here: Command, tmp_path: Path, content: str, said: str):
    """A file that is no trace is refused in one sentence, with the line."""
    (tmp_path / "app.py").write_text(PROGRAM)
    (tmp_path / "t.jsonl").write_text(content)
    done = here.any_end("replay", "t.jsonl", "app.py")

    assert done.code == 2
    assert said in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize(
    "command", [["hub", "start", "--port", "0"], ["dev", "app.py", "--once", "--port", "0"]]
)
def test_trace_that_cannot_be_written(here: Command, tmp_path: Path, command: list[str]):
    """A trace in a folder that is not there is one sentence, which names the file."""
    (tmp_path / "app.py").write_text(PROGRAM)
    done = here.any_end(*command, "--record", "none/t.jsonl")

    assert done.code == 1
    assert done.err == "Error: none/t.jsonl: No such file or directory\n"


@pytest.mark.parametrize(
    ("arguments", "record", "said"),
    [
        (["dev", "app.py"], "app.py", "would replace the program"),
        (["dev", "app.py", "-i", "lines.txt"], "lines.txt", "would replace its input"),
        (["dev", "app.py", "-i", "empty.txt"], "link.txt", "would replace its input"),
        (["dev", "app.py", "-i", "old.jsonl"], "old.jsonl", "would replace its input"),
        (["dev", "pkg"], "pkg/__init__.py", "would replace a file of the program"),
        (["dev", "pkg"], "pkg/main.py", "would replace a file of the program"),
        (["dev", "mod:run"], "mod.py", "would replace a file of the program"),
        (["dev", "app.py"], "other.py", "other.py: this file is not a trace"),
        (["dev", "app.py"], "data.json", "data.json: this file is not a trace"),
        (["hub", "start"], "other.py", "other.py: this file is not a trace"),
        (["dev", "broken.py"], "old.jsonl", "SyntaxError"),
        (["dev", "pkg", "--api-url", "http://127.0.0.1:9"], "old.jsonl", "refused"),
    ],
)  # fmt: skip
def test_a_trace_destroys_nothing(
    here: Command, tmp_path: Path, arguments: list[str], record: str, said: str
):
    """A file that is no trace is never replaced, and an old trace only by a run."""
    files = {
        "app.py": PROGRAM, "mod.py": PROGRAM, "other.py": PROGRAM, "pkg/main.py": PROGRAM, "pkg/__init__.py": "",
        "pkg/package.json": '{"name": "p", "main": "main.py", "engines": {"python3": "3"}}',
        "empty.txt": "", "broken.py": "def run(", "lines.txt": "one\n", "data.json": "{}\n",
        "old.jsonl": '{"scramjet_trace": 1}\n',
    }  # fmt: skip
    (tmp_path / "pkg").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "link.txt").symlink_to("empty.txt")
    port = [] if "--api-url" in arguments else ["--port", "0"]
    once = ["--once"] if arguments[0] == "dev" else []
    done = here.any_end(*arguments, *port, *once, "--record", record)

    assert done.code not in (0, 70), done
    assert said in done.err
    assert {name: (tmp_path / name).read_text() for name in files} == files


def test_a_hub_without_instances_keeps_the_old_trace(trace: Path, tmp_path: Path):
    """A hub replaces a trace when its first instance begins."""
    before = trace.read_bytes()
    (tmp_path / "quick.py").write_text("async def run(context, input):\n    yield 'x'\n")
    with LocalHub(record=trace) as hub, hub.client() as host:
        assert trace.read_bytes() == before
        host.send_sequence(tmp_path / "quick.py").run()
    (one,) = read_trace(trace).runs

    assert one.came["output"] == b"x"


def test_cut_trace_is_read_to_its_last_line(trace: Path):
    """A trace whose writer was killed is read up to there, and its program counts as going on."""
    whole = trace.read_bytes()
    at = whole.index(b'"kind": "end"')
    trace.write_bytes(whole[:at])
    (one,) = read_trace(trace).runs

    assert one.stopped
    assert one.came["output"] == b"ONE\nTWO\n"


def test_full_disk_ends_the_trace_alone():
    """A callable or a disk that fails ends the trace; the hub goes on."""

    def fail(_record: dict[str, Any]) -> None:
        raise OSError(28, "No space left on device")

    writer = TraceWriter(fail)
    writer.add("start", "a")

    assert isinstance(writer.failure, OSError)


@pytest.mark.parametrize("changed", [False, True])
def test_traces_are_tests(trace: Path, tmp_path: Path, home: Path, changed: bool):
    """pytest takes a trace as a test of its program, and shows what differs."""
    if changed:
        (tmp_path / "app.py").write_text(PROGRAM.replace("upper", "title"))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        env=environment(home, None), cwd=tmp_path, capture_output=True, text=True, check=False, timeout=LIMIT,
    )  # fmt: skip

    assert done.returncode == int(changed), done.stdout
    assert ("-ONE" in done.stdout) == changed
    assert f"1 {'failed' if changed else 'passed'}" in done.stdout


def test_function_of_a_package_again(own: dict[str, str], tmp_path: Path):
    """The trace of a function in a package is replayed as it ran, with what it imports from its package."""
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "helper.py").write_text("WORD = 'helped'\n")
    (tmp_path / "pkg" / "mod.py").write_text(
        "from pkg.helper import WORD\ndef go(context, input):\n    yield WORD\n"
    )
    options = ["--once", "--port", "0", "--no-input", "--record", "go.trace.jsonl"]
    made = run(["dev", "pkg.mod:go", *options], own, cwd=tmp_path)
    again = run(["replay", tmp_path / "go.trace.jsonl"], own, cwd=tmp_path.parent)

    assert made.code == 0, made
    assert (again.code, again.text) == (0, ""), again
