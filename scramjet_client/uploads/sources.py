"""Turn anything a user may send into an iterator of non-empty bytes; only this module tells kinds of body apart."""

from __future__ import annotations

import codecs
import contextvars
import inspect
import io
import itertools
import json
import math
import mmap
import os
import stat
import sys
import tarfile
import tempfile
import types
from collections.abc import AsyncIterable, Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, wait
from functools import partial
from pathlib import Path
from typing import Any, Union

from requests.exceptions import StreamConsumedError
from urllib3.util import wait_for_read

from scramjet_client._base import safe_repr, tell_aside, warn_aside
from scramjet_client._common.files import Reading
from scramjet_client.errors import UnsupportedByHubError, UploadError
from scramjet_client.http.callbacks import takes
from scramjet_client.http.json_body import is_deep, json_bytes, refuse_double_keys
from scramjet_client.http.threads import fulfil, start_thread, upload_thread_needed
from scramjet_client.uploads.cuts import Answers
from scramjet_client.uploads.refusals import (
    is_array,
    is_dict_like,
    is_masked,
    records_advice,
    refusal,
    refuse_several,
)

Item = Union[str, bytes, bytearray, memoryview]
SourceLike = Union[Item, Path, "os.PathLike[str]", Iterable[Item], Any]
"""Text, bytes-like, an open file, a `Path` or similar, or an iterable of str or bytes."""

ProgressHook = Callable[[int, Union[int, None]], object]
"""Progress callback: (bytes sent, total bytes or None)."""

PIECE = 65536
"""Bytes in one piece of a file or a long bytes object: large enough for speed, small enough to stop quickly."""

_BYTE_FORMATS = ("B", "b", "c")
"""Buffer-protocol formats of single bytes. Other memory holds numbers or text in this machine's layout."""


# -- memory ---------------------------------------------------------------------------------------


def _buffer_of(value: Any) -> memoryview | None:
    """Return memory of single bytes in C order, without a copy if it is contiguous; None if it is not memory.

    Raises:
        TypeError: The memory holds something else: numbers, text, addresses.
    """
    if isinstance(value, bytes):
        # A proxy of bytes says that it is bytes, and has no memory.
        return memoryview(value if issubclass(type(value), bytes) else bytes(value))
    try:
        view = memoryview(value)
    except TypeError:
        return None
    except (ValueError, BufferError) as error:
        if is_array(value):
            return None
        raise ValueError(f"the source can't be read: {error}") from None
    # A numpy number has no shape; a numpy date offers its memory as bytes.
    if view.format not in _BYTE_FORMATS or getattr(value, "shape", None) == () or is_masked(value):
        raise refusal(value)
    if not view.nbytes:
        # A view with a zero in its shape can't be cast.
        return memoryview(b"")
    return view.cast("B") if view.c_contiguous else memoryview(view.tobytes())


def _utf8(text: str, what: str | int) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        what = what if isinstance(what, str) else f"item {what} of the source"
        half = ascii(text[error.start])
        raise ValueError(
            f"{what} has half of a character, {half} at position {error.start}, which UTF-8 can't carry; send"
            " text.encode('utf-8', 'surrogateescape') if it came from a file name or an argument"
        ) from error


def _memory_of(value: Any) -> memoryview | None:
    """Return the memory of a source; something that also reads, such as a file map, counts as a file."""
    if isinstance(value, str):
        return memoryview(_utf8(value, "the source"))
    return None if hasattr(type(value), "read") else _buffer_of(value)


def encode(item: object, what: str | int = "an item of the source") -> bytes | memoryview:
    """Return one item as bytes, with text as UTF-8; bytes are not copied.

    Errors say `what` it is; a number is that of an item of the source.
    """
    if type(item) is bytes:
        return item
    if isinstance(what, int) and type(item) is not str:
        what = f"item {what} of the source"
    if isinstance(item, str):
        return _utf8(item, what)
    try:
        found = _buffer_of(item)
    except TypeError:
        found = None
    if found is None:
        raise refusal(item, str(what), "bytes or str")
    return found


