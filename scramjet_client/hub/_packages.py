"""Packages that strangers may have made: unpacked whole and inside their folder, or refused."""

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
from typing import IO, Any, NamedTuple

from scramjet_client.hub import _json
from scramjet_client.hub._settings import Settings

_BLOCK = 1_048_576

_HEADER_LIMIT = 2**20
"""Bytes that tarfile may read at once: names and attributes of one entry, which it holds in memory."""

_HEADERS_OF_ONE = 2048
"""Bytes of headers and padding of an entry; an honest package has no more than this on average."""

_DEPTH_LIMIT = 100
"""Folders within one another; who goes down a tree by recursion must be able to, also to remove it."""

_NOT_A_PACKAGE = {"code": "PRERUNNER_ERROR", "data": "Invalid pkg tar.gz archive"}


class PackageRefused(Exception):
    """The package is not taken.

    Attributes:
        error: What the answer's body says: a sentence, or the hub's own object.
    """

    def __init__(self, error: Any) -> None:
        super().__init__(str(error))
        self.error = error


class Manifest(NamedTuple):
    """What package.json says, checked."""

    main: str
    engines: dict[str, str]
    config: dict[str, Any]


class _Headers:
    """The file of an archive for tarfile, which reads only the headers from it, and keeps them; limited in all."""

    def __init__(self, file: IO[bytes], limit: int) -> None:
        self._file = file
        self._left = limit
        self.tell, self.seek = file.tell, file.seek

    def read(self, size: int = -1) -> bytes:
        """Read, or refuse."""
        self._left -= size
        if not 0 <= size <= _HEADER_LIMIT or self._left < 0:
            raise PackageRefused("the package has an entry whose header is too large")
        return self._file.read(size)


class _Tree:
    """What is made in the folder of a package: files, folders and links, each of which counts, however it came."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.folder = folder
        self._settings = settings
        self._folders = {folder}
        self._count = 0
        self._size = 0

    def path(self, name: str) -> Path:
        """Return where an entry, or the target of a hard link, is."""
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\0" in name or "\\" in name:
            raise PackageRefused(f"the package has an entry outside of its own folder: {name!r}")
        if len(path.parts) > _DEPTH_LIMIT:
            raise PackageRefused(
                f"the package has an entry below more than {_DEPTH_LIMIT} folders: {name[:100]!r}..."
            )
        return self.folder / path

    def check_number(self, number: int) -> None:
        """Refuse a package that has more of something than it may."""
        if number > self._settings.max_package_files:
            raise PackageRefused(
                f"the package has more than {self._settings.max_package_files} entries (max_package_files)"
            )

    def count(self, size: int = 0) -> None:
        """Count one more thing, and its bytes."""
        self._count += 1
        self.check_number(self._count)
        self._size += size
        if self._size > self._settings.max_unpacked_size:
            raise _too_much(self._settings)

    def make_folder(self, path: Path) -> None:
        """Make a folder and those above it; those that are there already count once."""
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


def unpack(package: IO[bytes], folder: Path, settings: Settings) -> None:
    """Unpack a tar.gz into an empty folder. On a refusal the folder may hold a part; throw it away.

    Raises:
        PackageRefused: It is no tar.gz, or holds what it must not, or too much.
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
        except (
            tarfile.TarError,
            ValueError,
            ArithmeticError,
            RecursionError,
            LookupError,
        ) as error:
            raise PackageRefused(_NOT_A_PACKAGE) from error
        except OSError as error:
            raise PackageRefused(
                f"the package cannot be unpacked: {error.strerror or error}"
            ) from error


def _decompress(package: IO[bytes], plain: IO[bytes], settings: Settings) -> None:
    # Tar pads each entry to 512 bytes and has one header for each; what is beyond that is no package.
    limit = settings.max_unpacked_size + _HEADERS_OF_ONE * settings.max_package_files
    size = 0
    try:
        with gzip.GzipFile(fileobj=package) as packed:
            while data := packed.read(_BLOCK):
                size += len(data)
                if size > limit:
                    raise _too_much(settings)
                plain.write(data)
    except (OSError, EOFError, zlib.error) as error:
        raise PackageRefused(_NOT_A_PACKAGE) from error
    if size < tarfile.BLOCKSIZE:
        raise PackageRefused(_NOT_A_PACKAGE)


