"""Every kind of object that may be given as a source: what is sent of it, or what its refusal says."""

# ruff: noqa: SIM115, PLW0108 - each case is a function that makes a source, and the fixture closes them
from __future__ import annotations

import array
import asyncio
import bz2
import codecs
import collections
import concurrent.futures
import contextlib
import ctypes
import dataclasses
import datetime
import decimal
import email
import gzip
import hashlib
import http.client
import http.server
import io
import lzma
import mmap
import multiprocessing
import os
import pickle
import queue
import socket
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import threading
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePath
from typing import Any

import click.utils
import fsspec
import numpy as np
import pytest
import requests
import urllib3
from tqdm.utils import CallbackIOWrapper

from scramjet_client.uploads.sources import JsonLines, Source, size_of

TEXT = "zażółć\ngęślą\njaźń"
DATA = TEXT.encode()


class ScratchDir:
    """What makes the sources of the table; `close` ends what they were made with."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ends = contextlib.ExitStack()

    def file(self, data: bytes = DATA) -> Path:
        path = self.path / f"data-{len(list(self.path.iterdir()))}"
        path.write_bytes(data)
        return path

    def open(self, data: bytes = DATA, mode: str = "rb", **options: Any) -> Any:
        return self.ends.enter_context(open(self.file(data), mode, **options))

    def keep(self, value: Any) -> Any:
        return self.ends.enter_context(value)

    def pipe(self, mode: str = "rb", data: bytes = DATA) -> Any:
        reading, writing = os.pipe()
        os.write(writing, data)
        os.close(writing)
        return self.keep(os.fdopen(reading, mode))

    def coroutine(self) -> Any:
        made = AsyncFile().read()
        self.ends.callback(made.close)
        return made

    def served(self) -> str:
        """Return the address of a web server that gives the data."""

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(DATA) + 5 * (self.path == "/cut")))
                self.end_headers()
                self.wfile.write(DATA)

            def log_message(self, *_: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        self.ends.callback(lambda: (server.shutdown(), thread.join(), server.server_close()))
        return f"http://127.0.0.1:{server.server_port}"


@pytest.fixture
def made(tmp_path: Path) -> Iterator[ScratchDir]:
    scratch = ScratchDir(tmp_path)
    with scratch.ends:
        yield scratch


# -- readers that do something to what they read --------------------------------------------------


def shouted(data: Any) -> Any:
    return data if data is None else data.upper()


class ShoutRead(io.BytesIO):
    def read(self, size: int | None = -1) -> bytes:
        return shouted(super().read(size))


class ShoutLine(io.BytesIO):
    def readline(self, size: int | None = -1) -> bytes:
        return shouted(super().readline(size))


class ShoutLoop(io.BytesIO):
    def __iter__(self) -> Any:
        return map(shouted, io.BytesIO(self.getvalue()))


class ShoutNext(io.BytesIO):
    def __next__(self) -> bytes:
        return shouted(super().__next__())


class ShoutRead1(io.BufferedReader):
    def read1(self, size: int = -1) -> bytes:
        return shouted(super().read1(size))


class ShoutBuffered(io.BufferedReader):
    def read(self, size: int | None = -1) -> bytes:
        return shouted(super().read(size))


class ShoutInto(io.BufferedReader):
    def readinto(self, buffer: Any) -> int:
        count = super().readinto(buffer)
        buffer[:count] = shouted(bytes(buffer[:count]))
        return count


class ShoutFile(io.FileIO):
    def read(self, size: int | None = -1) -> bytes:
        return shouted(super().read(size))


class ShoutFileInto(io.FileIO):
    def readinto(self, buffer: Any) -> int:
        count = super().readinto(buffer)
        buffer[:count] = shouted(bytes(buffer[:count]))
        return count


class ShoutRaw(io.RawIOBase):
    """Says not that it is readable, which RawIOBase then denies."""

    def __init__(self, file: Any) -> None:
        self.file = file

    def readinto(self, buffer: Any) -> int:
        data = shouted(self.file.read(len(buffer)))
        buffer[: len(data)] = data
        return len(data)


class ShoutRawRead(io.RawIOBase):
    def __init__(self, file: Any) -> None:
        self.file = file

    def read(self, size: int = -1) -> bytes:
        return shouted(self.file.read(size))


class ShoutText(io.TextIOWrapper):
    def read(self, size: int | None = -1) -> str:
        return shouted(super().read(size))


class ShoutTextLine(io.TextIOWrapper):
    def readline(self, size: int = -1) -> str:  # type: ignore[override]
        return shouted(super().readline(size))


class ShoutWrapper:
    """The usual wrapper: it sees `read`, and passes everything else on."""

    def __init__(self, file: Any) -> None:
        self.file = file

    def read(self, size: int = -1) -> Any:
        return shouted(self.file.read(size))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


class ShoutInherited(ShoutBuffered):
    """Inherits from a reader that does something, and adds nothing."""


class ShoutMap(mmap.mmap):
    def read(self, size: int | None = -1) -> bytes:
        return shouted(super().read(size))


class Pieces:
    """A file that gives what it is made of."""

    def __init__(self, *pieces: Any) -> None:
        self._pieces = list(pieces)

    def read(self, size: int = -1) -> Any:
        return self._pieces.pop(0)


class NoFile:
    read = True

    def __iter__(self) -> Iterator[str]:
        return iter("ab")


class Indexed:
    def __getitem__(self, at: int) -> str:
        return "ab"[at]


class Named:
    def __init__(self, name: str | bytes) -> None:
        self._name = name

    def __fspath__(self) -> str | bytes:
        return self._name


def cursor(made: ScratchDir, row_factory: Any) -> sqlite3.Cursor:
    base = made.keep(contextlib.closing(sqlite3.connect(":memory:")))
    base.row_factory = row_factory
    return base.execute("select 'x' as name")


def row() -> sqlite3.Row:
    with contextlib.closing(sqlite3.connect(":memory:")) as base:
        base.row_factory = sqlite3.Row
        found: sqlite3.Row = base.execute("select 'x' as name").fetchone()
    return found


class OnlyRead:
    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def read(self, size: int) -> bytes:
        return self._file.read(size)


class PassesOn:
    """Passes every attribute on, as click's and tempfile's do."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def hashing(file: Any) -> Any:
    """Give a file's `read` a hook by an attribute of the object, as tqdm does."""
    read = file.read
    file.read = lambda size=-1: shouted(read(size))
    return file