def _own(items: Iterable[bytes | memoryview]) -> list[bytes | memoryview]:
    """Return items that nobody else can change: memory that a caller can use again is copied."""
    return [
        item if isinstance(item, bytes) or type(item.obj) is bytes else bytes(item)
        for item in items
    ]


_Pieces = Generator[Union[bytes, memoryview], None, None]


def _pieces(data: bytes | memoryview) -> _Pieces:
    if len(data) <= PIECE:
        yield data
        return
    view = memoryview(data)
    for start in range(0, len(view), PIECE):
        yield view[start : start + PIECE]


def _joined(items: list[bytes | memoryview]) -> memoryview | None:
    """Return short items as one piece of memory; None for longer ones, which are not copied."""
    return memoryview(b"".join(items)) if sum(map(len, items)) <= PIECE else None


def _gathered(items: Iterable[bytes | memoryview]) -> _Pieces:
    """Join small items; only for items that are already in memory, so that none waits."""
    held: list[bytes | memoryview] = []
    size = 0
    for item in items:
        held.append(item)
        size += len(item)
        if size >= PIECE:
            yield from _pieces(b"".join(held))
            held, size = [], 0
    if held:
        yield b"".join(held)


# -- files ----------------------------------------------------------------------------------------

_ABSTRACT = tuple(
    base
    for kind in (io.IOBase, io.RawIOBase, io.BufferedIOBase, io.TextIOBase)
    for base in kind.__mro__
    if base is not object
)
"""io's base classes. Their reading methods call another method of the same object, or raise."""

_ENCODERS = (codecs.StreamReader, codecs.StreamReaderWriter, codecs.StreamRecoder)


def _definer(file: Any, name: str) -> tuple[float, type | None]:
    """Return the distance from an object to the definition of a method, and the class that defines it.

    0 is the object itself, then its classes in order. Infinite means `__getattr__`, so another object.
    """
    if name in getattr(file, "__dict__", ()):
        return 0, None
    for distance, kind in enumerate(type(file).__mro__, 1):
        if name in vars(kind):
            return distance, kind
    return math.inf, None


def _delegate(file: Any) -> Any:
    """Return the file to which a wrapper passes its reads unseen; most wrappers see the reads and are returned."""
    while not isinstance(file, io.IOBase):
        if type(file) is tempfile._TemporaryFileWrapper:
            file = file.file
            continue
        if min(_definer(file, name)[0] for name in ("read", "read1", "readline")) < math.inf:
            return file
        owners = [
            getattr(getattr(file, name, None), "__self__", None) for name in ("read", "readline")
        ]
        if owners[0] is None or owners[0] is not owners[1] or owners[0] is file:
            return file
        file = owners[0]
    return file


def _is_regular(file: Any) -> bool:
    try:
        return stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    except (OSError, ValueError, AttributeError):
        return isinstance(file, (io.StringIO, io.BytesIO))


def _readinto(file: Any) -> bytes | None:
    buffer = bytearray(PIECE)
    count = file.readinto(buffer)
    return None if count is None else bytes(memoryview(buffer)[:count])


def _reads(file: Any) -> Iterator[Any]:
    """Yield a file's data by the reading method closest to the object's own class; without end.

    A class that hashes, decodes or decrypts overrides one reading method and inherits or forwards the others,
    which would skip its work. Among methods that are equally close, one is chosen that waits for no more than a
    pipe has given.
    """
    ways: dict[str, Callable[[], object]] = {
        "read1": lambda: file.read1(PIECE),
        "read": lambda: file.read(PIECE),
        "readinto": lambda: _readinto(file),
        "readline": lambda: file.readline(),  # noqa: PLW0108 - it may have none
    }
    if isinstance(file, (io.TextIOBase, *_ENCODERS)) and not _is_regular(file):
        # read(n) on text waits for n characters, which on a pipe may never come.
        ways = {name: ways[name] for name in ("readline", "read")}
    if isinstance(file, tempfile.SpooledTemporaryFile):
        # It has all methods, also those that the file below does not have.
        ways = {"read": ways["read"]}
    distances = {name: _definer(file, name) for name in ways if hasattr(file, name)}
    best = min(distances, key=lambda name: distances[name][0])
    distance, kind = distances[best]
    if kind is None and hasattr(file, "read"):
        # If the methods are another object's, or all this object's own, all are equally near: use the usual one.
        best = "read" if distances["read"][0] == distance else best
    loop = min(_definer(file, "__iter__")[0], _definer(file, "__next__")[0])
    if loop < distance and kind is not None and kind.__module__ in ("io", "_io"):
        # Only if it overrides io's own: otherwise a loop gives the same data in lines, which may be long.
        yield from filter(_is_news, file)
        yield b""
    while True:
        yield ways[best]()


