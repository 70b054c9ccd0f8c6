"""Sources of other people's classes: what they give decides, and what they do wrong is told and hangs nothing."""

from __future__ import annotations

import codecs
import contextlib
import io
import logging
import os
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from scramjet_client import HostClient, InstanceClient, UploadError
from tests.support.waiting import LIMIT

TEXT = "zażółć\n"


async def echo(_context: Any, stream: Any) -> Any:
    async for chunk in stream:
        yield chunk


async def kinds(_context: Any, stream: Any) -> Any:
    async for chunk in stream:
        yield f"{type(chunk).__name__}\n"


@pytest.fixture
def instance(host: HostClient) -> InstanceClient:
    return host.deploy(echo).start()


# -- text or bytes ----------------------------------------------------------------------------------


class Reads:
    """A file of a user's own class."""

    def __init__(self, *items: Any) -> None:
        self._items = [*items, items[-1][:0]]

    def read(self, _size: int = -1) -> Any:
        return self._items.pop(0)


class Wrapper:
    """A wrapper that shows what the file below has, as those of tqdm and Django do."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def read(self, *size: int) -> Any:
        return self._file.read(*size)


FILES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "open": (lambda path: path.open(encoding="utf-8"), "str"),
    "open of bytes": (lambda path: path.open("rb"), "bytes"),
    "StringIO": (lambda _path: io.StringIO(TEXT), "str"),
    "codecs.open": (lambda path: codecs.open(str(path), encoding="utf-8"), "str"),  # noqa: SIM115
    "codecs.getreader": (lambda path: codecs.getreader("utf-8")(path.open("rb")), "str"),
    "wrapper of text": (lambda _path: Wrapper(io.StringIO(TEXT)), "str"),
    "wrapper of bytes": (lambda path: Wrapper(path.open("rb")), "bytes"),
    "own class of text": (lambda _path: Reads(TEXT, TEXT), "str"),
    "own class of bytes": (lambda _path: Reads(TEXT.encode()), "bytes"),
    "mock of text": (lambda _path: mock.mock_open(read_data=TEXT)(), "str"),
    "mock of bytes": (lambda _path: mock.mock_open(read_data=TEXT.encode())(), "bytes"),
    "temporary text": (lambda path: _temporary(path, "w+"), "str"),
    "temporary bytes": (lambda path: _temporary(path, "w+b"), "bytes"),
    "spooled text": (lambda path: _spooled(path), "str"),  # noqa: PLW0108
}


def _temporary(path: Path, mode: str) -> Any:
    file: Any = tempfile.NamedTemporaryFile(mode)  # noqa: SIM115
    file.write(path.read_bytes() if "b" in mode else path.read_text("utf-8"))
    file.seek(0)
    return file


def _spooled(path: Path) -> Any:
    file = tempfile.SpooledTemporaryFile(mode="w+", encoding="utf-8")  # noqa: SIM115
    file.write(path.read_text("utf-8"))
    file.seek(0)
    return file


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", FILES)
def test_a_file_gives_text_or_bytes(host: HostClient, tmp_path: Path, name: str):
    """Without a type, the program gets text of whatever file gives text."""
    path = tmp_path / "file"
    path.write_text(TEXT, "utf-8")
    make, expected = FILES[name]
    instance = host.deploy(kinds).start()

    with (
        contextlib.closing(make(path))
        if "own" not in name
        else contextlib.nullcontext(make(path)) as file
    ):
        instance.send_input(file, end=True)

    with instance.get_stream("output") as output:
        assert set(output.read().decode().split()) == {expected}


# -- non-blocking files -----------------------------------------------------------------------------


@pytest.mark.parametrize("wrapped", [lambda file: file, Wrapper])
@pytest.mark.parametrize("buffering", [0, -1])
def test_non_blocking_pipe(instance: InstanceClient, buffering: int, wrapped: Callable[[Any], Any]):
    """A pipe that has nothing to read for now has not ended."""
    here, there = os.pipe()
    os.set_blocking(here, False)
    os.write(there, b"one\n")

    with open(here, "rb", buffering=buffering) as file, instance.get_stream("output") as output:
        upload = instance.submit_input(wrapped(file), end=True)
        assert output.readline() == b"one\n"
        os.write(there, b"two\n")
        os.close(there)

        upload.result(LIMIT)
        assert output.read() == b"two\n"


@pytest.mark.parametrize("json", [False, True])
def test_non_blocking_text(instance: InstanceClient, json: bool):
    """Python's text files lose data then, so they are refused."""
    here, there = os.pipe()
    os.set_blocking(here, False)

    with open(here, encoding="utf-8") as file, pytest.raises(ValueError, match="set_blocking"):
        instance.send_input(file, json=json)

    os.close(there)


