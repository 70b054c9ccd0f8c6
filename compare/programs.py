"""Programs whose behaviour on a hub is compared: one of each kind that a runner treats in its own way."""

from __future__ import annotations

import attrs

TOPIC = "compare-none"
"""Name of the topic that a program reads."""

STREAM = "from scramjet.streams import Stream\n"


@attrs.frozen(kw_only=True)
class Program:
    """One program.

    Attributes:
        text: Its module.
        args: Its arguments.
        config: Its app config.
        input: What it is sent, as text/plain; None sends nothing.
        stdin: What its stdin is sent.
        events: Events that it is sent.
        health: Whether its health is asked for.
        stop: Milliseconds after which a stop kills it; None sends no stop.
    """

    text: str
    args: tuple[object, ...] = ()
    config: dict[str, object] = attrs.field(factory=dict)
    input: str | None = None
    stdin: str | None = None
    events: tuple[tuple[str, object], ...] = ()
    health: bool = False
    stop: int | None = None


PROGRAMS = {
    "sync generator": Program(
        text="def run(context, input):\n    yield 'a\\n'\n    yield 'b\\n'\n"
    ),
    "async generator": Program(
        text="async def run(context, input):\n    yield 'a\\n'\n    yield 'b\\n'\n"
    ),
    "async generator of bytes": Program(text="async def run(context, input):\n    yield b'a\\n'\n"),
    "async generator of numbers": Program(text="async def run(context, input):\n    yield 1\n"),
    "coroutine that returns a Stream": Program(
        text=STREAM
        + "async def run(context, input):\n    return Stream.read_from(['a\\n', 'b\\n'])\n"
    ),
    "coroutine that returns a generator": Program(
        text="async def items():\n    yield 'a\\n'\nasync def run(context, input):\n    return items()\n"
    ),
    "coroutine that returns None": Program(
        text="async def run(context, input):\n    print('done')\n"
    ),
    "Stream": Program(
        text=STREAM + "def run(context, input):\n    return Stream.read_from(['a\\n', 'b\\n'])\n"
    ),
    "mapped Stream of the input": Program(
        text="def run(context, input):\n    return input.map(lambda text: text.upper())\n",
        input="ą one\n",
    ),
    "None": Program(text="def run(context, input):\n    print('done')\n"),
    "str": Program(text="def run(context, input):\n    return 'abc'\n"),
    "list": Program(text="def run(context, input):\n    return ['a\\n', 'b\\n']\n"),
    "dict": Program(text="def run(context, input):\n    return {'a': 1}\n"),
    "raises while it is loaded": Program(text="raise ValueError('no')\n"),
    "has no run": Program(text="pass\n"),
    "needs a module that is not there": Program(text="import not_there\n"),
    "raises before the first item": Program(
        text="def run(context, input):\n    raise ValueError('no')\n"
    ),
    "generator that raises before the first item": Program(
        text="async def run(context, input):\n    raise ValueError('no')\n    yield ''\n"
    ),
    "generator that raises after the first item": Program(
        text="async def run(context, input):\n    yield 'a\\n'\n    raise ValueError('no')\n"
    ),
    "sys.exit(3)": Program(text="import sys\ndef run(context, input):\n    sys.exit(3)\n"),
    "os._exit(3)": Program(text="import os\ndef run(context, input):\n    os._exit(3)\n"),
    "provides at the module": Program(
        text="provides = {'provides': '', 'contentType': 'application/octet-stream'}\n"
        "async def run(context, input):\n    yield b'\\xff\\n'\n"
    ),
    "ndjson at the module": Program(
        text="provides = {'provides': '', 'contentType': 'application/x-ndjson'}\n"
        "async def run(context, input):\n    yield {'ą': 1}\n"
    ),
    "provides at the result": Program(
        text=STREAM + "def run(context, input):\n    result = Stream.read_from([b'\\xff\\n'])\n"
        "    result.provides = ''\n    result.content_type = 'application/octet-stream'\n    return result\n"
    ),
    "requires at the module": Program(
        text="requires = {'requires': 'compare-none', 'contentType': 'text/plain'}\n"
        "def run(context, input):\n    print('done')\n"
    ),
    "prints": Program(
        text="import sys\ndef run(context, input):\n    print('out ą')\n    print('err ą', file=sys.stderr)\n"
    ),
    "logs": Program(
        text="def run(context, input):\n    for level in ('debug', 'info', 'warning', 'error'):\n"
        "        getattr(context.logger, level)(level + ' ą')\n"
    ),
    "output of non-ASCII": Program(
        text="async def run(context, input):\n    for _ in range(1000):\n        yield 'ąęż€😀\\n'\n"
    ),
    "big lines": Program(
        text="async def run(context, input):\n    for _ in range(4):\n        yield 'x' * 1_000_000 + '\\n'\n"
    ),
    "text input": Program(
        text="async def run(context, input):\n    async for text in input:\n"
        "        yield type(text).__name__ + ' ' + text\n",
        input="ą one\n",
    ),
    "stdin": Program(
        text="import sys\nasync def run(context, input):\n    async for text in sys.stdin:\n        yield text\n",
        stdin="ą one\n",
    ),
    "arguments and configuration": Program(
        text="import json\nasync def run(context, input, *args):\n"
        "    yield json.dumps([args, context.config])\n",
        args=(1, "ą", [None]),
        config={"key": {"ą": 1}},
    ),
    "missing argument": Program(text="def run(context, input, needed):\n    return None\n"),
    "events": Program(
        text=STREAM + "def run(context, input):\n    output = Stream()\n"
        "    def pong(message):\n        output.write(repr(message) + '\\n')\n        output.end()\n"
        "    context.on('ping', pong)\n    return output\n",
        events=(("ping", {"ą": 1}),),
    ),
    "health check": Program(
        text=STREAM + "def run(context, input):\n"
        "    context.set_health_check(lambda: {'healthy': False, 'message': 'ą'})\n    return Stream()\n",
        health=True,
        stop=300,
    ),
    "no stop handler": Program(
        text=STREAM + "def run(context, input):\n    return Stream()\n", stop=300
    ),
    "stop handler": Program(
        text=STREAM + "def run(context, input):\n    async def stop(timeout, can_keep_alive):\n"
        "        context.logger.info(repr(('stop', timeout, can_keep_alive)))\n"
        "    context.set_stop_handler(stop)\n    return Stream()\n",
        stop=1000,
    ),
    "stop handler that is no coroutine": Program(
        text=STREAM
        + "def run(context, input):\n    context.set_stop_handler(lambda *args: print('stop'))\n    return Stream()\n",
        stop=300,
    ),
    "stop handler that raises": Program(
        text=STREAM
        + "def run(context, input):\n    async def stop(*args):\n        raise ValueError('no')\n"
        "    context.set_stop_handler(stop)\n    return Stream()\n",
        stop=300,
    ),
}
