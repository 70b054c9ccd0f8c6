"""The files of a package: found in a folder, with the excluded ones and the reasons, and written as a tar."""

from __future__ import annotations

import codecs
import gzip
import io
import os
import posixpath
import stat
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO

import attrs

from scramjet_client._base import Shown, public
from scramjet_client.packages.ignore import (
    IGNORE_FILE,
    Rules,
    assigns_secret,
    holds_private_key,
    holds_secret,
    is_code,
    is_database,
    is_named_secret,
    is_public,
    is_suspect,
)

_KEY_LIMIT = 16_777_216
"""Bytes to search in a file that is named like a key. Files with only public keys are smaller."""

_HEAD = 4096
"""Bytes at a file's beginning that are searched for a secret, whatever the file's name."""


@public
@attrs.frozen(kw_only=True)
class PackageEntry(Shown):
    """One entry of a package.

    Attributes:
        name: Path in the package, with `/` between its parts. The path of an empty folder ends in `/`.
        size: Bytes; 0 for links and folders.
        executable: Whether you can run it as a program.
        link: Target of a symbolic link, relative to its own place; "" for everything else.
    """

    name: str
    size: int
    executable: bool = False
    link: str = ""
    source: Path | bytes = attrs.field(default=b"", repr=False)


@attrs.define
class Found:
    """The content of a folder: entries of a package, excluded names by reason, and names that look like secrets.

    Names that `.siignore` excludes are missing too, without a reason: the user has asked for it.
    """

    entries: list[PackageEntry] = attrs.field(factory=list)
    left_out: dict[str, list[str]] = attrs.field(factory=dict)
    ignored: list[str] = attrs.field(factory=list)
    suspects: list[str] = attrs.field(factory=list)

    def leave_out(self, why: str, name: str) -> None:
        """Record an excluded name."""
        self.left_out.setdefault(why, []).append(name)


OUTSIDE = "as these links lead out of the folder"
ITSELF = "as these links lead to the folder itself"
BROKEN = "as these links lead to nothing that is in the package"
SPECIAL = "as these are sockets, devices or pipes"
SECRET = "as these may hold secrets"
HOW_TO_TAKE_SECRETS = " (take them in by `!name` in .siignore)"


def find(root: Path, *, node: bool = True, trusted: bool = False) -> Found:
    """Return the files of a folder, sorted by name.

    With `node`, `node_modules` belongs to the package. `trusted` content, just installed, is not searched for secrets.
    """
    walk = _Walk(root, Rules(_ignored(root / IGNORE_FILE), node=node), trusted)
    walk.folder(root, "")
    walk.links()
    walk.found.entries.sort(key=lambda each: each.name.encode("utf-8", "surrogateescape"))
    return walk.found


def _ignored(file: Path) -> list[str]:
    """Return the lines of an ignore file; refuse one that is not text: a rule may keep a secret out."""
    data = file.read_bytes() if file.is_file() else b""
    # Windows PowerShell writes UTF-16, and editors of Windows put a mark before UTF-8.
    encoding = (
        "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    )
    try:
        return data.decode(encoding).splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{str(file)!r} is not UTF-8: {error.reason} at byte {error.start}"
        ) from None


_JUNCTION = 0xA0000003
"""The mark of a junction, a link to a folder on Windows: `stat.IO_REPARSE_TAG_MOUNT_POINT`, which only Windows has."""


