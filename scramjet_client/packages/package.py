"""Turn a folder, a Python file or a function into a sequence package: a tar.gz with `package.json` at its root.

The same files give the same bytes, whatever their times, owners and order. Files that can't or should not
travel are left out, with a warning (docs/packages.md, "What is left out").
"""

from __future__ import annotations

import contextlib
import inspect
import io
import os
import posixpath
import shutil
import tarfile
import tempfile
import types
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Union

import attrs

from scramjet_client._base import Closing, Live, Shown, callers_level, in_html, public
from scramjet_client._common.files import NewFile, is_same, replaced_by
from scramjet_client._common.names import nearest
from scramjet_client.packages import requirements as _vendoring
from scramjet_client.packages.deployable import checked_called
from scramjet_client.packages.files import SECRET, Found, PackageEntry, find, in_memory, write
from scramjet_client.packages.function import ADAPTER, read_function
from scramjet_client.packages.ignore import IGNORE_FILE
from scramjet_client.packages.manifest import (
    MANIFEST,
    Contents,
    is_python,
    manifest_entry,
    new_manifest,
    read_file,
    read_folder,
    read_named,
)
from scramjet_client.packages.modules import LocalModules, described, finder
from scramjet_client.packages.requirements import Requirements
from scramjet_client.packages.shapes import blocks, makes_stream, needs_adapter, run_of
from scramjet_client.packages.syntax import parsed
from scramjet_client.uploads.sources import SourceLike, why_nothing

PackageLike = Union["Package", SourceLike]
"""Everything you can send as a package: a `Package`, its sources, or a file that is already packed."""

_SIMILAR = 0.7
"""How similar a name is that may be meant, from 0 to 1."""

_GZIP = b"\x1f\x8b"

_OLD_PACKAGE = "as the new package takes its place"


@public
class PackageWarning(UserWarning):
    """Something was left out of a package, or may be missing where the package runs."""


@public
class SecretWarning(PackageWarning):
    """Something that may be a secret was left out of a package, or is in it."""


@public
@attrs.frozen(kw_only=True)
class PreviewRow(Shown):
    """One file of a preview.

    Attributes:
        name: Path in the package.
        size: Bytes, or None if the file stays here.
        note: Why it stays, the target of a link, or "".
    """

    name: str
    size: int | None
    note: str = ""


@public
@attrs.frozen(repr=False, kw_only=True)
class PackagePreview:
    """A table of the files that go to the hub and the files that stay: print it, or show it in a notebook.

    Attributes:
        name: Name of the sequence.
        rows: The files; those that stay come last.
        warnings: Things to check, one sentence each.
    """

    name: str
    rows: tuple[PreviewRow, ...]
    warnings: tuple[str, ...]

    def __iter__(self) -> Iterator[PreviewRow]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        width = max([len(each.name) for each in self.rows], default=0)
        lines = [
            f"{_size(each):>12}  {each.name:<{width}}  {each.note}".rstrip() for each in self.rows
        ]
        return "\n".join([self._total(), *lines, *(f"warning: {each}" for each in self.warnings)])

    def _repr_html_(self) -> str:
        cells = "".join(
            "<tr>"
            + "".join(f"<td>{in_html(cell)}</td>" for cell in (each.name, _size(each), each.note))
            + "</tr>"
            for each in self.rows
        )
        told = "".join(f"<p>warning: {in_html(each)}</p>" for each in self.warnings)
        head = "<tr><th>name</th><th>bytes</th><th></th></tr>"
        return f"<table><caption>{in_html(self._total())}</caption>{head}{cells}</table>{told}"

    def _total(self) -> str:
        going = [each.size for each in self.rows if each.size is not None]
        stay = len(self.rows) - len(going)
        return (
            f"{self.name or 'a sequence'}: {len(going)} entries, {sum(going)} bytes"
            + f"; {stay} left out" * bool(stay)
        )


