"""Sources that have nothing left: a warning says so, as nothing would be sent of them."""

from __future__ import annotations

import contextlib
import gzip
import io
import mmap
import os
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scramjet_client.uploads.options import plan

# The tests close the files of the tables.
# ruff: noqa: SIM115


def _written(file: Any, data: Any) -> Any:
    file.write(data)
    return file


def _read(file: Any) -> Any:
    file.read()
    return file


def _begun(file: Any) -> Any:
    file.readline()
    return file


def _looped(file: Any) -> Any:
    list(file)
    return file


def _pipe() -> Any:
    reading, writing = os.pipe()
    os.close(writing)
    return os.fdopen(reading, "rb")


def _map(data: bytes, read: int) -> mmap.mmap:
    made = mmap.mmap(-1, len(data))
    made.write(data)
    made.seek(read)
    return made


SPENT: dict[str, Callable[[Path], Any]] = {
    "BytesIO": lambda path: _written(io.BytesIO(), b"a"),
    "StringIO": lambda path: _written(io.StringIO(), "a"),
    "temporary file": lambda path: _written(tempfile.TemporaryFile(), b"a"),
    "temporary text file": lambda path: _written(tempfile.TemporaryFile("w+"), "a"),
    "named temporary file": lambda path: _written(tempfile.NamedTemporaryFile(), b"a"),
    "spooled file": lambda path: _written(tempfile.SpooledTemporaryFile(), b"a"),
    "read file": lambda path: _read(path.open("rb")),
    "read file without a buffer": lambda path: _read(path.open("rb", 0)),
    "read text file": lambda path: _read(path.open(encoding="utf-8")),
    "text file after a loop": lambda path: _looped(path.open(encoding="utf-8")),
    "file to append to": lambda path: path.open("ab+"),
    "map": lambda path: _map(b"abc", 3),
    "generator": lambda path: _looped(each for each in "ab"),
}

UNSPENT: dict[str, Callable[[Path], Any]] = {
    "empty BytesIO": lambda path: io.BytesIO(),
    "empty StringIO": lambda path: io.StringIO(),
    "BytesIO": lambda path: io.BytesIO(b"a"),
    "empty file": lambda path: tempfile.TemporaryFile(),
    "file": lambda path: path.open("rb"),
    "file after a line": lambda path: _begun(path.open("rb")),
    "text file after a line": lambda path: _begun(path.open(encoding="utf-8")),
    "compressed file": lambda path: _read(gzip.open(io.BytesIO(gzip.compress(b"a")))),
    "device": lambda path: open(os.devnull, "rb"),
    "pipe": lambda path: _pipe(),
    "map": lambda path: _map(b"abc", 1),
    "new generator": lambda path: (each for each in "ab"),
    "empty bytes": lambda path: b"",
    "empty list": lambda path: [],
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "file"
    file.write_text("ąę\nb\n" * 1000, "utf-8")
    return file


def _closed(source: Any) -> Any:
    return contextlib.closing(source) if hasattr(source, "close") else contextlib.nullcontext()


@pytest.mark.parametrize("kind", SPENT)
def test_spent_source(path: Path, kind: str):
    """A source of which nothing is left is warned of, with what helps, and stays where it stands."""
    source = SPENT[kind](path)
    with _closed(source):
        place = source.tell() if hasattr(source, "tell") else None
        with pytest.warns(UserWarning, match=r"seek\(0\)|make another one") as caught:
            body = plan("input").body(source)

        assert caught[0].filename == __file__
        assert place is None or source.tell() == place
        assert list(body) == []


@pytest.mark.parametrize("kind", UNSPENT)
def test_unspent_source(path: Path, kind: str):
    """Empty sources, and those that still have something, are sent without a warning."""
    source = UNSPENT[kind](path)
    with _closed(source), warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        plan("input").body(source)
