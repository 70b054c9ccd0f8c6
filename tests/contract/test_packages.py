"""Packages and functions run on every hub as they do here."""

from __future__ import annotations

import asyncio
import contextlib
import json
import linecache
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from scramjet_client import (
    BadParametersError,
    HostClient,
    InstanceClient,
    InstanceNotFoundError,
    SequenceClient,
    SequenceNotFoundError,
)
from tests.contract.conftest import Hub, ended
from tests.support.waiting import LIMIT, eventually
from tests.support.wheels import make_wheel

VOWELS = frozenset("aeiou")


def vowels(text: str) -> int:
    return sum(Counter(text.lower())[each] for each in VOWELS)


async def asynchronous(context: Any, input: Any, suffix: str = "") -> AsyncIterator[Any]:
    async for chunk in input:
        yield {"vowels": vowels(chunk), "suffix": suffix}


def generator(context: Any, input: Any, suffix: str = "") -> Iterator[Any]:
    for chunk in input:
        context.emit("seen", json.dumps(len(chunk)))
        time.sleep(0.01)
        yield {"vowels": vowels(chunk), "suffix": suffix}


def stream(context: Any, input: Any, suffix: str = "") -> Any:
    return input.map(lambda chunk: json.dumps({"vowels": vowels(chunk), "suffix": suffix}))


async def result(context: Any, input: Any, suffix: str = "") -> Any:
    text = ""
    async for chunk in input:
        text += chunk
    return {"vowels": vowels(text), "suffix": suffix}


def items(context: Any, input: Any, suffix: str = "") -> Any:
    return [json.dumps({"vowels": 5, "suffix": suffix}).encode()]


@pytest.fixture
def finish(hub: Hub) -> Iterator[list[InstanceClient]]:
    """Instances that are ended after the test."""
    started: list[InstanceClient] = []
    yield started
    for instance in started:
        # It may end by itself at any moment; 1.x refuses to kill what was asked to stop, and kills that itself.
        with contextlib.suppress(InstanceNotFoundError, BadParametersError):
            instance.kill(remove_immediately=True)


def output_of(
    sequence: SequenceClient, finish: list[InstanceClient], text: str = "", *args: Any
) -> bytes:
    """Start a sequence, feed it, and return all of its output."""
    instance = sequence.start(args=list(args), timeout=LIMIT)
    finish.append(instance)
    if text:
        instance.send_input(text, type="text/plain", end=True)
    with instance.get_stream("output") as output:
        return output.read()


def output_to_the_end_of_input(sequence: SequenceClient, finish: list[InstanceClient]) -> bytes:
    """Start a sequence whose program ends with its input, which ends behind the first output; return all output."""
    instance = sequence.start(timeout=LIMIT)
    finish.append(instance)
    with instance.get_stream("output") as output:
        first = output.read1()
        instance.send_input(b"", end=True)
        return first + output.read()


@pytest.mark.parametrize("function", [asynchronous, generator, stream, result, items])
def test_functions_of_every_kind(host: HostClient, finish: list[InstanceClient], function: Any):
    """Whatever kind of function it is, what it gives is the output."""
    sequence = host.deploy(function)

    # What does not read its input may have ended before it is sent.
    text = "" if function is items else "education\n"
    assert json.loads(output_of(sequence, finish, text, "!")) == {
        "vowels": 5,
        "suffix": "!",
    }


def test_deployed_function_has_its_name(host: HostClient):
    """The sequence is listed by the function's name."""
    sequence = host.deploy(result, name="vowel-counter")

    assert sequence.get_info().name == "vowel-counter"


def test_events_of_a_generator(host: HostClient, finish: list[InstanceClient]):
    """A generator function, which runs on a thread of its own, can emit."""
    instance = host.deploy(generator).start(timeout=LIMIT)
    finish.append(instance)

    with instance.expect_event("seen", timeout=LIMIT) as expected:
        instance.send_input("abc\n", type="text/plain")  # 0.x gives whole lines

    assert expected.value.data in (4, "4")


def test_binary_output(host: HostClient, finish: list[InstanceClient]):
    """Bytes arrive as they are where the hub carries bytes; their number does everywhere."""

    def binary(context, input):
        yield b"abc"
        yield bytearray(b"\x00def")

    assert output_of(host.deploy(binary), finish) == b"abc\x00def"


def test_declared_type_of_the_output(host: HostClient, finish: list[InstanceClient]):
    """A function may say the type itself: text, or values as lines of JSON."""

    def lines(context, input):
        yield {"a": 1}
        yield [2]

    lines.provides = {"provides": "", "contentType": "application/x-ndjson"}  # type: ignore[attr-defined]

    def text(context, input):
        yield "one "
        yield "two"

    text.output_type = "text/plain"  # type: ignore[attr-defined]
    output = output_of(host.deploy(lines), finish)

    assert [json.loads(each) for each in output.splitlines()] == [{"a": 1}, [2]]
    assert output_of(host.deploy(text), finish) == b"one two"


