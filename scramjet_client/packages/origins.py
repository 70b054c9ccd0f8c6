"""Where the value of a variable comes from (the environment, a file, a keyring), as far as its source tells."""

from __future__ import annotations

import ast
import linecache
import os
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import PurePath
from typing import Any

from scramjet_client.packages.ignore import assigns_secret, holds_secret
from scramjet_client.packages.syntax import parsed

_NAMES = {
    **dict.fromkeys(
        ("environ", "environb", "getenv", "getenvb", "dotenv_values"), "the environment"
    ),
    **dict.fromkeys(("getpass", "prompt"), "a prompt"),
    **dict.fromkeys(("read_text", "read_bytes", "readlines", "ConfigParser"), "a file"),
    **dict.fromkeys(("RawConfigParser", "loadtxt", "read_csv", "read_json"), "a file"),
    **dict.fromkeys(("check_output", "getoutput"), "another program"),
    **dict.fromkeys(("get_password", "get_secret", "get_secret_value"), "a store of secrets"),
    **dict.fromkeys(("argv", "parse_args"), "the command line"),
}
_CALLED = {"open": "a file", "input": "a prompt"}
"""Builtins that count as a source when the code calls them."""

_MODULES = {
    **dict.fromkeys(("dotenv", "decouple", "environs", "environ", "dynaconf"), "the environment"),
    **dict.fromkeys(("pydantic_settings", "prettyconf", "everett", "starlette"), "the environment"),
    **dict.fromkeys(
        ("keyring", "hvac", "boto3", "botocore", "onepasswordconnectsdk"), "a store of secrets"
    ),
    "getpass": "a prompt",
}

_SECRET_NAME = re.compile(
    r"(?:^|_|(?<=[a-z])|(?<=^pg)|(?<=^db))(?:tokens?|pass|passw(?:or)?ds?|passphrases?|pwd|secrets?|credentials?|auth|dsn"
    r"|(?:api|access|private|secret|account|signing|encryption|master|fernet|session|client|shared|storage|ssh|hmac|aws)"
    r"_?keys?|jwt|bearer|conn(?:ection)?_?str(?:ing)?|webhook(?:_?url)?|cookies?)(?:$|_|(?=[A-Z]))",
    re.IGNORECASE,
)

_SHORTEST = 8
"""Shortest value, in characters, that is compared with the variables of the environment."""


def origin_of(name: str, texts: Iterable[str], line: int) -> str:
    """Return where the value of a name came from, in words, if that is outside the program; else "".

    It has its value in one of the texts: a file, or cells. Functions around the line that uses it are searched too.
    """
    return _Search().of(name, [_Scope.of(text, line) for text in texts])


def looks_secret(name: str, value: Any) -> bool:
    """Return whether a constant looks like a key or password: by name, by shape, or as a value of the environment."""
    if isinstance(value, dict):
        return any(
            looks_secret(str(key), each) or looks_secret("", key) for key, each in value.items()
        )
    if isinstance(value, (list, tuple, set, frozenset)):
        return any(looks_secret(name, each) for each in value)
    if isinstance(value, (re.Pattern, PurePath)):
        value = str(getattr(value, "pattern", value))
    if not isinstance(value, (str, bytes, bytearray)) or not value:
        return False
    data = value.encode("utf-8", "replace") if isinstance(value, str) else bytes(value)
    return (
        bool(_SECRET_NAME.search(name))
        or holds_secret(data)
        or assigns_secret(data)
        or _in_environment(data)
    )


def _in_environment(data: bytes) -> bool:
    return any(
        len(value) >= _SHORTEST and _SECRET_NAME.search(name) and os.fsencode(value) in data
        for name, value in os.environ.items()
    )


class _Scope:
    """The possible values of the names of a text: nodes of its tree."""

    def __init__(self) -> None:
        self.bound: dict[str, list[ast.AST]] = {}
        self.stars: list[str] = []

    @classmethod
    def of(cls, text: str, line: int) -> _Scope:
        self = cls()
        try:
            tree = parsed(text)
        except (SyntaxError, ValueError):
            return self
        self._add(tree.body, line)
        return self

    def _add(self, body: Iterable[ast.AST], line: int) -> None:
        for node in body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                self._bind(node.name, node)
                if node.lineno <= line <= (node.end_lineno or 0):
                    self._add(node.body, line)
                continue
            for target, value in _bindings(node):
                self._bind(target, value)
            if isinstance(node, ast.ImportFrom) and node.names[0].name == "*" and node.module:
                self.stars.append(node.module)
            inner = [each for each in ast.iter_child_nodes(node) if not isinstance(each, ast.expr)]
            self._add(inner, line)

    def _bind(self, name: str, node: ast.AST) -> None:
        self.bound.setdefault(name, []).append(node)


def _bindings(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        for alias in node.names:
            yield (alias.asname or alias.name).partition(".")[0], node
    for target, value in _assigned(node):
        for each in ast.walk(target):
            if isinstance(each, ast.Name):
                yield each.id, value
    if isinstance(node, ast.stmt):
        for each in ast.walk(node):
            if isinstance(each, ast.NamedExpr):
                yield each.target.id, each.value


def _assigned(node: ast.AST) -> list[tuple[ast.AST, ast.AST]]:
    if isinstance(node, ast.Assign):
        return [(each, node.value) for each in node.targets]
    if isinstance(node, (ast.AnnAssign, ast.AugAssign)) and node.value is not None:
        return [(node.target, node.value)]
    if isinstance(node, (ast.For, ast.AsyncFor)):
        return [(node.target, node.iter)]
    if isinstance(node, ast.withitem) and node.optional_vars is not None:
        return [(node.optional_vars, node.context_expr)]
    return []


class _Search:
    def __init__(self) -> None:
        self._seen: set[tuple[int, str]] = set()

    def of(self, name: str, scopes: list[_Scope]) -> str:
        for scope in scopes:
            if (id(scope), name) in self._seen:
                continue
            self._seen.add((id(scope), name))
            for node in scope.bound.get(name, ()):
                found = self._node(name, node, scopes)
                if found:
                    return found
            for module in scope.stars:
                found = self._elsewhere(module, name)
                if found:
                    return found
        return ""

    def _node(self, name: str, node: ast.AST, scopes: list[_Scope]) -> str:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            return self._import(name, node)
        for each in ast.walk(node):
            said = _source(each)
            if not said and isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load):
                said = self.of(each.id, scopes)
            if said:
                return said
        return ""

    def _import(self, name: str, node: ast.Import | ast.ImportFrom) -> str:
        module = getattr(node, "module", None)
        for each in node.names:
            if (each.asname or each.name).partition(".")[0] != name:
                continue
            top = (module or each.name).partition(".")[0]
            if top in _MODULES:
                return _MODULES[top]
            if module and not getattr(node, "level", 0):
                return _NAMES.get(each.name, "") or self._elsewhere(module, each.name)
        return ""

    def _elsewhere(self, module: str, name: str) -> str:
        """Return the origin of a name in another module, unless that module is Python's or installed."""
        file = getattr(sys.modules.get(module), "__file__", None) or ""
        standard = module.partition(".")[0] in getattr(sys, "stdlib_module_names", ())
        if not file.endswith(".py") or "site-packages" in file or standard:
            return ""
        return self.of(name, [_Scope.of("".join(linecache.getlines(file)), 0)])


def _source(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return _NAMES.get(node.attr, "")
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        return _NAMES.get(node.id, "")
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return _CALLED.get(node.func.id, "")
    return ""