def _no_sequence(root: Path) -> str:
    """Return why a path is not a sequence."""
    if root.exists():
        return "it is neither a folder nor a Python file"
    with contextlib.suppress(OSError):
        beside = {
            each.stem: each for each in root.parent.iterdir() if each.suffix in (root.suffix, ".py")
        }
        near = nearest(root.stem, beside, _SIMILAR)
        if near:
            return f"it does not exist; did you mean {str(beside[near])!r}?"
    where = "" if root.is_absolute() else f" in {str(Path.cwd())!r}"
    return f"it does not exist{where}"


def _size(row: PreviewRow) -> str:
    return "left out" if row.size is None else str(row.size)


@public
class Package(Closing):
    """A complete sequence package, ready to send.

    The constructor checks everything. If the package has requirements, close it or use it in a `with` block: until
    then they are kept in a temporary folder.

    Args:
        path: A folder with a `package.json`, or one Python file with a function `run(context, input, *args)`.
        requirements: Packages for pip to install into the package: a list of lines of a requirements file, or the path
            of such a file, in its folder or from the present one. None installs nothing, and hubs install nothing.

    Attributes:
        manifest: The content of `package.json`.
        entries: All files, links and empty folders, by name.
        warnings: One sentence each about excluded files and why, possible secrets, and things that hubs may refuse.

    Raises:
        ValueError: It is not a sequence (the message names the file, and the line if there is one), or pip could
            not install its requirements.

    Wire: docs/protocol.md, "Sequences".
    """

    def __init__(self, path: str | Path, *, requirements: Requirements = None) -> None:
        if not isinstance(path, (str, os.PathLike)):
            cure = "; Package.from_function() packs a function" if callable(path) else ""
            raise TypeError(f"path must be a str or a Path, not {type(path).__name__}{cure}")
        root = Path(path)
        if root.is_dir():
            self._begin(read_folder(root))
        elif root.suffix == ".py" and root.is_file():
            self._begin(_with(read_file(root), LocalModules.of_file(root), root), alone=True)
        else:
            raise ValueError(f"there is no sequence at {str(root)!r}: {_no_sequence(root)}")
        own = (root / each for each in (MANIFEST, IGNORE_FILE))
        self._made_of += [(root, "the program"), *((each, "a file of the program") for each in own)]
        self._finish(requirements, root if root.is_dir() else root.parent)

    @classmethod
    def from_function(
        cls,
        function: Callable[..., Any],
        *,
        requirements: Requirements = None,
        name: str | None = None,
        source: str | None = None,
        include: Iterable[str | Path] = (),
        env: Iterable[str] = (),
    ) -> Package:
        """Return the package of a Python function, with everything it uses from its script or notebook.

        Args:
            function: `function(context, input, *args)`; see `HostClient.deploy`.
            requirements: Packages for pip to install into the package.
            name: Name of the sequence; None means the function's.
            source: Text of the definition, for a function whose source Python does not know.
            include: Other files, folders or patterns beside the script that travel, to the same place in the package.
            env: Names of variables whose values do not travel; see `HostClient.deploy`.

        Raises:
            TypeError: It is not a function, or does not take these arguments.
            ValueError: It uses something that can't travel; the message names it and the line.
        """
        made = read_function(function, source=source, include=include, env=env)
        about = f"Function {made.name} of {made.origin}"
        called = made.name if name is None else checked_called(name)
        manifest = new_manifest(called, "main.py", description=about)
        self = cls.__new__(cls)
        entries = [*in_memory(made.files), *made.copied, manifest_entry(manifest)]
        self._begin(Contents(manifest, Found(entries), made.notes, made.secrets))
        with contextlib.suppress(TypeError):  # it was typed at a prompt, or is no plain function
            self._made_of.append((inspect.getsourcefile(inspect.unwrap(function)), "the program"))
        self._finish(requirements, Path())
        missing = sorted(made.missing - self._vendored)
        if missing:
            self.warnings += (
                f"{made.name} imports {', '.join(missing)}, which the hub's Python must have: neither the standard "
                "library nor the requirements of this package do",
            )
        return self

    def _begin(self, made: Contents, *, alone: bool = False) -> None:
        self.manifest: dict[str, Any] = made.manifest
        self._secrets = frozenset(made.secrets)
        self.warnings: tuple[str, ...] = (*made.secrets, *made.notes)
        self._left_out = {**made.found.left_out, "by .siignore": made.found.ignored}
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._vendored: set[str] = set()
        # Files that it is made of, which are not all in it as they are.
        self._made_of: list[tuple[Any, str]] = []
        entries = made.found.entries
        tree = parsed(made.main) if is_python(made.manifest) and made.main else None
        run = None if tree is None else run_of(tree, finder(made.manifest["main"], entries))
        if needs_adapter(run) or (alone and makes_stream(run)):
            entries = self._adapted(entries, blocking=blocks(run))
        self.entries: tuple[PackageEntry, ...] = tuple(sorted(entries, key=lambda each: each.name))

    def _adapted(self, entries: list[PackageEntry], *, blocking: bool) -> list[PackageEntry]:
        """Make the adapter run the program: it turns any result into an output."""
        path = posixpath.normpath(self.manifest["main"])
        entry, text = _vendoring.adapter_for(path, blocking=blocking)
        adapter = posixpath.join(posixpath.dirname(path), ADAPTER.name)
        taken = {entry, adapter} & {each.name for each in entries}
        if taken:
            raise ValueError(f"a file {min(taken)!r} cannot travel: the package has its own")
        made = in_memory({entry: text, adapter: ADAPTER.read_bytes()})
        return [*self._run_instead(entry, entries), *made]

    def _run_instead(self, entry: str, entries: Iterable[PackageEntry]) -> list[PackageEntry]:
        """Have the manifest name another main file; return the entries with it."""
        self.manifest = {**self.manifest, "main": entry}
        own = [each for each in entries if each.name != MANIFEST]
        return [*own, manifest_entry(self.manifest)]

    def _finish(self, requirements: Requirements, base: Path) -> None:
        requirements = _vendoring.checked(requirements)
        if not requirements:
            return
        if isinstance(requirements, (str, os.PathLike)):
            self._made_of += [
                (each, "its requirements") for each in (requirements, base / requirements)
            ]
        if not is_python(self.manifest):
            raise ValueError(
                "requirements are for Python sequences; this one names no engine 'python3'"
            )
        self._temporary = tempfile.TemporaryDirectory(prefix="scramjet-package-")
        try:
            into = Path(self._temporary.name)
            _vendoring.install(requirements, base, into)
            self._include(into)
        except BaseException:
            self.close()
            raise

    def _include(self, into: Path) -> None:
        self._vendored = _vendoring.provided(into)
        inside = _vendoring.FOLDER + "/"
        found = find(into, trusted=True).entries
        installed = [attrs.evolve(each, name=inside + each.name) for each in found]
        entry, text = _vendoring.entry_for(posixpath.normpath(self.manifest["main"]))
        own = [each for each in self.entries if not each.name.startswith(inside)]
        entries = [*self._run_instead(entry, own), *in_memory({entry: text}), *installed]
        self.entries = tuple(sorted(entries, key=lambda each: each.name))

    def __repr__(self) -> str:
        return f"<Package {self.name!r}: {len(self.entries)} entries, {self.size} bytes>"

    def __str__(self) -> str:
        lines = [f"{each.size:>12}  {each.name}{_arrow(each)}" for each in self.entries]
        total = f"{self.size:>12}  in {len(self.entries)} entries of {self.name or 'a sequence'}"
        return "\n".join([*lines, total, *(f"warning: {each}" for each in self.warnings)])

    @property
    def name(self) -> str:
        """Name of the sequence, or ""."""
        return str(self.manifest.get("name") or "")

    @property
    def size(self) -> int:
        """Bytes of all files before compression."""
        return sum(each.size for each in self.entries)

    def preview(self) -> PackagePreview:
        """Return a table of the files that go to the hub, and those that stay and why; this sends nothing."""
        going = [
            PreviewRow(name=each.name, size=each.size, note=_arrow(each).strip())
            for each in self.entries
        ]
        staying = [
            PreviewRow(name=name, size=None, note=why)
            for why, names in self._left_out.items()
            for name in names
        ]
        return PackagePreview(
            name=self.name, rows=tuple(going + staying), warnings=tuple(self.warnings)
        )

    def write_to(self, file: IO[bytes]) -> None:
        """Write the package to an open binary file. A large package needs no more memory than a small one.

        Raises:
            OSError: A file could not be read, or became shorter meanwhile.
            ValueError: The file is one that the package is made of.
        """
        replaced = replaced_files(self, file)
        if replaced is not None:
            raise ValueError(f"the package can't be written into {replaced}; name another file")
        write(self.entries, file)

    def save(self, path: str | Path) -> None:
        """Write the package to a file, `name.tar.gz`; this replaces an existing file, once the package is complete.

        If the file is an older package in the packed folder, the new package is without it.

        Raises:
            OSError: A file could not be read or written. What could not be written was complete before.
            ValueError: The file is one that the package is made of.
        """
        replaced = replaced_files(self, path)
        if replaced is not None:
            raise ValueError(
                f"save({os.fspath(path)!r}) would replace {replaced}; name another file"
            )
        with NewFile(path, "path") as file, _written(self) as made:
            shutil.copyfileobj(made, file)

    def to_bytes(self) -> bytes:
        """Return the package as bytes."""
        buffer = io.BytesIO()
        self.write_to(buffer)
        return buffer.getvalue()

    def close(self) -> None:
        """Remove the files that pip has installed for it; safe to call twice."""
        temporary, self._temporary = self._temporary, None
        if temporary is not None:
            temporary.cleanup()


