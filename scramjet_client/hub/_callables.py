"""Turn a function of this process into a sequence package that runs it in its own process."""

from __future__ import annotations

import contextlib
import json
import marshal
import os
import pickle
import sys
import types
from collections.abc import Callable, Iterable
from importlib import resources
from pathlib import Path
from typing import Any

_MAIN = '''\
"""Made by LocalHub.add_sequence(): runs a function of the process that the hub is in."""

import builtins, importlib, marshal, pickle, sys, types

sys.path += [each for each in {path!r} if each not in sys.path]
_parts = pickle.loads({parts!r})
if "name" in _parts:
    run = pickle.loads(_parts["name"])
    _module = sys.modules[run.__module__]
else:
    _space = {{"__name__": "scramjet_callable", "__builtins__": builtins}}
    _space.update({{name: importlib.import_module(value) for name, value in _parts["modules"].items()}})
    _space.update({{name: pickle.loads(value) for name, value in _parts["values"].items()}})

    def _rebuild(function):
        cells = tuple(types.CellType(pickle.loads(value)) for value in function["cells"])
        made = types.FunctionType(
            marshal.loads(function["code"]), _space, function["called"], pickle.loads(function["defaults"]), cells
        )
        made.__kwdefaults__ = pickle.loads(function["kwdefaults"])
        return made

    _space.update({{name: _rebuild(value) for name, value in _parts["functions"].items()}})
    run = _rebuild(_parts["function"])
    _module = None
for _name in ("provides", "requires"):
    _value = getattr(run, _name, getattr(_module, _name, None))
    if isinstance(_value, dict):
        globals()[_name] = _value
run = importlib.import_module("scramjet_adapter").program(globals(), own=True)
'''

_ADAPTER = resources.files("scramjet_client") / "packages" / "on_hub" / "scramjet_adapter.py"
"""Turns any result of a function into an output. A copy goes into the package, as with `HostClient.deploy`."""


def write_package(folder: Path, name: str, function: Callable[..., Any]) -> None:
    """Write a package that calls the function as its `run`.

    The function may have the attributes `provides` and `requires`. The program imports the function where it can.
    Other functions (lambdas, functions within functions, those of a notebook) are copied: their code and everything
    they refer to. The copy is separate, so the program changes nothing in this process.

    Raises:
        TypeError: It is not a function, or refers to something that cannot be copied.
    """
    parts = _parts(function)
    (folder / "main.py").write_text(
        _MAIN.format(path=_absolute(sys.path), parts=pickle.dumps(parts)), "utf-8"
    )
    (folder / _ADAPTER.name).write_bytes(_ADAPTER.read_bytes())
    manifest = {
        "name": name,
        "version": "0.0.0",
        "main": "main.py",
        "engines": {"python3": ">=3.9"},
    }
    (folder / "package.json").write_text(json.dumps(manifest), "utf-8")


def _parts(function: Callable[..., Any]) -> dict[str, Any]:
    if not _is_main(getattr(function, "__module__", None)):
        try:
            return {"name": pickle.dumps(function)}
        except (pickle.PicklingError, AttributeError, TypeError):
            pass  # it cannot be imported by a name
    if not isinstance(function, types.FunctionType):
        raise TypeError(f"a sequence must be a function, not {function!r}")
    parts: dict[str, Any] = {"modules": {}, "values": {}, "functions": {}}
    parts["function"] = _take(function, parts)
    return parts


def _is_main(module_name: str | None) -> bool:
    """Return whether a module is the main program, which in the process of the sequence is a different one."""
    # Workers of multiprocessing call it "__mp_main__". A module without a specification comes from exec().
    module = sys.modules.get(module_name or "")
    return module_name in ("__main__", "__mp_main__") or getattr(module, "__spec__", None) is None


def _absolute(path: Iterable[str]) -> list[str]:
    """Return a module path with absolute folders, valid from any folder; "" is the current one."""
    found = []
    for each in path:
        with contextlib.suppress(OSError):  # there is no current folder
            found.append(os.path.abspath(each))
    return found


def _take(function: types.FunctionType, parts: dict[str, Any]) -> dict[str, Any]:
    """Return one function's code and values, and add everything it refers to."""
    for name in _names(function.__code__):
        if name not in function.__globals__ or any(name in each for each in parts.values()):
            continue
        value = function.__globals__[name]
        if isinstance(value, types.ModuleType):
            parts["modules"][name] = value.__name__
        elif isinstance(value, types.FunctionType) and value.__module__ == function.__module__:
            parts["functions"][name] = None  # it may refer to itself
            parts["functions"][name] = _take(value, parts)
        else:
            parts["values"][name] = _pickled(value, f"the global {name!r}")
    cells = function.__closure__ or ()
    return {
        "code": marshal.dumps(function.__code__),
        "called": function.__name__,
        "cells": [
            _pickled(cell.cell_contents, f"the variable {name!r}")
            for name, cell in zip(function.__code__.co_freevars, cells)
        ],
        "defaults": _pickled(function.__defaults__, "a default"),
        "kwdefaults": _pickled(function.__kwdefaults__, "a default"),
    }


def _names(code: types.CodeType) -> Iterable[str]:
    """Yield the globals that the code, or a function within it, may refer to."""
    yield from code.co_names
    for each in code.co_consts:
        if isinstance(each, types.CodeType):
            yield from _names(each)


def _pickled(value: Any, what: str) -> bytes:
    try:
        return pickle.dumps(value)
    except Exception as error:
        raise TypeError(
            f"{what} of the sequence cannot be copied to its process: {error}"
        ) from error