def _is_news(item: Any) -> bool:
    try:
        return item is None or len(item) > 0
    except TypeError:
        # It is refused later, by its type.
        return True


def _checked_file(file: Any) -> None:
    """Raise for a file that can't be read, before anything is sent."""
    archive = hasattr(file, "namelist")
    # A `read` that takes no number of bytes gives everything at once, again and again.
    if archive or inspect.iscoroutinefunction(file.read) or not takes(file.read, PIECE):
        raise refusal(file)
    if getattr(file, "closed", False) is True:
        raise ValueError("the source is a closed file")
    descriptor = _non_blocking(file)
    if descriptor is not None and sys.platform == "win32":
        # Its `select` waits for sockets alone, and a pipe that is empty now looks like one that has ended.
        raise ValueError(
            "the source is a non-blocking pipe, for which Windows can't wait; call"
            f" os.set_blocking({descriptor}, True)"
        )
    if descriptor is not None and _seems_text(file):
        # Python's text files take "nothing now" for the end, and lose characters that are half there.
        raise ValueError(
            "the source is a non-blocking text file, from which Python may lose data; call"
            " os.set_blocking(file.fileno(), True), or send its .buffer"
        )
    if not isinstance(file, io.IOBase) or file.readable():
        return
    reads = [_definer(file, name)[1] for name in ("read", "read1", "readinto", "readline")]
    own = any(kind is None or kind not in _ABSTRACT for kind in reads)
    # A user's class may read without reporting that it can.
    if _definer(file, "readable")[1] not in _ABSTRACT or not own:
        mode = getattr(file, "mode", None)
        raise ValueError(
            "the source is a file that was not opened for reading"
            + (f" (mode {mode!r})" if isinstance(mode, str) else "")
        )


_blocks: Callable[[int], bool] = getattr(os, "get_blocking", lambda descriptor: True)
"""Whether a read of a descriptor waits for data. Older Pythons on Windows can't tell."""


def _non_blocking(file: Any, item: Any = b"") -> int | None:
    """Return the descriptor of a non-blocking pipe or terminal below a file, also if a wrapper shows it; else None.

    If the file has given None as an item, a socket may be below it, too.
    """
    below = getattr(file, "buffer", file)
    raw = getattr(below, "raw", below)
    try:
        # A socket with a time limit is non-blocking too, but its file is not.
        if not (item is None or isinstance(raw, io.FileIO)) or _blocks(raw.fileno()):
            return None
        return None if stat.S_ISREG(os.fstat(raw.fileno()).st_mode) else int(raw.fileno())
    except (OSError, ValueError, AttributeError):
        # The file is closed, or the system can't tell.
        return None


def _file_items(file: Any) -> Generator[Any, None, None]:
    """Read a file without holding back data that a pipe has given already; its kind of data is not checked."""
    waited = False
    for item in _reads(file):
        if item is None or not _is_news(item):
            # A buffered file that is non-blocking gives b"" at its end, and also if there is nothing to read now.
            descriptor = None if waited and item is not None else _non_blocking(file, item)
            if descriptor is not None:
                waited = wait_for_read(descriptor)  # type: ignore[arg-type]  # it takes what `select` takes
                continue
            if item is None:
                raise BlockingIOError("the source is a non-blocking file with nothing to read")
            return
        waited = False
        yield item
        # A file may give its own buffer, which it can't change as long as somebody looks at it.
        del item


