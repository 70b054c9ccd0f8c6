"""How deployed functions end, on every hub: one table of ways, to which a further one is one line.

Where a hub tells no exit codes, what the function has given before it ended, and that it has ended, is what is seen.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import attrs
import pytest

from scramjet_client import HostClient
from tests.contract.conftest import Hub, ended
from tests.support.waiting import eventually

PATIENCE = 60.0
"""Seconds in which every instance must have ended; only a hang needs them."""


class Leaving(BaseException):
    """An exception of a program's own, which is no Exception."""


class Numbers:
    """An iterator of a class of its own."""

    def __init__(self, error: BaseException) -> None:
        self.left = [1]
        self.error = error

    def __iter__(self) -> Numbers:
        return self

    def __next__(self) -> str:
        if not self.left:
            raise self.error
        return f"first{self.left.pop()}"[:5]


def generator(context: Any, input: Any) -> Any:
    next(iter(input))
    yield "first"
    sys.exit(3)


def asynchronous(context: Any, input: Any) -> Any:
    async def items() -> Any:
        async for _ in input:
            break
        yield "first"
        sys.exit(3)

    return items()


async def coroutine_of_a_generator(context: Any, input: Any) -> Any:
    await input.read()

    def items() -> Any:
        yield "first"
        sys.exit(3)

    return items()


async def coroutine_of_an_async_generator(context: Any, input: Any) -> Any:
    await input.read()

    async def items() -> Any:
        yield "first"
        sys.exit(3)

    return items()


async def coroutine_of_an_iterator(context: Any, input: Any) -> Any:
    await input.read()
    return Numbers(SystemExit(3))


async def coroutine_of_a_map(context: Any, input: Any) -> Any:
    await input.read()
    return map(lambda each: each or sys.exit(3), ("first", ""))  # noqa: C417 - a map is the point


async def before_the_first(context: Any, input: Any) -> Any:
    await input.read()
    sys.exit(3)


def before_the_first_item(context: Any, input: Any) -> Any:
    next(iter(input))
    sys.exit(3)
    yield "never"


def in_a_finally(context: Any, input: Any) -> Any:
    next(iter(input))
    try:
        yield "first"
    finally:
        sys.exit(3)


def instead_of_another(context: Any, input: Any) -> Any:
    next(iter(input))
    yield "first"
    try:
        raise ValueError("not this one")
    except ValueError:
        sys.exit(3)


async def in_a_task(context: Any, input: Any) -> Any:
    async def leave() -> None:
        sys.exit(3)

    await input.read()
    yield "first"
    await asyncio.sleep(0.2)
    task = asyncio.ensure_future(leave())
    await asyncio.Event().wait()
    del task


async def in_an_executor(context: Any, input: Any) -> Any:
    await input.read()
    yield "first"
    await asyncio.get_running_loop().run_in_executor(None, sys.exit, 3)


def in_an_executor_of_its_own(context: Any, input: Any) -> Any:
    next(iter(input))
    yield "first"
    with ThreadPoolExecutor(1) as pool:
        pool.submit(sys.exit, 3).result()


def beside_a_thread(context: Any, input: Any) -> Any:
    next(iter(input))
    thread = threading.Thread(target=threading.Event().wait)
    thread.start()
    yield "first"
    sys.exit(3)


def by_text(context: Any, input: Any) -> Any:
    next(iter(input))
    yield "first"
    sys.exit("the reason")


def by_quit(context: Any, input: Any) -> Any:
    next(iter(input))
    yield "first"
    quit(3)


def by_raising(context: Any, input: Any) -> Any:
    next(iter(input))
    yield "first"
    raise SystemExit(3)


def without_a_code(context: Any, input: Any) -> Any:
    next(iter(input))
    yield "first"
    sys.exit()


def interrupted(context: Any, input: Any) -> Any:
    next(iter(input))
    yield "first"
    raise KeyboardInterrupt("the reason")


async def interrupted_async(context: Any, input: Any) -> Any:
    await input.read()
    yield "first"
    raise KeyboardInterrupt("the reason")


def raising(context: Any, input: Any) -> Any:
    next(iter(input))
    yield "first"
    raise ValueError("the reason")


def raising_its_own(context: Any, input: Any) -> Any:
    next(iter(input))
    yield "first"
    raise Leaving("the reason")


async def raising_its_own_async(context: Any, input: Any) -> Any:
    await input.read()
    yield "first"
    raise Leaving("the reason")


