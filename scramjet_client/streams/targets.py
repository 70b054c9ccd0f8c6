"""Where a stream can be sent to: callables, files, paths and the terminal; the one place that tells them apart."""

from __future__ import annotations

import codecs
import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from inspect import iscoroutinefunction
from typing import Any, Protocol, Union

from scramjet_client._base import Closing

TargetLike = Union[Callable[[bytes], object], Any, "os.PathLike[str]", str, bool, None]
"""A callable that is given each line, a file, a path, True for the terminal, or None for nothing."""

PieceTargetLike = Union[Callable[[bytes], object], Any, "os.PathLike[str]", str, bool]
"""The same where a callable is given pieces, and nothing is no target."""

_TERMINAL = {"stderr": "stderr", "log": "stderr"}


class Readable(Protocol):
    """The part of an `OutputStream` that a target reads."""

    @property
    def closed(self) -> bool:
        """Whether it was closed here."""

    def chunks(self) -> Iterable[bytes]:
        """Return what comes, as it comes."""

    def __iter__(self) -> Iterator[bytes]: ...


class Target(Closing):
    """Takes what a stream gives until its end; `close()` closes what was opened here."""

    def take(self, stream: Readable) -> None:
        """Read the stream to its end; runs on the thread that calls it."""
        for chunk in stream.chunks():
            self.write(chunk)
        self.finish()

    def write(self, chunk: bytes) -> None:
        """Pass a piece on."""
        raise NotImplementedError

    def finish(self) -> None:
        """Pass on what was held back until the end."""

    def close(self) -> None:
        """Close what was opened here."""


class _Lines(Target):
    """A callable: it is given lines."""

    def __init__(self, call: Callable[[bytes], object]) -> None:
        self._call = call

    def take(self, stream: Readable) -> None:
        for line in stream:
            # Lines that came together with one whose call closed the stream.
            if stream.closed:
                return
            self._call(line)


class _Pieces(Target):
    """A callable: it is given what comes, as it comes."""

    def __init__(self, call: Callable[[bytes], object]) -> None:
        self._call = call

    def write(self, chunk: bytes) -> None:
        self._call(chunk)


class BinaryFile(Target):
    """Binary file target: writes each chunk as it arrives."""

    def __init__(self, file: Any, *, opened_here: bool = False, before: Any = None) -> None:
        self._file = file
        self._opened_here = opened_here
        # The text file on top of it, which may hold what was printed earlier.
        self._before = before

    def write(self, chunk: bytes) -> None:
        """Write a chunk as it came."""
        if self._before is not None:
            self._before.flush()
        write_all(self._file, chunk)
        _flush(self._file)

    def close(self) -> None:
        """Close the file if it was opened here."""
        if self._opened_here:
            self._file.close()


class _TextFile(Target):
    """A file that takes text: UTF-8 is decoded as it comes, characters split over pieces are joined."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def write(self, chunk: bytes) -> None:
        self._put(self._decoder.decode(chunk))

    def finish(self) -> None:
        self._put(self._decoder.decode(b"", final=True))

    def _put(self, text: str) -> None:
        if text:
            self._file.write(text)
            _flush(self._file)


def _flush(file: Any) -> None:
    flush = getattr(file, "flush", None)
    if flush is not None:
        flush()


def _takes_text(file: Any) -> bool:
    if isinstance(file, io.TextIOBase):
        return True
    if isinstance(file, (io.RawIOBase, io.BufferedIOBase)):
        return False
    # Files that are no io.IOBase: wrappers of tempfile and codecs, and what users write themselves.
    if "b" in str(getattr(file, "mode", "")):
        return False
    return getattr(file, "encoding", None) is not None


def _is_writable(file: Any) -> bool:
    if not isinstance(file, io.IOBase) or file.writable():
        return True
    # A class of the user's own may write without saying that it can.
    kind = type(file)
    return kind.writable is io.IOBase.writable and kind.__module__ not in ("io", "_io")


def _terminal(name: str) -> Target:
    file = getattr(sys, name)
    if file is None:
        raise ValueError(f"there is no terminal: sys.{name} is None")
    binary = getattr(file, "buffer", None)
    # Jupyter's has none.
    return _TextFile(file) if binary is None else BinaryFile(binary, before=file)


def target(value: TargetLike, stream_id: str) -> Target | None:
    """Return what takes a stream, None for nothing; opens the file of a path.

    Raises:
        TypeError: It is none of the things that can be sent to.
        ValueError: It is the terminal, and there is none; or a closed file.
        OSError: The file of a path can't be opened.
    """
    if value is None or value is False:
        return None
    if value is True:
        return _terminal(_TERMINAL.get(stream_id, "stdout"))
    if isinstance(value, (str, os.PathLike)):
        return BinaryFile(open(value, "wb"), opened_here=True)
    if hasattr(value, "write"):
        if getattr(value, "closed", False) is True:
            raise ValueError(f"{stream_id} is a closed file")
        if not _is_writable(value):
            raise ValueError(f"{stream_id} is a file that was not opened for writing")
        return _TextFile(value) if _takes_text(value) else BinaryFile(value)
    if callable(value):
        _refuse_async(value, stream_id)
        return _Lines(value)
    raise TypeError(
        f"{stream_id} must be a callable, a file, a path or True, not {type(value).__name__}"
    )


def _refuse_async(value: Any, name: str) -> None:
    if iscoroutinefunction(value):
        raise TypeError(f"{name} must be an ordinary function; nobody here awaits an async one")


def piece_target(value: PieceTargetLike, name: str) -> Target:
    """Return what takes a stream in pieces; raises what `target` raises."""
    _refuse_async(value, name)
    found = (
        _Pieces(value) if callable(value) and not hasattr(value, "write") else target(value, name)
    )
    if found is None:
        raise TypeError(
            f"{name} must be a callable, a file, a path or True, not {type(value).__name__}"
        )
    return found


def write_all(file: Any, data: bytes) -> None:
    """Write all of `data` to a binary file, also to an unbuffered one, which may take less than it is given."""
    if not isinstance(file, io.RawIOBase):
        file.write(data)
        return
    rest = memoryview(data)
    while rest:
        taken = file.write(rest)
        if taken is None:
            raise BlockingIOError("the target is a non-blocking file that takes nothing now")
        rest = rest[taken:]


def targets_of(**values: TargetLike) -> dict[str, Target]:
    """Return what takes each stream, those for nothing left out; closes all of them if one can't be."""
    found: dict[str, Target] = {}
    try:
        for stream_id, value in values.items():
            taker = target(value, stream_id)
            if taker is not None:
                found[stream_id] = taker
    except BaseException:
        for taker in found.values():
            taker.close()
        raise
    if not found:
        raise ValueError(f"one of {', '.join(values)} must be given")
    return found
