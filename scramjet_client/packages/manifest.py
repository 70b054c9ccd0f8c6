"""The checks of a sequence before it is sent: its package.json and its main file."""

from __future__ import annotations

import ast
import codecs
import json
import posixpath
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import attrs

from scramjet_client.packages.files import (
    HOW_TO_TAKE_SECRETS,
    SECRET,
    Found,
    PackageEntry,
    find,
    in_memory,
)
from scramjet_client.packages.ignore import holds_secret
from scramjet_client.packages.shapes import wrong_arguments
from scramjet_client.packages.syntax import parsed

MANIFEST = "package.json"

_PYTHON = {"python3": ">=3.9"}
"""What asks for the Python runner."""

_USUAL = ("main.py", "__main__.py", "app.py", "run.py", "index.js", "main.js")
"""Names of main files, the most likely first."""


def new_manifest(name: str, main: str, **more: str) -> dict[str, Any]:
    """Return the manifest of a Python sequence that has none of its own."""
    return {"name": name, "version": "1.0.0", **more, "main": main, "engines": dict(_PYTHON)}


def manifest_entry(manifest: Mapping[str, Any]) -> PackageEntry:
    """Return the package.json of a manifest."""
    text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
    return in_memory({MANIFEST: text.encode()})[0]


def is_python(manifest: Mapping[str, Any]) -> bool:
    """Return whether a manifest asks for the Python runner."""
    return "python3" in (manifest.get("engines") or {})


@attrs.define
class Contents:
    """The package for a folder or file: its package.json, its files, and the warnings about them."""

    manifest: dict[str, Any]
    found: Found
    notes: list[str]
    secrets: list[str] = attrs.field(factory=list)
    main: bytes = b""
    """The main file of a Python sequence."""


def read_folder(root: Path) -> Contents:
    """Return the package content for a folder."""
    file = root / MANIFEST
    if not file.is_file():
        raise ValueError(_without_manifest(root))
    manifest = _parsed(file)
    _check(manifest, file)
    found = find(root, node=not is_python(manifest))
    if file.read_bytes().startswith(codecs.BOM_UTF8):
        # npm takes this mark of Windows editors; hubs do not.
        found.entries[:] = [each for each in found.entries if each.name != MANIFEST]
        found.entries.append(manifest_entry(manifest))
    notes = {
        why: f"left out of {str(root)!r}, {why}{HOW_TO_TAKE_SECRETS * (why == SECRET)}: {', '.join(names)}"
        for why, names in found.left_out.items()
    }
    secrets = [notes.pop(SECRET)] if SECRET in notes else []
    if found.suspects:
        secrets.append(
            f"taken from {str(root)!r}, though these look like secrets (leave them out by their names in .siignore): "
            f"{', '.join(found.suspects)}"
        )
    _check_main(manifest, {each.name for each in found.entries}, file)
    main = b""
    if is_python(manifest):
        program = root / posixpath.normpath(manifest["main"])
        main = program.read_bytes()
        _check_run(_parsed_python(program), program)
    told = [*notes.values(), *_for_modern_hubs(manifest, file)]
    return Contents(manifest, found, told, secrets, main)


def _without_manifest(root: Path) -> str:
    """Return the message for a folder without a package.json: the one that it needs."""
    python = sorted(each.name for each in root.glob("*.py"))
    node = sorted(each.name for each in root.glob("*.js"))
    usual = [each for each in (*_USUAL, *python, *node) if each in {*python, *node}]
    if not usual:
        return f"{str(root)!r} is not a sequence: it has no package.json, and no Python file either"
    manifest = new_manifest(root.resolve().name or "sequence", usual[0])
    if not usual[0].endswith(".py"):
        manifest["engines"] = {"node": ">=16"}
    return f"{str(root)!r} is not a sequence: it has no package.json; put one in: {json.dumps(manifest)}"


