"""The program of `scramjet dev`: its package, the folders to watch, and its paths as an editor knows them."""

from __future__ import annotations

import hashlib
import keyword
import os
import re
import tempfile
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

import attrs
import click

from scramjet_client._common.files import replaced_by
from scramjet_client._common.names import nearest
from scramjet_client._common.trace import is_trace
from scramjet_client.cli._options import refuse_to_replace
from scramjet_client.models import Cause
from scramjet_client.packages import requirements as _pip
from scramjet_client.packages.package import (
    Package,
    module_file,
    module_of_word,
    package_of_module,
    take_installed,
)
from scramjet_client.packages.syntax import parsed

_FUNCTION = re.compile(r"(.+?):([^\W\d]\w*)")
_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_FILE = re.compile(r'File "([^"\n]+)", line (\d+)')


class BuildError(Exception):
    """The program can't be packed in its present state; the next save may change that."""


@attrs.frozen(kw_only=True)
class Built:
    """A package that is ready to send, with the local files by their names in it."""

    data: bytes
    name: str
    digest: str
    warnings: tuple[str, ...]
    sources: dict[str, Path]

    def local(self, path: str, folder: str | None = None) -> Path | None:
        """Return the local file for a path on the hub, where the sequence has a folder, if it is known; or None."""
        if folder is not None and path.startswith(folder.rstrip("/") + "/"):
            return self.sources.get(path[len(folder.rstrip("/")) + 1 :])
        parts = path.split("/")
        for first in range(len(parts)):
            found = self.sources.get("/".join(parts[first:]))
            if found is not None and (first or len(parts) == 1):
                return found
        return None

    def with_local_paths(self, text: str, folder: str | None) -> str:
        """Return the lines of a traceback with the paths of this machine."""

        def replaced(found: re.Match[str]) -> str:
            local = self.local(found[1], folder)
            return found[0] if local is None else f'File "{shown(local)}", line {found[2]}'

        return _FILE.sub(replaced, text)

    def with_local_names(self, text: str, folder: str | None) -> str:
        """Return text with the paths of this machine for those of the program's folder on the hub."""
        if folder is None:
            return text
        for name, path in self.sources.items():
            text = text.replace(f"{folder}/{name}", shown(path))
        return text

    def place(self, cause: Cause, folder: str | None) -> str:
        """Return `path:line` for the error of a program, or ""."""
        if cause.file is None or cause.line is None:
            return ""
        local = self.local(cause.file, folder)
        return f"{cause.file if local is None else shown(local)}:{cause.line}"


