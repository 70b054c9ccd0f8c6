"""A folder, a Python file or a function -> a sequence package: a tar.gz with `package.json` at its root.

The same files give the same bytes, whatever their times, owners and order. What can't or should not
travel is left out, and said (docs/packages.md, "What is left out").
"""

from __future__ import annotations

import contextlib
import io
import posixpath
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Union

from scramjet_client._base import Closing, public
from scramjet_client.packages import requirements as _vendoring
from scramjet_client.packages.files import PackageEntry, find, in_memory, write
from scramjet_client.packages.function import read_function
from scramjet_client.packages.manifest import (
    MANIFEST,
    is_python,
    manifest_entry,
    read_file,
    read_folder,
)
from scramjet_client.packages.modules import third_party
from scramjet_client.packages.requirements import Requirements
from scramjet_client.uploads.sources import SourceLike

PackageLike = Union["Package", SourceLike]
"""What is sent as a package: a `Package`, what one is made of, or a package that is packed already."""

_GZIP = b"\x1f\x8b"


@public
class PackageWarning(UserWarning):
    """Something was left out of a package, or may be missing where it runs."""


@public
class Package(Closing):
    """A sequence package that is ready to be sent, with all that is in it.

    Everything is checked when it is made. Close it, or use it in a `with` block, if it has requirements: they
    are kept in a temporary folder until then.

    Args:
        path: A folder with a `package.json`, or one Python file that has a function `run(context, input, *args)`.
        requirements: What pip is to install into the package: lines of a requirements file as a list, or the path
            of one, in the folder. None installs nothing; no hub installs anything either.

    Attributes:
        manifest: What `package.json` says.
        entries: All files, links and empty folders, by name.
        warnings: What was left out and why, and what hubs may refuse; a sentence each.

    Raises:
        ValueError: It is no sequence (the message names the file, and the line where there is one), or pip could
            not install its requirements.

    Wire: docs/protocol.md, "Sequences".
    """

    def __init__(self, path: str | Path, *, requirements: Requirements = None) -> None:
        root = Path(path)
        if root.is_dir():
            self._begin(*read_folder(root))
        elif root.suffix == ".py" and root.is_file():
            self._begin(*read_file(root))
        else:
            raise ValueError(
                f"there is no sequence at {str(root)!r}: neither a folder nor a Python file"
            )
        self._finish(requirements, root if root.is_dir() else root.parent)

    @classmethod
    def from_function(
        cls,
        function: Callable[..., Any],
        *,
        requirements: Requirements = None,
        name: str | None = None,
    ) -> Package:
        """Return the package of a Python function, with all of its script or notebook that it uses.

        Args:
            function: `function(context, input, *args)`; see `HostClient.deploy`.
            requirements: What pip is to install into the package.
            name: Name of the sequence; None means the function's.

        Raises:
            TypeError: It is no function, or not one that takes these arguments.
            ValueError: It uses something that can't travel; the message names it and the line.
        """
        made = read_function(function)
        manifest = {
            "name": made.name if name is None else name,
            "version": "1.0.0",
            "description": f"Function {made.name} of {made.origin}",
            "main": "main.py",
            "engines": {"python3": ">=3.9"},
        }
        self = cls.__new__(cls)
        entries = [*in_memory(made.files), *made.copied, manifest_entry(manifest)]
        self._begin(manifest, entries, [])
        self._finish(requirements, Path.cwd())
        missing = sorted(third_party(made.imports) - self._vendored)
        if missing:
            self.warnings += (
                f"{made.name} imports {', '.join(missing)}, which the hub's Python must have: neither the standard "
                "library nor the requirements of this package do",
            )
        return self

    def _begin(
        self, manifest: dict[str, Any], entries: list[PackageEntry], notes: list[str]
    ) -> None:
        self.manifest: dict[str, Any] = manifest
        self.entries: tuple[PackageEntry, ...] = tuple(sorted(entries, key=lambda each: each.name))
        self.warnings: tuple[str, ...] = tuple(notes)
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._vendored: set[str] = set()

    def _finish(self, requirements: Requirements, base: Path) -> None:
        if not requirements:
            return
        if not is_python(self.manifest):
            raise ValueError(
                "requirements are for Python sequences; this one names no engine 'python3'"
            )
        self._temporary = tempfile.TemporaryDirectory(prefix="scramjet-package-")
        try:
            self._vendor(requirements, base, Path(self._temporary.name))
        except BaseException:
            self.close()
            raise

    def _vendor(self, requirements: Requirements, base: Path, into: Path) -> None:
        _vendoring.install(requirements, base, into)
        self._vendored = _vendoring.provided(into)
        inside = _vendoring.FOLDER + "/"
        installed = [
            PackageEntry(
                name=inside + each.name,
                size=each.size,
                executable=each.executable,
                link=each.link,
                source=each.source,
            )
            for each in find(into, trusted=True).entries
        ]
        entry, text = _vendoring.entry_for(posixpath.normpath(self.manifest["main"]))
        self.manifest = {**self.manifest, "main": entry}
        own = [
            each
            for each in self.entries
            if each.name != MANIFEST and not each.name.startswith(inside)
        ]
        made = [*in_memory({entry: text}), manifest_entry(self.manifest)]
        self.entries = tuple(sorted([*own, *made, *installed], key=lambda each: each.name))

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
        """Bytes of all files, before they are compressed."""
        return sum(each.size for each in self.entries)

    def write_to(self, file: IO[bytes]) -> None:
        """Write the package to an open binary file; needs no more memory for large ones.

        Raises:
            OSError: A file could not be read, or got shorter meanwhile.
        """
        write(self.entries, file)

    def save(self, path: str | Path) -> None:
        """Write the package to a file, `name.tar.gz`; a file that is there is replaced."""
        with Path(path).open("wb") as file:
            self.write_to(file)

    def to_bytes(self) -> bytes:
        """Return the package as bytes."""
        buffer = io.BytesIO()
        self.write_to(buffer)
        return buffer.getvalue()

    def close(self) -> None:
        """Remove what pip has installed for it; safe to call twice."""
        temporary, self._temporary = self._temporary, None
        if temporary is not None:
            temporary.cleanup()