SHOUTED = DATA.upper()
SHOUTED_TEXT = TEXT.upper().encode()
LATIN = "é\nà".encode("latin-1")

Make = Callable[[ScratchDir], Any]

READ: dict[str, tuple[Make, bytes]] = {
    # What decodes.
    "codecs.open": (
        lambda made: codecs.open(made.file(LATIN), encoding="latin-1"),
        "é\nà".encode(),
    ),
    "codecs.open utf-16": (
        lambda made: codecs.open(made.file(TEXT.encode("utf-16")), encoding="utf-16"),
        DATA,
    ),
    "codecs.getreader": (
        lambda made: codecs.getreader("latin-1")(made.open(LATIN)),
        "é\nà".encode(),
    ),
    "codecs.getreader of a pipe": (
        lambda made: codecs.getreader("latin-1")(made.pipe(data=LATIN)),
        "é\nà".encode(),
    ),
    "EncodedFile": (
        lambda made: codecs.EncodedFile(made.open(LATIN), "utf-8", "latin-1"),
        "é\nà".encode(),
    ),
    "StreamReaderWriter": (
        lambda made: codecs.StreamReaderWriter(
            made.open(LATIN), codecs.getreader("latin-1"), codecs.getwriter("latin-1")
        ),
        "é\nà".encode(),
    ),
    "text file of utf-16": (
        lambda made: made.open(TEXT.encode("utf-16"), "r", encoding="utf-16"),
        DATA,
    ),
    "text pipe": (lambda made: made.pipe("r"), DATA),
    "StringIO": (lambda made: io.StringIO(TEXT), DATA),
    "gzip": (lambda made: gzip.open(made.file(gzip.compress(DATA))), DATA),
    "gzip text": (
        lambda made: gzip.open(made.file(gzip.compress(LATIN)), "rt", encoding="latin-1"),
        "é\nà".encode(),
    ),
    "gzip members": (
        lambda made: gzip.open(made.file(gzip.compress(DATA) + gzip.compress(DATA))),
        DATA + DATA,
    ),
    "bz2": (lambda made: bz2.open(made.file(bz2.compress(DATA))), DATA),
    "lzma": (lambda made: lzma.open(made.file(lzma.compress(DATA))), DATA),
    "zip member": (lambda made: zipped(made).open("member"), DATA),
    # What does something in one of its ways of reading.
    "read of BytesIO": (lambda made: ShoutRead(DATA), SHOUTED),
    "readline of BytesIO": (lambda made: ShoutLine(DATA), SHOUTED),
    "loop of BytesIO": (lambda made: ShoutLoop(DATA), SHOUTED),
    "next of BytesIO": (lambda made: ShoutNext(DATA), SHOUTED),
    "read of BufferedReader": (lambda made: ShoutBuffered(made.open(buffering=0)), SHOUTED),
    "read1 of BufferedReader": (lambda made: ShoutRead1(made.open(buffering=0)), SHOUTED),
    "readinto of BufferedReader": (lambda made: ShoutInto(made.open(buffering=0)), SHOUTED),
    "read of FileIO": (lambda made: made.keep(ShoutFile(str(made.file()))), SHOUTED),
    "readinto of FileIO": (lambda made: made.keep(ShoutFileInto(str(made.file()))), SHOUTED),
    "readinto of RawIOBase": (lambda made: ShoutRaw(made.open()), SHOUTED),
    "read of RawIOBase": (lambda made: ShoutRawRead(made.open()), SHOUTED),
    "RawIOBase in a BufferedReader": (
        lambda made: io.BufferedReader(readable(ShoutRaw(made.open()))),
        SHOUTED,
    ),
    "read of TextIOWrapper": (lambda made: ShoutText(made.open(), "utf-8"), SHOUTED_TEXT),
    "read of TextIOWrapper on a pipe": (
        lambda made: ShoutText(made.pipe(), "utf-8"),
        SHOUTED_TEXT,
    ),
    "readline of TextIOWrapper": (lambda made: ShoutTextLine(made.open(), "utf-8"), SHOUTED_TEXT),
    "wrapper with __getattr__": (lambda made: ShoutWrapper(made.open()), SHOUTED),
    "wrapper in a wrapper": (lambda made: PassesOn(ShoutWrapper(made.open())), SHOUTED),
    "inherited read": (lambda made: ShoutInherited(made.open(buffering=0)), SHOUTED),
    "read of the object": (lambda made: hashing(ShoutWrapper(made.open())), SHOUTED),
    # What only passes on, or is read as it is.
    "wrapper that passes on": (lambda made: PassesOn(made.open()), DATA),
    "only read": (lambda made: OnlyRead(DATA), DATA),
    "NamedTemporaryFile": (lambda made: written(made.keep(tempfile.NamedTemporaryFile())), DATA),
    "NamedTemporaryFile of text": (
        lambda made: written(made.keep(tempfile.NamedTemporaryFile("w+", encoding="utf-16")), TEXT),
        DATA,
    ),
    "SpooledTemporaryFile": (
        lambda made: written(made.keep(tempfile.SpooledTemporaryFile())),
        DATA,
    ),
    "TemporaryFile": (lambda made: written(made.keep(tempfile.TemporaryFile())), DATA),
    "click's LazyFile": (
        lambda made: made.keep(click.utils.LazyFile(str(made.file()), "rb")),
        DATA,
    ),
    "fsspec": (lambda made: made.keep(fsspec.open(f"file://{made.file()}").open()), DATA),
    "mmap": (lambda made: mapped(made), DATA),
    "mmap in the middle": (lambda made: moved(mapped(made), 3), DATA[3:]),
    "read of mmap": (lambda made: ShoutMap(made.open().fileno(), 0, prot=mmap.PROT_READ), SHOUTED),
    "text and bytes in turn": (
        lambda made: Pieces(b"a", "\u017c", bytearray(b"b"), ""),
        "ażb".encode(),
    ),
    "attribute of that name": (lambda made: NoFile(), b"ab"),
    # Names of files.
    "PurePath": (lambda made: PurePath(made.file()), DATA),
    "DirEntry": (lambda made: next(iter(list(os.scandir(made.file().parent)))), DATA),
    "PathLike": (lambda made: Named(str(made.file())), DATA),
    "PathLike of bytes": (lambda made: Named(os.fsencode(made.file())), DATA),
    # What is iterated.
    "set": (lambda made: {TEXT}, DATA),
    "values of a dict": (lambda made: {1: TEXT}.values(), DATA),
    "map": (lambda made: map(str, range(3)), b"012"),
    "by index": (lambda made: Indexed(), b"ab"),
    "iter with an end": (lambda made: iter(io.BytesIO(DATA).read, b""), DATA),
    "cursor of single values": (lambda made: cursor(made, lambda _, found: found[0]), b"x"),
    "closed generator": (lambda made: closed(item for item in "ab"), b""),
    "nothing in a list": (lambda made: [], b""),
    "nothing in a range": (lambda made: range(0), b""),
    "raw file": (lambda made: made.open(buffering=0), DATA),
    "in the middle": (lambda made: moved(made.open(), 3), DATA[3:]),
    "in the middle of a file for both": (lambda made: moved(made.open(mode="r+b"), 3), DATA[3:]),
    "Path": (lambda made: made.file(), DATA),
    "pipe": (lambda made: made.pipe(), DATA),
    "stdout of a program": (lambda made: program(made), DATA),
    "socket.makefile": (lambda made: made.keep(socket_with(made).makefile("rb")), DATA),
    "urlopen": (lambda made: made.keep(urllib.request.urlopen(made.served())), DATA),
    "http.client": (lambda made: answered(made), DATA),
    "response.raw": (lambda made: got(made).raw, DATA),
    "iter_content": (lambda made: got(made).iter_content(7), DATA),
    "iter_lines": (lambda made: got(made).iter_lines(), DATA.replace(b"\n", b"")),
    "response": (lambda made: got(made), DATA),
    # Memory of single bytes.
    "array of bytes": (lambda made: array.array("B", DATA), DATA),
    "numpy of bytes": (lambda made: np.frombuffer(DATA, "u1"), DATA),
    "numpy of bytes, in steps": (lambda made: np.frombuffer(DATA, "u1")[::2], DATA[::2]),
    "numpy of bytes, by columns": (
        lambda made: np.asfortranarray(np.frombuffer(DATA[:6], "u1").reshape(2, 3)),
        DATA[:6],
    ),
    "numpy of bytes, none": (lambda made: np.zeros((0, 3), "u1"), b""),
    "view in steps": (lambda made: memoryview(DATA)[::-1], DATA[::-1]),
    "numpy's own str": (lambda made: np.str_(TEXT), DATA),
    "numpy's own bytes": (lambda made: np.bytes_(DATA), DATA),
    "items of memory": (
        lambda made: iter([memoryview(DATA)[::2], bytearray(b"x")]),
        DATA[::2] + b"x",
    ),
    "items of numpy": (
        lambda made: [np.frombuffer(DATA, "u1")[::2], np.str_("ż")],
        DATA[::2] + "ż".encode(),
    ),
}