_PLAIN_FILES = (io.BytesIO, io.FileIO, io.BufferedReader, io.BufferedRandom)
"""Classes that give exactly a file's own bytes; a subclass may give others."""


def size_of(value: Any) -> int | None:
    """Return how many bytes a source will give, or None if only reading can tell."""
    whole = _memory_of(value)
    if whole is not None:
        return len(whole)
    try:
        if _is_path(value):
            value = _as_path(value)
            # Opening a pipe would wait.
            if not value.is_file():
                return None
            with value.open("rb") as file:
                return size_of(file)
        if type(value) is mmap.mmap:
            return max(0, len(value) - value.tell())
        file = _delegate(value)
        if type(file) not in _PLAIN_FILES:
            return None
        if isinstance(file, io.BytesIO):
            return max(0, len(file.getbuffer()) - file.tell())
        if not isinstance(getattr(file, "raw", file), io.FileIO):
            return None
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode) or not _has_byte(file.fileno(), found.st_size - 1):
            return None
        return max(0, found.st_size - int(file.tell()))
    except (OSError, ValueError, AttributeError):
        return None


def _has_byte(descriptor: int, at: int) -> bool:
    """Return whether a file has a byte there; files of /proc and /sys report 0 or 4096 bytes, whatever they hold."""
    if at < 0 or not hasattr(os, "pread"):
        return 0 <= at < os.fstat(descriptor).st_size
    return bool(os.pread(descriptor, 1, at))


def why_nothing(value: Any) -> str:
    """Return why nothing would be sent of a source that had something, and what helps; "" otherwise."""
    if isinstance(value, types.GeneratorType) and value.gi_frame is None:
        return "a generator that has ended already, so nothing of it is sent: make another one"
    if _stands_at_end(_delegate(value)):
        kind = type(value).__name__
        return f"a {kind} that stands at its end, so nothing of it is sent: call its seek(0) before"
    return ""


def _stands_at_end(file: Any) -> bool:
    try:
        if type(file) in (io.StringIO, io.BytesIO, tempfile.SpooledTemporaryFile, mmap.mmap):
            here = file.tell()
            end = file.seek(0, io.SEEK_END) or file.tell()  # that of a map returns None
            file.seek(here)
            return bool(0 < end <= here)
        below = file.buffer if type(file) is io.TextIOWrapper else file
        if type(below) not in _PLAIN_FILES or not _is_regular(below):
            return False
        here = int(file.tell())
        # What text files tell is a place in the file, with the state of their decoder above it: 64 bits each.
        at = here & (2**64 - 1)
        return at > 0 and here >> 128 == 0 and not _has_byte(below.fileno(), at)
    except (OSError, ValueError, AttributeError):
        # It is closed or no real file, or a loop over it goes on.
        return False


_NO_BODIES = (Mapping, AsyncIterable, type, types.ModuleType, tarfile.TarFile)
"""Types that can be iterated or read, but do not give a body."""


_READ_ALREADY = (
    "the source is an answer of requests that has been read already; make its request again"
)


def _is_path(value: Any) -> bool:
    """Return whether this names a file; an object that opens itself may give something else than the file."""
    return isinstance(value, Path) or (
        isinstance(value, os.PathLike) and not hasattr(value, "read") and not hasattr(value, "open")
    )


def _as_path(value: Any) -> Path:
    return value if isinstance(value, Path) else Path(os.fsdecode(value))


