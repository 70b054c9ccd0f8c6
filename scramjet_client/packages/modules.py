"""The modules that a function uses: imported on the hub, or taken along if they are files beside the script.

A module's folder decides whether it lies beside the script or is installed. It lies beside the script if the folder
is the script's own, or one that the script itself has put on the path. Modules from PYTHONPATH, site-packages, .pth
files and editable installs are installed.
"""

from __future__ import annotations

import ast
import contextlib
import glob
import importlib.machinery
import importlib.util
import os
import posixpath
import sys
import sysconfig
import types
from collections.abc import Iterable, Iterator, Mapping
from os.path import realpath
from pathlib import Path
from typing import Any

import attrs

from scramjet_client._common.checks import checked_list
from scramjet_client.packages.files import SECRET, PackageEntry, find, looks_secret
from scramjet_client.packages.imports import imported_in, standard_names
from scramjet_client.packages.shapes import Find
from scramjet_client.packages.source import Snippet
from scramjet_client.packages.syntax import parsed

_LIMIT = 1_048_576
"""Largest total size, in bytes, of the modules that travel. More is a project: pack it as a folder or install it."""

_INSTALLED = {"site-packages", "dist-packages"}

_SHOWN = 8
"""How many names of files one warning shows."""


class LocalModules:
    """The modules of one deployed function, of which those in `entries` travel.

    Attributes:
        left_out: Files beside them that may hold secrets, and stay.
        suspects: Files that travel although they look like secrets.
        unnamed: Other files beside them that are not modules, and stay.
        imported: First names of all modules that the function needs.
        named: Names of the files that the user has named.
    """

    def __init__(self, namespace: Mapping[str, Any], named: Iterable[PackageEntry] = ()) -> None:
        """Make the modules of a function, with files that the user has named."""
        self.entries: list[PackageEntry] = list(named)
        self.left_out: list[str] = []
        self.suspects: list[str] = []
        self.unnamed: list[str] = []
        self.imported: set[str] = set()
        self.package: str = str(namespace.get("__package__") or "")
        self.named: set[str] = {each.name for each in self.entries}
        self._looked_at: set[str] = set()
        self._folders = {script_folder(namespace), *_main_folder()}
        self._first: Path | None = None
        self._outside = _outside_folders() - self._folders

    @classmethod
    def of_file(cls, file: Path) -> LocalModules:
        """Return the modules of a program that is a single file: the modules beside it."""
        main = PackageEntry(name=file.name, size=file.stat().st_size, source=file)
        self = cls({"__file__": str(file)}, [main])
        # On the hub, the program's folder comes first on the path. Here it may not be on the path at all.
        self._first = Path(script_folder({"__file__": str(file)}))
        self.take_imported_by_named(file.name)
        return self

    @classmethod
    def of_module(cls, root: Path, module: str) -> LocalModules:
        """Return a module in a folder, `pkg.app` of `root`, and the modules beside it that it needs."""
        self = cls({"__file__": str(root / "__init__.py")})
        self._first = Path(realpath(root))
        self._folders.add(str(self._first))
        if why := self._add(module.partition(".")[0]):
            raise ValueError(f"{module} is part {why}")
        return self

    def take_imported_by_named(self, user: str) -> None:
        """Take along the imports of the named files; raises like `take`."""
        for why in map(self._follow, list(self.entries)):
            if why:
                raise ValueError(f"{user} needs a module {why}")

    def imports(self, name: str, module: types.ModuleType, user: Snippet) -> Iterator[str]:
        """Yield the lines that import a module by a name, with the used parts of it."""
        full = module.__name__
        self.take(full, user, name)
        yield f"import {full}" if name == full else f"import {full} as {name}"
        for used in user.attributes_of(name):
            parts = used.split(".")
            for count in range(1, len(parts) + 1):
                below = ".".join([full, *parts[:count]])
                if below in sys.modules:
                    # Only `import xml` would leave `xml.etree` to chance.
                    yield f"__import__({below!r})"

    def take(self, module: str, user: Snippet, name: str) -> None:
        """Record a module, and take a file beside the script along; refuse what is too large, or the script itself."""
        top = module.partition(".")[0]
        if top == "__main__":
            raise user.refusal(name, "which is the running script itself")
        self.imported.add(top)
        why = self._add(top)
        if why:
            raise user.refusal(name, why)

    def take_imported_by(self, user: Snippet) -> None:
        """Record the modules that a function imports itself when it runs; raises like `take`."""
        found = imported_in(parsed(user.text), self.package)
        for top in sorted(found.needed):
            self.take(top, user, top)
        for top in sorted(found.optional):
            # The function works without it, so no warning names it; an `if` or `try` may also be about something else.
            why = self._add(top)
            if why:
                raise user.refusal(top, why)

    def missing(self) -> set[str]:
        """Return the modules that the hub's Python must have: neither standard nor taken along."""
        taken = {each.name.partition("/")[0].partition(".")[0] for each in self.entries}
        return {
            each
            for each in self.imported
            if each not in standard_names() | {"scramjet"}
            and each not in taken
            and ((place := _place(each)) is None or not _in_standard_folder(place))
            and (place is not None or not _is_known(each))
        }

    def refuse_names(self, made: Iterable[str]) -> None:
        """Refuse modules with the name of a generated file."""
        taken = {each.name for each in self.entries} & set(made)
        if taken:
            raise ValueError(
                f"a module called {min(taken)!r} cannot travel: the package has its own"
            )

    def _add(self, top: str) -> str:
        """Add a module by its first name, and its imports; return the reason for a refusal, or ""."""
        if top in self._looked_at:
            return ""
        self._looked_at.add(top)
        place = self._place(top)
        if place is None or not self.is_local(top, place):
            return ""
        if not place.exists():
            return (
                f"of the module {str(place)!r}, which is in an archive: name its files by include="
            )
        entries = self._files(top, place)
        self.entries += entries
        if sum(each.size for each in self.entries) > _LIMIT:
            return (
                f"of the local module {str(place)!r}, which is too large to travel: pack a folder instead, "
                "or install it by requirements"
            )
        return next(filter(None, map(self._follow, entries)), "")

    def _files(self, top: str, place: Path) -> list[PackageEntry]:
        """Return the files of a module; for a package, only files that Python imports."""
        if not place.is_dir():
            found = [PackageEntry(name=place.name, size=place.stat().st_size, source=place)]
            self.suspects += [place.name] if looks_secret(place, place.name) else []
        else:
            listing = find(place, node=False)
            self.left_out += [f"{top}/{each}" for each in listing.left_out.get(SECRET, ())]
            self.suspects += [
                f"{top}/{each}" for each in listing.suspects if each.endswith(_SUFFIXES)
            ]
            files = [each for each in listing.entries if not each.link and each.name[-1:] != "/"]
            found = [
                PackageEntry(name=f"{top}/{each.name}", size=each.size, source=each.source)
                for each in files
            ]
        modules = [each for each in found if each.name.endswith(_SUFFIXES)]
        others = {each.name for each in found} - {each.name for each in modules}
        self.unnamed += sorted(others - self.named)
        return [each for each in modules if each.name not in self.named]

    def _follow(self, entry: PackageEntry) -> str:
        """Add the imports of a file; return the reason for a refusal, or ""."""
        if not entry.name.endswith(".py") or not isinstance(entry.source, Path):
            return ""
        try:
            tree = parsed(entry.source.read_bytes())
        except (SyntaxError, ValueError):
            return ""
        package = entry.name.rpartition("/")[0].replace("/", ".")
        found = imported_in(tree, package)
        self.imported |= found.needed
        return next(filter(None, map(self._add, sorted(found.needed | found.optional))), "")

    def _place(self, top: str) -> Path | None:
        for each in (f"{top}/__init__.py", f"{top}.py", top):
            if self._first is not None and (self._first / each).exists():
                return self._first / (top if each != f"{top}.py" else each)
        return _place(top)

    def is_local(self, top: str, place: Path) -> bool:
        """Return whether a module lies beside the script: neither in the standard library nor installed."""
        if top in standard_names() or _INSTALLED & set(place.parts):
            return False
        folder = realpath(place.parent)
        if _in_standard_folder(place) or _is_distributed(folder, top):
            return False
        on_path = folder in {realpath(each or ".") for each in sys.path}
        return folder in self._folders or (on_path and folder not in self._outside)