def pack(path: str | Path, *, requirements: Requirements = None) -> bytes:
    """Return the package of a folder or Python file; for large ones, `Package.save` needs less memory.

    What was left out is told by a `PackageWarning`. Arguments and errors are those of `Package`.
    """
    with Package(path, requirements=requirements) as package:
        _tell(package)
        return package.to_bytes()


@contextlib.contextmanager
def opened(package: PackageLike, requirements: Requirements = None) -> Iterator[Any]:
    """Open what is to be sent as a package, as a source for an upload.

    Folders and Python files are packed into a temporary file, so that nothing is sent before all of it could
    be read, and memory does not depend on its size.
    """
    if isinstance(package, (str, Path)):
        path = Path(package)
        if path.is_file() and path.suffix != ".py":
            if requirements:
                raise ValueError(
                    f"requirements cannot be added to {str(path)!r}, which is packed already"
                )
            _check_packed(path)
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
        yield package


@contextlib.contextmanager
def _spooled(package: Package) -> Iterator[IO[bytes]]:
    _tell(package)
    with tempfile.TemporaryFile(prefix="scramjet-package-") as file:
        package.write_to(file)
        file.seek(0)
        yield file


def _check_packed(path: Path) -> None:
    with path.open("rb") as file:
        head = file.read(2)
    if head != _GZIP:
        raise ValueError(f"{str(path)!r} is no sequence package: it is not gzip-compressed")


def _tell(package: Package) -> None:
    # To be shown at the line that called the SDK, however deep in it this is.
    here = str(Path(__file__).parents[1] / "_")[:-1]  # with its last slash
    level, frame = 1, sys._getframe(0)
    while frame.f_back is not None and (
        frame.f_code.co_filename.startswith(here) or frame.f_code.co_filename == contextlib.__file__
    ):
        level, frame = level + 1, frame.f_back
    for each in package.warnings:
        warnings.warn(each, PackageWarning, stacklevel=level)


def _arrow(entry: PackageEntry) -> str:
    return f" -> {entry.link}" if entry.link else ""
