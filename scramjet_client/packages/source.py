"""The source of one function or class, and the names it needs from outside."""

from __future__ import annotations
import __future__

import ast
import inspect
import linecache
import os
import re
import symtable
import sys
import types
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from scramjet_client._common.python import is_frozen
from scramjet_client.packages.imports import first_names
from scramjet_client.packages.syntax import parsed, stored_names
from scramjet_client.packages.typed import PROMPT, typed_statements

GIVEN = "source="
"""What stands for the file of a text that the user gives."""

_TYPED = (PROMPT, "<python-input-")
_CELL = re.compile(r"<ipython-input-(\d+)-")

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@attrs.frozen
class Snippet:
    """The source of one definition: a function, a class, or `name = ...`, which can stand at the top of a module.

    Attributes:
        line: Number of its first line in the file that it is from.
        shift: How many lines of the text come before that line.
        given: The text it is from, if that is not in a file.
    """

    name: str
    text: str
    file: str
    line: int
    shift: int
    given: str = ""

    @property
    def origin(self) -> str:
        """The description of its file: the file's name, or a notebook."""
        if os.path.exists(self.file):
            return os.path.basename(self.file)
        return "a prompt" if self.file == PROMPT else "a notebook"

    @property
    def shown_file(self) -> str:
        """The name of its file in tracebacks; of a cell, the number that the notebook gives it."""
        if os.path.exists(self.file):
            return os.path.basename(self.file)
        if self.file.startswith(_TYPED):
            return "prompt"
        if self.file == GIVEN:
            return "source"
        named = _CELL.match(self.file)
        count = named[1] if named is not None else _cells().get(self.file)
        return "notebook" if count is None else f"In [{count}]"

    def names(self) -> list[str]:
        """Return the names that it needs from outside when it runs; annotations do not count."""
        return sorted(set(_outer(self._table())) - {self.name})

    @property
    def decorated(self) -> bool:
        """Whether it is a function or class with decorators."""
        (statement,) = parsed(self.text).body
        return bool(getattr(statement, "decorator_list", ()))

    def names_when_defined(self) -> set[str]:
        """Return the names it needs when it is defined: in defaults, decorators and bodies of classes."""
        return set(_outer(self._table(), when_defined=True))

    def _table(self) -> symtable.SymbolTable:
        # On the hub, nothing evaluates annotations, and they may name things that only a type checker imports.
        bare = _Bare().visit(parsed(self.text))
        return symtable.symtable(ast.unparse(ast.fix_missing_locations(bare)), "", "exec")

    def assigned_globals(self) -> set[str]:
        """Return the globals to which it assigns a value."""
        tree = parsed(self.text)
        stated = {n for each in ast.walk(tree) if isinstance(each, ast.Global) for n in each.names}
        return stated & stored_names(tree)

    def nonlocals(self) -> set[str]:
        """Return the names that a `nonlocal` in it states."""
        tree = parsed(self.text)
        return {n for each in ast.walk(tree) if isinstance(each, ast.Nonlocal) for n in each.names}

    def attributes_of(self, name: str) -> Iterator[str]:
        """Yield the dotted attributes that it uses of a name: "etree.ElementTree" of `xml`."""
        for node in ast.walk(parsed(self.text)):
            parts: list[str] = []
            inner: ast.AST = node
            while isinstance(inner, ast.Attribute):
                parts.insert(0, inner.attr)
                inner = inner.value
            if parts and isinstance(inner, ast.Name) and inner.id == name:
                yield ".".join(parts)

    def line_of(self, name: str) -> int:
        """Return the number of the line in its file that first uses or imports a name."""
        lines = [
            node.lineno
            for node in ast.walk(parsed(self.text))
            if (isinstance(node, ast.Name) and node.id == name)
            or (isinstance(node, (ast.Import, ast.ImportFrom)) and name in first_names(node, ""))
        ]
        return self.line + min(lines, default=1) - 1 - self.shift

    def refusal(self, name: str, why: str) -> ValueError:
        """Return the error that says why a name it uses cannot travel."""
        return ValueError(
            f"{self.name} uses {name!r} ({self.file}, line {self.line_of(name)}), {why}"
        )