# -- errors -----------------------------------------------------------------------------------------


class Unshowable(Exception):
    """An error that can't be shown, as those of detached objects can't."""

    def __repr__(self) -> str:
        raise RuntimeError("detached")

    __str__ = __repr__


def fails() -> Iterator[bytes]:
    yield b"a"
    raise Unshowable


def _converse(instance: InstanceClient, source: Any, progress: Any) -> None:
    with instance.inout(source, progress=progress) as stream:
        stream.read()


WAYS: dict[str, Callable[[InstanceClient, Any, Any], object]] = {
    "send_input": lambda to, source, progress: to.send_input(source, progress=progress),
    "submit_input": lambda to, source, progress: to.submit_input(source, progress=progress).result(
        LIMIT
    ),
    "inout": _converse,
}


def refuses(_sent: int, _total: int | None) -> None:
    raise Unshowable


@pytest.mark.parametrize(
    ("source", "progress", "part"),
    [(fails, None, "source"), (lambda: b"a", refuses, "progress hook")],
)
@pytest.mark.parametrize("way", WAYS)
def test_error_that_cannot_be_shown(
    instance: InstanceClient, way: str, source: Any, progress: Any, part: str
):
    """The upload ends, and its error names the type of the cause."""
    with pytest.raises(UploadError, match=f"its {part} raised Unshowable") as caught:
        WAYS[way](instance, source(), progress)

    assert way == "inout" or type(caught.value.__cause__) is Unshowable


class Closes:
    """An iterator whose `close` is not what it should be."""

    def __init__(self, close: Any) -> None:
        self.close = close
        self._items = iter(["x", "y"])

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        return next(self._items)


def broken_close() -> None:
    raise OSError("the disk is full")


@pytest.mark.parametrize("type", [None, "text/plain"])
def test_close_that_raises(
    instance: InstanceClient, caplog: pytest.LogCaptureFixture, type: str | None
):
    """All has been sent, so the upload succeeds, and a warning in the log says what happened."""
    with caplog.at_level(logging.WARNING):
        answer = instance.send_input(Closes(broken_close), type=type, end=True)

    assert answer.bytes_written == 2
    assert [each.getMessage() for each in caplog.records] == [
        "a source could not be closed: OSError('the disk is full')"
    ]


@pytest.mark.parametrize("type", [None, "text/plain"])
def test_close_that_is_no_method(
    instance: InstanceClient, caplog: pytest.LogCaptureFixture, type: str | None
):
    """A column named "close" is left alone."""
    assert instance.send_input(Closes("2026-01-01"), type=type, end=True).bytes_written == 2
    assert caplog.records == []


@pytest.mark.parametrize(
    ("source", "named"),
    [
        (lambda: "a\ud800", "the source"),
        (lambda: ["a", "\udcff"], "item 1 of the source"),
        (lambda: iter(["a", "\udcff"]), "item 1 of the source"),
        (lambda: Reads("\udcff"), "what a file gives"),
    ],
)
def test_half_of_a_character(instance: InstanceClient, source: Callable[[], Any], named: str):
    """The error names the item and the character."""
    with pytest.raises((ValueError, UploadError), match=named) as caught:
        instance.send_input(source())

    assert "half of a character" in str(caught.value)


def test_late_text_when_warnings_are_errors(instance: InstanceClient):
    """`-W error` does not end an upload: the warning is shown."""
    gate = threading.Event()

    def late() -> Iterator[str]:
        gate.wait(LIMIT)
        yield "a\n"

    with warnings.catch_warnings(record=True) as caught, instance.get_stream("output") as output:
        warnings.simplefilter("error")
        upload = instance.submit_input(late(), end=True)
        gate.set()
        upload.result(LIMIT)

        assert output.read() == b"a\n"
    assert "came late" in str(caught[0].message)