def package_of_word(word: str) -> Package:
    """Return the package of a folder, a file, or a function: `module:function`, `file.py:function`."""
    where, separator, name = word.rpartition(":")
    if separator and not Path(word).exists():
        return package_of_module(*module_of_word(where), name)
    return Package(main_file(Path(word)) or word)


def package_of_module(root: Path, module: str, name: str) -> Package:
    """Return the package of a function of a module in a folder; nothing is imported here."""
    file = module_file(root, module)
    self = Package.__new__(Package)
    self._begin(_with(read_named(file, module, name), LocalModules.of_module(root, module), file))
    return self


def take_installed(package: Package, folder: Path) -> None:
    """Put what pip has installed into a folder into a package; it must stay there until the package is sent."""
    package._include(folder)


def files_of(package: Package) -> list[tuple[Any, str]]:
    """Return the files that a package is made of, and what each of them is."""
    own = [each.source for each in package.entries if isinstance(each.source, Path)]
    return [*package._made_of, *((each, "a file of the program") for each in own)]


def replaced_files(package: Package, target: str | Path | IO[bytes]) -> str | None:
    """Return what of the files that a package is made of a new file would replace; None for nothing.

    An older package, which lies in the packed folder, may be replaced. It is taken out of the package.
    """
    for entry in package.entries:
        if isinstance(entry.source, Path) and is_same(entry.source, target):
            if _is_package(entry.source):
                package.entries = tuple(each for each in package.entries if each is not entry)
                package._left_out.setdefault(_OLD_PACKAGE, []).append(entry.name)
            break
    return replaced_by(target, files_of(package))


