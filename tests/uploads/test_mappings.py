"""Mappings of all kinds as JSON, and arrays with what they really have as advice."""

from __future__ import annotations

import collections
import configparser
import json
import os
import subprocess
import sys
import tempfile
import types
from collections.abc import Callable
from email.message import EmailMessage
from typing import Any

import pytest
from werkzeug.datastructures import MultiDict

from scramjet_client.http.json_body import is_deep, json_bytes
from scramjet_client.uploads.options import plan
from scramjet_client.uploads.sources import JsonLines, Source


def config() -> configparser.ConfigParser:
    found = configparser.ConfigParser()
    found["a"] = {"b": "c"}
    return found


MAPPINGS: dict[str, tuple[Callable[[], Any], Any]] = {
    "mappingproxy": (lambda: types.MappingProxyType({"a": 1}), {"a": 1}),
    "ChainMap": (lambda: collections.ChainMap({"a": 1}, {"b": 2}), {"a": 1, "b": 2}),
    "UserDict": (lambda: collections.UserDict(a=1), {"a": 1}),
    "environ": (lambda: os.environ, {"PATH": os.environ["PATH"]}),
    "ConfigParser": (config, {"DEFAULT": {}, "a": {"b": "c"}}),
    "nested": (lambda: {"x": types.MappingProxyType({"a": 1})}, {"x": {"a": 1}}),
    "form": (lambda: MultiDict([("a", "1"), ("b", "2")]), {"a": "1", "b": "2"}),
}


@pytest.mark.parametrize("name", MAPPINGS)
@pytest.mark.parametrize("as_json", [None, True])
def test_mapping_is_sent(name: str, as_json: bool | None):
    """Any mapping is sent as a dict is."""
    make, expected = MAPPINGS[name]

    body = plan("input", json=as_json).body(make())

    sent = json.loads(b"".join(map(bytes, body)))
    assert {key: sent[key] for key in expected} == expected


class Headers:
    """A mapping of another library, with several values of a key."""

    def keys(self) -> list[str]:
        return ["a"]

    def __getitem__(self, _key: str) -> str:
        return "1"

    def getall(self, _key: str) -> list[str]:
        return ["1", "2"]


@pytest.mark.parametrize(
    "value",
    [
        MultiDict([("a", "1"), ("a", "2")]),
        [MultiDict([("a", "1"), ("a", "2")])],
        Headers(),
    ],
)
def test_several_values_of_a_key(value: Any):
    """A form with several values of a key is refused: JSON would have one of them."""
    with pytest.raises(TypeError, match="several values of 'a'"):
        plan("input", json=True).body(value)


class Array:
    def __array__(self) -> None: ...


class Listed(Array):
    def to_list(self) -> None: ...


class Arrow(Array):
    def to_pylist(self) -> None: ...


class Numpy(Array):
    def tolist(self) -> None: ...


@pytest.mark.parametrize(
    ("value", "advice", "other"),
    [
        (Listed(), ".to_list()", "tolist"),
        (Arrow(), ".to_pylist()", "tolist"),
        (Numpy(), ".tolist()", "to_list"),
        (Array(), "numpy.asarray(value).tolist()", "send .tolist"),
    ],
)
def test_advice_for_arrays(value: Any, advice: str, other: str):
    """The advice names a method that the value has."""
    with pytest.raises(TypeError) as caught:
        Source(value)

    assert advice in str(caught.value)
    assert other not in str(caught.value)


class Polars(Array):
    columns = ()

    def to_dicts(self) -> None: ...


class ArrowTable(Arrow):
    columns = ()


class Pandas(Array):
    columns = ()

    def to_dict(self) -> None: ...


@pytest.mark.parametrize(
    ("table", "advice"),
    [(Polars(), ".to_dicts()"), (ArrowTable(), ".to_pylist()"), (Pandas(), ".to_dict('records')")],
)
def test_advice_for_tables(table: Any, advice: str):
    """So does the advice for a table with json=True."""
    with pytest.raises(TypeError) as caught:
        JsonLines(table)

    assert advice in str(caught.value)


DOUBLE: dict[str, Any] = {
    "a number and its text": {1: "a", "1": "b"},
    "True": {True: 1, "true": 2},
    "None": {"null": 1, None: 2},
    "a float": {1.5: 1, "1.5": 2},
    "in a list": [{"a": 1}, {1: "a", "1": "b"}],
    "deep inside": {"a": [{"b": ({1: "a", "1": "b"},)}]},
    "in a mapping": {"a": collections.ChainMap({1: "a", "1": "b"})},
    "of a generator": lambda: (each for each in [{1: "a", "1": "b"}]),
}


@pytest.mark.parametrize("name", DOUBLE)
def test_keys_that_are_one_in_json_are_refused(name: str):
    """Of two keys that JSON spells alike a program would get one."""
    value = DOUBLE[name]

    with pytest.raises(TypeError, match="which are one key in JSON"):
        list(JsonLines(value() if callable(value) else value))


def test_keys_of_several_types_are_sent():
    """Keys of other types are sent as JSON spells them."""
    assert bytes(next(iter(JsonLines({1: "a", "2": None, None: 3})))) == (
        b'{"1":"a","2":null,"null":3}\n'
    )


def test_value_that_is_too_deep():
    """The error names the cause, as for the body of any request."""
    value: list[Any] = []
    for _ in range(200_000):
        value = [value]

    with pytest.raises(ValueError, match="too deep"):
        JsonLines(value)


def _in_deep_calls(act: Callable[[], object]) -> list[BaseException]:
    """Return how it fails with ever fewer calls left, until it succeeds."""
    failures: list[BaseException] = []

    def inside(calls: int) -> None:
        if calls:
            inside(calls - 1)
        else:
            act()

    for calls in range(sys.getrecursionlimit(), 0, -1):
        try:
            inside(calls)
        except (RecursionError, ValueError) as error:
            failures.append(error)
        else:
            return failures
    raise AssertionError("it never succeeds")


@pytest.mark.parametrize(
    "act",
    [lambda: json_bytes({"timeout": 1, "list": [True]}), lambda: JsonLines({"a": [{"b": 1}]})],
    ids=["a request's body", "json=True"],
)
def test_value_in_deep_calls(act: Callable[[], object]):
    """Where the program's own calls are too deep, no value is blamed for it."""
    failures = _in_deep_calls(act)

    assert failures
    assert not [error for error in failures if isinstance(error, ValueError)]


@pytest.mark.parametrize(
    "value",
    [{"a": {"b": [2] * 5}}, collections.ChainMap({"a": [1]}), [[1, 2]] * 1000],
    ids=["dict", "mapping", "the same often"],
)
def test_what_is_deep(value: Any):
    """What is in a value counts by its depth, however often it is there."""
    assert not is_deep(value)
    for _ in range(300):
        value = [value, value]
    assert is_deep(value)


def _message() -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = "hello"
    message.set_content("the text")
    return message


def _ended_process() -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process


@pytest.mark.parametrize(
    ("make", "advice"),
    [
        (_message, ".as_bytes()"),
        (_ended_process, "its .stdout"),
        (tempfile.TemporaryDirectory, "the files in it"),
    ],
    ids=["an email", "a process", "a folder"],
)
def test_advice_loses_nothing(make: Callable[[], Any], advice: str):
    """What is advised for something that has data is all of its data."""
    value = make()
    with pytest.raises(TypeError) as caught:
        Source(value)
    if isinstance(value, tempfile.TemporaryDirectory):
        value.cleanup()

    assert advice in str(caught.value)
    assert "dict(" not in str(caught.value)
