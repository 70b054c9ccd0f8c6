"""Functions that tests give to a LocalHub as programs.

A program imports the module of its function. This one imports nothing that takes long; a file of tests would bring
pytest and the package.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from typing import Any


def says(context: Any, input: Any) -> Iterator[str]:
    """Say something on each stream, and end."""
    context.logger.info("ready")
    print("printed")
    yield "zażółć\n"
    yield "last"


def talks(context: Any, input: Any) -> Iterator[str]:
    """Give lines and records for ever."""
    number = 0
    while True:
        context.logger.info(f"line {number}")
        yield f"line {number}\n"
        number += 1
        time.sleep(0.001)  # a rate, not a flood


def types(context: Any, input: Any) -> Iterator[str]:
    """Give the type of each piece of the input."""
    for each in input:
        yield f"{type(each).__name__}\n"


def types_async(context: Any, input: Any) -> AsyncIterator[str]:
    """Do so by an asynchronous generator."""

    async def found() -> AsyncIterator[str]:
        async for piece in input:
            yield f"{type(piece).__name__}\n"

    return found()


def echo(context: Any, input: Any) -> Iterator[Any]:
    """Give back the input."""
    yield from input


def deaf(context: Any, input: Any) -> None:
    """Read nothing, and do not end."""
    while True:
        time.sleep(1)


def stubborn(context: Any, input: Any) -> None:
    """Do not end when a hub asks for it."""
    context.set_stop_handler(lambda: time.sleep(60))
    while True:
        time.sleep(1)


def fails(context: Any, input: Any) -> None:
    """Fail at once."""
    raise ValueError("no number")