_CODE = {
    ".cjs", ".dll", ".js", ".mjs", ".node", ".py", ".pyc", ".pyd", ".pyi", ".sh", ".so", ".ts", ".wasm", ".whl",
}  # fmt: skip
_NAMED = {MANIFEST, "package-lock.json", "requirements.txt", "pyproject.toml"}
"""What a program is made of, by the ends of names and by names. Whatever else is in its folder may be a result."""


def leave_out_result(package: Package, target: str | Path) -> bool:
    """Take a file out of a package of a folder if it is the result of an earlier run, which the next one replaces.

    Code is none, nor is the main file, or what a program's folder is described by: nobody means to replace those.
    """
    main = package.manifest.get("main")
    for entry in package.entries:
        if not isinstance(entry.source, Path) or not is_same(entry.source, target):
            continue
        base = entry.source.name
        if entry.source.suffix.lower() in _CODE or base in _NAMED or base[:1] == ".":
            return False
        if isinstance(main, str) and entry.name == os.path.normpath(main):
            return False
        package.entries = tuple(each for each in package.entries if each is not entry)
        return True
    return False


def _is_package(path: Path) -> bool:
    """Return whether a file is a package, or an empty file that is about to become one."""
    if not path.stat().st_size:
        return path.suffix in (".gz", ".tgz")
    try:
        with tarfile.open(path, "r:gz") as archive:
            return any(each.name == MANIFEST for each in archive)
    except (OSError, EOFError, tarfile.TarError, zlib.error):
        return False