def raising_generator_exit(context: Any, input: Any) -> Any:
    next(iter(input))
    yield "first"
    raise GeneratorExit("the reason")


def raising_cancelled(context: Any, input: Any) -> Any:
    next(iter(input))
    yield "first"
    raise asyncio.CancelledError("the reason")


def raising_stop_iteration(context: Any, input: Any) -> Any:
    next(iter(input))
    yield "first"
    raise StopIteration("the reason")


@attrs.frozen
class End:
    """A way to end.

    Attributes:
        function: What is deployed.
        code: The exit code where the hub says it.
        output: All that it gives.
        said: What stderr or the log must hold.
    """

    function: Callable[..., Any]
    code: int = 3
    output: bytes = b"first"
    said: bytes = b""


ENDS = [
    End(generator),
    End(asynchronous),
    End(coroutine_of_a_generator),
    End(coroutine_of_an_async_generator),
    End(coroutine_of_an_iterator),
    End(coroutine_of_a_map),
    End(before_the_first, output=b""),
    End(before_the_first_item, output=b""),
    End(in_a_finally),
    End(instead_of_another),
    End(in_a_task),
    End(in_an_executor),
    End(in_an_executor_of_its_own),
    End(beside_a_thread),
    End(by_text, 1, said=b"the reason"),
    End(by_quit),
    End(by_raising),
    End(without_a_code, 0),
    End(interrupted, 130, said=b"KeyboardInterrupt: the reason"),
    End(interrupted_async, 130, said=b"KeyboardInterrupt: the reason"),
    End(raising, 1, said=b"ValueError: the reason"),
    End(raising_its_own, 1, said=b"Leaving: the reason"),
    End(raising_its_own_async, 1, said=b"Leaving: the reason"),
    End(raising_generator_exit, 1, said=b"GeneratorExit: the reason"),
    End(raising_cancelled, 1, said=b"CancelledError: the reason"),
    End(raising_stop_iteration, 1, said=b"StopIteration: the reason"),
]


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.function.__name__)
def test_end(end: End, hub: Hub, host: HostClient):
    """The instance ends with the function's own code, its output with what it had given, and stderr says why."""
    instance = host.deploy(end.function).start(timeout=PATIENCE)
    said: list[bytes] = []
    with contextlib.ExitStack() as stack:
        output, errors, log = (
            stack.enter_context(instance.get_stream(each)) for each in ("output", "stderr", "log")
        )
        readers = [
            threading.Thread(target=lambda stream=each: said.append(stream.read()))
            for each in (errors, log)
        ]
        for each in readers:
            each.start()
        instance.submit_input("go\n", type="text/plain", end=True)
        got = output.read()
        eventually(lambda: ended(instance), PATIENCE)
        for each in readers:
            each.join(PATIENCE)

    assert got == end.output
    assert end.said in b"".join(said)
    if hub.is_local:
        terminated = instance.get_info().terminated
        assert terminated is not None
        assert terminated.exit_code == end.code


def parse(text: str) -> int:
    return int(text)


def test_traceback_of_a_function(hub: Hub, host: HostClient):
    """The traceback on stderr begins with the function's own line, and says nothing of what runs it."""

    def count(context: Any, input: Any) -> Any:
        next(iter(input))
        yield parse("BOOM")

    instance = host.deploy(count).start(timeout=PATIENCE)
    with instance.get_stream("stderr") as errors:
        instance.submit_input("go\n", type="text/plain", end=True)
        said = errors.read().decode()

    lines = said.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert "in count" in lines[1]
    assert lines[-1] == "ValueError: invalid literal for int() with base 10: 'BOOM'"
    for word in ("scramjet_adapter", "_runner", "runner.py", "asyncio"):
        assert word not in said


@pytest.mark.parametrize("nested", [False, True])
def test_value_that_no_output_can_carry(hub: Hub, host: HostClient, nested: bool):
    """What is neither text nor bytes nor JSON is named, and no line of the json module is shown."""

    def give(context: Any, input: Any) -> Any:
        next(iter(input))
        yield {"when": object()} if nested else 1j

    instance = host.deploy(give).start(timeout=PATIENCE)
    with instance.get_stream("stderr") as errors:
        instance.submit_input("go\n", type="text/plain", end=True)
        said = errors.read().decode()

    assert f"TypeError: the program gave a {'dict' if nested else 'complex'} (" in said
    assert "it can give text, bytes, and what JSON can say" in said
    assert "encoder.py" not in said
