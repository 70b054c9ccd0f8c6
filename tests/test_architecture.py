"""The rooms of the package: who may import whom, and what importing it may do."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import scramjet_client

PACKAGE = Path(scramjet_client.__file__).parent

ROOMS = [
    {"_base"},
    {"models"},
    {"errors"},
    {"http"},
    {"config"},
    {"uploads"},
    {"streams", "packages"},
    {"api"},
    {"instances"},
    {"clients"},
    {"cli", "integrations"},
    {"pytest_plugin", "__main__"},
    {"_moved"},
]
"""From the bottom up. A room imports from the rooms below its line and from inside itself, and so do annotations."""

APART = {"hub", "testing"}
"""Rooms that import nothing of the others, and may be imported by `cli`, `integrations` and the plugin."""

GROUND = {"_common"}
"""Imports nothing of the rest, and may be imported by all."""

LATE = {
    ("errors.py", "instances.run"): "the error of a run carries what it collected",
    ("instances/client.py", "integrations.notebook"): "show() needs IPython",
    ("hub/_local_hub.py", "clients.host"): "client() makes a client of the hub, when asked",
    ("clients/host.py", "clients.manager"): "a hub leads to its manager, and a manager to its hubs",
}
"""The only imports that point up, each for an annotation or inside a function, and why."""


def _modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _targets(node: ast.AST) -> set[str]:
    """Return the modules of this package that a statement imports, as dotted names below it."""
    names: set[str] = set()
    if isinstance(node, ast.Import):
        names = {alias.name for alias in node.names}
    elif isinstance(node, ast.ImportFrom) and node.level == 0:  # a relative one stays in its folder
        names = {f"{node.module}.{alias.name}" for alias in node.names}
    inside = {
        name.partition("scramjet_client.")[2]
        for name in names
        if name.startswith("scramjet_client.")
    }
    return inside - {"__version__"}


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        found |= _targets(node)
    return found


def _late(path: Path, target: str) -> tuple[str, str] | None:
    """Return the entry of `LATE` that an import falls under."""
    here = (path.relative_to(PACKAGE).as_posix(), target.rpartition(".")[0])
    return here if here in LATE else None


def _module_of(target: str) -> Path | None:
    """Return the file that an imported name comes from."""
    parts = target.split(".")
    for length in range(len(parts), 0, -1):
        place = PACKAGE.joinpath(*parts[:length])
        for path in (place.with_suffix(".py"), place / "__init__.py"):
            if path.is_file():
                return path
    return None


def test_every_module_is_in_a_room():
    """No module stands outside the drawing."""
    rooms = {_room(path) for path in _modules()}

    assert rooms == set().union(*ROOMS) | APART | GROUND


def test_the_hall_is_small():
    """At the top stand at most 15 entries of the interface, and the three private ones that the drawing has."""
    entries = {path.name for path in PACKAGE.iterdir() if not path.name.startswith("__")}
    private = {name for name in entries if name.startswith("_")}

    assert len(entries - private - {"py.typed"}) <= 15, sorted(entries)
    assert private == {"_base.py", "_common", "_moved"}


def test_imports_point_down():
    """Every file imports only from rooms below its own, also inside functions and for annotations."""
    level = {name: number for number, line in enumerate(ROOMS) for name in line}
    wrong: list[str] = []
    late = set()
    for path in _modules():
        here = _room(path)
        for target in _imports(path):
            there = target.partition(".")[0]
            if there in GROUND and here not in GROUND:
                continue
            if entry := _late(path, target):
                late.add(entry)
            elif there == here or (
                there in APART and here not in APART and level[here] >= level["cli"]
            ):
                continue
            elif here in APART | GROUND or there in APART or level[there] >= level[here]:
                wrong.append(f"{path.relative_to(PACKAGE)} imports {target}")

    assert wrong == []
    assert late == set(LATE), "a late import that is listed is gone"


def test_no_circle_of_imports():
    """No chain of imports leads back to its first file, not even for types; late imports apart."""
    graph = {}
    for path in _modules():
        graph[path] = {
            module
            for target in _imports(path)
            if not _late(path, target)
            and (module := _module_of(target)) not in (None, path, PACKAGE / "__init__.py")
        }
    done: set[Path] = set()

    def walk(path: Path, way: tuple[Path, ...]) -> list[str]:
        if path in way:
            circle = (*way[way.index(path) :], path)
            return [" -> ".join(each.relative_to(PACKAGE).as_posix() for each in circle)]
        if path in done:
            return []
        found = [line for each in sorted(graph[path]) for line in walk(each, (*way, path))]
        done.add(path)
        return found

    assert [line for path in sorted(graph) for line in walk(path, ())] == []


def test_import_starts_nothing_and_needs_the_core_alone():
    """Using every name of the package starts no thread and loads no package beyond requests, urllib3 and attrs."""
    code = (
        "import sys, threading; before = set(sys.modules); from scramjet_client import *;"
        "assert threading.active_count() == 1;"
        "print(*sorted({n.partition('.')[0] for n in set(sys.modules) - before"
        " if 'site-packages' in (getattr(sys.modules[n], '__file__', '') or '')}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    core = {
        "attr",
        "attrs",
        "backports",  # where urllib3 looks for zstd
        "certifi",
        "charset_normalizer",
        "chardet",
        "idna",
        "requests",
        "socks",  # where requests looks for SOCKS proxies
        "urllib3",
    }
    # chardet and charset_normalizer may be compiled; their common part has a name of its own.
    loaded = {name for name in done.stdout.split() if not name.endswith("__mypyc")}
    assert loaded - core - {"scramjet_client"} == set()


def test_every_name_has_its_home():
    """What `__all__` promises, what a type checker sees and what is loaded when it is used are the same names."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text("utf-8"))
    seen = {
        (alias.name, (node.module or "").partition(".")[2])
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("scramjet_client.")
        for alias in node.names
    }

    assert seen == set(scramjet_client._HOMES.items())
    assert set(scramjet_client.__all__) - {"__version__"} == set(scramjet_client._HOMES)
    assert all(getattr(scramjet_client, name) is not None for name in scramjet_client.__all__)
    assert set(scramjet_client.__all__) <= set(dir(scramjet_client))
    with pytest.raises(AttributeError, match="no attribute 'HubClient'"):
        _ = scramjet_client.HubClient


PUBLIC_MODULES = (
    "cli",
    "config",
    "errors",
    "hub",
    "integrations.flask",
    "integrations.notebook",
    "models",
    "packages",
    "pytest_plugin",
    "streams",
    "testing",
    "uploads",
)
"""The modules that the reference and the guides name, beside the package itself."""


@pytest.mark.parametrize("name", PUBLIC_MODULES)
def test_public_modules_stay(name):
    """Each module that users import from has its place and its names."""
    module = importlib.import_module(f"scramjet_client.{name}")

    assert module.__doc__
    assert [each for each in getattr(module, "__all__", ()) if not hasattr(module, each)] == []


def test_no_public_name_was_lost():
    """Every name that a release gave is still there; a new one is added here."""
    listed = (Path(__file__).parent / "public_names.txt").read_text("utf-8").split()

    assert sorted(scramjet_client.__all__) == listed


def test_classes_say_their_public_place():
    """Tracebacks, pickles and help() name a public class as users import it."""
    classes = {name: getattr(scramjet_client, name) for name in scramjet_client.__all__}
    elsewhere = {
        name: each.__module__
        for name, each in classes.items()
        if isinstance(each, type) and each.__module__ != "scramjet_client"
    }

    assert elsewhere == {}
