"""Values that can't be a body, and what to send instead: a table with one line for each kind."""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import datetime
import enum
import inspect
import numbers
import os
import pickle
import socket
import tempfile
import uuid
from collections.abc import AsyncIterable, Awaitable, Callable, Mapping
from typing import Any

KINDS = "bytes, str, an open file, a Path, or an iterable of bytes or str"


def is_array(value: object) -> bool:
    """Whether this is an array or table of numpy, pandas, polars, torch...: all of them have numpy's protocol."""
    kind = type(value)
    return hasattr(kind, "__array__") or hasattr(kind, "__array_interface__")


def is_masked(value: object) -> bool:
    """Whether this is an array whose memory also holds values that are masked out."""
    return hasattr(type(value), "__array__") and hasattr(type(value), "filled")


def is_dict_like(value: object) -> bool:
    """Whether iterating this gives its keys: mappings, email messages, database rows."""
    return isinstance(value, Mapping) or (
        hasattr(type(value), "keys") and hasattr(type(value), "__getitem__")
    )


_OF_A_KEY = ("getlist", "getall", "get_list", "get_all")
"""Methods that return all values of a key, in mappings that can have several: forms, queries, headers."""


def refuse_several(value: Any) -> None:
    """Raise TypeError for a mapping that has several values of one key, of which JSON would have one."""
    name = next((name for name in _OF_A_KEY if _has(value, name)), None)
    if name is None:
        return
    for key in value.keys():  # noqa: SIM118 - iterating some of them gives something else
        if len(getattr(value, name)(key) or ()) > 1:
            raise TypeError(
                f"a {type(value).__name__} has several values of {key!r}, of which JSON would have one; send"
                f" {{key: value.{name}(key) for key in value.keys()}}"
            )


def records_advice(table: object) -> str:
    """Return what to send instead of a table, with json=True; it begins with a semicolon."""
    ways = (
        ("to_dicts", ".to_dicts()"),
        ("to_pylist", ".to_pylist()"),
        ("to_dict", ".to_dict('records')"),
    )
    return next((f"; send {way} with json=True" for name, way in ways if _has(table, name)), "")


def refusal(value: object, what: str = "a source", kinds: str = KINDS) -> TypeError:
    """Return the error for something that can't be sent, with what to send instead."""
    name = type(value).__name__
    dtype = getattr(value, "dtype", None)
    if dtype is not None and not _has(value, "to_csv"):
        name = f"{name} of {dtype}"
    advice = next((advice for fits, advice in _ADVICE if fits(value)), "")
    return TypeError(f"{what} must be {kinds}, not {name}{'; ' + advice if advice else ''}")


def _has(value: object, name: str) -> bool:
    return callable(getattr(type(value), name, None))


def _is_queue(value: object) -> bool:
    # The simple queue of multiprocessing can only wait.
    return _has(value, "get_nowait") or all(_has(value, each) for each in ("get", "put", "empty"))


def _of(*kinds: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kinds)


def _with(name: str) -> Callable[[Any], bool]:
    return lambda value: _has(value, name)


def _kind_of_numbers(value: Any) -> str:
    return str(getattr(getattr(value, "dtype", None), "kind", ""))


_ADVICE: tuple[tuple[Callable[[Any], bool], str], ...] = (
    (_with("to_csv"), "send .to_csv() or .to_json()"),
    (_with("write_csv"), "send .write_csv() or .write_ndjson()"),
    (lambda value: getattr(value, "typecode", "") in ("u", "w"), "send its text: ''.join(value)"),
    (_of(memoryview), "send .tobytes() if its memory is meant"),
    (_of(pickle.PickleBuffer), "send bytes(value) if its memory is meant"),
    (
        lambda value: any(base.__module__ == "_ctypes" for base in type(value).__mro__),
        "send bytes(value) if its memory is meant",
    ),
    (is_masked, "send what its .filled() returns, or .tolist() with json=True"),
    (
        lambda value: _kind_of_numbers(value) in ("M", "m"),
        "send str(value), or .astype(str).tolist()",
    ),
    (
        lambda value: _has(value, "tobytes") and _kind_of_numbers(value) in ("", *"biufc"),
        "send .tobytes() if its memory is meant, str(value), or .tolist() with json=True",
    ),
    (
        lambda value: is_array(value) and _has(value, "tolist"),
        "send .tolist() with json=True, or an iterable of str",
    ),
    (
        lambda value: is_array(value) and _has(value, "to_pylist"),
        "send .to_pylist() with json=True",
    ),
    (
        lambda value: is_array(value) and _has(value, "to_list"),
        "send .to_list() with json=True, or an iterable of str",
    ),
    (is_array, "send numpy.asarray(value).tolist() with json=True, or an iterable of str"),
    (
        _with("collect_schema"),
        "send what its .collect() returns, by .write_csv() or .write_ndjson()",
    ),
    # XML elements have keys, which are their attributes.
    (lambda value: _has(value, "itertext"), "send xml.etree.ElementTree.tostring(value)"),
    (lambda value: hasattr(type(value), "ngroups"), "send what an aggregation of it gives"),
    # Of an email, its keys are only the headers.
    (_with("as_bytes"), "send its .as_bytes()"),
    (_with("communicate"), "send its .stdout, which stdout=subprocess.PIPE makes"),
    (_of(tempfile.TemporaryDirectory), "send the files in it, one after the other"),
    (_of(AsyncIterable), "give an ordinary iterable; an async one can't be run here"),
    (
        lambda value: inspect.iscoroutinefunction(getattr(value, "read", None)),
        "await its read(), and send what that gives",
    ),
    (_of(Awaitable), "await it, and send what it gives"),
    (_of(concurrent.futures.Future), "send its .result()"),
    (callable, "call it, and send what it returns"),
    (_of(Mapping), "send json.dumps(value), or give json=True"),
    (_of(bool, int, float), "send str(value), or give json=True"),
    (dataclasses.is_dataclass, "send dataclasses.asdict(value) with json=True"),
    (_with("model_dump_json"), "send .model_dump_json()"),
    # Rows of csv, of databases and of DataFrames.
    (_of(list, tuple), "join its fields to a line, or give json=True"),
    (is_dict_like, "send dict(value) with json=True"),
    (_of(set, frozenset), "send sorted(value)"),
    (_with("read_bytes"), "send its .read_bytes(), or str(value) for its name"),
    (_of(os.DirEntry), "send Path(value), or its name"),
    (
        lambda value: _is_queue(value) and not inspect.iscoroutinefunction(value.get),
        "send iter(value.get, None), and put None at the end",
    ),
    (_of(socket.socket), "send its .makefile('rb')"),
    (_with("recv_bytes"), "send iter(value.recv, None), and send None at the end"),
    # Archives, and files that are opened later.
    (_with("extractfile"), "send a member: what its extractfile() returns"),
    (_with("open"), "open it, and send the file that it gives"),
    (_with("read"), "send what its read() returns, or its files one after the other"),
    (_with("__bytes__"), "send bytes(value)"),
    (_of(numbers.Number, uuid.UUID, enum.Enum, collections.UserString), "send str(value)"),
    (_of(datetime.date, datetime.time, datetime.timedelta), "send str(value)"),
)
"""What to send instead, by the kind of value: the first match counts."""