def zipped(made: ScratchDir) -> zipfile.ZipFile:
    path = made.file()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("member", DATA)
    return made.keep(zipfile.ZipFile(path))


def readable(raw: io.RawIOBase) -> io.RawIOBase:
    raw.readable = lambda: True  # type: ignore[method-assign]
    return raw


def written(file: Any, data: Any = DATA) -> Any:
    file.write(data)
    file.seek(0)
    return file


def moved(file: Any, at: int) -> Any:
    file.seek(at)
    return file


def mapped(made: ScratchDir) -> mmap.mmap:
    return mmap.mmap(made.open().fileno(), 0, access=mmap.ACCESS_READ)


def program(made: ScratchDir) -> Any:
    command = [sys.executable, "-c", f"import sys; sys.stdout.buffer.write({DATA!r})"]
    return made.keep(subprocess.Popen(command, stdout=subprocess.PIPE)).stdout


def socket_with(made: ScratchDir) -> socket.socket:
    one, other = socket.socketpair()
    with other:
        other.sendall(DATA)
    return made.keep(one)


def answered(made: ScratchDir, path: str = "/") -> http.client.HTTPResponse:
    connection = made.keep(
        contextlib.closing(http.client.HTTPConnection(made.served().removeprefix("http://")))
    )
    connection.request("GET", path)
    return made.keep(connection.getresponse())