_SUFFIXES = (*importlib.machinery.SOURCE_SUFFIXES, *importlib.machinery.EXTENSION_SUFFIXES)


def named_files(
    include: Iterable[str | Path], namespace: Mapping[str, Any]
) -> tuple[list[PackageEntry], list[str]]:
    """Return the files that the user of a function has named, and those among them that may hold secrets."""
    base = Path(script_folder(namespace))
    found: dict[str, PackageEntry] = {}
    secret: list[str] = []
    given = [include] if isinstance(include, (str, os.PathLike)) else include
    for each in checked_list("include", given, "files, folders or patterns", (str, os.PathLike)):
        for path in _matching(base, each):
            top = _inside(base, path)
            if path.is_dir():
                listing = find(path, node=False)
                secret += [f"{top}/{name}" for name in listing.left_out.get(SECRET, ())]
                inner = [(f"{top}/{one.name}", one) for one in listing.entries]
                found.update((name, attrs.evolve(one, name=name)) for name, one in inner)
            else:
                found[top] = PackageEntry(name=top, size=path.stat().st_size, source=path)
    return list(found.values()), secret


def _matching(base: Path, given: str | Path) -> list[Path]:
    whole = base / os.path.expanduser(given)
    if whole.exists():
        return [whole]
    found = [Path(each) for each in sorted(glob.glob(str(whole), recursive=True))]
    if not found:
        raise ValueError(
            f"include names {str(given)!r}, and there is no such file in {str(base)!r}"
        )
    return found


