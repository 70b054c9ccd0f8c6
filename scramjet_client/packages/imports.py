"""The modules that code imports, by statements or by literal names."""

from __future__ import annotations

import ast
import functools
import importlib.util
import re
import sys
import sysconfig
from pathlib import Path

import attrs

from scramjet_client.packages.syntax import called_name, parsed

_RELATIVE = re.compile(rb"from\b[\s\\.\w]*?\bimport\b")
"""The beginning of a relative import, up to its last fixed word."""


@attrs.frozen
class Imported:
    """First names of modules: the code always needs `needed`; `optional` ones are inside a `try` or an `if`."""

    needed: frozenset[str]
    optional: frozenset[str]


def imported_in(tree: ast.AST, package: str) -> Imported:
    """Return the modules that code imports, by statements or by literal names."""
    everything = {name for node in ast.walk(tree) for name in first_names(node, package)}
    maybe = (each for each in ast.walk(tree) if isinstance(each, (ast.Try, ast.If)))
    if isinstance(tree, ast.Module) and tree.body and _is_wrapper(tree.body[0]):
        next(maybe)  # the line that `_snippet` has put before an indented definition
    within = {
        id(node)
        for block in maybe
        for node in ast.walk(block)
        if not isinstance(node, (ast.Try, ast.If))
    }
    needed = {
        name
        for node in ast.walk(tree)
        if id(node) not in within
        for name in first_names(node, package)
    }
    return Imported(frozenset(needed), frozenset(everything - needed))


def _is_wrapper(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Constant) and node.lineno == 1


def first_names(node: ast.AST, package: str) -> set[str]:
    """Return the first names of the modules that one statement or call imports."""
    names: list[str] = []
    if isinstance(node, ast.Import):
        names = [each.name for each in node.names]
    elif isinstance(node, ast.ImportFrom):
        names = [module_of(node, package)]
    elif isinstance(node, ast.Call) and node.args:
        first = node.args[0]
        imports = called_name(node) in ("import_module", "__import__")
        if imports and isinstance(first, ast.Constant):
            names = [_resolved(first.value, package)] if isinstance(first.value, str) else []
    return {each.partition(".")[0] for each in names if each and not each.startswith(".")}


def module_of(node: ast.ImportFrom, package: str) -> str:
    """Return the whole name of the module of `from ... import`; "" if there is none."""
    return _resolved("." * node.level + (node.module or ""), package)


def _resolved(name: str, package: str) -> str:
    try:
        return importlib.util.resolve_name(name, package) if name.startswith(".") else name
    except (ImportError, ValueError):
        return ""


def with_absolute_imports(text: str, package: str) -> str:
    """Return the code in a form that works in a module outside its original package."""
    relative = [
        node
        for node in ast.walk(parsed(text))
        if isinstance(node, ast.ImportFrom) and node.level and package
    ]
    lines = text.encode().splitlines(keepends=True)
    for node in sorted(relative, key=lambda each: (-each.lineno, -each.col_offset)):
        full = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
        before, rest = b"".join(lines[: node.lineno - 1]), b"".join(lines[node.lineno - 1 :])
        before, rest = before + rest[: node.col_offset], rest[node.col_offset :]
        rest = _RELATIVE.sub(b"from %s import" % full.encode(), rest, count=1)
        lines = (before + rest).splitlines(keepends=True)
    return b"".join(lines).decode()


@functools.cache
def standard_names() -> frozenset[str]:
    """Return the names of the standard library's modules."""
    names: frozenset[str] | None = getattr(sys, "stdlib_module_names", None)
    if names is None:
        # Python 3.9 has no such list, but has the files.
        top = Path(sysconfig.get_paths()["stdlib"])
        files = [each for folder in (top, top / "lib-dynload") for each in folder.glob("*")]
        names = frozenset(each.name.partition(".")[0] for each in files)
    return names | set(sys.builtin_module_names)