def got(made: ScratchDir, path: str = "/") -> requests.Response:
    return made.keep(requests.get(made.served() + path, stream=True, timeout=30))


def sent(source: Source) -> bytes:
    return b"".join(bytes(piece) for piece in source)


@pytest.mark.filterwarnings("ignore:codecs.open", "ignore:'click.utils.LazyFile'")
@pytest.mark.parametrize("kind", READ)
def test_what_a_source_gives_is_sent(made: ScratchDir, kind: str):
    """What a source's own class gives is sent, whatever else it inherits or passes on."""
    make, expected = READ[kind]
    value = make(made)
    source = Source(value)

    assert sent(source) == expected

    source.close()
    if hasattr(value, "close") and not isinstance(value, mmap.mmap):
        value.close()


def test_progress_bar_of_a_wrapper_moves(made: ScratchDir):
    """tqdm's wrapper is told of all that is read."""
    told: list[int] = []

    assert sent(Source(CallbackIOWrapper(told.append, made.open(), "read"))) == DATA
    assert sum(told) == len(DATA)


def test_hash_of_a_wrapper_is_of_all_that_is_sent(made: ScratchDir):
    """A reader that hashes in `read` has seen everything."""
    digest = hashlib.sha256()

    class Hashing(io.BufferedReader):
        def read(self, size: int | None = -1) -> bytes:
            data = super().read(size)
            digest.update(data)
            return data

    with Hashing(made.open(buffering=0)) as file:
        sent(Source(file))

    assert digest.digest() == hashlib.sha256(DATA).digest()


@pytest.mark.filterwarnings("ignore:Implicitly cleaning up:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_named_temporary_file_that_only_the_source_holds(made: ScratchDir):
    """A temporary file lives as long as its source."""
    source = Source(written(tempfile.NamedTemporaryFile()))

    assert sent(source) == DATA
    source.close()


@pytest.mark.parametrize("answer", [answered, got])
def test_answer_that_is_cut_is_no_end(made: ScratchDir, answer: Callable[..., Any]):
    """A body that ends before its length is an error, also where http.client takes it for whole."""
    value = answer(made, "/cut")

    with pytest.raises(
        (http.client.HTTPException, OSError, requests.RequestException, Exception)
    ) as caught:
        sent(Source(getattr(value, "raw", value)))

    assert "IncompleteRead" in repr(caught.value)


def wrapped_by(wrap: Callable[[Any], Any]) -> Callable[[ScratchDir, str], Any]:
    return lambda made, path: wrap(answered(made, path))


class Reading:
    """A wrapper of a user, which may end before the file below does."""

    def __init__(self, file: Any, most: int = sys.maxsize) -> None:
        self._under = file
        self._left = most

    def read(self, size: int = -1) -> bytes:
        data = self._under.read(min(size, self._left))
        self._left -= len(data)
        return data


class Slotted:
    __slots__ = ("inner",)

    def __init__(self, file: Any) -> None:
        self.inner = file

    def read(self, size: int = -1) -> bytes:
        return self.inner.read(size)


class Forwarding:
    def __init__(self, file: Any) -> None:
        self._any = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._any, name)


class OwnAnswer(http.client.HTTPResponse):
    pass