class Source:
    """One body to be sent: iterate it once, then `close()` it.

    The constructor refuses wrong kinds, so before anything is sent. A wrong item inside a generator shows only
    during the send.

    `close()` closes a generator (so that its `finally` blocks run), and a file that was opened here from a
    `Path`. A file that you opened stays open, and is read from its present position.

    Generators may use a buffer again and again, so no item is referred to when the next one is fetched. Whoever
    keeps a piece for longer copies it.

    All of the caller's code runs in the caller's context (`contextvars`), on whichever thread.

    Args:
        value: The caller's source.
        own: Whether to copy memory that the caller can change. The caller may do so if the call has returned before
            all of it has been sent.

    Attributes:
        whole: All of the data if it is in memory; None for a generator, a file or a long list.
    """

    def __init__(self, value: SourceLike, *, own: bool = False) -> None:
        self.whole: memoryview | None = _memory_of(value)
        if own and self.whole is not None:
            self.whole = memoryview(_own([self.whole])[0])
        self._own = own
        # One context for every call: a block of a generator that sets a variable may be left on another thread.
        self._context = contextvars.copy_context()
        self.text: bool | None = isinstance(value, str) if self.whole is not None else False
        """Whether it gives text; None if only its first item can tell (see `kind_within`)."""
        self.records = False
        """Whether it gives dicts, which are sent as JSON lines; `kind_within` finds out."""
        # A list of the first item, which is empty if there is none, and from when the item is taken.
        self._ahead: Future[list[Any]] | None = None
        self._raw: Iterator[Any] = iter(())
        self._names: Iterator[str | int] = itertools.count()
        self._seems_text = False
        self._late = False
        self._close: Callable[[], object] | None = None
        # A temporary file is deleted with the last reference to its wrapper.
        self._kept = value
        self.reading: Reading | None = None
        """The file that it reads, if it is one."""
        if self.whole is None:
            self.reading = Reading(value)
        try:
            self._given = self._start(value)
        except BaseException:
            if self.reading is not None:
                self.reading.close()
            raise
        # An empty chunk is the end of an HTTP body.
        self._items: Iterator[bytes | memoryview] = filter(len, self._given)
        if self.reading is not None and self.reading.status is not None:
            self._items = itertools.chain(self._items, self.reading.end())

    def _start(self, value: Any) -> _Pieces:
        if _is_path(value):
            return self._start_path(_as_path(value))
        if self.whole is not None:
            return _pieces(self.whole)
        if isinstance(value, _NO_BODIES) or is_array(value) or is_dict_like(value):
            raise refusal(value)
        if callable(getattr(value, "read", None)):
            file = _delegate(value)
            _checked_file(file)
            self.text = _gives_text(file)
            self._seems_text = _seems_text(file)
            self._raw = itertools.chain(_file_items(file), Answers(file).end())
            self._names = itertools.repeat("what a file gives")
            return self._encoded()
        if isinstance(value, (list, tuple)):
            encoded = [encode(item, f"item {at} of the source") for at, item in enumerate(value)]
            if self._own:
                encoded = _own(encoded)
            self.text = bool(value) and all(isinstance(item, str) for item in value)
            self.whole = _joined(encoded)
            return _gathered(encoded)
        try:
            items = iter(value)
        except StreamConsumedError as error:
            # It is a TypeError, too.
            raise ValueError(_READ_ALREADY) from error
        except TypeError as error:
            raise refusal(value) from error
        except StopIteration as error:
            # Unchanged, it would silently end a loop of the caller.
            raise RuntimeError("the source raised StopIteration before its first item") from error
        self._close = _method(items, "close")
        self._raw = itertools.chain(items, Answers(value).end())
        self.text = None
        return self._encoded(may_be_records=True)

    def _encoded(self, *, may_be_records: bool = False) -> _Pieces:
        ahead = self._ahead
        first = list(itertools.islice(self._raw, 1)) if ahead is None else ahead.result()
        if not first:
            return
        if self._late and isinstance(first[0], (str, Mapping)):
            warn_aside(
                "the first item of the source came late, so its text is sent as bytes; type= says what it is",
                UserWarning,
            )
        encoded = _record if may_be_records and isinstance(first[0], Mapping) else encode
        yield encoded(first.pop(), next(self._names))
        yield from map(encoded, self._raw, self._names)

    def kind_within(self, seconds: float) -> bool | None:
        """Return whether it gives text, or None if nothing came in that time; call it before iterating.

        A daemon thread, `scramjet-first-N`, fetches the first item of an iterable, or of a file that may give
        anything, and ends with it.
        """
        if self.text is None and self._ahead is None:
            self._ahead = Future()
            try:
                first = partial(self._context.run, list, itertools.islice(self._raw, 1))
                start_thread(
                    "scramjet-first", fulfil, self._ahead, first, needed=upload_thread_needed
                )
            except UploadError:
                self._ahead = None
                raise
            wait([self._ahead], seconds)
            self._late = not self._ahead.done() and not self._seems_text
            if self._seems_text and not self._ahead.done():
                self.text = True
            elif not self._late:
                found = [] if self._ahead.exception() is not None else self._ahead.result()
                self.records = any(isinstance(item, Mapping) for item in found)
                self.text = self.records or any(isinstance(item, str) for item in found)
        return self.text

    def _start_path(self, path: Path) -> _Pieces:
        if path.is_fifo():
            # Opening a pipe waits for a writer; the caller must not wait here.
            items = self._fifo_items(path)
            self._close = items.close
            return items
        file = path.open("rb")
        self._close = file.close
        return _file_items(file)

    @staticmethod
    def _fifo_items(path: Path) -> _Pieces:
        with path.open("rb") as file:
            yield from _file_items(file)

    def __iter__(self) -> Iterator[bytes | memoryview]:
        """Return an iterator of the pieces. It is built in, because small items come by the million."""
        if self._ahead is not None:
            # Until then the other thread is in the context.
            wait([self._ahead])
        return iter(partial(self._context.run, next, self._items), None)

    def close(self) -> None:
        """Close the file or generator. Must not be called while another thread is inside `next`."""
        if self.reading is not None:
            self.reading.close()
        self._raw = iter(())
        # It refers to the caller's generator, and an error that somebody keeps may refer to an iterator of this.
        self._given.close()
        self._kept = None
        close, self._close = self._close, None
        if close is not None:
            if self._ahead is None:
                self._context.run(close)
            else:
                # Close at once if the first item has come, else when it comes.
                self._ahead.add_done_callback(lambda _done: self._close_late(close))

    def _close_late(self, close: Callable[[], object]) -> None:
        try:
            self._context.run(close)
        except Exception as error:
            tell_aside(f"a source could not be closed: {safe_repr(error)}")