def _is_link(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry leads elsewhere; Python takes junctions, as npm makes, for folders."""
    if entry.is_symlink() or not entry.is_dir(follow_symlinks=False):
        return entry.is_symlink()
    return getattr(entry.stat(follow_symlinks=False), "st_reparse_tag", 0) == _JUNCTION


class _Walk:
    def __init__(self, root: Path, rules: Rules, trusted: bool) -> None:
        self.found = Found()
        self._root = os.path.realpath(root)
        self._rules = rules
        self._trusted = trusted
        self._links: list[tuple[str, str]] = []

    def folder(self, folder: Path, prefix: str) -> None:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda each: each.name)
        if not entries and prefix:
            self.found.entries.append(PackageEntry(name=prefix, size=0))
        for entry in entries:
            self._one(entry, prefix + entry.name)

    def _one(self, entry: os.DirEntry[str], name: str) -> None:
        is_link = _is_link(entry)
        is_folder = entry.is_dir(follow_symlinks=False) and not is_link
        verdict = self._rules.verdict(name, is_folder)
        if verdict == "ignored":
            self.found.ignored.append(name + "/" * is_folder)
        if verdict in ("needless", "ignored"):
            return
        path = Path(entry.path)
        if is_link:
            # Links come last, when all their possible targets are known.
            self._links.append((name, entry.path))
        elif is_folder and (path / "pyvenv.cfg").is_file():
            pass  # a virtual environment, whatever its name is
        elif is_folder and verdict == "secret" and not self._trusted and not _is_program(path):
            self.found.leave_out(SECRET, name + "/")
        elif is_folder:
            self.folder(path, name + "/")
        elif not entry.is_file(follow_symlinks=False):
            self.found.leave_out(SPECIAL, name)
        else:
            self._file(path, name, verdict)

    def _file(self, path: Path, name: str, verdict: str) -> None:
        if not self._trusted and not self._rules.is_named(name):
            head = _read(path, _HEAD)
            holds_key = holds_private_key(head) or is_database(head)
            public = verdict == "secret" and is_public(path.name, _read(path, _KEY_LIMIT))
            if (verdict == "secret" and not public) or (holds_key and not is_code(name)):
                self.found.leave_out(SECRET, name)
                return
            # npm has installed these files. They are not the user's, and often contain examples.
            if not public and looks_secret(path, name) and "node_modules" not in name.split("/"):
                self.found.suspects.append(name)
        self.found.entries.append(_file(path, name))

    def links(self) -> None:
        """Add the links whose target is in the package."""
        known: set[str] = set()
        for entry in self.found.entries:
            known.update(_with_parents(entry.name.rstrip("/")))
        for name, path in self._links:
            # Use the final target, so that no link depends on another one.
            real = os.path.realpath(path)
            inside = Path(os.path.relpath(real, self._root)).as_posix()
            if real == self._root:
                self.found.leave_out(ITSELF, name)
            elif not real.startswith(os.path.join(self._root, "")):
                self.found.leave_out(OUTSIDE, name)
            elif inside not in known:
                self.found.leave_out(BROKEN, name)
            else:
                link = posixpath.relpath(inside, posixpath.dirname(name) or ".")
                self.found.entries.append(PackageEntry(name=name, size=0, link=link))


def looks_secret(path: Path, name: str) -> bool:
    """Return whether a file looks like a secret, by its name or by its beginning."""
    code = is_code(name)
    if is_named_secret(name) or (is_suspect(name) and not code):
        return True
    head = _read(path, _HEAD)
    return (
        holds_private_key(head)
        or is_database(head)
        or holds_secret(head)
        or (not code and (assigns_secret(head) or _is_in_secret_folder(name)))
    )


def _is_in_secret_folder(name: str) -> bool:
    """Return whether a file lies in a folder with a secret-like name, included only because it contains a program."""
    parts = list(_with_parents(posixpath.dirname(name)))
    return any(is_named_secret(each) for each in parts)


def _is_program(folder: Path) -> bool:
    """Return whether a folder with a secret-like name is part of a program."""
    return any((folder / each).is_file() for each in ("__init__.py", "index.js", "index.ts"))


def _with_parents(name: str) -> Iterator[str]:
    while name:
        yield name
        name = posixpath.dirname(name)


def _read(path: Path, size: int) -> bytes:
    with path.open("rb") as file:
        return file.read(size)


def _file(path: Path, name: str) -> PackageEntry:
    found = path.stat()
    executable = bool(found.st_mode & stat.S_IXUSR) and os.name == "posix"
    return PackageEntry(name=name, size=found.st_size, executable=executable, source=path)


def in_memory(files: Mapping[str, bytes]) -> list[PackageEntry]:
    """Return entries for files that exist only in memory."""
    return [
        PackageEntry(name=name, size=len(content), source=content)
        for name, content in sorted(files.items())
    ]


def write(entries: Iterable[PackageEntry], target: IO[bytes]) -> None:
    """Write entries as a tar.gz whose bytes depend only on their names and contents."""
    # Names, times, owners and permissions of this machine would change the bytes for the same files.
    with (
        gzip.GzipFile("", "wb", 6, target, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for entry in entries:
            _add(archive, entry)


def _add(archive: tarfile.TarFile, entry: PackageEntry) -> None:
    info = tarfile.TarInfo(entry.name)
    info.mode = 0o755 if entry.executable else 0o644
    if entry.link:
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, entry.link, 0o777
        archive.addfile(info)
    elif entry.name.endswith("/"):
        info.type, info.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(info)
    else:
        source = entry.source
        with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
            info.size = file.seek(0, io.SEEK_END)
            file.seek(0)
            archive.addfile(info, file)