def own_answer(made: ScratchDir, path: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(made.served().removeprefix("http://"))
    connection.response_class = OwnAnswer
    made.keep(contextlib.closing(connection))
    connection.request("GET", path)
    return made.keep(connection.getresponse())


def unchecked(made: ScratchDir, path: str) -> Any:
    pool = made.keep(urllib3.PoolManager())
    return pool.request(
        "GET", made.served() + path, preload_content=False, enforce_content_length=False
    )


WRAPPED: dict[str, Callable[[ScratchDir, str], Any]] = {
    "nothing": answered,
    "urlopen": lambda made, path: made.keep(urllib.request.urlopen(made.served() + path)),
    "a class of its own": own_answer,
    "TextIOWrapper": wrapped_by(lambda answer: io.TextIOWrapper(answer, "utf-8")),
    "BufferedReader": wrapped_by(io.BufferedReader),
    "two of io": wrapped_by(lambda it: io.TextIOWrapper(io.BufferedReader(it), "utf-8")),
    "codecs.getreader": wrapped_by(codecs.getreader("utf-8")),
    "StreamReaderWriter": wrapped_by(
        lambda it: codecs.StreamReaderWriter(
            it, codecs.getreader("utf-8"), codecs.getwriter("utf-8")
        )
    ),
    "tqdm": wrapped_by(lambda it: CallbackIOWrapper(lambda _size: None, it, "read")),
    "a user's class": wrapped_by(Reading),
    "a user's class with slots": wrapped_by(Slotted),
    "a user's class that forwards": wrapped_by(Forwarding),
    "three of them": wrapped_by(lambda it: Reading(Slotted(io.BufferedReader(it)))),
    "iter of a function": wrapped_by(lambda it: iter(lambda: it.read(7), b"")),
    "iter of a partial": wrapped_by(lambda it: iter(partial(it.read, 7), b"")),
    "map": wrapped_by(lambda it: map(bytes, it)),
    "urllib3 that does not check": unchecked,
}


@pytest.mark.parametrize("way", WRAPPED)
def test_answer_that_is_cut_below_wrappers(made: ScratchDir, way: str):
    """Whatever reads the answer of http.client, its cut is an error, and its end is an end."""
    with pytest.raises(http.client.IncompleteRead):
        sent(Source(WRAPPED[way](made, "/cut")))

    assert sent(Source(WRAPPED[way](made, "/"))) == DATA


def test_lines_of_an_answer_that_is_cut(made: ScratchDir):
    """The lines of a cut answer are no end as JSON, either."""
    lines = JsonLines(io.TextIOWrapper(answered(made, "/cut"), "utf-8"))

    with pytest.raises(http.client.IncompleteRead):
        list(lines)


def test_wrapper_that_ends_before_the_answer_does(made: ScratchDir):
    """Whoever wants the beginning of an answer gets it."""
    assert sent(Source(Reading(answered(made, "/cut"), 5))) == DATA[:5]


SHRUNK: dict[str, Callable[[Path], Any]] = {
    "path": lambda path: path,
    "file": lambda path: path.open("rb"),
    "unbuffered": lambda path: path.open("rb", buffering=0),
    "text": lambda path: path.open(encoding="utf-8"),
    "codecs": lambda path: codecs.open(str(path), encoding="utf-8"),
    "from the middle": lambda path: moved(path.open("rb"), 10),
    "lines": lambda path: path.open(encoding="utf-8"),
}


@pytest.mark.parametrize("kind", SHRUNK)
def test_file_that_shrinks_is_no_success(made: ScratchDir, kind: str):
    """What becomes shorter while it is sent has lost something: its end is an error, and not an end."""
    path = made.file(b"12\n" * 200_000)
    given = SHRUNK[kind](path)
    body: Any = JsonLines(given) if kind == "lines" else Source(given)
    pieces = iter(body)
    assert next(pieces)
    os.truncate(path, 70_000)

    with pytest.raises(OSError, match="became shorter while it was sent: it had 600000 bytes, and"):
        list(pieces)

    body.close()
    if given is not path:
        given.close()


def test_file_that_another_replaces_is_sent_whole(made: ScratchDir):
    """A new file at the path is not what was opened; and one that grows has lost nothing."""
    data = b"12\n" * 200_000
    path, other = made.file(data), made.file(b"1")
    body = Source(path)
    pieces = iter(body)
    begun = bytes(next(pieces))
    with path.open("ab") as file:
        file.write(b"more")
    other.replace(path)

    assert begun + b"".join(map(bytes, pieces)) == data + b"more"
    body.close()


@pytest.mark.parametrize("body", [Source, JsonLines])
def test_answer_that_has_been_read(made: ScratchDir, body: Callable[[Any], Any]):
    """An answer of requests that gives nothing any more says so."""
    answer = got(made)
    list(answer.iter_content(7))

    with pytest.raises(ValueError, match="has been read already"):
        body(answer)


# -- refusals -------------------------------------------------------------------------------------

TEXT_CODE = "w" if "w" in array.typecodes else "u"  # Python 3.16 has no "u"


def frame() -> Any:
    import pandas  # noqa: PLC0415 - it takes half a second, and whoever collects other tests needs none

    return pandas.DataFrame({"name": ["a", "b"], "count": [1, 2]})


async def items() -> Any:
    yield b"a"


class Tensor:
    def __array__(self) -> Any:
        return np.arange(3)

    def __iter__(self) -> Any:
        return iter([b"a"])


@dataclasses.dataclass
class Point:
    x: int


Row = collections.namedtuple("Row", "name")


class AsyncFile:
    async def read(self, size: int = -1) -> bytes:
        return b"a"


class ReadsAll:
    """As an answer of httpx, which gives all of it every time."""

    def read(self) -> bytes:
        return b"a"


def tarred(made: ScratchDir) -> tarfile.TarFile:
    path = made.file()
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("member"))
    return made.keep(tarfile.open(path))


