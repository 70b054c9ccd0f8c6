"""Whether hubs take a program's function `run` unchanged, or the adapter has to run it.

Every hub takes a function that returns a `Stream` of the framework or None. The adapter runs all others, and
programs of a single file that make a stream.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import Union

import attrs

from scramjet_client.packages.imports import module_of, standard_names
from scramjet_client.packages.syntax import called_name, parsed, stored_names

Function = Union[ast.FunctionDef, ast.AsyncFunctionDef]

_TAKES_ALL = {
    "list", "tuple", "set", "frozenset", "dict", "iter", "next", "sum", "min", "max", "any", "all", "sorted",
    "enumerate", "zip", "map", "filter", "reversed", "join", "extend", "update", "deque", "Counter", "reduce",
    "writelines", "chain", "from_iterable", "islice",
}  # fmt: skip
"""Names of functions that iterate over their argument when they are called."""


Find = Callable[[str], Union[tuple[ast.Module, str], None]]
"""Returns the tree of a module of the program, and the package that it is in or is; None for other modules."""


def run_of(tree: ast.Module, find: Find) -> ast.stmt | None:
    """Return the statement that gives `run` of a main file its value, also in another module of the program."""
    return _Names(find).value_of("run", tree, "", "")


@attrs.frozen
class _Names:
    """Finds what names mean, across the modules of a program."""

    find: Find
    seen: set[tuple[str, str]] = attrs.field(factory=set)

    def value_of(self, name: str, tree: ast.Module, module: str, package: str) -> ast.stmt | None:
        """Return the statement that gives a name of a module its value, as far as it can be followed."""
        if (module, name) in self.seen:
            return None
        self.seen.add((module, name))
        found: ast.stmt | None = None
        for each in _statements(tree.body):
            if isinstance(each, ast.ImportFrom) and each.names[0].name == "*":
                found = self._in(module_of(each, package), name) or found
            elif _binds(each, name):
                found = each
        if isinstance(found, ast.ImportFrom):
            of = [each.name for each in found.names if (each.asname or each.name) == name]
            return self._in(module_of(found, package), of[-1]) or found if of else found
        if isinstance(found, ast.Assign) and isinstance(found.value, ast.Name):
            return self.value_of(found.value.id, tree, module, package) or found
        if isinstance(found, ast.Assign) and isinstance(found.value, ast.Attribute):
            return self._in(_imported(found.value.value, tree), found.value.attr) or found
        return found

    def _in(self, module: str, name: str) -> ast.stmt | None:
        there = self.find(module) if module else None
        return None if there is None else self.value_of(name, there[0], module, there[1])


def _imported(node: ast.expr, tree: ast.Module) -> str:
    """Return the module that a name such as `helpers` or `lib.helpers` means by an `import`, or ""."""
    called = ast.unparse(node)
    for each in _statements(tree.body):
        for alias in each.names if isinstance(each, ast.Import) else ():
            if (alias.asname or alias.name) == called:
                return alias.name
    return ""


def needs_adapter(run: ast.stmt | None) -> bool:
    """Return whether not every hub takes a program's `run` unchanged."""
    if run is None or isinstance(run, ast.Import):
        return False
    if isinstance(run, ast.ImportFrom):
        # Only a run could tell what another package gives.
        return (run.module or "").partition(".")[0] not in standard_names()
    if not isinstance(run, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return True
    if _yields(run) or _iterates(run):
        return True
    return not all(_is_stream(each, _input_name(run)) for each in _returned(run))


def makes_stream(run: ast.stmt | None) -> bool:
    """Return whether `run` makes a stream, as by `input.map`: an error in it would end nothing."""
    return isinstance(run, (ast.FunctionDef, ast.AsyncFunctionDef)) and any(
        isinstance(part, ast.Call) for each in _returned(run) for part in ast.walk(each)
    )


def blocks(run: ast.stmt | None) -> bool:
    """Return whether `run` reads its input in a plain loop, which needs its own thread."""
    return isinstance(run, ast.FunctionDef) and not _yields(run) and _iterates(run)


def wrong_arguments(tree: ast.Module) -> str:
    """Return the arguments of a main file's `run` if no hub can call it with them, else ""."""
    run = run_of(tree, lambda module: None)
    if not isinstance(run, (ast.FunctionDef, ast.AsyncFunctionDef)) or run.decorator_list:
        return ""
    arguments = run.args
    needless = [each for each in arguments.kw_defaults if each is None]
    enough = len(arguments.posonlyargs + arguments.args) >= 2 or arguments.vararg is not None
    return "" if enough and not needless else f"({ast.unparse(arguments)})"


def iterates(text: str, name: str) -> bool:
    """Return whether a function reads its input in a plain loop, which needs its own thread."""
    found = [
        each
        for each in ast.walk(parsed(text))
        if isinstance(each, ast.FunctionDef) and each.name == name
    ]
    return bool(found) and blocks(found[0])


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a module, including those in `if`, `try` and `with`."""
    for each in body:
        yield each
        for name in ("body", "orelse", "finalbody"):
            if not isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                yield from _statements(getattr(each, name, []))


def _binds(node: ast.stmt, name: str) -> bool:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return node.name == name
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return any((each.asname or each.name) == name for each in node.names)
    # The caller visits the statements within another one by themselves.
    return not hasattr(node, "body") and name in stored_names(node)


def _own_nodes(function: Function) -> Iterator[ast.AST]:
    """Yield the nodes of a function, without those of functions within it."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            waiting += ast.iter_child_nodes(node)


def _returned(function: Function) -> Iterator[ast.expr]:
    for each in _own_nodes(function):
        if isinstance(each, ast.Return) and each.value is not None:
            yield each.value


def _yields(function: Function) -> bool:
    return any(isinstance(each, (ast.Yield, ast.YieldFrom)) for each in _own_nodes(function))


def _input_name(function: Function) -> str:
    names = [each.arg for each in [*function.args.posonlyargs, *function.args.args]]
    return names[1] if len(names) > 1 else ""


def _iterates(function: Function) -> bool:
    if isinstance(function, ast.AsyncFunctionDef):
        return False
    name = _input_name(function)
    for node in _own_nodes(function):
        gone_through: list[ast.expr] = []
        if isinstance(node, ast.For) or (isinstance(node, ast.comprehension) and not node.is_async):
            gone_through = [node.iter]
        elif isinstance(node, ast.Call):
            gone_through = list(node.args) if called_name(node) in _TAKES_ALL else []
        elif isinstance(node, ast.Starred) or _unpacks(node):
            gone_through = [node.value]  # type: ignore[attr-defined]
        elif isinstance(node, ast.Compare) and isinstance(node.ops[-1], (ast.In, ast.NotIn)):
            gone_through = [node.comparators[-1]]
        if name and any(isinstance(each, ast.Name) and each.id == name for each in gone_through):
            return True
    return False


def _unpacks(node: ast.AST) -> bool:
    return isinstance(node, ast.Assign) and isinstance(node.targets[0], (ast.Tuple, ast.List))


def _is_stream(node: ast.expr, input_name: str) -> bool:
    """Return whether a value is certainly a stream of the framework, or None."""
    if isinstance(node, ast.Constant):
        return node.value is None
    if isinstance(node, ast.IfExp):
        return _is_stream(node.body, input_name) and _is_stream(node.orelse, input_name)
    called = False
    while isinstance(node, (ast.Call, ast.Attribute)):
        called = called or isinstance(node, ast.Call)
        node = node.func if isinstance(node, ast.Call) else node.value
    if not isinstance(node, ast.Name):
        return False
    return node.id == input_name or (called and node.id in ("Stream", "StringStream", "streams"))