def test_function_without_output(host: HostClient, finish: list[InstanceClient]):
    """A function that returns nothing has an empty output, and what it prints is read."""

    def quiet(context, input):
        print("printed")

    instance = host.deploy(quiet).start(timeout=LIMIT)
    finish.append(instance)
    with instance.get_stream("stdout") as stdout:
        assert stdout.readline() == b"printed\n"
    with instance.get_stream("output") as output:
        assert output.read() == b""


def test_function_that_raises(host: HostClient, hub: Hub):
    """What it gave before arrives, and the instance ends; its log says why."""

    def breaks(context, input):
        yield "first"
        next(iter(input))
        raise KeyError("the reason")

    instance = host.deploy(breaks).start(timeout=LIMIT)
    with instance.get_stream("output") as output, instance.get_log_stream() as log:
        assert output.read(5) == b"first"
        instance.submit_input("go", type="text/plain", end=True)
        eventually(lambda: ended(instance))
        assert b"the reason" in log.read()
    if hub.modern:
        end = instance.wait(timeout=LIMIT)
        assert end.terminated is not None
        # 1.0.1 says 213 of each end of a Python program, and gives nothing more of a log that a reader has left.
        assert end.status == ("unknown" if end.terminated.raw["exitcode"] == 213 else "crashed")


def test_deployed_function_can_be_stopped(host: HostClient):
    """A function that never ends is stopped as any other program."""

    async def endless(context, input):
        while True:
            yield "tick\n"
            await asyncio.sleep(0.05)

    instance = host.deploy(endless).start(timeout=LIMIT)
    with instance.get_stream("output") as output:
        assert output.readline() == b"tick\n"
        instance.stop(1000)

    assert ended(instance)


def test_notebook_cell_with_requirements(
    host: HostClient, finish: list[InstanceClient], tmp_path: Path
):
    """A function of a notebook's cell finds what pip has installed for it."""
    wheel = make_wheel(tmp_path, "tiny_contract", "def double(text): return 2 * text\n")
    source = (
        "async def doubled(context, input):\n"
        "    from tiny_contract import double\n"
        "    async for chunk in input:\n"
        "        yield double(chunk)\n"
    )
    linecache.cache["<cell 1>"] = (
        len(source),
        None,
        source.splitlines(keepends=True),
        "<cell 1>",
    )
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(source, "<cell 1>", "exec"), space)
    sequence = host.deploy(space["doubled"], requirements=[str(wheel)])

    assert output_of(sequence, finish, "ab") == b"abab"


def test_folder_with_requirements(host: HostClient, finish: list[InstanceClient], tmp_path: Path):
    """The program of a folder finds the requirements that were installed into its package."""
    wheel = make_wheel(tmp_path, "tiny_contract", "VALUE = 'from the wheel'\n")
    folder = tmp_path / "seq"
    (folder / "src").mkdir(parents=True)
    manifest = {"name": "x", "main": "src/main.py", "engines": {"python3": ">=3.9"}}
    (folder / "package.json").write_text(json.dumps(manifest))
    (folder / "src" / "helper.py").write_text("from tiny_contract import VALUE\n")
    (folder / "src" / "main.py").write_text(_PROGRAM)
    (folder / "requirements.txt").write_text(f"{wheel}\n")
    sequence = host.send_sequence(folder, requirements="requirements.txt")

    assert output_to_the_end_of_input(sequence, finish) == b"from the wheel"


_PROGRAM = """
from scramjet.streams import Stream
from helper import VALUE

def run(context, input):
    async def items():
        yield VALUE
        async for _ in input:
            pass
    return Stream.read_from(items())
"""


def test_single_file(host: HostClient, finish: list[InstanceClient], tmp_path: Path):
    """A Python file is a sequence."""
    file = tmp_path / "alone.py"
    file.write_text(_PROGRAM.replace("from helper import VALUE", "VALUE = 'alone'"))
    told: list[tuple[int, int | None]] = []
    sequence = host.send_sequence(file, progress=lambda sent, total: told.append((sent, total)))

    assert output_to_the_end_of_input(sequence, finish) == b"alone"
    assert sequence.get_info().name == "alone"
    assert told[-1][0] == told[-1][1]