REFUSED: dict[str, tuple[Make, str]] = {
    "numpy objects": (lambda made: np.array(["a", None], dtype=object), r"of object.*\.tolist\(\)"),
    "numpy text": (lambda made: np.array(["a"]), r"of <U1.*\.tolist\(\)"),
    "numpy bytes": (lambda made: np.array([b"abc"]), r"of \|S3.*\.tolist\(\)"),
    "numpy times": (lambda made: np.array(["2020-01-01"], "M8[D]"), r"of datetime64.*\.tolist\(\)"),
    "numpy floats": (lambda made: np.array([1.5]), r"of float64.*\.tobytes\(\)"),
    "numpy integers": (lambda made: np.arange(3), r"of int64.*\.tobytes\(\)"),
    "numpy truths": (lambda made: np.array([True]), r"of bool.*\.tobytes\(\)"),
    "numpy records": (lambda made: np.zeros(2, "i4,f8"), r"ndarray of"),
    "numpy number": (lambda made: np.float64(1), r"float64.*str\(value\)"),
    "numpy byte": (lambda made: np.uint8(1), r"uint8"),
    "numpy time": (lambda made: np.datetime64("2020-01-01"), r"datetime64"),
    "numpy without dimensions": (lambda made: np.array(1, "u1"), r"ndarray"),
    "array of text": (lambda made: array.array(TEXT_CODE, "ab"), r"array.*join"),
    "array of numbers": (lambda made: array.array("i", [1]), r"array.*\.tobytes\(\)"),
    "view of numbers": (
        lambda made: memoryview(array.array("i", [1])),
        r"memoryview.*\.tobytes\(\)",
    ),
    "frame": (lambda made: frame(), r"DataFrame.*\.to_csv\(\)"),
    "series": (lambda made: frame()["name"], r"Series.*\.to_csv\(\)"),
    "index": (lambda made: frame().index, r"Index.*\.tolist\(\)"),
    "ctypes array": (lambda made: (ctypes.c_int * 2)(1, 2), r"c_int.*bytes\(value\)"),
    "ctypes buffer": (lambda made: ctypes.create_string_buffer(b"ab"), r"c_char.*bytes\(value\)"),
    "ctypes number": (lambda made: ctypes.c_int(1), r"c_int.*bytes\(value\)"),
    "Decimal": (lambda made: decimal.Decimal(1), r"Decimal.*str\(value\)"),
    "datetime": (lambda made: datetime.datetime.now(), r"datetime.*str\(value\)"),
    "None": (lambda made: None, r"not NoneType"),
    "True": (lambda made: True, r"not bool.*json=True"),
    "int": (lambda made: 5, r"not int.*json=True"),
    "dict": (lambda made: {"a": 1}, r"not dict.*json=True"),
    "class": (lambda made: io.BytesIO, r"call it"),
    "function": (lambda made: items, r"not function.*call it"),
    "async generator": (lambda made: items(), r"async_generator"),
    "masked array": (lambda made: np.ma.array(np.zeros(2, "u1"), mask=[1, 0]), r"Masked.*filled"),
    "iterator of numpy": (lambda made: np.arange(3).flat, r"flatiter.*\.tolist\(\)"),
    "like a tensor": (lambda made: Tensor(), r"Tensor.*\.tolist\(\)"),
    "buffer of pickle": (lambda made: pickle.PickleBuffer(np.zeros(2)), r"bytes\(value\)"),
    "span of numpy": (lambda made: np.timedelta64(1, "s"), r"timedelta64.*str\(value\)"),
    "timedelta": (lambda made: datetime.timedelta(1), r"timedelta.*str\(value\)"),
    "dataclass": (lambda made: Point(1), r"Point.*asdict"),
    "namedtuple in a list": (lambda made: [Row("a")], r"item 0 .*Row.*json=True"),
    "message of email": (
        lambda made: email.message_from_string("a: b"),
        r"Message.*\.as_bytes\(\)",
    ),
    "row of a database": (lambda made: row(), r"Row.*dict\(value\)"),
    "coroutine": (lambda made: made.coroutine(), r"coroutine.*await it"),
    "future": (lambda made: concurrent.futures.Future(), r"Future.*\.result\(\)"),
    "queue": (lambda made: queue.Queue(), r"Queue.*iter\(value\.get, None\)"),
    "simple queue of processes": (
        lambda made: multiprocessing.SimpleQueue(),
        r"SimpleQueue.*iter\(value\.get, None\)",
    ),
    "connection of processes": (
        lambda made: made.keep(multiprocessing.Pipe()[0]),
        r"Connection.*iter\(value\.recv, None\)",
    ),
    "async file": (lambda made: AsyncFile(), r"AsyncFile.*await its read"),
    "asyncio's reader": (
        lambda made: asyncio.StreamReader.__new__(asyncio.StreamReader),
        r"StreamReader.*an async one",
    ),
    "read without size": (lambda made: ReadsAll(), r"ReadsAll.*what its read\(\) returns"),
    "archive": (lambda made: zipped(made), r"ZipFile.*open it"),
    "member that is not open": (lambda made: zipfile.Path(zipped(made), "member"), r"Path"),
    "tar": (lambda made: tarred(made), r"TarFile.*extractfile"),
    "fsspec that is not open": (lambda made: fsspec.open(str(made.file())), r"OpenFile.*open it"),
    "socket": (lambda made: socket_with(made), r"socket.*makefile"),
    "module": (lambda made: os, r"module"),
    "Path in a list": (lambda made: [made.file()], r"item 0 .*read_bytes"),
    "files in a list": (lambda made: [made.open()], r"item 0 .*one after the other"),
    "item of numpy": (lambda made: [b"a", np.float64(1)], r"item 1 .*float64"),
    "item of a view": (lambda made: [memoryview(array.array("i", [1]))], r"item 0 .*memoryview"),
    "item None": (lambda made: ("a", None), r"item 1 .*NoneType"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_body_is_refused_and_told_what_to_do(made: ScratchDir, kind: str):
    """What has no bytes of its own is a TypeError before anything is sent, which says what to send instead."""
    make, message = REFUSED[kind]

    with pytest.raises(TypeError, match=f"(?s){message}"):
        Source(make(made))


@pytest.mark.parametrize(
    "item", [1, 1.5, None, np.float64(1), np.array([1.5]), decimal.Decimal(1), {"a": 1}, ["a"]]
)
def test_what_is_no_item_is_refused_when_it_comes(item: object):
    """An item of a generator is held to the same."""
    pieces = iter(Source(iter([b"a", item])))

    assert next(pieces) == b"a"
    with pytest.raises(TypeError, match="must be bytes or str"):
        next(pieces)


UNUSABLE: dict[str, tuple[Make, type[Exception], str]] = {
    "append": (lambda made: made.open(mode="ab"), ValueError, "not opened for reading.*'ab'"),
    "write": (
        lambda made: made.open(mode="w", encoding="utf-8"),
        ValueError,
        "not opened for reading",
    ),
    "gzip to write": (
        lambda made: made.keep(gzip.open(made.file(), "wb")),
        ValueError,
        "not opened for reading",
    ),
    "wrapped": (
        lambda made: made.keep(tempfile.NamedTemporaryFile("wb")),
        ValueError,
        "not opened for reading",
    ),
    "closed": (lambda made: closed(io.BytesIO(DATA)), ValueError, "closed file"),
    "closed text": (
        lambda made: closed(made.open(mode="r", encoding="utf-8")),
        ValueError,
        "closed file",
    ),
    "closed temporary": (
        lambda made: closed(tempfile.NamedTemporaryFile()),
        ValueError,
        "closed file",
    ),
    "closed map": (lambda made: closed(mapped(made)), ValueError, "closed"),
    "released view": (lambda made: released(memoryview(b"a")), ValueError, "released"),
    "missing": (lambda made: made.path / "nowhere", FileNotFoundError, "nowhere"),
    "folder": (lambda made: made.path, IsADirectoryError, "Is a directory"),
}


def closed(file: Any) -> Any:
    file.close()
    return file


def released(view: memoryview) -> memoryview:
    view.release()
    return view


@pytest.mark.parametrize("kind", UNUSABLE)
def test_what_can_not_be_read_is_refused_at_once(made: ScratchDir, kind: str):
    """A file that can't be read is found before anything is sent."""
    make, error, message = UNUSABLE[kind]

    with pytest.raises(error, match=message):
        Source(make(made))


NO_JSON: dict[str, tuple[Any, str]] = {
    "bytes": (b'{"a": 1}', r"json=True can't send bytes; .*without json=True"),
    "bytearray": (bytearray(b"1"), r"can't send bytearray"),
    "datetime": (datetime.datetime.now(), r"datetime.*str\(value\)"),
    "in a list": ([datetime.date.today()], r"date.*str\(value\)"),
    "in a dict": ({"a": decimal.Decimal(1)}, r"Decimal.*str\(value\)"),
    "numpy": ([np.int64(1)], r"int64.*\.tolist\(\)"),
    "dataclass": (Point(1), r"Point.*asdict"),
    "path": (Path("x"), r"Path.*read_bytes"),
    "row": (row(), r"Row.*dict\(value\)"),
    "async": (AsyncFile(), r"AsyncFile.*await"),
}


@pytest.mark.parametrize("kind", NO_JSON)
def test_what_is_no_json_is_refused_at_once(kind: str):
    """A value in memory that is no JSON is found before anything is sent, and told what to do."""
    value, message = NO_JSON[kind]

    with pytest.raises(TypeError, match=message):
        JsonLines(value)


def test_what_is_no_json_in_a_generator_says_what_to_do():
    """A value of a generator is held to the same."""
    lines = JsonLines(iter([1, datetime.date.today()]))

    assert next(lines) == b"1\n"
    with pytest.raises(TypeError, match=r"str\(value\)"):
        next(lines)


def test_a_source_does_not_stop_its_caller():
    """StopIteration of a source's own is no end of a loop in which it is sent."""

    class Stops:
        def __iter__(self) -> Any:
            raise StopIteration

    with pytest.raises(RuntimeError, match="StopIteration"):
        Source(Stops())


def test_a_file_that_gives_no_bytes_is_named():
    """What `read` returns is held to what an item of a generator is."""
    with pytest.raises(TypeError, match="what a file gives must be bytes or str, not int"):
        sent(Source(Pieces(5)))


def test_a_frame_is_no_json_lines():
    """The items of a DataFrame are the names of its columns, which nobody means."""
    with pytest.raises(TypeError, match=r"\.to_dict\('records'\)"):
        JsonLines(frame())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")
def test_opening_a_fifo_waits_for_nobody(tmp_path: Path):
    """A named pipe is opened by the thread that reads it: the caller does not wait for its writer."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    source = Source(path)

    thread = threading.Thread(target=path.write_bytes, args=(DATA,))
    thread.start()

    assert sent(source) == DATA
    thread.join(30)


# -- totals ---------------------------------------------------------------------------------------

TOTALS: dict[str, tuple[Make, int | None]] = {
    "str": (lambda made: TEXT, len(DATA)),
    "bytes": (lambda made: DATA, len(DATA)),
    "numpy": (lambda made: np.frombuffer(DATA, "u1")[::2], len(DATA[::2])),
    "file": (lambda made: made.open(), len(DATA)),
    "raw file": (lambda made: made.open(buffering=0), len(DATA)),
    "file for both": (lambda made: made.open(mode="r+b"), len(DATA)),
    "Path": (lambda made: made.file(), len(DATA)),
    "BytesIO": (lambda made: io.BytesIO(DATA), len(DATA)),
    "NamedTemporaryFile": (
        lambda made: written(made.keep(tempfile.NamedTemporaryFile())),
        len(DATA),
    ),
    "in the middle": (lambda made: moved(made.open(), 3), len(DATA) - 3),
    "BytesIO in the middle": (lambda made: moved(io.BytesIO(DATA), 3), len(DATA) - 3),
    "beyond the end": (lambda made: moved(made.open(), 300), 0),
    "BytesIO at its end": (lambda made: moved(io.BytesIO(DATA), len(DATA)), 0),
    "mmap": (lambda made: moved(mapped(made), 3), len(DATA) - 3),
    "mmap at its end": (lambda made: moved(mapped(made), len(DATA)), 0),
    "one byte": (lambda made: made.open(b"x"), 1),
    "empty": (lambda made: made.open(b""), None),
    "PathLike": (lambda made: Named(str(made.file())), len(DATA)),
    "sparse": (lambda made: sparse(made), 1 << 20),
    "text": (lambda made: made.open(mode="r", encoding="utf-8"), None),
    "StringIO": (lambda made: io.StringIO(TEXT), None),
    "codecs": (lambda made: codecs.getreader("utf-8")(made.open()), None),
    "gzip": (lambda made: gzip.open(made.file(gzip.compress(DATA))), None),
    "gzip in a buffer": (
        lambda made: io.BufferedReader(gzip.open(made.file(gzip.compress(DATA)))),
        None,
    ),
    "a class of its own": (lambda made: ShoutBuffered(made.open(buffering=0)), None),
    "pipe": (lambda made: made.pipe(), None),
    "generator": (lambda made: iter([DATA]), None),
    "/proc": (lambda made: made.keep(open("/proc/self/status", "rb")), None),
    "Path in /proc": (lambda made: Path("/proc/self/status"), None),
    **(
        {"Path in /sys": (lambda made: Path("/sys/kernel/mm/transparent_hugepage/enabled"), None)}
        if hasattr(os, "pread")
        else {}
    ),
    "/dev/zero": (lambda made: Path("/dev/zero"), None),
}


def sparse(made: ScratchDir) -> Any:
    file = made.open(b"", "r+b")
    file.truncate(1 << 20)
    return file


@pytest.mark.parametrize("kind", TOTALS)
def test_a_total_is_right_or_unknown(made: ScratchDir, kind: str):
    """The total of a source is the bytes that it will give, and None where nobody knows."""
    make, total = TOTALS[kind]
    value = make(made)

    assert size_of(value) == total

    if isinstance(value, (gzip.GzipFile, io.BufferedReader)):
        value.close()
