"""Unpacking of untrusted packages: complete and inside their own folder, or refused."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import shutil
import tarfile
import tempfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO, Any

from scramjet_client.hub import _json
from scramjet_client.hub._settings import HubSettings

_BLOCK = 1_048_576

_HEADER_LIMIT = 2**20
"""Most bytes that tarfile may read at once: names and attributes of one entry, which it holds in memory."""

_HEADERS_OF_ONE = 2048
"""Average bytes of headers and padding of an entry; an honest package has at most this many."""

_DEPTH_LIMIT = 100
"""Deepest nesting of folders. Recursive code must be able to walk the tree, and to remove it."""

_NOT_A_PACKAGE = {"code": "PRERUNNER_ERROR", "data": "Invalid pkg tar.gz archive"}
_UNREADABLE = (tarfile.TarError, ValueError, ArithmeticError, RecursionError, LookupError)


class PackageRefused(Exception):
    """The hub does not accept the package; `error` is in the answer's body: a sentence, or the hub's own object."""

    def __init__(self, error: Any) -> None:
        super().__init__(str(error))
        self.error = error


class _Headers:
    """The archive's file for tarfile, which reads only headers from it and keeps them. Their total size is limited."""

    def __init__(self, file: IO[bytes], limit: int) -> None:
        self._file = file
        self._left = limit
        self.tell, self.seek = file.tell, file.seek

    def read(self, size: int = -1) -> bytes:
        """Read, or refuse the package."""
        self._left -= size
        if not 0 <= size <= _HEADER_LIMIT or self._left < 0:
            raise PackageRefused("the package has an entry whose header is too large")
        return self._file.read(size)


class _Tree:
    """The files, folders and links that a package makes in its folder. Each of them counts, whatever its entry."""

    def __init__(self, folder: Path, settings: HubSettings) -> None:
        self.folder = folder
        self._settings = settings
        self._folders = {folder}
        self._count = 0
        self._size = 0

    def path(self, name: str) -> Path:
        """Return the path of an entry, or of the target of a hard link."""
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\0" in name or "\\" in name:
            raise PackageRefused(f"the package has an entry outside of its own folder: {name!r}")
        if len(path.parts) > _DEPTH_LIMIT:
            raise PackageRefused(
                f"the package has an entry below more than {_DEPTH_LIMIT} folders: {name[:100]!r}..."
            )
        return self.folder / path

    def check_number(self, number: int) -> None:
        """Refuse a package whose number of entries is over the limit."""
        if number > self._settings.max_package_files:
            raise PackageRefused(
                f"the package has more than {self._settings.max_package_files} entries (max_package_files)"
            )

    def count(self, size: int = 0) -> None:
        """Count one more entry, and its bytes."""
        self._count += 1
        self.check_number(self._count)
        self._size += size
        if self._size > self._settings.max_unpacked_size:
            raise _too_much(self._settings)

    def make_folder(self, path: Path) -> None:
        """Make a folder and its parents; those that exist already count only once."""
        missing = []
        if path == self.folder.parent:
            raise PackageRefused("the package has an entry in the place of its own folder")
        while path not in self._folders:
            missing.append(path)
            path = path.parent
        for each in reversed(missing):
            self.count()
            each.mkdir(exist_ok=True)
            self._folders.add(each)


def unpack(package: IO[bytes], folder: Path, settings: HubSettings) -> None:
    """Unpack a tar.gz into an empty folder. After a refusal the folder may hold a part of it; throw it away.

    Raises:
        PackageRefused: It is not a tar.gz, or it has too much content or forbidden entries.
    """
    with tempfile.TemporaryFile(dir=folder.parent) as plain:
        _decompress(package, plain, settings)
        plain.seek(0)
        headers = _Headers(plain, _HEADER_LIMIT + _HEADERS_OF_ONE * settings.max_package_files)
        try:
            with tarfile.open(fileobj=headers, mode="r:") as archive:  # type: ignore[call-overload]
                _extract(archive, plain, _Tree(folder, settings))
        except PackageRefused:
            raise
        except _UNREADABLE as error:
            raise PackageRefused(_NOT_A_PACKAGE) from error
        except OSError as error:
            raise PackageRefused(
                f"the package cannot be unpacked: {error.strerror or error}"
            ) from error


def _decompress(package: IO[bytes], plain: IO[bytes], settings: HubSettings) -> None:
    # Tar pads each entry to 512 bytes and adds one header to each. More than that is not a package.
    limit = settings.max_unpacked_size + _HEADERS_OF_ONE * settings.max_package_files
    size = 0
    try:
        with gzip.GzipFile(fileobj=package, mode="rb") as packed:
            while data := packed.read(_BLOCK):
                size += len(data)
                if size > limit:
                    raise _too_much(settings)
                plain.write(data)
    except (OSError, EOFError, zlib.error) as error:
        raise PackageRefused(_NOT_A_PACKAGE) from error
    if size < tarfile.BLOCKSIZE:
        raise PackageRefused(_NOT_A_PACKAGE)


def _too_much(settings: HubSettings) -> PackageRefused:
    return PackageRefused(
        f"the package unpacks to more than {settings.max_unpacked_size} bytes (max_unpacked_size)"
    )


