"""The contract of Python sequences on LocalHub: what is accepted, what is refused, and what they get."""

from __future__ import annotations

import json

import pytest

from tests.hub.wire import archive, ask, ended, info, log, opened, run, start, upload
from tests.support.waiting import eventually

OCTETS = "provides = {'provides': '', 'contentType': 'application/octet-stream'}\n"
NDJSON = "provides = {'provides': '', 'contentType': 'application/x-ndjson'}\n"
STREAM = "from scramjet.streams import Stream\n"


@pytest.mark.parametrize(
    ("main", "output"),
    [
        ("async def run(context, input):\n    yield 'a'\n    yield 'ą'\n", "aą".encode()),
        (STREAM + "def run(context, input):\n    return Stream.read_from(['a', 'b'])\n", b"ab"),
        (
            STREAM + "async def run(context, input):\n    return Stream.read_from(['a', 'b'])\n",
            b"ab",
        ),
        (OCTETS + "async def run(context, input):\n    yield b'\\xff\\x00'\n", b"\xff\x00"),
        (
            NDJSON + "async def run(context, input):\n    yield {'a': 1}\n    yield 'x'\n",
            b'{"a": 1}\n"x"\n',
        ),
        (
            NDJSON.replace("application/", "text/")
            + "async def run(context, input):\n    yield b'{}\\n'\n",
            b"{}\n",
        ),
        (
            STREAM + "def run(context, input, *args):\n"
            "    out = Stream.read_from(args).map(lambda x: {'v': x})\n"
            "    out.provides, out.content_type = '', 'application/x-ndjson'\n    return out\n",
            b'{"v": 1}\n{"v": "2"}\n',
        ),
        ("def run(context, input):\n    return None\n", b""),
        (
            "async def run(context, input, *args):\n    yield str(context.config) + str(args)\n",
            b"{'k': 1}(1, '2')",
        ),
    ],
)
def test_what_a_sequence_may_return(url: str, main: str, output: bytes):
    """Streams, coroutines that give them, async generators and None are outputs."""
    args = [1, "2"] if "*args" in main else []
    instance = run(url, main, args=args, appConfig={"k": 1})
    found = ended(url, instance)

    with opened(url, f"instance/{instance}/output") as stream:
        assert stream.read(1000) == output
    assert (found["status"], found["terminated"]["exitcode"]) == ("completed", -1)


@pytest.mark.parametrize(
    ("main", "said"),
    [
        ("def run(context, input):\n    yield 'a'\n", "generator"),
        ("def run(context, input):\n    return ['a']\n", "list"),
        ("def run(context, input):\n    return 'a'\n", "str"),
        ("async def run(context, input):\n    return {'a': 1}\n", "dict"),
        (
            "async def items():\n    yield 'a'\nasync def run(context, input):\n    return items()\n",
            "async_generator",
        ),
        (
            OCTETS.replace("application/octet-stream", "text/x-ndjson")
            + "async def run(context, input):\n    yield {'a': 1}\n",
            "must be bytes, not dict",
        ),
        ("async def run(context, input):\n    yield b'bytes'\n", "must be str, not bytes"),
        (OCTETS + "async def run(context, input):\n    yield 'text'\n", "must be bytes, not str"),
        (
            "provides = {'provides': '', 'contentType': 'text/html'}\nasync def run(c, i):\n    yield 'x'\n",
            "text/html",
        ),
    ],
)
def test_what_a_sequence_may_not_return(url: str, main: str, said: str):
    """The rest fails as on a real hub, and the log says what to return instead."""
    instance = run(url, main)

    assert ended(url, instance)["terminated"]["exitcode"] == 23
    lines = log(url, instance, said, "Sequence failed during execution")
    messages = "\n".join(line["msg"] for line in lines if line["level"] == "ERROR")
    assert said in messages
    if said in ("generator", "list", "str", "dict"):
        assert "return a scramjet.streams.Stream" in messages


FOLDERS = """
import os
while_loading = os.path.exists("main.py")
async def run(context, input):
    yield f"{while_loading} {os.path.exists('main.py')} {os.path.exists('src')}"
"""


def test_working_folder(url: str):
    """As on a real hub, it is the main file's once that is loaded, and another one before."""
    manifest = {"main": "src/main.py", "engines": {"python3": ">=3.9"}}
    files: dict[str, bytes | str] = {"package.json": json.dumps(manifest), "src/main.py": FOLDERS}
    instance = start(url, upload(url, archive(files)))

    with opened(url, f"instance/{instance}/output") as stream:
        assert stream.read(1000) == b"False True False"


def test_input_as_text_and_as_bytes(url: str):
    """Items are str for text/plain, whole characters each, and bytes for octets."""
    main = (
        "async def run(context, input):\n    async for chunk in input:\n        yield repr(chunk)\n"
    )
    for kind, expected in (
        ("text/plain", b"'\xc4\x85'"),
        ("application/octet-stream", b"b'\\xc4\\x85'"),
    ):
        instance = run(url, main)
        headers = {"Content-Type": kind, "x-end-stream": "true"}
        ask(url, "POST", f"instance/{instance}/input", raw="ą".encode(), headers=headers)
        with opened(url, f"instance/{instance}/output") as output:
            assert output.read(100) == expected


@pytest.mark.parametrize(
    "kind", ["application/x-ndjson", "text/plain; charset=utf-8", "TEXT/PLAIN", "a/b"]
)
def test_types_of_input_that_ruin_it(url: str, kind: str):
    """They are accepted by the hub, never read by the program, and explained in the log."""
    instance = run(
        url, "async def run(context, input):\n    async for chunk in input:\n        yield chunk\n"
    )
    headers = {"Content-Type": kind, "x-end-stream": "true"}

    assert (
        ask(url, "POST", f"instance/{instance}/input", raw=b"{}\n", headers=headers).status == 200
    )
    assert log(url, instance, repr(kind))
    assert info(url, instance)["status"] == "running"


