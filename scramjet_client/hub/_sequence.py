"""Sequences: packages on the hub."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, Any

import attrs

from scramjet_client.hub._http import TooLarge
from scramjet_client.hub._packages import read_manifest, remove, unpack
from scramjet_client.hub._settings import HubSettings

LOCATION = "sth-local"
"""The id of this hub; a real hub says "sth-0"."""


@attrs.frozen(eq=False)
class Sequence:
    """A package, unpacked into its own folder."""

    id: str
    folder: Path
    manifest: dict[str, Any]
    _size: int

    @property
    def main(self) -> str:
        """The entry file, as package.json names it."""
        main: str = self.manifest["entrypointPath"]
        return main

    @property
    def entry(self) -> Path:
        """The path of the entry file. A path that leads out of the package counts as missing."""
        path = self.folder / self.main
        root = os.path.realpath(self.folder)
        if os.path.commonpath([root, os.path.realpath(path)]) != root:
            return self.folder / "no-such-file-in-the-package"
        return path

    @property
    def config(self) -> dict[str, Any]:
        """The hub's description of it."""
        order = ("engines", "entrypointPath", "version", "name")
        return {
            "type": "process",
            **{key: self.manifest[key] for key in order},
            "id": self.id,
            "sequenceDir": str(self.folder),
            **{key: value for key, value in self.manifest.items() if key not in order},
            "language": "py",
            "packageSize": self._size,
        }

    def brief(self) -> dict[str, Any]:
        """Return the short form that an instance's info contains."""
        return {"id": self.id, "config": self.config, "location": LOCATION}


async def receive(chunks: AsyncIterator[bytes], storage: Path, limit: int) -> tuple[IO[bytes], int]:
    """Return an open file with an upload, and its size; raise `TooLarge` if it has more than `limit` bytes."""
    file = tempfile.TemporaryFile(dir=storage)  # noqa: SIM115 - the caller closes it
    size = 0
    try:
        async for chunk in chunks:
            size += len(chunk)
            if size > limit:
                raise TooLarge
            file.write(chunk)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file, size


async def make_sequence(
    package: IO[bytes], size: int, storage: Path, settings: HubSettings, id: str | None = None
) -> Sequence:
    """Unpack a package and return its sequence, ready to start.

    Raises:
        PackageRefused: The hub refuses the package, and has removed all of it.
    """
    loop = asyncio.get_running_loop()
    folder = Path(tempfile.mkdtemp(dir=storage))
    unpacking = loop.run_in_executor(None, _unpacked, package, folder, settings)
    try:
        manifest = await asyncio.shield(unpacking)
    except BaseException:
        # A client that leaves ends this function, but not the thread, which would go on making files.
        await asyncio.wait([unpacking])
        await asyncio.shield(loop.run_in_executor(None, remove, folder))
        raise
    return Sequence(id or str(uuid.uuid4()), folder, manifest, size)


def _unpacked(package: IO[bytes], folder: Path, settings: HubSettings) -> dict[str, Any]:
    unpack(package, folder, settings)
    return read_manifest(folder)


def copy_folder(source: Path, storage: Path) -> Sequence:
    """Return a sequence from a copy of a local folder."""
    folder = Path(tempfile.mkdtemp(dir=storage))
    shutil.copytree(source, folder, dirs_exist_ok=True)
    return Sequence(str(uuid.uuid4()), folder, read_manifest(folder), 0)