def _method(value: object, name: str) -> Callable[[], object] | None:
    found = getattr(value, name, None)
    return found if callable(found) else None


def _gives_text(file: Any) -> bool | None:
    """Whether a file gives text, by its class; None if only what it gives can tell, as for wrappers and mocks."""
    if isinstance(file, (io.RawIOBase, io.BufferedIOBase)):
        return False
    return True if isinstance(file, io.TextIOBase) else None


def _seems_text(file: Any) -> bool:
    """Whether a file seems to have been opened as text."""
    if isinstance(file, (io.RawIOBase, io.BufferedIOBase)) or "b" in str(getattr(file, "mode", "")):
        return False
    return isinstance(file, io.TextIOBase) or isinstance(getattr(file, "encoding", None), str)


def _json_line(value: object) -> bytes:
    if type(value) is not dict and is_dict_like(value):
        refuse_several(value)
    # ASCII, because no hub or runner can cut it within a character.
    try:
        line = json.dumps(value, separators=(",", ":"), allow_nan=False, default=_no_json)
    except RecursionError:
        if not is_deep(value):
            raise
        raise ValueError("a value for json=True can't be sent as JSON: it is too deep") from None
    except ValueError:
        json_bytes(value)  # its error says where in the value the cause is
        raise
    refuse_double_keys(value, "a dict for json=True")
    return line.encode("ascii") + b"\n"


def _record(item: object, at: str | int) -> bytes:
    if not isinstance(item, Mapping):
        kind = type(item).__name__
        raise TypeError(f"item {at} of the source must be a dict, as the first one is, not {kind}")
    return _json_line(item)


