"""A function of a script or notebook -> the files of a program that is this function, and all it uses.

Its source travels, with the source of the functions and classes beside it that it refers to; modules are imported
there; values are written down. What has no source and can't be written down is refused.
"""

from __future__ import annotations

import builtins
import enum
import functools
import inspect
import io
import operator
import socket
import sys
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, List, TypeVar  # noqa: UP035 - see _MADE_AGAIN

import attrs

from scramjet_client.packages.files import PackageEntry
from scramjet_client.packages.modules import LocalModules
from scramjet_client.packages.source import (
    Snippet,
    assignment_snippet,
    class_snippet,
    function_snippet,
)
from scramjet_client.packages.values import expression

MODULE = "sequence_source"
"""Name of the module, in the package, that holds the function."""

_ADAPTER = Path(__file__).parent / "on_hub" / "scramjet_adapter.py"

_MAIN = '''\
"""Made by HostClient.deploy(): the function {name} as a sequence."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from scramjet_adapter import adapted
from {module} import {name} as _function

output_type = {output_type!r}  # read by hub 0.x
provides = {provides!r}  # read by hub 1.x
{requires}run = adapted(_function, output_type)
'''

_MADE_AGAIN = (
    enum.Enum,
    functools.partial,
    operator.attrgetter,
    operator.itemgetter,
    operator.methodcaller,
    TypeVar,
    type(List[int]),  # noqa: UP006 - the type of typing's own, which has no public name
)
"""What `name = ...` makes again just as it was: it has no state, and making it does nothing else."""

_LARGEST_VALUE = 1_048_576
"""Characters of one value that is written down; more is data, and better sent as input."""


@attrs.frozen(kw_only=True)
class FunctionSource:
    """What travels for a function.

    Attributes:
        name: The function's name.
        origin: Where it is from: a file's name, or "a notebook".
        files: The files that are made, by name; `main.py` is the one to run.
        copied: Modules beside the script, as they are.
        imports: First names of the modules that all of it imports.
    """

    name: str
    origin: str
    files: dict[str, bytes]
    copied: list[PackageEntry]
    imports: frozenset[str]


def read_function(function: Callable[..., Any]) -> FunctionSource:
    """Return what has to travel for a function.

    Raises:
        TypeError: It is no function, or can't be called as `function(context, input)`.
        ValueError: Its source isn't there, or it uses something that can't travel.
    """
    plain = _checked(function)
    reader = _Reader(plain.__globals__)
    name = reader.function(plain, function)
    settings = _settings(function, plain.__globals__)
    files = {
        "main.py": _MAIN.format(module=MODULE, name=name, **settings).encode(),
        f"{MODULE}.py": reader.text(name).encode("utf-8"),
        _ADAPTER.name: _ADAPTER.read_bytes(),
    }
    reader.modules.refuse_names(files)
    return FunctionSource(
        name=name,
        origin=reader.origin,
        files=files,
        copied=reader.modules.entries,
        imports=frozenset(reader.modules.imported),
    )


def _checked(function: Any) -> types.FunctionType:
    plain = inspect.unwrap(function) if callable(function) else function
    if not isinstance(plain, types.FunctionType) or not isinstance(function, types.FunctionType):
        kind = "a method" if inspect.ismethod(function) else f"{function!r}"
        raise TypeError(f"only a Python function can be deployed, made by def; not {kind}")
    if plain.__name__ == "<lambda>":
        raise TypeError("a lambda cannot be deployed: give it a name, by def")
    parameters = inspect.signature(function).parameters.values()
    positional = [
        each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD) for each in parameters
    ]
    if any(each.kind is each.VAR_POSITIONAL for each in parameters):
        positional += [True, True]
    named_alone = [
        each.kind is each.KEYWORD_ONLY and each.default is each.empty for each in parameters
    ]
    if sum(positional) < 2 or any(named_alone):
        raise TypeError(
            f"{plain.__name__} must take (context, input, *args), as every sequence, not {inspect.signature(function)}"
        )
    return plain