def _cells() -> Mapping[str, Any]:
    """Return the numbers of a notebook's cells, by what Python takes for their file."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    found = getattr(getattr(shell, "compile", None), "_filename_map", None)
    return found if isinstance(found, Mapping) else {}


def function_snippet(function: types.FunctionType, source: str | None = None) -> Snippet:
    """Return the source of a function; `source` is the text that defines it, where Python itself does not know it."""
    name, file = function.__name__, function.__code__.co_filename
    if source is not None:
        return _given(function, source)
    if file == PROMPT and (typed := _typed(function)) is not None:
        return typed
    try:
        lines, line = inspect.getsourcelines(function)
    except (OSError, TypeError) as error:
        raise ValueError(
            f"{name} cannot be deployed: its source is not there, as it was {_made(file)} ({file}); give its text by "
            "source=..., or put it into a file"
        ) from error
    snippet = _snippet("".join(lines), file, line)
    if (
        snippet is None
        or snippet.name != function.__code__.co_name
        or not _agrees(snippet, function)
    ):
        raise ValueError(
            f"{name} cannot be deployed: {file}, line {line} is not its source any more; load it again"
        )
    return snippet


def _made(file: str) -> str:
    if file == "<console>":
        return "typed at a prompt of `code.interact`"
    if file != PROMPT:
        return "compiled into a frozen program" if is_frozen() else "made by exec or python -c"
    # Only a prompt has these.
    typed = hasattr(sys, "ps1")
    return "typed at a plain prompt" if typed else "in a script that Python read from stdin"


def _given(function: types.FunctionType, source: str) -> Snippet:
    if not isinstance(source, str):
        raise TypeError(f"source must be the text of the definition, not {type(source).__name__}")
    text = inspect.cleandoc("\n" + source)
    for found in _definitions_in(text, GIVEN, function.__code__.co_name):
        if _agrees(found, function):
            return attrs.evolve(found, given=text)
    raise ValueError(
        f"{function.__name__} cannot be deployed: source= must be the text of its definition, and is not"
    )


def _definitions_in(text: str, file: str, name: str) -> Iterator[Snippet]:
    """Yield the definitions of a function's name in Python code, the last one first."""
    try:
        tree = parsed(text)
    except (SyntaxError, ValueError):
        return
    lines = text.splitlines(keepends=True)
    found = [
        node
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == name
    ]
    for node in sorted(found, key=lambda each: -each.lineno):
        snippet = _cut(node, lines, file)
        if snippet is not None:
            yield snippet


def _cut(node: Any, lines: list[str], file: str) -> Snippet | None:
    above = [each.lineno for each in getattr(node, "decorator_list", [])]
    first = min([node.lineno, *above])
    return _snippet("".join(lines[first - 1 : node.end_lineno]), file, first)


def class_snippet(cls: type, user: Snippet) -> Snippet | None:
    """Return the source of a class that a snippet uses, from its own file or from cells of a notebook, or None."""
    methods = [each for each in vars(cls).values() if isinstance(each, types.FunctionType)]
    # An enum has methods of the standard library, which has classes of the same names.
    files = [each.__code__.co_filename for each in methods if each.__module__ == cls.__module__]
    return _statement(cls.__name__, ast.ClassDef, [*files, *_files(user)], user)


def assignment_snippet(name: str, user: Snippet) -> Snippet | None:
    """Return the statement `name = ...` beside a snippet, or in cells of a notebook, or None."""
    return _statement(name, ast.Assign, _files(user), user)


def _files(user: Snippet) -> list[str]:
    """Return the files that may define the names of a snippet, the likely ones first."""
    # Cells of a notebook are not files. The latest cell with a definition counts.
    return [
        user.file,
        *_doctests(user.file),
        *(each for each in reversed(list(linecache.cache)) if not os.path.exists(each)),
    ]


def _doctests(file: str) -> list[str]:
    """Return the names of a doctest's examples before the given one, the latest first."""
    found = re.fullmatch(r"(<doctest .*\[)(\d+)\]>", file)
    return [f"{found[1]}{at}]>" for at in reversed(range(int(found[2])))] if found else []