def module_of_word(where: str) -> tuple[Path, str]:
    """Return the folder that a module is imported from, and its name: of `folder/module`, or of a file."""
    place = Path(where)
    return place.parent, place.stem if place.suffix == ".py" else place.name


def main_file(path: Path) -> Path | None:
    """Return the only file of the program in a folder without a package.json; None for other paths."""
    file = path / "main.py"
    return file if file.is_file() and not (path / "package.json").exists() else None


def module_file(root: Path, module: str) -> Path:
    """Return the file of a module in a folder, or raise ValueError."""
    place = root.joinpath(*module.split("."))
    for each in (place.with_suffix(".py"), place / "__init__.py"):
        if each.is_file():
            return each
    raise ValueError(f"there is no module {module!r} in {str(root)!r}")


def _with(made: Contents, modules: LocalModules, file: Path) -> Contents:
    made.found.entries += [each for each in modules.entries if each.name not in modules.named]
    if modules.suspects:
        made.secrets.append(
            f"taken along with {str(file)!r}, though these look like secrets: {described(modules.suspects)}"
        )
    if modules.left_out:
        made.found.left_out[SECRET] = modules.left_out
        made.secrets.append(
            f"left out of the package of {str(file)!r}, {SECRET}: {described(modules.left_out)}"
        )
    return made


def pack(path: str | Path, *, requirements: Requirements = None) -> bytes:
    """Return the package of a folder or Python file; for large ones, `Package.save` needs less memory.

    A `PackageWarning` tells you about excluded files. Arguments and errors are those of `Package`.
    """
    with Package(path, requirements=requirements) as package:
        _tell(package)
        return package.to_bytes()


@contextlib.contextmanager
def opened(package: PackageLike, requirements: Requirements = None) -> Iterator[Any]:
    """Open anything you can send as a package, as a source for an upload.

    This packs folders and Python files into a temporary file. So nothing is sent before every file has been read, and
    memory does not depend on the package's size.
    """
    if isinstance(package, (str, os.PathLike)) and not hasattr(package, "read"):
        path = Path(os.fsdecode(package))
        if path.is_file() and path.suffix != ".py":
            if requirements:
                raise ValueError(
                    f"requirements cannot be added to {str(path)!r}, which is packed already"
                )
            with path.open("rb") as file:
                _check_packed(file, repr(str(path)))
            yield path
            return
        with Package(path, requirements=requirements) as made, _spooled(made) as file:
            yield file
    elif requirements:
        raise ValueError("requirements are for the path of a folder or Python file")
    elif isinstance(package, Package):
        with _spooled(package) as file:
            yield file
    else:
        _refuse_no_package(package)
        yield package


@contextlib.contextmanager
def _spooled(package: Package) -> Iterator[IO[bytes]]:
    _tell(package)
    with _written(package) as file:
        yield file