def _extract(archive: tarfile.TarFile, plain: IO[bytes], tree: _Tree) -> None:
    links: list[tuple[Path, tarfile.TarInfo]] = []
    for number, entry in enumerate(archive, 1):
        # Counts entries that make nothing, too, such as one folder a thousand times.
        tree.check_number(number)
        target = tree.path(entry.name)
        if entry.isdir():
            tree.make_folder(target)
        elif entry.isreg() and not entry.issparse():
            tree.count(entry.size)
            tree.make_folder(target.parent)
            _write(plain, entry, target)
        elif entry.issym() or entry.islnk():
            # Links come last, so that nothing is ever written through a link.
            links.append((target, entry))
        else:
            raise PackageRefused(
                f"the package has an entry that is not a file, folder or link: {entry.name!r}"
            )
    for target, entry in links:
        if entry.islnk():
            _copy(tree, target, entry)
    root = os.path.realpath(tree.folder)
    symbolic = [(target, entry) for target, entry in links if entry.issym()]
    for target, entry in symbolic:
        # No file may pass through a link that leads out, and the previous step may have made such a link.
        _stay_inside(root, target.parent, entry)
        tree.make_folder(target.parent)
        tree.count(len(entry.linkname))
        os.symlink(entry.linkname, target)
    for target, entry in symbolic:
        # Check again when all links exist: a link's destination may depend on the links after it.
        _stay_inside(root, target, entry)


def _stay_inside(root: str, path: Path, entry: tarfile.TarInfo) -> None:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        # The system follows some dozens of links, but Python any number: some thousand links of links take hours.
        # A path through too many links raises an OSError, so the package is refused.
        path.stat()
    if os.path.commonpath([root, os.path.realpath(path)]) != root:
        raise PackageRefused(f"the package has a link that leads out of it: {entry.name!r}")


def _write(plain: IO[bytes], entry: tarfile.TarInfo, target: Path) -> None:
    # tarfile can't do this: the file gives it only headers.
    plain.seek(entry.offset_data)
    left = entry.size
    with target.open("wb") as file:
        while left:
            data = plain.read(min(left, _BLOCK))
            if not data:
                raise PackageRefused(_NOT_A_PACKAGE)
            file.write(data)
            left -= len(data)
    target.chmod(0o755 if entry.mode & 0o111 else 0o644)


def _copy(tree: _Tree, target: Path, entry: tarfile.TarInfo) -> None:
    """Copy the target of a hard link to its place. Like every copy, it counts against the limit."""
    original = tree.path(entry.linkname)
    if not original.is_file():
        raise PackageRefused(f"the package has a link to nothing: {entry.name!r}")
    tree.count(original.stat().st_size)
    tree.make_folder(target.parent)
    shutil.copyfile(original, target)
    target.chmod(original.stat().st_mode)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the checked content of the package's package.json, as hubs describe it.

    Raises:
        PackageRefused: It is missing, wrong, or for an engine other than Python.
    """
    path = folder / "package.json"
    try:
        with path.open("rb") as file:
            package = _json.parse(file.read(_json.LIMIT + 1))
    except OSError as error:
        code = {"errno": -(error.errno or 2), "code": "ENOENT", "syscall": "open"}
        raise PackageRefused({**code, "path": str(path)}) from error
    except ValueError as error:
        raise PackageRefused({}) from error
    if not isinstance(package, dict):
        raise PackageRefused({})
    _check(package, "main", str, "string", required=True)
    if "\0" in package["main"]:
        raise PackageRefused("main of package.json holds a NUL, which no path can")
    for key in ("name", "version", "description", "author"):
        _check(package, key, str, "string")
    for key in ("keywords", "args"):
        _check(package, key, list, "array")
    _check(package, "engines", dict, "object")
    engines = package.get("engines") or {}
    _check_engines(engines)
    shown = ("description", "author", "keywords", "args", "repository")
    return {
        "engines": engines,
        "entrypointPath": package["main"],
        "version": package.get("version", ""),
        "name": package.get("name", ""),
        **{key: package[key] for key in shown if key in package},
    }


def _check(
    package: dict[str, Any], key: str, kind: type, word: str, *, required: bool = False
) -> None:
    value = package.get(key)
    if key not in package and not required:
        return
    if not isinstance(value, kind):
        shown = json.dumps(value, separators=(",", ":")) if key in package else "undefined"
        raise PackageRefused(
            f'<SequencePackageJSON> decoder failed at key "{key}" with error: {shown} is not a valid {word}'
        )


def _check_engines(engines: dict[str, Any]) -> None:
    if len(engines) > 1 or "python3" in engines:
        return  # the start refuses too many of them, as on a real hub
    named = ", ".join(map(repr, engines)) or "no engine, which means 'node'"
    raise PackageRefused(
        f"LocalHub runs only Python sequences (engine 'python3'); this package names {named}: "
        "send it to a Transform Hub"
    )


def remove(folder: Path) -> None:
    """Remove a folder and its content; it may be gone already."""
    with contextlib.suppress(OSError, RecursionError):
        shutil.rmtree(folder)
