"""What a hub asks of a sequence, checked before anything is sent: its package.json and its main file."""

from __future__ import annotations

import ast
import json
import posixpath
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from scramjet_client.packages.files import PackageEntry, find, in_memory

MANIFEST = "package.json"


def manifest_entry(manifest: Mapping[str, Any]) -> PackageEntry:
    """Return the package.json of a manifest."""
    text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
    return in_memory({MANIFEST: text.encode()})[0]


def is_python(manifest: Mapping[str, Any]) -> bool:
    """Tell whether a manifest asks for the Python runner."""
    return "python3" in (manifest.get("engines") or {})


def read_folder(root: Path) -> tuple[dict[str, Any], list[PackageEntry], list[str]]:
    """Return the manifest, the entries and the warnings of a folder."""
    file = root / MANIFEST
    if not file.is_file():
        raise ValueError(f"{str(root)!r} is not a sequence: it has no package.json")
    manifest = _parsed(file)
    _check(manifest, file)
    found = find(root, node=not is_python(manifest))
    notes = [
        f"left out of {str(root)!r}, {why}: {', '.join(names)}"
        for why, names in found.left_out.items()
    ]
    _check_main(manifest, {each.name for each in found.entries}, file)
    return manifest, found.entries, notes + _for_modern_hubs(manifest, file)


def _parsed(file: Path) -> dict[str, Any]:
    def refused(word: str) -> NoReturn:
        raise ValueError(f"{word} is no JSON value")

    try:
        value = json.loads(file.read_bytes().decode("utf-8"), parse_constant=refused)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ValueError(f"{str(file)!r} is not JSON: {where}: {error.msg}") from error
    except ValueError as error:
        raise ValueError(f"{str(file)!r} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ValueError(f"{str(file)!r} is no JSON object, and so names no main file")
    return value


def _check(manifest: dict[str, Any], file: Path) -> None:
    main, engines = manifest.get("main"), manifest.get("engines", {})
    if not isinstance(main, str) or not main:
        raise ValueError(f"{str(file)!r} names no main file")
    if posixpath.isabs(main) or posixpath.normpath(main).startswith(".."):
        raise ValueError(f"{str(file)!r} names a main file outside of its folder: {main!r}")
    if not isinstance(engines, dict) or not all(isinstance(each, str) for each in engines.values()):
        raise ValueError(
            f"'engines' in {str(file)!r} must be an object of strings, not {engines!r}"
        )
    if len(engines) > 1:
        raise ValueError(
            f"'engines' in {str(file)!r} names {', '.join(engines)}; hubs start sequences with one engine alone"
        )


def _check_main(manifest: dict[str, Any], names: set[str], file: Path) -> None:
    main = posixpath.normpath(manifest["main"])
    if is_python(manifest) and not main.endswith(".py"):
        raise ValueError(
            f"the main file of a Python sequence must end in .py: {main!r} in {str(file)!r}"
        )
    # Node's runner adds what is missing.
    if main not in names and (is_python(manifest) or main + ".js" not in names):
        there = (file.parent / main).exists()
        why = "is left out of the package" if there else "is not there"
        raise ValueError(f"the main file that {str(file)!r} names {why}: {main!r}")


def _for_modern_hubs(manifest: dict[str, Any], file: Path) -> list[str]:
    """Return what 1.x hubs refuse and 0.x hubs don't look at."""
    kinds: dict[str, tuple[type, str]] = {
        **dict.fromkeys(("name", "version", "description", "author"), (str, "a string")),
        **dict.fromkeys(("keywords", "args"), (list, "a list")),
    }
    return [
        f"'{key}' in {str(file)!r} is not {words}: 1.x hubs refuse such a package"
        for key, (kind, words) in kinds.items()
        if key in manifest and not isinstance(manifest[key], kind)
    ]


def read_file(file: Path) -> tuple[dict[str, Any], list[PackageEntry], list[str]]:
    """Return the manifest, the entries and the warnings of a single file."""
    content = file.read_bytes()
    try:
        tree = ast.parse(content, str(file))
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        where = "" if line is None else f", line {line}"
        message = getattr(error, "msg", error)
        raise ValueError(f"{str(file)!r}{where} is not Python: {message}") from error
    if not any("run" in _bound(each) for each in tree.body):
        raise ValueError(f"{str(file)!r} has no function run(context, input, *args)")
    manifest = {
        "name": file.stem,
        "version": "1.0.0",
        "main": file.name,
        "engines": {"python3": ">=3.9"},
    }
    return manifest, [*in_memory({file.name: content}), manifest_entry(manifest)], []


def _bound(statement: ast.stmt) -> set[str]:
    """Return the names that a statement may give a value to."""
    found = set()
    for node in ast.walk(statement):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.alias):
            # A star may bring anything.
            found |= {"run"} if node.name == "*" else {node.asname or node.name}
    return found