@contextlib.contextmanager
def _written(package: Package) -> Iterator[IO[bytes]]:
    with tempfile.TemporaryFile(prefix="scramjet-package-") as file:
        package.write_to(file)
        file.seek(0)
        yield file


def _refuse_no_package(value: Any) -> None:
    """Refuse what certainly is no package; the hub tells of the rest."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        if why := _no_package(bytes(value)):
            raise ValueError(f"a package must be a gzip-compressed tar, and this is {why}")
    elif hasattr(value, "read"):
        _check_file(value)
    elif not _may_give_bytes(value):
        raise TypeError(
            f"a package must be a path, a Package, bytes or an open file, not {_kind(value)}"
        )


def _may_give_bytes(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(isinstance(each, (bytes, bytearray, memoryview)) for each in value)
    iterable = any(hasattr(type(value), name) for name in ("__iter__", "__getitem__"))
    return iterable and not isinstance(value, (type, Live, Mapping))


def _kind(value: Any) -> str:
    """Return what a value is that is no package, and what to do instead."""
    kind = type(value).__name__
    if value is None:
        return "None"
    if isinstance(value, types.ModuleType):
        file = getattr(value, "__file__", None) if hasattr(value, "run") else None
        return f"the module {value.__name__!r}" + f"; give its path: {file!r}" * bool(file)
    if isinstance(value, (list, tuple)):
        return (
            f"a {kind} of {', '.join(sorted({type(each).__name__ for each in value}))}; give one path: of a folder,"
            " which takes all of its files along, or of a Python file"
        )
    if callable(value):
        name = getattr(value, "__name__", kind)
        return f"{kind} {name!r}; HostClient.deploy() sends a function, and Package.from_function() packs one"
    return kind


def _no_package(data: bytes) -> str:
    """Return what bytes are that certainly are no package, and what to do; "" for others."""
    if data.startswith(b"PK\x03\x04"):
        return "a zip file; unpack it, and give the path of the folder"
    if b"run" in data and not data.startswith(_GZIP):
        with contextlib.suppress(SyntaxError, ValueError, RecursionError, MemoryError):
            if run_of(parsed(data), lambda module: None) is not None:
                return "Python code; give the path of its file: send_sequence('program.py')"
    return ""


def _check_file(file: Any) -> None:
    name = getattr(file, "name", None)
    called = f"the open file {name!r}" if isinstance(name, str) else "the open file"
    if isinstance(file, io.TextIOBase):
        raise ValueError(f"{called} gives text, and a package is bytes{_cure_for(name)}")
    if isinstance(file, io.IOBase) and file.seekable():
        if why := why_nothing(file):
            raise ValueError(f"the package is {why}")
        _check_packed(file, called)


def _check_packed(file: Any, called: str) -> None:
    at = file.tell()
    head = file.read(len(_GZIP))
    file.seek(at)
    if head != _GZIP:
        cure = _cure_for(getattr(file, "name", None))
        raise ValueError(f"{called} is not a sequence package: it is not gzip-compressed{cure}")


def _cure_for(name: object) -> str:
    """Return what to give instead of a file, by its name, as the end of a sentence."""
    path = Path(name) if isinstance(name, str) else Path()
    if path.suffix == ".py":
        return f"; give its path: send_sequence({str(path)!r})"
    if path.name == MANIFEST or path.suffix in (".js", ".mjs", ".cjs", ".ts"):
        return f"; give the folder with its {MANIFEST}: send_sequence({str(path.parent)!r})"
    if path.suffix == ".ipynb":
        return "; HostClient.deploy() sends a function of a notebook"
    return "; give the path of a folder or a Python file, which is packed here"


def _tell(package: Package) -> None:
    level = callers_level()
    for each in package.warnings:
        kind = SecretWarning if each in package._secrets else PackageWarning
        warnings.warn(each, kind, stacklevel=level)


def _arrow(entry: PackageEntry) -> str:
    return f" -> {entry.link}" if entry.link else ""