def _no_json(value: object) -> object:
    if isinstance(value, Mapping):
        # Mappings that are no dict: of the environment, of configparser, of collections.
        refuse_several(value)
        made = dict(value)
        refuse_double_keys(made, f"a {type(value).__name__} for json=True")
        return made
    raise refusal(value, "a value for json=True", "a dict, a list, a str, a number, a bool or None")


class JsonLines:
    """Turn values into one JSON document per line, for `json=True`; a generator or list gives one line an item.

    Attributes:
        whole: All of the lines if they are short and their values in memory; else None.
    """

    def __init__(self, value: Any) -> None:
        if is_array(value) and hasattr(type(value), "columns"):
            # Iterating it gives the names of its columns.
            raise TypeError(f"json=True can't send a {type(value).__name__}{records_advice(value)}")
        if isinstance(value, (bytes, bytearray, memoryview)):
            # Iterating it gives numbers.
            raise TypeError(
                f"json=True can't send {type(value).__name__}; send JSON that is ready without json=True"
            )
        self.whole: memoryview | None = None
        self.reading: Reading | None = None
        self._lines: Iterator[bytes | memoryview]
        self._close: Callable[[], object] | None = None
        self._context = contextvars.copy_context()
        single = isinstance(value, str) or is_dict_like(value) or not isinstance(value, Iterable)
        if single or isinstance(value, (list, tuple)):
            # A value that JSON can't carry raises before anything is sent.
            lines: list[bytes | memoryview] = list(map(_json_line, [value] if single else value))
            self.whole = _joined(lines)
            self._lines = _gathered(lines)
        else:
            if _non_blocking(value) is not None:
                raise ValueError(
                    "json=True can't send the lines of a non-blocking file: call"
                    " os.set_blocking(file.fileno(), True) before"
                )
            self.reading = Reading(value)
            try:
                items = iter(value)
            except StreamConsumedError as error:
                raise ValueError(_READ_ALREADY) from error
            self._close = _method(items, "close")
            self._lines = itertools.chain(
                map(_json_line, items), Answers(value).end(), self.reading.end()
            )

    def __iter__(self) -> Iterator[bytes | memoryview]:
        return self

    def __next__(self) -> bytes | memoryview:
        return self._context.run(next, self._lines)

    def close(self) -> None:
        """Close the generator that gave the values."""
        if self.reading is not None:
            self.reading.close()
        self._lines = iter(())
        close, self._close = self._close, None
        if close is not None:
            self._context.run(close)


class Utf8Only:
    """Pass on a source's bytes in whole UTF-8 characters; refuse the first bytes that are not UTF-8.

    For routes on which a hub decodes and re-encodes bodies, and so changes all other bytes. A character that is
    split over two items waits until it is complete.

    Args:
        source: The source.
        route: What carries only UTF-8.
        cure: What to do about it, as the end of a sentence.
    """

    def __init__(self, source: Source, route: str, cure: str = "") -> None:
        if source.whole is not None:
            # Bytes in memory are checked at once, before anything is sent.
            for _ in Utf8Only(Source(iter((source.whole,))), route, cure):
                pass
        self.whole: memoryview | None = source.whole
        self._source = source
        self._route, self._cure = route, cure

    def __iter__(self) -> Iterator[bytes | memoryview]:
        offset, begun = 0, b""
        for item in self._source:
            data = begun + item if begun else item
            try:
                size = codecs.utf_8_decode(data)[1]
            except UnicodeDecodeError as error:
                found = bytes(data[error.start : error.end])
                raise self._refusal(offset + error.start, found, error.reason) from None
            whole, begun = data[:size], bytes(data[size:])
            offset += size
            # The source can't change the size of its buffer as long as somebody looks at it.
            del item, data
            if size:
                yield whole
            del whole
        if begun:
            raise self._refusal(offset, begun, "unexpected end of data")

    def _refusal(self, offset: int, found: bytes, reason: str) -> UnsupportedByHubError:
        return UnsupportedByHubError(
            f"{self._route} carries only UTF-8 and would change the bytes {found!r} at offset {offset}:"
            f" {reason}{self._cure}"
        )

    def close(self) -> None:
        """Close the source."""
        self._source.close()
