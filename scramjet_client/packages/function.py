"""Turn a function of a script or notebook into the files of a program: the function and everything it uses.

Its source travels, with the source of the functions and classes beside it that it refers to. The program imports
modules on the hub, and contains values as literals. Anything without source that can't be a literal is refused.
"""

from __future__ import annotations

import builtins
import enum
import functools
import inspect
import operator
import sys
import types
from collections.abc import Callable, Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, List, TypeVar  # noqa: UP035 - see _MADE_AGAIN

import attrs

from scramjet_client._common.checks import checked_list
from scramjet_client.packages.deployable import (
    checked_function,
    cure_for,
    described_value,
    owner_of,
)
from scramjet_client.packages.files import SECRET, PackageEntry
from scramjet_client.packages.ignore import holds_secret
from scramjet_client.packages.imports import with_absolute_imports
from scramjet_client.packages.modules import LocalModules, described, named_files
from scramjet_client.packages.origins import looks_secret, origin_of
from scramjet_client.packages.shapes import iterates
from scramjet_client.packages.source import (
    Snippet,
    assignment_snippet,
    class_snippet,
    function_snippet,
    texts_beside,
)
from scramjet_client.packages.values import expression

MODULE = "sequence_source"
"""Name of the module with the function in the package."""

ADAPTER = resources.files("scramjet_client.packages") / "on_hub" / "scramjet_adapter.py"
"""The adapter that runs a function on a hub; a copy of it travels."""

