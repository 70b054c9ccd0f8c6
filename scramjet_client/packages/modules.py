"""Modules that a function uses: imported where it goes, or taken along where they are files beside the script."""

from __future__ import annotations

import ast
import importlib.util
import sys
import sysconfig
import types
from collections.abc import Iterable, Iterator
from pathlib import Path

from scramjet_client.packages.files import PackageEntry, find
from scramjet_client.packages.source import Snippet

_LIMIT = 1_048_576
"""Bytes of all modules that are taken along; more is a project, to be packed as a folder or installed."""

_INSTALLED = {"site-packages", "dist-packages"}


class LocalModules:
    """The modules of one deployed function.

    Attributes:
        entries: The files of those that are taken along.
        imported: First names of all modules.
    """

    def __init__(self) -> None:
        self.entries: list[PackageEntry] = []
        self.imported: set[str] = set()

    def imports(self, name: str, module: types.ModuleType, user: Snippet) -> Iterator[str]:
        """Yield the lines that import a module by a name, with the parts of it that are used."""
        full = module.__name__
        self.take(full, user, name)
        yield f"import {full}" if name == full else f"import {full} as {name}"
        for used in user.attributes_of(name):
            parts = used.split(".")
            for count in range(1, len(parts) + 1):
                below = ".".join([full, *parts[:count]])
                if below in sys.modules:
                    # `import xml` alone would leave `xml.etree` to chance.
                    yield f"__import__({below!r})"

    def take(self, module: str, user: Snippet, name: str) -> None:
        """Take note of a module; if it is a file beside the script, take it along.

        Raises:
            ValueError: It cannot be imported elsewhere, or is too large to be taken along.
        """
        top = module.partition(".")[0]
        if top == "__main__":
            raise user.refusal(name, "which is the running script itself")
        why = self._add(top)
        if why:
            raise user.refusal(name, why)

    def refuse_names(self, made: Iterable[str]) -> None:
        """Refuse modules that have the name of a file that is made."""
        taken = {each.name for each in self.entries} & set(made)
        if taken:
            raise ValueError(
                f"a module called {min(taken)!r} cannot travel: the package has its own"
            )

    def _add(self, top: str) -> str:
        """Add a module by its first name, and those that it imports; return what is wrong, or ""."""
        if top in self.imported:
            return ""
        self.imported.add(top)
        place = _place(top)
        if place is None or not is_local(top):
            return ""
        if place.is_dir():
            entries = [
                PackageEntry(name=f"{top}/{each.name}", size=each.size, source=each.source)
                for each in find(place, node=False).entries
                if not each.link and not each.name.endswith("/")
            ]
        else:
            entries = [PackageEntry(name=place.name, size=place.stat().st_size, source=place)]
        self.entries += entries
        if sum(each.size for each in self.entries) > _LIMIT:
            return (
                f"of the local module {str(place)!r}, which is too large to travel: pack a folder instead, "
                "or install it by requirements"
            )
        for each in entries:
            for imported in _imports(each):
                why = self._add(imported)
                if why:
                    return why
        return ""


def _place(top: str) -> Path | None:
    """Return the file or folder of a module, or None for those that have none."""
    module = sys.modules.get(top)
    file = getattr(module, "__file__", None)
    folders = list(getattr(module, "__path__", []))
    if module is None:
        try:
            spec = importlib.util.find_spec(top)
        except (ImportError, ValueError):
            spec = None
        if spec is None or not spec.has_location:
            return None
        file, folders = spec.origin, list(spec.submodule_search_locations or [])
    if folders:
        return Path(folders[0])
    return None if file is None else Path(file)


def is_local(top: str) -> bool:
    """Return whether a module is neither of the standard library nor installed."""
    place = _place(top)
    if place is None or top in _standard_names() or _INSTALLED & set(place.parts):
        return False
    return not _in_standard_folder(place)


def _standard_names() -> frozenset[str]:
    names: frozenset[str] = getattr(sys, "stdlib_module_names", frozenset())  # since 3.10
    return names | set(sys.builtin_module_names)


def _in_standard_folder(place: Path) -> bool:
    if _INSTALLED & set(place.parts):
        return False
    folders = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
    return any(Path(each) in place.parents for each in folders if each)


def third_party(imported: Iterable[str]) -> set[str]:
    """Return those modules that the hub's Python needs to have: not standard, not local, not the framework."""
    return {
        each
        for each in imported
        if each not in _standard_names() | {"scramjet"}
        and (place := _place(each)) is not None
        and not _in_standard_folder(place)
        and not is_local(each)
    }


def _imports(entry: PackageEntry) -> set[str]:
    """Return the first names of the modules that a file imports."""
    if not entry.name.endswith(".py") or not isinstance(entry.source, Path):
        return set()
    try:
        tree = ast.parse(entry.source.read_bytes())
    except (SyntaxError, ValueError):
        return set()
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {each.name.partition(".")[0] for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found