def _texts(files: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the names and texts of files; each statement typed at a plain prompt counts as one text."""
    for file in dict.fromkeys(files):
        if file == PROMPT:
            yield from ((file, text) for text in reversed(typed_statements()))
        else:
            yield file, "".join(linecache.getlines(file))


def texts_beside(user: Snippet) -> list[str]:
    """Return the texts that give a snippet's names their values: its file, or the cells of its notebook."""
    files = [user.file] if os.path.exists(user.file) else _files(user)
    return [user.given, *(text for _, text in _texts(files))]


def _statement(name: str, kind: type[ast.stmt], files: list[str], user: Snippet) -> Snippet | None:
    for file, text in [(user.file, user.given), *_texts(files)]:
        try:
            tree = parsed(text)
        except (SyntaxError, ValueError):
            continue
        for node in reversed(tree.body):
            if isinstance(node, kind) and _defined(node) == name:
                found = _cut(node, text.splitlines(keepends=True), file)
                given = user.given if text == user.given else ""
                return found and attrs.evolve(found, given=given)
    return None


def _defined(node: ast.AST) -> str | None:
    """Return the only name that a statement defines, or None."""
    if isinstance(node, _DEFINITIONS):
        return node.name
    targets = node.targets if isinstance(node, ast.Assign) else []
    return targets[0].id if len(targets) == 1 and isinstance(targets[0], ast.Name) else None


def _snippet(text: str, file: str, line: int) -> Snippet | None:
    """Return the definition at the beginning of the source, or None if it begins with something else."""
    text = text.rstrip() + "\n"
    # Indented code is from within another function. Removing the indentation would change string literals in it.
    shift = int(text[:1].isspace())
    if shift:
        text = "if True:\n" + text
    try:
        tree = parsed(text)
    except SyntaxError:
        return None
    node: ast.AST = tree.body[0]
    if shift and isinstance(node, ast.If):
        node = node.body[0]
    name = _defined(node)
    return None if name is None else Snippet(name, text, file, line, shift)


def _agrees(snippet: Snippet, function: types.FunctionType) -> bool:
    """Return whether this source can have made a function; if not, the file has changed since.

    A debugger, a tracer or pytest may have added to the function. So the function must contain all of the source.

    Raises:
        ValueError: The function changes a variable of an enclosing one, so its source can't stand alone.
    """
    changed = snippet.nonlocals() & set(function.__code__.co_freevars)
    if changed:
        raise snippet.refusal(
            min(changed),
            "a variable of an enclosing function, and changes it by `nonlocal`, so it cannot travel; keep the variable"
            " in the function itself, or give its value as an argument",
        )
    text, *scopes = snippet.text, *function.__qualname__.split(".")[-2:-1]
    if scopes and scopes[0].isidentifier() and snippet.shift:
        text = f"class {scopes[0]}:\n {text}"  # gives private names their mangled form
    module = compile(text, "", "exec", _future(function), True)
    made = next((each for each in _codes(module) if each.co_name == snippet.name), None)
    if made is None or _arguments(made) != _arguments(function.__code__):
        return False
    wanted, there = _contents(made), _contents(function.__code__)
    return wanted <= there


def _typed(function: types.FunctionType) -> Snippet | None:
    """Return the source of a function that was typed at a plain prompt, or None."""
    name, facts = function.__code__.co_name, _code_facts(function.__code__)
    for statement in reversed(typed_statements()):
        if name not in statement:
            continue
        for text in (statement, *_with_a_line_twice(statement)):
            try:
                module = compile(text, "", "exec", _future(function), True)
            except (SyntaxError, ValueError):
                continue
            # The history may lack lines, so the code must be exactly the same.
            if any(each.co_name == name and _code_facts(each) == facts for each in _codes(module)):
                found = (s for s in _definitions_in(text, PROMPT, name) if _agrees(s, function))
                return next(found, None)
    return None


def _with_a_line_twice(text: str) -> Iterator[str]:
    """Yield versions of a text with one line doubled: the history leaves out a line that repeats the last one."""
    lines = text.splitlines(keepends=True)
    for at in range(len(lines)):
        yield "".join([*lines[: at + 1], *lines[at:]])


def _future(function: types.FunctionType) -> int:
    flag: int = __future__.annotations.compiler_flag
    return function.__code__.co_flags & flag


def _code_facts(code: types.CodeType) -> tuple[Any, ...]:
    constants = [
        _code_facts(each) if isinstance(each, types.CodeType) else repr(each)
        for each in code.co_consts
        # Until 3.10, the full name of a function within another one is a constant of the outer one.
        if "<locals>" not in str(each)
    ]
    return code.co_code, code.co_names, code.co_varnames, code.co_freevars, constants


def _arguments(code: types.CodeType) -> tuple[str, ...]:
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    for each in code.co_consts:
        if isinstance(each, types.CodeType):
            yield each
            yield from _codes(each)


def _contents(code: types.CodeType) -> set[Any]:
    """Return the names and constants of a function and of the functions within it."""
    found: set[Any] = set()
    for each in (code, *_codes(code)):
        found.update(each.co_names, each.co_varnames, each.co_freevars, each.co_cellvars)
        found.update(
            ("constant", repr(value))
            for value in each.co_consts
            # Until 3.10, the full names of functions within functions are constants of the outer ones.
            if not isinstance(value, (types.CodeType, frozenset)) and "<locals>" not in str(value)
        )
    return found


class _Bare(ast.NodeTransformer):
    """Removes annotations."""

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def _function(self, node: Any) -> Any:
        node.returns = None
        return self.generic_visit(node)

    visit_FunctionDef = visit_AsyncFunctionDef = _function

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        if node.value is None:
            # An assignment replaces it, so that the name stays a local one.
            empty = ast.Constant(None)
            return ast.copy_location(ast.Assign(targets=[node.target], value=empty), node)
        made = ast.Assign(targets=[node.target], value=node.value)
        return self.generic_visit(ast.copy_location(made, node))


def _outer(table: symtable.SymbolTable, *, when_defined: bool = False) -> Iterator[str]:
    for symbol in table.get_symbols():
        if table.get_type() == "module":
            outer = symbol.is_referenced() and not symbol.is_assigned()
        else:
            # symtable confuses a function or class called "top" with the module, and its local names with globals.
            outer = symbol.is_declared_global() or (symbol.is_global() and not symbol.is_local())
        if outer:
            yield symbol.get_name()
    for each in table.get_children():
        if not when_defined or each.get_type() == "class":
            yield from _outer(each, when_defined=when_defined)
