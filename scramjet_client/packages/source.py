"""The source of one function or class, and the names that it needs from outside of it."""

from __future__ import annotations
import __future__

import ast
import inspect
import linecache
import os
import symtable
import types
from collections.abc import Iterator
from typing import Any

import attrs

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@attrs.frozen
class Snippet:
    """The source of one definition: a function, a class, or `name = ...`.

    Attributes:
        name: What it defines.
        text: Python that does so at the top of a module.
        file: Where it is from.
        line: Number of its first line there.
    """

    name: str
    text: str
    file: str
    line: int
    _shift: int

    @property
    def origin(self) -> str:
        """What to call its file: the name of one, or a notebook."""
        return os.path.basename(self.file) if os.path.exists(self.file) else "a notebook"

    def names(self) -> list[str]:
        """Return the names that it needs to find around it when it runs; annotations are not among them."""
        # Annotations are not evaluated where it goes, and may name what only a type checker imports.
        bare = _Bare().visit(ast.parse(self.text))
        top = symtable.symtable(ast.unparse(ast.fix_missing_locations(bare)), "", "exec")
        return sorted(set(_outer(top, at_top=True)) - {self.name})

    def assigned_globals(self) -> set[str]:
        """Return the globals that it gives a value to itself."""
        tree = ast.parse(self.text)
        stated = {n for each in ast.walk(tree) if isinstance(each, ast.Global) for n in each.names}
        stored = {
            each.id
            for each in ast.walk(tree)
            if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
        }
        return stated & stored

    def attributes_of(self, name: str) -> Iterator[str]:
        """Yield the dotted attributes that it uses of a name: "etree.ElementTree" of `xml`."""
        for node in ast.walk(ast.parse(self.text)):
            parts: list[str] = []
            inner: ast.AST = node
            while isinstance(inner, ast.Attribute):
                parts.insert(0, inner.attr)
                inner = inner.value
            if parts and isinstance(inner, ast.Name) and inner.id == name:
                yield ".".join(parts)

    def line_of(self, name: str) -> int:
        """Return the number of the line, in its file, that first uses a name."""
        lines = [
            node.lineno
            for node in ast.walk(ast.parse(self.text))
            if isinstance(node, ast.Name) and node.id == name
        ]
        return self.line + min(lines, default=1) - 1 - self._shift

    def refusal(self, name: str, why: str) -> ValueError:
        """Return the error that says why a name that it uses cannot travel."""
        return ValueError(
            f"{self.name} uses {name!r} ({self.file}, line {self.line_of(name)}), {why}"
        )


def function_snippet(function: types.FunctionType) -> Snippet:
    """Return the source of a function.

    Raises:
        ValueError: There is none, or it is not what the function was made of.
    """
    name, file = function.__name__, function.__code__.co_filename
    try:
        lines, line = inspect.getsourcelines(function)
    except (OSError, TypeError) as error:
        raise ValueError(
            f"{name} cannot be deployed: its source is not there, as of one that was typed at a plain prompt or "
            f"made by exec ({file})"
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


def class_snippet(cls: type, user: Snippet) -> Snippet | None:
    """Return the source of a class that a snippet uses, from its own file or from cells of a notebook, or None."""
    methods = [each for each in vars(cls).values() if isinstance(each, types.FunctionType)]
    files = [each.__code__.co_filename for each in methods]
    return _statement(cls.__name__, ast.ClassDef, [*files, *_files(user)])


def assignment_snippet(name: str, user: Snippet) -> Snippet | None:
    """Return the statement `name = ...` beside a snippet, or in cells of a notebook, or None."""
    return _statement(name, ast.Assign, _files(user))


def _files(user: Snippet) -> list[str]:
    """Return the files that may hold what a snippet uses, the likely ones first."""
    # Cells of a notebook are not files; the latest one that has it is the one that counts.
    return [
        user.file,
        *(each for each in reversed(list(linecache.cache)) if not os.path.exists(each)),
    ]


def _statement(name: str, kind: type[ast.stmt], files: list[str]) -> Snippet | None:
    for file in files:
        lines = linecache.getlines(file)
        try:
            tree = ast.parse("".join(lines))
        except (SyntaxError, ValueError):
            continue
        for node in reversed(tree.body):
            if isinstance(node, kind) and _defined(node) == name:
                above = [each.lineno for each in getattr(node, "decorator_list", [])]
                first = min([node.lineno, *above])
                return _snippet("".join(lines[first - 1 : node.end_lineno]), file, first)
    return None


def _defined(node: ast.AST) -> str | None:
    """Return the one name that a statement defines, or None."""
    if isinstance(node, _DEFINITIONS):
        return node.name
    if (
        isinstance(node, ast.Assign)
        and len(node.targets) == 1
        and isinstance(node.targets[0], ast.Name)
    ):
        return node.targets[0].id
    return None


def _snippet(text: str, file: str, line: int) -> Snippet | None:
    """Return the definition that some source begins with, or None if it is something else."""
    text = text.rstrip() + "\n"
    # Indented, it is from within another function. Taking the indentation off would change texts in it.
    shift = int(text[:1].isspace())
    if shift:
        text = "if True:\n" + text
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return None
    node: ast.AST = tree.body[0]
    if shift and isinstance(node, ast.If):
        node = node.body[0]
    name = _defined(node)
    return None if name is None else Snippet(name, text, file, line, shift)


def _agrees(snippet: Snippet, function: types.FunctionType) -> bool:
    """Return whether a function can have been made of this source, or the file has changed since.

    A debugger, a tracer or pytest may have added to the function, so nothing of the source may be missing in it.
    """
    future = function.__code__.co_flags & __future__.annotations.compiler_flag
    module = compile(snippet.text, "", "exec", future, True)
    made = next((each for each in _codes(module) if each.co_name == snippet.name), None)
    if made is None or _arguments(made) != _arguments(function.__code__):
        return False
    wanted, there = _contents(made), _contents(function.__code__)
    return wanted <= there


def _arguments(code: types.CodeType) -> tuple[str, ...]:
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    for each in code.co_consts:
        if isinstance(each, types.CodeType):
            yield each
            yield from _codes(each)


def _contents(code: types.CodeType) -> set[Any]:
    """Return the names and constants of a function and those within it."""
    found: set[Any] = set()
    for each in (code, *_codes(code)):
        found.update(each.co_names, each.co_varnames, each.co_freevars, each.co_cellvars)
        found.update(
            ("constant", repr(value))
            for value in each.co_consts
            # Until 3.10, the full names of functions within functions are constants of theirs.
            if not isinstance(value, (types.CodeType, frozenset)) and "<locals>" not in str(value)
        )
    return found


class _Bare(ast.NodeTransformer):
    """Takes the annotations out."""

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def _function(self, node: Any) -> Any:
        node.returns = None
        return self.generic_visit(node)

    visit_FunctionDef = visit_AsyncFunctionDef = _function

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        if node.value is None:
            # Kept as a statement that makes the name a local one, as the annotation did.
            empty = ast.Constant(None)
            return ast.copy_location(ast.Assign(targets=[node.target], value=empty), node)
        made = ast.Assign(targets=[node.target], value=node.value)
        return self.generic_visit(ast.copy_location(made, node))


def _outer(table: symtable.SymbolTable, *, at_top: bool = False) -> Iterator[str]:
    for symbol in table.get_symbols():
        if symbol.is_global() or (at_top and symbol.is_referenced() and not symbol.is_assigned()):
            yield symbol.get_name()
    for each in table.get_children():
        yield from _outer(each)