def _parsed(file: Path) -> dict[str, Any]:
    def refused(word: str) -> NoReturn:
        raise ValueError(f"{word} is not a JSON value")

    try:
        value = json.loads(file.read_bytes().decode("utf-8-sig"), parse_constant=refused)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ValueError(f"{str(file)!r} is not JSON: {where}: {error.msg}") from error
    except ValueError as error:
        raise ValueError(f"{str(file)!r} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ValueError(f"{str(file)!r} is not a JSON object, so it names no main file")
    return value


def _check(manifest: dict[str, Any], file: Path) -> None:
    main, engines = manifest.get("main"), manifest.get("engines", {})
    if not isinstance(main, str) or not main:
        raise ValueError(f"{str(file)!r} names no main file: {_main_for(file)}")
    if posixpath.isabs(main) or posixpath.normpath(main).startswith(".."):
        raise ValueError(f"{str(file)!r} names a main file outside of its folder: {main!r}")
    if not isinstance(engines, dict) or not all(isinstance(each, str) for each in engines.values()):
        raise ValueError(
            f"'engines' in {str(file)!r} must be an object of strings, not {engines!r}"
        )
    if len(engines) > 1:
        raise ValueError(
            f"'engines' in {str(file)!r} names {', '.join(engines)}; hubs start only sequences with one engine"
        )
    if main.endswith(".py") and "python3" not in engines:
        wrong = f"names the engine {next(iter(engines))!r}" if engines else "names no engine"
        meant = "" if engines else ", which means Node.js to a hub"
        raise ValueError(
            f"{str(file)!r} {wrong}{meant}, and its main file {main!r} is Python: put in"
            f' "engines": {json.dumps(_PYTHON)}'
        )


def _main_for(file: Path) -> str:
    """Return the line that a package.json lacks."""
    there = {each.name for each in file.parent.glob("*.py")}
    usual = [each for each in (*_USUAL, *sorted(there)) if each in there]
    return f'put in "main": {json.dumps(usual[0] if usual else "main.py")}'


def _check_main(manifest: dict[str, Any], names: set[str], file: Path) -> None:
    main = posixpath.normpath(manifest["main"])
    if is_python(manifest) and not main.endswith(".py"):
        raise ValueError(
            f"the main file of a Python sequence must end in .py: {main!r} in {str(file)!r}"
        )
    # Node's runner adds a missing extension.
    if main not in names and (is_python(manifest) or main + ".js" not in names):
        there = (file.parent / main).exists()
        why = "is left out of the package" if there else "is not there"
        raise ValueError(f"the main file that {str(file)!r} names {why}: {main!r}")


def _for_modern_hubs(manifest: dict[str, Any], file: Path) -> list[str]:
    """Return warnings about things that 1.x hubs refuse and 0.x hubs ignore."""
    kinds: dict[str, tuple[type, str]] = {
        **dict.fromkeys(("name", "version", "description", "author"), (str, "a string")),
        **dict.fromkeys(("keywords", "args"), (list, "a list")),
    }
    return [
        f"'{key}' in {str(file)!r} is not {words}: 1.x hubs refuse such a package"
        for key, (kind, words) in kinds.items()
        if key in manifest and not isinstance(manifest[key], kind)
    ]


def _other_function(tree: ast.Module, file: Path) -> str:
    """Return advice that names another function of a file, which may be the program; "" if there is none."""
    found = [
        each.name
        for each in tree.body
        if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef))
        and len([*each.args.posonlyargs, *each.args.args]) > 1
        and not each.name.startswith("_")
    ]
    if not found:
        return ""
    return f"; name {found[-1]} so, or try it with `scramjet dev {file.name}:{found[-1]}`"


_MAKES_NAMES = {"exec", "eval", "globals", "vars", "locals", "setattr", "modules", "__getattr__"}
"""What a module may define a name with, so that only a run could tell."""


def _check_run(tree: ast.Module, file: Path) -> None:
    """Refuse a main file that certainly has no `run` that a hub can call."""
    if not any("run" in _bound(each) for each in tree.body) and not _MAKES_NAMES & _used(tree):
        raise ValueError(
            f"{str(file)!r} has no function run(context, input, *args): that is the name of the one that a hub runs"
            f"{_other_function(tree, file)}"
        )
    if wrong := wrong_arguments(tree):
        raise ValueError(
            f"the function run of {str(file)!r} must take (context, input, *args), as every sequence, not {wrong}"
        )


def _used(tree: ast.Module) -> set[str]:
    """Return the names, attributes and functions in a file."""
    return {
        getattr(node, field)
        for node in ast.walk(tree)
        for field in ("id", "attr", "name")
        if isinstance(getattr(node, field, None), str)
    }


def read_file(file: Path) -> Contents:
    """Return the package content for a single file."""
    content = file.read_bytes()
    _check_run(_parsed_python(file), file)
    manifest = new_manifest(file.stem, file.name)
    secrets = []
    if holds_secret(content):
        secrets.append(f"{str(file)!r} looks as if it held a secret, and travels as it is")
    found = Found(entries=[*in_memory({file.name: content}), manifest_entry(manifest)])
    return Contents(manifest, found, [], secrets, content)


NAMED_MAIN = "scramjet_main.py"
"""Main file of the package of a module's function."""


def read_named(file: Path, module: str, name: str) -> Contents:
    """Return the package content for a function of a module, without the module, which it imports by its name."""
    tree = _parsed_python(file)
    found = [each for each in tree.body if name in _bound(each)]
    if not found:
        raise ValueError(f"{str(file)!r} has no function {name}(context, input, *args)")
    shape = "run = 0\n"
    if isinstance(found[-1], (ast.FunctionDef, ast.AsyncFunctionDef)):
        found[-1].name = "run"
        shape = ast.unparse(found[-1])
        if wrong := wrong_arguments(ast.Module([found[-1]], [])):
            raise ValueError(
                f"the function {name} of {str(file)!r} must take (context, input, *args), as every sequence, "
                f"not {wrong}"
            )
    lines = [
        f"import {module} as _module",
        f"run = _module.{name}",
        *(
            f"if hasattr(_module, {each!r}):\n    {each} = _module.{each}"
            for each in ("provides", "requires", "output_type")
        ),
    ]
    manifest = new_manifest(name, NAMED_MAIN)
    main = in_memory({NAMED_MAIN: "\n".join([*lines, ""]).encode()})
    # The shape decides who runs it, so it is the function's own, and not that of the file that imports it.
    found_files = Found(entries=[*main, manifest_entry(manifest)])
    return Contents(manifest, found_files, [], [], shape.encode())


def _parsed_python(file: Path) -> ast.Module:
    try:
        return parsed(file.read_bytes(), str(file))
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        where = "" if line is None else f", line {line}"
        message = getattr(error, "msg", error)
        raise ValueError(f"{str(file)!r}{where} is not Python: {message}") from error


def _bound(statement: ast.stmt) -> set[str]:
    """Return the names to which a statement may assign a value."""
    found = set()
    for node in ast.walk(statement):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.alias):
            # A star import may define any name.
            found |= {"run"} if node.name == "*" else {node.asname or node.name}
    return found