_MAIN = '''\
"""Made by HostClient.deploy(): the function {name} as a sequence."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from scramjet_adapter import adapted, imported

# First and last line in {module}.py, and the file and the line where that part is from.
_places = {places}
_function = imported({module!r}, _places).{name}

output_type = {output_type!r}  # read by hub 0.x
provides = {provides!r}  # read by hub 1.x
{requires}run = adapted(_function, output_type{options})
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
"""Types of values that `name = ...` recreates exactly: they have no state, and the statement has no side effects."""

_LARGEST_VALUE = 1_048_576
"""Most characters of one value in the source; a larger one is data, which you should send as input."""


@attrs.frozen(kw_only=True)
class FunctionSource:
    """The parts of a function that travel: the generated `files`, and modules beside the script, which are `copied`.

    Attributes:
        missing: First names of the modules that the hub's Python must have.
        secrets: One sentence for each possible secret that travels, or that stays here because it may be one.
        notes: One sentence for each other thing that stays here.
    """

    name: str
    origin: str
    files: dict[str, bytes]
    copied: list[PackageEntry]
    missing: frozenset[str]
    secrets: list[str]
    notes: list[str]


def read_function(
    function: Callable[..., Any],
    *,
    source: str | None = None,
    include: Iterable[str | Path] = (),
    env: Iterable[str] = (),
) -> FunctionSource:
    """Return everything that must travel for a function; see `Package.from_function`, and its errors."""
    plain = checked_function(function)
    names = _names_of(env)
    named, secret = named_files(include, plain.__globals__)
    reader = _Reader(plain.__globals__, LocalModules(plain.__globals__, named), source, names)
    modules = reader.modules
    name = reader.program(plain, function)
    modules.take_imported_by_named(name)
    options = ", blocking=True" if reader.blocks else ""
    if reader.left:
        options += f", configured={tuple(sorted(reader.left))!r}"
    settings = _settings(function, plain.__globals__)
    text, places = reader.text(name)
    main = _MAIN.format(module=MODULE, name=name, options=options, places=places, **settings)
    files = {
        "main.py": main.encode(),
        f"{MODULE}.py": text.encode("utf-8"),
        ADAPTER.name: ADAPTER.read_bytes(),
    }
    modules.refuse_names(files)
    notes, secrets = [], list(reader.secrets)
    if modules.unnamed:
        notes.append(
            f"left out of {name}'s package, as only modules travel with a function: {described(modules.unnamed)} "
            "(name files by include=)"
        )
    if modules.suspects:
        secrets.append(
            f"taken along with {name}, though these look like secrets: {described(modules.suspects)}"
        )
    if modules.left_out or secret:
        secrets.append(
            f"left out of {name}'s package, {SECRET} (name them by include= to take them along): "
            f"{described({*modules.left_out, *secret})}"
        )
    if not secrets and holds_secret(text.encode("utf-8")):
        secrets.append(
            f"the source of {name} holds something of the shape of a key or token, and travels as it is"
        )
    return FunctionSource(
        name=name,
        origin=reader.origin,
        files=files,
        copied=modules.entries,
        missing=frozenset(modules.missing()),
        secrets=secrets,
        notes=notes,
    )


def _names_of(env: Iterable[str]) -> frozenset[str]:
    meant = "names of variables, whose values are given by start(app_config=...)"
    return frozenset(checked_list("env", [env] if isinstance(env, str) else env, meant))


def _settings(function: Any, namespace: Mapping[str, Any]) -> dict[str, Any]:
    """Return the program's settings of input and output: attributes of the function, or names beside it."""

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


@attrs.define(eq=False)
class _Reader:
    """Collects definitions, values and imports, in the order that the module needs."""

    _namespace: dict[str, Any]
    modules: LocalModules
    _source: str | None
    _env: frozenset[str]
    origin: str = attrs.field(default="", init=False)
    blocks: bool = attrs.field(default=False, init=False)
    secrets: list[str] = attrs.field(factory=list, init=False)
    left: set[str] = attrs.field(factory=set, init=False)
    _taken: dict[str, Any] = attrs.field(factory=dict, init=False)
    _imports: set[str] = attrs.field(factory=set, init=False)
    _body: list[tuple[str, Snippet | None]] = attrs.field(factory=list, init=False)
    """Each part of the module, with its source if it has one."""

    def text(self, name: str) -> tuple[str, list[tuple[int, int, str, int]]]:
        """Return the text of the module, and the places that its parts are from: see `imported` of the adapter."""
        head = f'"""Made by HostClient.deploy(): {name}, and what it uses, from {self.origin}."""\n'
        future = "from __future__ import annotations"
        text = "\n\n".join([head + "\n" + future, *sorted(self._imports)])
        places = []
        for part, snippet in self._body:
            text += "\n\n"
            first = text.count("\n") + 1
            text += part
            if snippet is not None:
                skipped = snippet.shift
                last = first + part.rstrip("\n").count("\n")
                places.append((first + skipped, last, snippet.shown_file, snippet.line))
        return text + "\n", places

    def program(self, plain: types.FunctionType, function: Any) -> str:
        """Add the deployed function; return its name."""
        owner = owner_of(plain)
        snippet = function_snippet(plain, self._source)
        if owner is None and not self._makes(snippet, plain, function):
            raise TypeError(
                f"{snippet.name} was wrapped after it was defined, and its source does not say by what; decorate it "
                "with @, or write a function that calls what wraps it, and deploy that"
            )
        self.blocks = iterates(snippet.text, snippet.name)
        if owner is None:
            name = self.function(plain, function, snippet)
        else:
            name = snippet.name
            self.origin = snippet.origin
            self._name(owner.__name__, snippet, {})
            self._body.append((f"{name} = {plain.__qualname__}", None))
        unused = self._env - self.left
        if unused:
            raise ValueError(f"env names {min(unused)!r}, and {name} uses no variable of that name")
        return name

    def function(
        self, function: types.FunctionType, decorated: Any, snippet: Snippet | None = None
    ) -> str:
        """Add a function, with its decorators and everything it uses; return its name."""
        snippet = snippet or self._snippet(function)
        self.origin = self.origin or snippet.origin
        self._taken.setdefault(snippet.name, decorated)
        self._names(snippet, _cells(function))
        return snippet.name

    def _makes(self, snippet: Snippet, plain: types.FunctionType, function: Any) -> bool:
        """Return whether a definition, with its decorators, makes this function from its plain one."""
        if function is plain:
            return True
        beside = plain.__globals__.get(plain.__name__, function)
        return snippet.decorated and ("." in plain.__qualname__ or beside is function)

    def _snippet(self, function: types.FunctionType) -> Snippet:
        """Return the source of a used function; the text from the user may contain it too."""
        try:
            return function_snippet(function)
        except ValueError:
            if self._source is None:
                raise
            return function_snippet(function, self._source)

    def _names(self, snippet: Snippet, cells: Mapping[str, Any]) -> None:
        """Add everything that a snippet uses, and then the snippet."""
        for name in snippet.names():
            self._name(name, snippet, cells)
        self.modules.take_imported_by(snippet)
        self._body.append((with_absolute_imports(snippet.text, self.modules.package), snippet))

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
        if name in self._env:
            if name in snippet.names_when_defined():
                raise snippet.refusal(
                    name,
                    "already when it is defined, and env gives a value only at a start: use it within a function",
                )
            self.left.add(name)
            self._body.append((f"{name} = None  # given by the configuration, at each start", None))
            return
        self._value(name, value, snippet, closed)

    def _value(self, name: str, value: Any, snippet: Snippet, closed: bool) -> None:
        if name == "__file__":
            if self.modules.named:
                return  # a named file lies beside the program there, as it does beside the script here
            raise snippet.refusal(
                name, "and its folder does not travel: name its files by include="
            )
        written = expression(value)
        if isinstance(value, types.ModuleType):
            for line in self.modules.imports(name, value, snippet):
                self._imports.add(line)
        elif written is not None:
            if len(written) > _LARGEST_VALUE:
                raise snippet.refusal(name, "a value that is too large to travel with the program")
            self._look_at(name, value, snippet)
            self._body.append((f"{name} = {written}", None))
        elif (found := self._importable(name, value)) is not None:
            self.modules.take(found[0], snippet, name)
            self._imports.add(f"from {found[0]} import {found[1]} as {name}")
        elif closed or not self._definition(name, value, snippet):
            whose = " of an enclosing function" if closed else ""
            raise snippet.refusal(
                name,
                f"which is {described_value(value)}{whose} and cannot travel{cure_for(value, closed)}",
            )

    def _look_at(self, name: str, value: Any, user: Snippet) -> None:
        """Record a value that goes into the package and should not."""
        if isinstance(value, (bool, int, float, complex, type(None))) or name.startswith("__"):
            return
        origin = origin_of(name, texts_beside(user), user.line)
        if origin:
            why = f"whose value came from {origin} here"
        elif looks_secret(name, value):
            why = "which looks like a secret"
        else:
            return
        self.secrets.append(
            f"{user.name} uses {name!r} ({user.file}, line {user.line_of(name)}), {why} and travels in the package as "
            f"text: deploy with env=[{name!r}] and start with app_config={{{name!r}: ...}} instead"
        )

    def _definition(self, name: str, value: Any, user: Snippet) -> bool:
        """Add the source of a value defined beside the function; return whether it has one."""
        snippet: Snippet | None = None
        # The result of a decorator, such as a cache, leads to the original function.
        plain = value if isinstance(value, type) else inspect.unwrap(value)
        if isinstance(plain, types.FunctionType):
            if plain.__globals__ is not self._namespace:
                return False
            if plain.__name__ != "<lambda>" and self._makes(
                source := self._snippet(plain), plain, value
            ):
                made = self.function(plain, value, source)
                self._alias(name, made, value, user)
                return True
        elif isinstance(value, type):
            snippet = class_snippet(value, user)
        elif not isinstance(value, _MADE_AGAIN):
            return False
        snippet = snippet or assignment_snippet(name, user)
        if snippet is None:
            return False
        self._names(snippet, {})
        self._alias(name, snippet.name, value, user)
        return True

    def _alias(self, name: str, made: str, value: Any, user: Snippet) -> None:
        if made == name:
            return
        if self._taken.setdefault(made, value) is not value:
            raise user.refusal(
                name, f"which was made as {made}, a name that means something else now"
            )
        self._body.append((f"{name} = {made}", None))

    def _importable(self, name: str, value: Any) -> tuple[str, str] | None:
        """Return the module and name from which a value can be imported, or None."""
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
            continue  # no value yet; using it fails like any unknown name
    return found


def _is_builtin(name: str) -> bool:
    """Return whether a name is a builtin on every Python; notebooks add some."""
    module = str(getattr(getattr(builtins, name, None), "__module__", None))
    return hasattr(builtins, name) and module.partition(".")[0] not in ("IPython", "ipykernel")


def _same(one: Any, other: Any) -> bool:
    written = expression(one)
    return written is not None and written == expression(other)
