"""A folder -> a sequence package: gzip-compressed tar with `package.json` at its root."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path

_LEFT_OUT = {"__pycache__", ".git"}


def pack(folder: str | Path) -> bytes:
    """Return the sequence package of a folder; the same files give the same bytes.

    `__pycache__` and `.git` are left out. Times and owners are not recorded.

    Args:
        folder: A folder with a `package.json` that names a `main` file.

    Raises:
        ValueError: There is no such folder, or its package.json is missing, not JSON, or names no `main`.
    """
    root = Path(folder)
    _check(root)
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path in sorted(root.rglob("*")):
            if path.is_file() and not _LEFT_OUT.intersection(path.relative_to(root).parts):
                _add(archive, path, path.relative_to(root).as_posix())
    return buffer.getvalue()


def _check(root: Path) -> None:
    manifest = root / "package.json"
    if not manifest.is_file():
        raise ValueError(f"{str(root)!r} is not a sequence: it has no package.json")
    try:
        package = json.loads(manifest.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{str(manifest)!r} is not JSON: {error}") from error
    main = package.get("main") if isinstance(package, dict) else None
    if not isinstance(main, str) or not main:
        raise ValueError(f"{str(manifest)!r} names no main file")


def _add(archive: tarfile.TarFile, path: Path, name: str) -> None:
    entry = tarfile.TarInfo(name)
    stat = path.stat()
    entry.size = stat.st_size
    entry.mode = 0o755 if stat.st_mode & 0o111 else 0o644
    with path.open("rb") as file:
        archive.addfile(entry, file)