def shown(path: Path) -> str:
    """Return a path as a user at this folder would type it."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


class Program:
    """The program that a word names: a folder, a file, or `module:function`.

    `note` is called with news while pip works.
    """

    def __init__(
        self,
        given: str,
        requirements: str | None,
        no_requirements: bool,
        note: Callable[[str], object],
    ) -> None:
        self.given = given
        self._function = ""
        self._module = ""
        self._note = note
        path = Path(given)
        found = _FUNCTION.fullmatch(given)
        if found is not None and not path.exists():
            where, self._function = found[1], found[2]
            self._place_function(where)
        elif path.is_dir():
            self.root = path.resolve()
            self.file = None if (path / "package.json").exists() else self.root / "main.py"
        elif path.is_file():
            self.file = path.resolve()
            self.root = self.file.parent
        else:
            raise click.UsageError(_no_such(given))
        self._requirements = self._requirements_file(requirements, no_requirements)
        self._installed: tempfile.TemporaryDirectory[str] | None = None
        self._installed_for = b""

    def _place_function(self, where: str) -> None:
        is_file = where.endswith(".py")
        if not (Path(where).is_file() if is_file else _MODULE.fullmatch(where)):
            raise click.UsageError(_no_such(self.given))
        root, self._module = module_of_word(where)
        self.root = root.resolve()
        for each in [self._module] if is_file else self._module.split("."):
            if not each.isidentifier() or keyword.iskeyword(each):
                raise click.UsageError(
                    f"{self.given!r} names a function of {each!r}, which no Python program can import: "
                    "use letters, digits and '_' in the file's name"
                )
        self.file = None
        top = self.root / self._module.partition(".")[0]
        if not top.is_dir() and not top.with_suffix(".py").exists():
            raise click.UsageError(_no_such(self.given))

    def _requirements_file(self, given: str | None, no: bool) -> Path | None:
        if given is not None:
            return Path(given).resolve()
        found = self.root / "requirements.txt"
        # A single file may lie in a folder whose requirements are those of something else.
        is_folder = Path(self.given).is_dir()
        return found if is_folder and not no and found.is_file() else None

    @property
    def name(self) -> str:
        return self._function or (self.root.name if self.file is None else self.file.stem)

    def folders(self, built: Built | None) -> tuple[set[str], set[str]]:
        """Return the folders to watch: those with everything below them, and those without."""
        if self.file is None and not self._module:
            return {str(self.root)}, set()
        alone = {str(self.root)}
        for each in built.sources.values() if built is not None else ():
            alone.add(str(each.parent))
        if self._requirements is not None:
            alone.add(str(self._requirements.parent))
        return set(), {each for each in alone if os.path.isdir(each)}

    def check_record(self, path: str, input_path: str | None, built: Built | None) -> None:
        """Refuse to record into a file that the program is made of, or reads."""
        its_own: list[tuple[str | Path | None, str]] = [
            (self.file, "the program"),
            (input_path, "its input"),
            (self._requirements, "its requirements"),
        ]
        if built is not None:
            its_own.extend((each, "a file of the program") for each in built.sources.values())
        what = replaced_by(path, its_own)
        # An old trace may lie in the program's folder.
        if what is not None and not (what == "a file of the program" and is_trace(path)):
            refuse_to_replace("--record", path, what, "the trace")

    def build(self) -> Built:
        """Pack it; raise BuildError if the next save may help."""
        try:
            with warnings.catch_warnings(), self._package() as package:
                warnings.simplefilter("ignore")
                # Before the program runs: it may import a file much later, or never.
                for each in package.entries:
                    if each.name.endswith(".py") and isinstance(each.source, Path):
                        _parse(each.source)
                self._install(package)
                data = package.to_bytes()
                sources = {
                    each.name: each.source
                    for each in package.entries
                    if isinstance(each.source, Path) and not each.name.startswith(_pip.FOLDER)
                }
                if self.file is not None:
                    sources[self.file.name] = self.file
                return Built(
                    data=data,
                    name=package.name,
                    digest=hashlib.sha256(data).hexdigest(),
                    warnings=tuple(package.warnings),
                    sources=sources,
                )
        except SyntaxError as error:
            raise BuildError(_syntax(error)) from error
        except OSError as error:
            raise BuildError(f"{error.filename or self.given}: {error.strerror}") from error
        except ValueError as error:
            raise BuildError(str(error)) from error

    def _package(self) -> Package:
        if self._module:
            _parse(module_file(self.root, self._module))
            return package_of_module(self.root, self._module, self._function)
        if self.file is not None:
            if not self.file.is_file():
                raise ValueError(self._missing())
            if self.file.suffix == ".py":
                _parse(self.file)
            return Package(self.file)
        for each in self.root.glob("*.py"):
            _parse(each)  # before Package looks at it: this names line and column
        return Package(self.root)

    def _missing(self) -> str:
        if Path(self.given).is_dir():
            return (
                f"there is no sequence in {self.given!r}: neither a package.json nor a main.py with a function "
                "run(context, input, *args)"
            )
        return f"{self.given} is not there (any more)"

    def _install(self, package: Package) -> None:
        if self._requirements is None or not self._requirements.is_file():
            return
        wanted = self._requirements.read_bytes()
        if self._installed is None or wanted != self._installed_for:
            lines = [each.split(b"#")[0].strip() for each in wanted.splitlines()]
            self.close()
            if any(lines):
                self._note(f"installing {shown(self._requirements)}")
                self._installed = tempfile.TemporaryDirectory(prefix="scramjet-dev-")
                into = Path(self._installed.name)
                _pip.install(self._requirements, self._requirements.parent, into)
            self._installed_for = wanted
        if self._installed is not None:
            take_installed(package, Path(self._installed.name))

    def close(self) -> None:
        """Remove what pip has installed."""
        installed, self._installed = self._installed, None
        if installed is not None:
            installed.cleanup()


def _parse(file: Path) -> None:
    try:
        parsed(file.read_bytes(), str(file))
    except (SyntaxError, ValueError) as error:
        if isinstance(error, SyntaxError) and error.filename is not None:
            raise
        # Such as a NUL, which has no line.
        named = SyntaxError(getattr(error, "msg", None) or str(error))
        named.filename = str(file)
        raise named from error


def _syntax(error: SyntaxError) -> str:
    """Return a syntax error as `path:line:column: SyntaxError: message`, with the line."""
    where = "" if error.filename is None else shown(Path(error.filename))
    place = ":".join(str(each) for each in (where, error.lineno, error.offset) if each)
    said = f"{place}: {type(error).__name__}: {error.msg}"
    if not error.text:
        return said
    text = error.text.rstrip("\n")
    bare = text.lstrip()
    gap = max(0, (error.offset or 1) - 1 - (len(text) - len(bare)))
    return f"{said}\n    {bare}\n    {' ' * gap}^"


def _no_such(given: str) -> str:
    near = _nearest(given)
    advice = f"; did you mean {near!r}?" if near else ""
    if ":" in given:
        return f"there is no module for {given!r} here (write module:function){advice}"
    return f"there is no folder and no file {given!r}{advice}"


def _nearest(given: str) -> str:
    head, separator, name = given.partition(":")
    path = Path(head)
    try:
        names: Iterable[str] = [each.name for each in path.parent.iterdir()]
    except OSError:
        return ""
    # Without the ending, which all have: it would make any two names similar.
    known = {each.removesuffix(".py"): each for each in names}
    found = nearest(path.name.removesuffix(".py"), known, 0.65)
    if not found:
        return ""
    near = str(path.parent / (found if separator else known[found]))
    return f"{near}:{name}" if separator else near
