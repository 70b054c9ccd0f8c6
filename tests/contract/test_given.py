"""What a program gives is whole or refused, on every hub: one table, to which a further way is one line."""

from __future__ import annotations

import collections
import contextlib
import enum
import io
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from scramjet_client import (
    BadParametersError,
    HostClient,
    InstanceClient,
    InstanceNotFoundError,
)

PATIENCE = 60.0
"""Seconds in which every instance must have started; only a hang needs them."""


@pytest.fixture
def finish() -> Iterator[list[InstanceClient]]:
    """Instances that are ended after the test."""
    started: list[InstanceClient] = []
    yield started
    for instance in started:
        # It may end by itself at any moment.
        with contextlib.suppress(InstanceNotFoundError, BadParametersError):
            instance.kill(remove_immediately=True)


def mapping(context: Any, input: Any) -> Any:
    next(iter(input))
    return types.MappingProxyType({"a": 1})


def nested_mappings(context: Any, input: Any) -> Any:
    next(iter(input))
    yield {"a": collections.UserDict({"b": 1}), "c": collections.ChainMap({"d": 2})}


def nothing_between(context: Any, input: Any) -> Any:
    next(iter(input))
    yield "a"
    yield None
    yield {"b": 1}
    yield None


def file_at_its_beginning(context: Any, input: Any) -> Any:
    next(iter(input))
    return io.StringIO("a\nb\n")


def set_of_one(context: Any, input: Any) -> Any:
    next(iter(input))
    return {"a"}


WHOLE: dict[Callable[..., Any], bytes] = {
    mapping: b'{"a": 1}\n',
    nested_mappings: b'{"a": {"b": 1}, "c": {"d": 2}}\n',
    nothing_between: b'a{"b": 1}\n',
    file_at_its_beginning: b"a\nb\n",
    set_of_one: b"a",
}


@pytest.mark.parametrize("function", WHOLE, ids=lambda each: each.__name__)
def test_whole(host: HostClient, finish: list[InstanceClient], function: Callable[..., Any]):
    """What can be an output is one, all of it and nothing else."""
    instance = host.deploy(function).start(timeout=PATIENCE)
    finish.append(instance)
    with instance.get_stream("output") as output:
        instance.submit_input("go\n", type="text/plain", end=True)
        assert output.read() == WHOLE[function]


def table(context: Any, input: Any) -> Any:
    class DataFrame:
        def __array__(self) -> Any: ...

        def to_csv(self) -> Any: ...

        def __iter__(self) -> Any:
            return iter(["price", "n"])

    next(iter(input))
    return DataFrame()


def array(context: Any, input: Any) -> Any:
    class Array:
        def __array__(self) -> Any: ...

        def tolist(self) -> Any: ...

        def __iter__(self) -> Any:
            return iter([1, 2])

    next(iter(input))
    return Array()


def row(context: Any, input: Any) -> Any:
    class Row:
        def keys(self) -> Any: ...

        def __getitem__(self, key: Any) -> Any: ...

        def __iter__(self) -> Any:
            return iter(["a", "b"])

    next(iter(input))
    return Row()


def model(context: Any, input: Any) -> Any:
    class Model:
        def model_dump(self) -> Any: ...

        def __iter__(self) -> Any:
            return iter([("a", 1)])

    next(iter(input))
    return Model()


def class_of_constants(context: Any, input: Any) -> Any:
    next(iter(input))
    return enum.Enum("Color", "RED BLUE", type=str)


def set_as_an_item(context: Any, input: Any) -> Any:
    next(iter(input))
    yield {1, 2}


def not_a_number(context: Any, input: Any) -> Any:
    next(iter(input))
    yield {"a": float("nan")}


def infinity_in_a_list(context: Any, input: Any) -> Any:
    next(iter(input))
    return [float("inf")]


def written_file(context: Any, input: Any) -> Any:
    next(iter(input))
    file = io.StringIO()
    file.write("lost")
    return file


def event_of_a_set(context: Any, input: Any) -> Any:
    next(iter(input))
    context.emit("ready", {1, 2})
    yield "never"


def event_of_nan(context: Any, input: Any) -> Any:
    next(iter(input))
    context.emit("ready", {"a": float("nan")})
    yield "never"


async def event_in_the_loop(context: Any, input: Any) -> Any:
    await input.read()
    context.emit("ready", object())
    yield "never"


def event_without_a_name(context: Any, input: Any) -> Any:
    next(iter(input))
    context.emit({"ready": True})
    yield "never"


REFUSED: dict[Callable[..., Any], str] = {
    table: "a DataFrame (a DataFrame can't be JSON); it can give text, bytes, and what JSON can say: "
    "give its .to_csv()",
    array: "give its .tolist()",
    row: "give dict(...) of it",
    model: "give its .model_dump()",
    class_of_constants: "can't be JSON",
    set_as_an_item: "give sorted(...) of it",
    not_a_number: "a dict (JSON has no NaN and no infinity)",
    infinity_in_a_list: "a float (JSON has no NaN and no infinity)",
    written_file: "a StringIO that stands at its end; call its seek(0) before",
    event_of_a_set: "the message of the event 'ready' is a set (a set can't be JSON)",
    event_of_nan: "the message of the event 'ready' is a dict (JSON has no NaN and no infinity)",
    event_in_the_loop: "the message of the event 'ready' is a object (a object can't be JSON)",
    event_without_a_name: "the name of an event must be a str, not dict",
}


@pytest.mark.parametrize("function", REFUSED, ids=lambda each: each.__name__)
def test_refused(host: HostClient, finish: list[InstanceClient], function: Callable[..., Any]):
    """What would lose something ends the program, and its stderr says what helps."""
    instance = host.deploy(function).start(timeout=PATIENCE)
    finish.append(instance)
    with instance.get_stream("stderr") as errors:
        instance.submit_input("go\n", type="text/plain", end=True)
        said = errors.read().decode()

    assert REFUSED[function] in said