def test_undecodable_text_ends_the_reading(url: str):
    """Text that is not UTF-8 is not read further; the program lives on."""
    instance = run(
        url, "async def run(context, input):\n    async for chunk in input:\n        yield chunk\n"
    )
    headers = {"Content-Type": "text/plain", "x-end-stream": "false"}
    ask(url, "POST", f"instance/{instance}/input", raw=b"good\n", headers=headers)
    with opened(url, f"instance/{instance}/output") as output:
        assert output.read(5) == b"good\n"
        ask(url, "POST", f"instance/{instance}/input", raw=b"\xff", headers=headers)
        assert log(url, instance, "input is read no further")
        ask(url, "POST", f"instance/{instance}/input", raw=b"more\n", headers=headers)

        assert output.silent()


def test_vendored_packages_and_neighbours(url: str):
    """`__pypackages__` and the entry's folder are on the module path, and the runner's modules are not."""
    files = {
        "package.json": json.dumps({"main": "src/main.py", "engines": {"python3": "3"}}),
        "src/main.py": "import vendored, neighbour\nasync def run(context, input):\n"
        "    try:\n        import _channels\n    except ImportError:\n"
        "        yield vendored.NAME + neighbour.NAME\n",
        "src/neighbour.py": "NAME = ' neighbour'\n",
        "__pypackages__/vendored/__init__.py": "NAME = 'vendored'\n",
    }
    instance = start(url, upload(url, archive(dict(files))))

    with opened(url, f"instance/{instance}/output") as output:
        assert output.read(100) == b"vendored neighbour"


def test_entry_with_the_name_of_a_library_module(url: str):
    """An entry called json.py does not take json's place."""
    files = {
        "package.json": json.dumps({"main": "json.py", "engines": {"python3": "3"}}),
        "json.py": "async def run(context, input):\n    context.emit('x', {'y': 1})\n    yield 'ok'\n",
    }
    instance = start(url, upload(url, archive(dict(files))))

    with opened(url, f"instance/{instance}/output") as output:
        assert output.read(100) == b"ok"
    assert ask(url, "GET", f"instance/{instance}/event/x").json == {"y": 1}


def test_several_stop_handlers(url: str):
    """All are awaited, in their order."""
    instance = run(
        url,
        STREAM + "def run(context, input):\n"
        "    async def first(timeout, can_keep_alive):\n        print('first', timeout, can_keep_alive)\n"
        "    async def second(timeout=None, can_keep_alive=None):\n        print('second')\n"
        "    context.set_stop_handler(first)\n    context.set_stop_handler(second)\n    return Stream()\n",
    )
    ask(url, "GET", f"instance/{instance}/health")
    ask(url, "POST", f"instance/{instance}/_stop", {"timeout": 250, "canCallKeepalive": False})

    with opened(url, f"instance/{instance}/stdout") as output:
        assert output.read(100) == b"first 0.25 False\nsecond\n"


def test_real_standard_streams(url: str):
    """A process of the program's own writes to the instance's stdout and stderr."""
    instance = run(
        url,
        "import subprocess\ndef run(context, input):\n"
        "    print('print')\n    subprocess.run('echo child; echo error >&2', shell=True)\n",
    )
    ended(url, instance)

    with opened(url, f"instance/{instance}/stdout") as stream:
        assert stream.read(100) == b"print\nchild\n"
    with opened(url, f"instance/{instance}/stderr") as stream:
        assert stream.read(100) == b"error\n"


def test_program_that_closes_its_stdout(url: str):
    """Stdout ends for its readers, and the instance runs on."""
    instance = run(
        url, STREAM + "import os\ndef run(context, input):\n    os.close(1)\n    return Stream()\n"
    )
    with opened(url, f"instance/{instance}/stdout") as stream:
        assert stream.read(1) == b""

    assert info(url, instance)["status"] == "running"


def test_events_of_both_kinds_of_callbacks(url: str):
    """Callbacks may be async; one that raises is logged and disturbs nobody."""
    instance = run(
        url,
        STREAM + "def run(context, input):\n"
        "    async def later(message):\n        context.emit('answer', {'got': message})\n"
        "    def bad(message):\n        raise KeyError('in a callback')\n"
        "    context.on('x', bad)\n    context.on('x', later)\n    context.emit('ready', 'yes')\n    return Stream()\n",
    )
    eventually(lambda: ask(url, "GET", f"instance/{instance}/event/ready").status == 200)
    ask(url, "POST", f"instance/{instance}/_event", [5001, {"eventName": "x"}])

    assert ask(url, "GET", f"instance/{instance}/event/answer").json == {"got": None}
    assert log(url, instance, "in a callback")


def test_error_in_the_background(url: str):
    """What would be lost with a task is in the log."""
    instance = run(
        url,
        STREAM + "def run(context, input):\n"
        "    return Stream.read_from(['a']).map(lambda x: x.no_such_method())\n",
    )

    assert log(url, instance, "no_such_method")


def test_levels_and_fields_of_log_lines(url: str):
    """Log lines are those of a hub's Python runner."""
    instance = run(
        url,
        "def run(context, input):\n    context.logger.warning('w %d', 1)\n    context.logger.debug('d')\n",
    )
    ended(url, instance)
    lines = {line["msg"]: line for line in log(url, instance, "w 1", "Instance completed")}

    assert set(lines["w 1"]) == {"ts", "level", "from", "msg"}
    assert (lines["w 1"]["level"], lines["w 1"]["from"]) == ("WARN", "PythonRunner")
    assert lines["d"]["level"] == "DEBUG"
