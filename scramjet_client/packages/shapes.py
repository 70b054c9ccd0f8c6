"""Whether hubs take a program's function `run` unchanged, or the adapter has to run it.

Every hub takes a function that returns a `Stream` of the framework or None. The adapter runs all others, and
programs of a single file that make a stream.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Union

from scramjet_client.packages.syntax import called_name, parsed, stored_names

Function = Union[ast.FunctionDef, ast.AsyncFunctionDef]

_TAKES_ALL = {
    "list", "tuple", "set", "frozenset", "dict", "iter", "next", "sum", "min", "max", "any", "all", "sorted",
    "enumerate", "zip", "map", "filter", "reversed", "join", "extend", "update", "deque", "Counter", "reduce",
    "writelines", "chain", "from_iterable", "islice",
}  # fmt: skip
"""Names of functions that iterate over their argument when they are called."""


def needs_adapter(tree: ast.Module) -> bool:
    """Return whether the main file of a program has a `run` that not every hub takes unchanged."""
    run = _run_of(tree)
    if run is None or isinstance(run, (ast.Import, ast.ImportFrom, ast.ClassDef)):
        return False  # it comes from elsewhere, and only a run could tell
    if not isinstance(run, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return True
    if _yields(run) or _iterates(run):
        return True
    return not all(_is_stream(each, _input_name(run)) for each in _returned(run))


def makes_stream(tree: ast.Module) -> bool:
    """Return whether `run` of a main file makes a stream, as by `input.map`: an error in it would end nothing."""
    run = _run_of(tree)
    return isinstance(run, (ast.FunctionDef, ast.AsyncFunctionDef)) and any(
        isinstance(part, ast.Call) for each in _returned(run) for part in ast.walk(each)
    )


def wrong_arguments(tree: ast.Module) -> str:
    """Return the arguments of a main file's `run` if no hub can call it with them, else ""."""
    run = _run_of(tree)
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
    return bool(found) and not _yields(found[0]) and _iterates(found[0])


def _run_of(tree: ast.Module) -> ast.stmt | None:
    """Return the last statement that may give `run` a value."""
    found = None
    for each in _statements(tree.body):
        found = each if _binds_run(each) else found
    return found


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a module, including those in `if`, `try` and `with`."""
    for each in body:
        yield each
        for name in ("body", "orelse", "finalbody"):
            if not isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                yield from _statements(getattr(each, name, []))


def _binds_run(node: ast.stmt) -> bool:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return node.name == "run"
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return any((each.asname or each.name) == "run" for each in node.names)
    # The caller visits the statements within another one by themselves.
    return not hasattr(node, "body") and "run" in stored_names(node)


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