def _settings(function: Any, namespace: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the program says of its input and output: attributes of the function, or names beside it."""

    def said(name: str) -> Any:
        return getattr(function, name, namespace.get(name))

    provides, requires = said("provides"), said("requires")
    for name, value in (("provides", provides), ("requires", requires)):
        if value is not None and not (isinstance(value, dict) and expression(value)):
            raise ValueError(f"{name} of a function must be a dict of strings, not {value!r}")
    output_type = (provides or {}).get("contentType") or said("output_type")
    if not isinstance(output_type, str):
        output_type = "application/octet-stream"
    return {
        "output_type": output_type,
        "provides": {"provides": "", **(provides or {}), "contentType": output_type},
        "requires": f"requires = {requires!r}\n" if requires else "",
    }


class _Reader:
    """Collects definitions, values and imports, in the order in which they have to come."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self.modules = LocalModules()
        self.origin = ""
        self._namespace = namespace
        self._taken: dict[str, Any] = {}
        self._imports: set[str] = set()
        self._body: list[str] = []

    def text(self, name: str) -> str:
        """Return the text of the module."""
        head = f'"""Made by HostClient.deploy(): {name}, and what it uses, from {self.origin}."""\n'
        future = "from __future__ import annotations"
        return "\n\n".join([head + "\n" + future, *sorted(self._imports), *self._body]) + "\n"

    def function(self, function: types.FunctionType, decorated: Any) -> str:
        """Take a function in, with its decorators and all that it uses; return its name."""
        snippet = function_snippet(function)
        self.origin = self.origin or snippet.origin
        self._taken.setdefault(snippet.name, decorated)
        cells = _cells(function)
        for name in snippet.names():
            self._name(name, snippet, cells)
        self._body.append(snippet.text)
        return snippet.name

    def _name(self, name: str, snippet: Snippet, cells: Mapping[str, Any]) -> None:
        if name in cells:
            value, closed = cells[name], True
        elif name in self._namespace:
            value, closed = self._namespace[name], False
        elif _is_builtin(name) or name in snippet.assigned_globals():
            return
        else:
            raise snippet.refusal(name, "which has no value here")
        if name in self._taken:
            if self._taken[name] is not value and not _same(self._taken[name], value):
                raise snippet.refusal(name, "and so does another part of it, with another value")
            return
        self._taken[name] = value
        self._value(name, value, snippet, closed)

    def _value(self, name: str, value: Any, snippet: Snippet, closed: bool) -> None:
        if name == "__file__":
            raise snippet.refusal(name, "and its folder does not travel")
        written = expression(value)
        if isinstance(value, types.ModuleType):
            for line in self.modules.imports(name, value, snippet):
                self._imports.add(line)
        elif written is not None:
            if len(written) > _LARGEST_VALUE:
                raise snippet.refusal(name, "a value that is too large to travel with the program")
            self._body.append(f"{name} = {written}")
        elif (found := self._importable(name, value)) is not None:
            self.modules.take(found[0], snippet, name)
            self._imports.add(f"from {found[0]} import {found[1]} as {name}")
        elif closed or not self._definition(name, value, snippet):
            whose = " of an enclosing function" if closed else ""
            raise snippet.refusal(name, f"which is {_described(value)}{whose} and cannot travel")

    def _definition(self, name: str, value: Any, user: Snippet) -> bool:
        """Take in the source of what was made beside the function; return whether there is one."""
        snippet: Snippet | None = None
        # What a decorator has made, such as a cache, leads to what it was made of.
        plain = value if isinstance(value, type) else inspect.unwrap(value)
        if isinstance(plain, types.FunctionType):
            if plain.__globals__ is not self._namespace:
                return False
            if plain.__name__ != "<lambda>":
                made = self.function(plain, value)
                self._alias(name, made, value, user)
                return True
        elif isinstance(value, type):
            snippet = class_snippet(value, user)
        elif not isinstance(value, _MADE_AGAIN):
            return False
        snippet = snippet or assignment_snippet(name, user)
        if snippet is None:
            return False
        for each in snippet.names():
            self._name(each, snippet, {})
        self._body.append(snippet.text)
        self._alias(name, snippet.name, value, user)
        return True

    def _alias(self, name: str, made: str, value: Any, user: Snippet) -> None:
        if made == name:
            return
        if self._taken.setdefault(made, value) is not value:
            raise user.refusal(
                name, f"which was made as {made}, a name that means something else now"
            )
        self._body.append(f"{name} = {made}")

    def _importable(self, name: str, value: Any) -> tuple[str, str] | None:
        """Return the module and the name that a value can be imported by, or None."""
        own = self._namespace.get("__name__")
        for module, attribute in (
            (getattr(value, "__module__", None), getattr(value, "__qualname__", None)),
            (getattr(value, "__module__", None), getattr(value, "__name__", None)),
            (type(value).__module__, name),
        ):
            if not isinstance(module, str) or not isinstance(attribute, str):
                continue
            if module in ("__main__", own) or "." in attribute or "<" in attribute:
                continue
            there = vars(sys.modules[module]) if module in sys.modules else {}
            if there.get(attribute, self) is value:
                return module, attribute
        return None


def _cells(function: types.FunctionType) -> dict[str, Any]:
    found = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
        try:
            found[name] = cell.cell_contents
        except ValueError:
            continue  # no value yet; its use is refused like that of any unknown name
    return found


def _is_builtin(name: str) -> bool:
    """Return whether a name is a builtin elsewhere too; notebooks add some."""
    module = str(getattr(getattr(builtins, name, None), "__module__", None))
    return hasattr(builtins, name) and module.partition(".")[0] not in ("IPython", "ipykernel")


def _same(one: Any, other: Any) -> bool:
    written = expression(one)
    return written is not None and written == expression(other)


def _described(value: Any) -> str:
    if isinstance(value, io.IOBase):
        return "an open file"
    if isinstance(value, socket.socket):
        return "a socket"
    if inspect.ismethod(value):
        return f"a method of a {type(value.__self__).__name__}"
    if isinstance(value, types.FunctionType):
        return "a function"
    if isinstance(value, type):
        return "a class whose source is not there,"
    kind = type(value).__name__
    return f"{'an' if kind[0].lower() in 'aeiou' else 'a'} {kind}"