def _inside(base: Path, path: Path) -> str:
    """Return the place in the package: the same as beside the script, or the root for files from elsewhere."""
    real, root = realpath(path), realpath(base)
    if real.startswith(os.path.join(root, "")):
        return Path(os.path.relpath(real, root)).as_posix()
    return Path(real).name


def finder(main: str, entries: Iterable[PackageEntry]) -> Find:
    """Return a function that finds the modules of a program with this main file."""
    folder = posixpath.dirname(posixpath.normpath(main))
    files = {each.name: each for each in entries if not each.link}

    def find(module: str) -> tuple[ast.Module, str] | None:
        place = posixpath.join(folder, *module.split("."))
        package = module.rpartition(".")[0]
        for name, within in ((f"{place}/__init__.py", module), (f"{place}.py", package)):
            source = files[name].source if name in files else None
            if source is not None:
                with contextlib.suppress(SyntaxError, ValueError):
                    text = source.read_bytes() if isinstance(source, Path) else source
                    return parsed(text), within
        return None

    return find


def described(names: Iterable[str]) -> str:
    """Return names of files for a warning; of many, only the first ones."""
    known = sorted(names)
    more = len(known) - _SHOWN
    return ", ".join(known[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def script_folder(namespace: Mapping[str, Any]) -> str:
    """Return the folder from which a script or module is imported; for a notebook, the working directory."""
    file = namespace.get("__file__")
    if not isinstance(file, str) or not os.path.exists(file):
        return realpath(".")
    folder = Path(realpath(file)).parent
    for _ in filter(None, str(namespace.get("__package__") or "").split(".")):
        folder = folder.parent
    return str(folder)


def _main_folder() -> Iterator[str]:
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    if isinstance(file, str) and os.path.exists(file):
        yield script_folder(vars(sys.modules["__main__"]))


def _outside_folders() -> set[str]:
    """Return the folders on the module path before the script could add any."""
    given = os.environ.get("PYTHONPATH")
    found = {realpath(each or ".") for each in given.split(os.pathsep)} if given else set()
    for site in {each for each in sys.path if _INSTALLED & set(Path(each).parts)}:
        for file in Path(site).glob("*.pth"):
            lines = file.read_text("utf-8", "replace").splitlines()
            found |= {realpath(os.path.join(site, line.strip())) for line in lines if line.strip()}
    return found


def _is_distributed(folder: str, top: str) -> bool:
    """Return whether pip has installed a module into this folder, as `pip install --target` does."""
    for record in Path(folder).glob("*.dist-info/RECORD"):
        text = record.read_text("utf-8", "replace")
        if text.startswith((f"{top}/", f"{top}.")) or f"\n{top}/" in text or f"\n{top}." in text:
            return True
    return False


def _is_known(top: str) -> bool:
    """Return whether a module is importable here although it has no file, as a built-in one."""
    return top in sys.modules or _spec(top) is not None


def _spec(top: str) -> importlib.machinery.ModuleSpec | None:
    try:
        return importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None


def _place(top: str) -> Path | None:
    """Return the file or folder of a module, or None if it has neither."""
    module = sys.modules.get(top)
    file = getattr(module, "__file__", None)
    folders = list(getattr(module, "__path__", []))
    if module is None:
        spec = _spec(top)
        if spec is None or not (spec.has_location or spec.submodule_search_locations):
            return None
        file, folders = spec.origin, list(spec.submodule_search_locations or [])
    if folders:
        return Path(folders[0])
    return None if file is None else Path(file)


def _in_standard_folder(place: Path) -> bool:
    if _INSTALLED & set(place.parts):
        return False
    folders = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
    return any(Path(each) in place.parents for each in folders if each)