def _too_much(settings: Settings) -> PackageRefused:
    return PackageRefused(
        f"the package unpacks to more than {settings.max_unpacked_size} bytes (max_unpacked_size)"
    )


def _extract(archive: tarfile.TarFile, plain: IO[bytes], tree: _Tree) -> None:
    links: list[tuple[Path, tarfile.TarInfo]] = []
    for number, entry in enumerate(archive, 1):
        tree.check_number(
            number
        )  # also of those that make nothing, such as one folder a thousand times
        target = tree.path(entry.name)
        if entry.isdir():
            tree.make_folder(target)
        elif entry.isreg() and not entry.issparse():
            tree.count(entry.size)
            tree.make_folder(target.parent)
            _write(plain, entry, target)
        elif entry.issym() or entry.islnk():
            # Made last, so that nothing is ever written through a link.
            links.append((target, entry))
        else:
            raise PackageRefused(
                f"the package has an entry that is no file, folder or link: {entry.name!r}"
            )
    for target, entry in links:
        if entry.islnk():
            _copy(tree, target, entry)
    root = os.path.realpath(tree.folder)
    symbolic = [(target, entry) for target, entry in links if entry.issym()]
    for target, entry in symbolic:
        # Nothing may be made by way of a link that leads out, and that link was made just before.
        _stay_inside(root, target.parent, entry)
        tree.make_folder(target.parent)
        tree.count(len(entry.linkname))
        os.symlink(entry.linkname, target)
    for target, entry in symbolic:
        # Once more, now that all are there: where a link leads may depend on those that came after it.
        _stay_inside(root, target, entry)


def _stay_inside(root: str, path: Path, entry: tarfile.TarInfo) -> None:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        # The system follows some dozens of links, and Python any number: hours for some thousand links of links.
        # One that leads through too many is an OSError, and no package.
        path.stat()
    if os.path.commonpath([root, os.path.realpath(path)]) != root:
        raise PackageRefused(f"the package has a link that leads out of it: {entry.name!r}")


def _write(plain: IO[bytes], entry: tarfile.TarInfo, target: Path) -> None:
    # Not by tarfile, to which the file gives headers alone.
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
    """Make a copy in the place of a hard link; as all copies it takes its room."""
    original = tree.path(entry.linkname)
    if not original.is_file():
        raise PackageRefused(f"the package has a link to nothing: {entry.name!r}")
    tree.count(original.stat().st_size)
    tree.make_folder(target.parent)
    shutil.copyfile(original, target)
    target.chmod(original.stat().st_mode)


def read_manifest(folder: Path) -> Manifest:
    """Return what the package's package.json says.

    Raises:
        PackageRefused: It is missing, wrong, or for another engine than Python.
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
    for key, kind, word in (
        ("keywords", list, "array"),
        ("args", list, "array"),
        ("engines", dict, "object"),
    ):
        _check(package, key, kind, word)
    engines = package.get("engines") or {}
    _check_engines(engines)
    shown = ("description", "author", "keywords", "args", "repository")
    config = {
        "engines": engines,
        "entrypointPath": package["main"],
        "version": package.get("version", ""),
        "name": package.get("name", ""),
        **{key: package[key] for key in shown if key in package},
    }
    return Manifest(package["main"], engines, config)


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
        return  # too many are refused at the start, as on a real hub
    named = ", ".join(map(repr, engines)) or "no engine, which means 'node'"
    raise PackageRefused(
        f"LocalHub runs Python sequences alone (engine 'python3'); this package names {named}: "
        "send it to a Transform Hub"
    )


def make_folder(parent: Path) -> Path:
    """Return a new empty folder."""
    return Path(tempfile.mkdtemp(dir=parent))


def remove(folder: Path) -> None:
    """Remove a folder and what is in it; it may be gone already."""
    with contextlib.suppress(OSError, RecursionError):
        shutil.rmtree(folder)