SHAPES = {
    "generator": "def run(context, input):\n for each in input:\n  yield each.upper()",
    "generator that blocks": "import time\ndef run(context, input):\n time.sleep(0.1)\n yield 'HI\\n'",
    "asynchronous generator": "async def run(context, input):\n async for each in input:\n  yield each.upper()",
    "text": "def run(context, input):\n return 'HI\\n'",
    "bytes": "def run(context, input):\n return b'HI\\n'",
    "list": "def run(context, input):\n return ['H', b'I', '\\n']",
    "loop": "def run(context, input):\n return ''.join(each.upper() for each in input)",
    "coroutine": "async def run(context, input):\n return [each.upper() async for each in input]",
    "coroutine of a stream": "async def run(context, input):\n return input.map(str.upper)",
    "stream": "def run(context, input):\n return input.map(str.upper)",
    "stream by a name": "def run(context, input):\n made = input.map(str.upper)\n return made",
    "lambda": "run = lambda context, input: ['HI\\n']",
    "nothing": "def run(context, input):\n print('seen')",
    "coroutine of nothing": "async def run(context, input):\n return None",
    "loop into a list": """
def run(context, input):
    found = []
    for each in input:
        found.append(each.upper())
    return found
""",
    "coroutine of a generator": """
async def run(context, input):
    async def items():
        async for each in input:
            yield each.upper()
    return items()
""",
    "typed": """
provides = {'provides': '', 'contentType': 'text/plain'}
def run(context, input):
    for each in input:
        yield each.upper()
""",
    "object": """
class Run:
    def __call__(self, context, input):
        for each in input:
            yield each.upper()
run = Run()
""",
    "decorated": """
import functools
def same(function):
    @functools.wraps(function)
    def wrapped(*args):
        return function(*args)
    return wrapped
@same
def run(context, input):
    for each in input:
        yield each.upper()
""",
}


@pytest.mark.parametrize("packed", ["file", "folder"])
@pytest.mark.parametrize("shape", SHAPES)
def test_programs_of_every_shape(
    host: HostClient, finish: list[InstanceClient], tmp_path: Path, shape: str, packed: str
):
    """What `deploy` takes, a file and a folder with a function `run` may be too, on every hub."""
    folder = tmp_path / "seq"
    folder.mkdir()
    manifest = {"name": "x", "main": "main.py", "engines": {"python3": ">=3.9"}}
    (folder / "main.py").write_text(SHAPES[shape])
    (folder / "package.json").write_text(json.dumps(manifest))
    sequence = host.send_sequence(folder if packed == "folder" else folder / "main.py")

    def given() -> bytes:
        instance = sequence.start(timeout=30)
        finish.append(instance)
        if "for each" in SHAPES[shape] or "input.map" in SHAPES[shape]:
            instance.send_input("hi\n", type="text/plain", end=True)
        with instance.get_stream("output") as output:
            return output.read()

    # An old hub forgets a program with its end, which may come before its reader: then another one is started.
    for _ in range(20):
        with contextlib.suppress(InstanceNotFoundError):
            assert given() == (b"" if "nothing" in shape else b"HI\n")
            return
    pytest.fail("every program had ended before its output was read")


def test_function_that_loops_over_its_input(host: HostClient, finish: list[InstanceClient]):
    """A function that is no generator may go through its input by a plain loop too."""

    def count(context, input):
        total = 0
        for chunk in input:
            total += len(chunk)
        return str(total)

    assert output_of(host.deploy(count), finish, "four\n") == b"5"


TOKEN = "kept-here"


def test_variables_of_a_function_are_given_at_the_start(
    host: HostClient, finish: list[InstanceClient]
):
    """A value that stays here is the configuration's there, another one at each start."""

    def tells(context, input):
        yield tells_it()

    sequence = host.deploy(tells, env=["TOKEN"])
    for value in ("one", "two"):
        instance = sequence.start(app_config={"TOKEN": value}, timeout=30)
        finish.append(instance)
        with instance.get_stream("output") as output:
            assert output.read() == f"<{value}>".encode()


def tells_it() -> str:
    return f"<{TOKEN}>"


def test_links_in_a_package(host: HostClient, finish: list[InstanceClient], tmp_path: Path):
    """A link inside of a folder works on the hub, and programs stay executable."""
    folder = tmp_path / "seq"
    folder.mkdir()
    manifest = {"name": "x", "main": "main.py", "engines": {"python3": ">=3.9"}}
    (folder / "package.json").write_text(json.dumps(manifest))
    (folder / "real.py").write_text("VALUE = 'by a link'\n")
    (folder / "helper.py").symlink_to("real.py")
    (folder / "main.py").write_text(_PROGRAM)

    assert output_to_the_end_of_input(host.send_sequence(folder), finish) == b"by a link"


def test_deployed_function_can_be_deleted(host: HostClient):
    """A deployed function is a sequence like any other."""
    sequence = host.deploy(items)
    sequence.delete()

    with pytest.raises(SequenceNotFoundError):
        sequence.get_info()
