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

from scramjet_client.hub._settings import Settings

_BLOCK = 1_048_576

_HEADER_LIMIT = 4 * 2**20
"""Bytes that tarfile may read at once: names and attributes of one entry, which it holds in memory."""

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


class _Careful:
    """A file that refuses to be read in pieces that no honest header needs."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.tell, self.seek = file.tell, file.seek

    def read(self, size: int = -1) -> bytes:
        """Read, or refuse."""
        if not 0 <= size <= _HEADER_LIMIT:
            raise PackageRefused("the package has an entry whose header is too large")
        return self._file.read(size)


def unpack(package: IO[bytes], folder: Path, settings: Settings) -> None:
    """Unpack a tar.gz into an empty folder. On a refusal the folder may hold a part; throw it away.

    Raises:
        PackageRefused: It is no tar.gz, or holds what it must not, or too much.
    """
    with tempfile.TemporaryFile(dir=folder.parent) as plain:
        _decompress(package, plain, settings)
        plain.seek(0)
        try:
            with tarfile.open(fileobj=_Careful(plain), mode="r:") as archive:  # type: ignore[call-overload]
                _extract(archive, folder, settings)
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
    limit = settings.max_unpacked_size + 2048 * settings.max_package_files
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


def _extract(archive: tarfile.TarFile, folder: Path, settings: Settings) -> None:
    links: list[tuple[Path, tarfile.TarInfo]] = []
    size = 0
    for count, entry in enumerate(archive, 1):
        if count > settings.max_package_files:
            raise PackageRefused(
                f"the package has more than {settings.max_package_files} entries (max_package_files)"
            )
        target = folder / _inside(entry.name)
        if entry.isdir():
            target.mkdir(parents=True, exist_ok=True)
        elif entry.isreg() and not entry.issparse():
            size += entry.size
            if size > settings.max_unpacked_size:
                raise _too_much(settings)
            _write(archive, entry, target)
        elif entry.issym() or entry.islnk():
            # Made last, so that nothing is ever written through a link.
            links.append((target, entry))
        else:
            raise PackageRefused(
                f"the package has an entry that is no file, folder or link: {entry.name!r}"
            )
    _link(folder, links)


def _inside(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name or "\\" in name:
        raise PackageRefused(f"the package has an entry outside of its own folder: {name!r}")
    return path


def _write(archive: tarfile.TarFile, entry: tarfile.TarInfo, target: Path) -> None:
    source = archive.extractfile(entry)
    assert source is not None
    target.parent.mkdir(parents=True, exist_ok=True)
    with source, target.open("wb") as file:
        shutil.copyfileobj(source, file, 65536)
        if file.tell() != entry.size:
            raise PackageRefused(_NOT_A_PACKAGE)
    target.chmod(0o755 if entry.mode & 0o111 else 0o644)


def _link(folder: Path, links: list[tuple[Path, tarfile.TarInfo]]) -> None:
    for target, entry in links:
        if entry.islnk():
            original = folder / _inside(entry.linkname)
            if not original.is_file():
                raise PackageRefused(f"the package has a link to nothing: {entry.name!r}")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(original, target)
    symbolic = [(target, entry) for target, entry in links if entry.issym()]
    root = os.path.realpath(folder)
    for target, entry in symbolic:
        # Nothing may be made by way of a link that leads out, and that link was made just before.
        _stay_inside(root, target.parent, entry)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.symlink(entry.linkname, target)
    for target, entry in symbolic:
        # Once more, now that all are there: where a link leads may depend on those that came after it.
        _stay_inside(root, target, entry)


def _stay_inside(root: str, path: Path, entry: tarfile.TarInfo) -> None:
    if os.path.commonpath([root, os.path.realpath(path)]) != root:
        raise PackageRefused(f"the package has a link that leads out of it: {entry.name!r}")


def read_manifest(folder: Path) -> Manifest:
    """Return what the package's package.json says.

    Raises:
        PackageRefused: It is missing, wrong, or for another engine than Python.
    """
    path = folder / "package.json"
    try:
        with path.open("rb") as file:
            package = json.loads(file.read(_HEADER_LIMIT))
    except OSError as error:
        code = {"errno": -(error.errno or 2), "code": "ENOENT", "syscall": "open"}
        raise PackageRefused({**code, "path": str(path)}) from error
    except (ValueError, RecursionError) as error:
        raise PackageRefused({}) from error
    if not isinstance(package, dict):
        raise PackageRefused({})
    _check(package, "main", str, "string", required=True)
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
    with contextlib.suppress(OSError):
        shutil.rmtree(folder)
