"""Targets of a stream: callables, files, paths and the terminal; only this module tells them apart."""

from __future__ import annotations

import codecs
import functools
import inspect
import io
import logging
import os
import socket
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, Union

from scramjet_client._base import Closing, printable, warn_aside
from scramjet_client._common.files import Given, NewFile, name_in
from scramjet_client._common.log_records import full_record_of, indented
from scramjet_client.http.callbacks import refuse_result, refuse_unheard
from scramjet_client.streams.lines import LineSplitter, bare

PieceTargetLike = Union[
    Callable[[bytes], object], Callable[[str], object], Any, "os.PathLike[str]", str, bool
]
"""A callable for each piece, a file, a path, or True for the terminal.

A callable gets bytes, unless it is for text: `print`, the `write` of a text file, a method of a logger, or a
callable whose first parameter is annotated `str`."""

TargetLike = Union[PieceTargetLike, None]
"""The same, but a callable gets lines, and None is for nothing."""

_REPLACED = "\ufffd"
"""What stands in text for bytes that are not UTF-8."""

_TERMINAL = {"stderr": "stderr", "log": "stderr"}


class Readable(Protocol):
    """The part of an `OutputStream` that a target reads."""

    @property
    def closed(self) -> bool:
        """Whether this side closed it."""

    def chunks(self) -> Iterable[bytes]:
        """Return the data as it comes."""

    def __iter__(self) -> Iterator[bytes]: ...


class Target(Closing):
    """Takes the data of a stream until its end; `close()` closes what was opened here.

    Attributes:
        file: The file that it writes to, if it is one.
    """

    file: Given | NewFile | None = None

    def take(self, stream: Readable) -> None:
        """Read the stream to its end, on the calling thread."""
        for chunk in stream.chunks():
            self.write(chunk)
        self.finish()

    def write(self, chunk: bytes) -> None:
        """Pass a piece on."""
        raise NotImplementedError

    def finish(self) -> None:
        """Pass on the data that was held back until the end."""

    def renew(self) -> None:
        """Drop what the file of a path held before, if no data has done that."""
        if isinstance(self.file, NewFile):
            self.file.finish()

    def close(self) -> None:
        """Close the file if it was opened here."""
        if self.file is not None:
            self.file.close()


class _Lines(Target):
    """A callable, or the `write` of a file, that gets lines as `convert` makes them; None leaves a line out."""

    def __init__(
        self, call: Callable[[Any], object], convert: Callable[[bytes], object | None] = bytes
    ) -> None:
        self._call = call
        self._convert = convert
        self._splitter = LineSplitter("the stream", keep_ends=True)

    def take(self, stream: Readable) -> None:
        for line in stream:
            # The call for an earlier line of this piece closed the stream.
            if stream.closed:
                return
            self._give(line)

    def write(self, chunk: bytes) -> None:
        for line in self._splitter.split(chunk):
            self._give(line)

    def finish(self) -> None:
        if rest := self._splitter.last():
            self._give(rest)

    def _give(self, line: bytes) -> None:
        given = self._convert(line)
        if given is None:
            return
        result = self._call(given)
        if result is not None:
            refuse_result(result, "a callback for lines")


class _Pieces(Target):
    """A callable that gets data as it comes."""

    def __init__(self, call: Callable[[Any], object]) -> None:
        self._call = call

    def write(self, chunk: bytes) -> None:
        result = self._call(chunk)
        if result is not None:
            refuse_result(result, "a callback for data")


def log_text(line: str) -> str | None:
    """Return a log line for people, without its end; a line that is not a record stays as it is.

    None stands for a record that a hub writes about each look of a client: it says nothing of the program.
    """
    line = line.rstrip("\r\n")
    record = full_record_of(line)
    if record is not None and record.is_look:
        return None
    shown = line if record is None else f"{record.when} {record.level:<5} {indented(record.words)}"
    return printable(shown, keep="\n\t")


class _Spoiled:
    """Warns once that the text for the target of an argument lacks bytes that are not UTF-8."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._warned = False

    def look(self, data: bytes, text: str) -> None:
        """Compare a piece of data with its text."""
        if self._warned or text.count(_REPLACED) <= data.count(_REPLACED.encode()):
            return
        self._warned = True
        warn_aside(
            f"{self._name} takes text, and some bytes are not UTF-8: U+FFFD stands in their place; a path, or a file "
            "opened with 'wb', gets the bytes unchanged",
            UserWarning,
        )


def _text(line: bytes, *, ends: bool, log: bool, spoiled: _Spoiled | None) -> str | None:
    """Return the text of a line, None to leave it out.

    With `ends` it keeps its newline, with `log` it is a record for a person to read.
    """
    text = (line if ends else bare(line)).decode("utf-8", "replace")
    if spoiled is not None:
        spoiled.look(line, text)
    if not log:
        return text
    shown = log_text(text)
    return None if shown is None else shown + "\n" * ends


def _text_lines(
    call: Callable[[str], object], *, ends: bool, log: bool, spoiled: _Spoiled | None = None
) -> Target:
    return _Lines(call, functools.partial(_text, ends=ends, log=log, spoiled=spoiled))


def _is_screen(file: Any) -> bool:
    """Whether a person reads the file at once, as it is written."""
    if any(file is each for each in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)):
        return True
    try:
        return bool(file.isatty())
    except (AttributeError, ValueError, OSError):
        return False


def _screen(file: Any) -> Target:
    """Return a target that shows a log on a text file that a person reads."""

    def show(text: str) -> None:
        file.write(text)
        _flush(file)

    return _text_lines(show, ends=True, log=True)


def _for_text(call: Any, argument: str, *, log: bool) -> Target | None:
    """Return a target that gives lines of text to a callable for text, else None."""
    inner = call
    while isinstance(inner, functools.partial):
        inner = inner.func
    name, of = getattr(inner, "__name__", ""), getattr(inner, "__self__", None)
    if name == "print" or isinstance(of, (logging.Logger, logging.LoggerAdapter)):
        return _text_lines(call, ends=False, log=log)
    if name == "write" and of is not None and _takes_text(of):
        screen = _is_screen(of)
        spoiled = None if screen else _Spoiled(argument)
        return _text_lines(call, ends=True, log=log and screen, spoiled=spoiled)
    if not _wants_str(inner):
        return None
    return _text_lines(call, ends=True, log=False, spoiled=_Spoiled(argument))


def _wants_str(call: Any) -> bool:
    """Whether the first parameter of a callable is annotated as text."""
    try:
        first = next(iter(inspect.signature(call).parameters.values()), None)
    except (TypeError, ValueError):
        return False
    return first is not None and first.annotation in (str, "str")


class BinaryFile(Target):
    """Binary file target: writes each chunk as it arrives."""

    def __init__(self, file: Any, *, before: Any = None) -> None:
        self._file = file
        # The text file above it, which may hold text that was printed earlier.
        self._before = before

    def write(self, chunk: bytes) -> None:
        """Write a chunk unchanged."""
        try:
            if self._before is not None:
                self._before.flush()
            write_all(self._file, chunk)
            _flush(self._file)
        except OSError as error:
            name_in(error, self._file)
            raise

    def finish(self) -> None:
        """Make sure that the file is new, also if nothing came."""
        self.renew()


class _TextFile(Target):
    """A text file: decodes the bytes as they come, and joins characters that are split over pieces."""

    def __init__(
        self,
        file: Any,
        encoding: str = "utf-8",
        errors: str = "replace",
        *,
        spoiled: _Spoiled | None = None,
    ) -> None:
        self._file = file
        self._spoiled = spoiled
        self._decoder = codecs.getincrementaldecoder(encoding)(errors)

    def write(self, chunk: bytes) -> None:
        text = self._decoder.decode(chunk)
        if self._spoiled is not None:
            self._spoiled.look(chunk, text)
        self._put(text)

    def finish(self) -> None:
        self._put(self._decoder.decode(b"", final=True))

    def _put(self, text: str) -> None:
        if not text:
            return
        try:
            self._file.write(text)
            _flush(self._file)
        except OSError as error:
            name_in(error, self._file)
            raise


def _flush(file: Any) -> None:
    flush = getattr(file, "flush", None)
    if flush is not None:
        flush()


def _takes_text(file: Any) -> bool:
    if isinstance(file, io.TextIOBase):
        return True
    if isinstance(file, (io.RawIOBase, io.BufferedIOBase, codecs.StreamRecoder)):
        return False
    if isinstance(file, (codecs.StreamWriter, codecs.StreamReaderWriter)):
        # Their mode is the mode of the file below; codecs such as zlib and hex take bytes.
        writer = getattr(file, "writer", file)
        return getattr(writer, "charbuffertype", str) is not bytes
    # These files are not io.IOBase: wrappers of tempfile and codecs, and users' own classes.
    if "b" in str(getattr(file, "mode", "")):
        return False
    return getattr(file, "encoding", None) is not None


def _recoder(file: Any) -> Target | None:
    """Return a target for a file of `codecs.EncodedFile`, whose own `write` fails on part of a character; else None."""
    encoding = getattr(file, "data_encoding", None)
    if type(file) is not codecs.StreamRecoder or not isinstance(encoding, str):
        return None
    try:
        return _TextFile(file.writer, encoding, file.errors)
    except LookupError:
        # This codec has no incremental decoder.
        return None


def _is_writable(file: Any) -> bool:
    if not isinstance(file, io.IOBase) or file.writable():
        return True
    # A user's class may write without reporting that it can.
    kind = type(file)
    return kind.writable is io.IOBase.writable and kind.__module__ not in ("io", "_io")


def _terminal(name: str, *, log: bool) -> Target:
    file = getattr(sys, name)
    if file is None:
        raise ValueError(f"there is no terminal: sys.{name} is None")
    if log:
        return _screen(file)
    binary = getattr(file, "buffer", None)
    # Jupyter's terminal has no binary file.
    return _TextFile(file) if binary is None else BinaryFile(binary, before=file)


def target(value: TargetLike, stream_id: str, name: str = "") -> Target | None:
    """Return the target for a stream, or None for nothing.

    The file of a path is opened here, and keeps what it holds until the first data or the end replaces it.

    Args:
        value: What the caller gave, or a target that was made of it before.
        stream_id: The stream, which is also the name of the argument.
        name: The stream with its instance, "output of 'abc'", if that is known.

    Raises:
        TypeError: The value is not a possible target.
        ValueError: The value is the terminal, but this program has none; or it is a closed file; or writing to it would
            destroy what is sent, or what another target writes.
        OSError: The file of a path can't be opened.
    """
    if value is None or value is False:
        return None
    return _target(value, stream_id, name or stream_id, log=stream_id == "log", calls=_Lines)


def piece_target(value: PieceTargetLike, name: str, stream: str = "") -> Target:
    """Return a target that takes a stream in pieces; raises the exceptions of `target`, which name the argument.

    `stream` is the name of the stream, "log of 'abc'"; a log is shown in readable form.
    """
    return _target(value, name, stream or name, log=stream.startswith("log of"), calls=_Pieces)


def _target(
    value: Any,
    name: str,
    stream: str,
    *,
    log: bool,
    calls: Callable[[Callable[[Any], object]], Target],
) -> Target:
    """Return a target; `calls` makes that of a callable for bytes."""
    if value is True:
        return _terminal(_TERMINAL.get(name, "stdout"), log=log)
    if isinstance(value, Target):
        return value
    if isinstance(value, (str, os.PathLike)):
        new = NewFile(value, name, stream)
        found: Target = BinaryFile(new)
        found.file = new
        return found
    if hasattr(value, "write"):
        found = _open_file(value, name, log=log)
        found.file = Given(value, name, stream)
        return found
    if callable(value):
        refuse_unheard(value, name)
        lines = _for_text(value, name, log=log)
        raw = _Pieces(functools.partial(_write_rest, value)) if _is_raw(value) else None
        return lines or raw or calls(value)
    raise TypeError(
        f"{name} must be a callable, a file, a path or True, not {type(value).__name__}"
    )


def _open_file(value: Any, name: str, *, log: bool) -> Target:
    """Return the target for a file that the caller has opened."""
    if getattr(value, "closed", False) is True:
        raise ValueError(f"{name} is a closed file")
    refuse_unheard(value.write, f"the write of {name}")
    if not _is_writable(value):
        raise ValueError(f"{name} is a file that was not opened for writing")
    if not _takes_text(value):
        return _recoder(value) or BinaryFile(value)
    if _is_screen(value):
        return _screen(value) if log else _TextFile(value)
    return _TextFile(value, spoiled=_Spoiled(name))


def write_all(file: Any, data: bytes) -> None:
    """Write all of `data` to a binary file, even to an unbuffered one, which may take only a part."""
    if _is_raw(file.write):
        _write_rest(file.write, data)
        return
    taken = file.write(data)
    if type(taken) is int and 0 <= taken < len(data):
        # A buffered file takes everything or raises.
        raise OSError(f"the target took {taken} of {len(data)} bytes: its write returned {taken}")
    if taken is not None:
        refuse_result(taken, "the write of the target")


def _is_raw(write: Any) -> bool:
    """Whether a function is a raw file's or socket's own, or a wrapper's around it, and may take a part of the data."""
    while True:
        if isinstance(write, functools.partial):
            write = write.func
        elif isinstance(
            getattr(write, "__wrapped__", None),
            (types.BuiltinFunctionType, types.MethodType, types.FunctionType),
        ):
            # Wrappers of tempfile and tqdm.
            write = write.__wrapped__
        else:
            break
    of, name = getattr(write, "__self__", None), getattr(write, "__name__", "")
    return (
        write is os.write
        or (isinstance(of, io.RawIOBase) and name == "write")
        or (isinstance(of, socket.socket) and name == "send")
    )


def _write_rest(write: Callable[[Any], Any], data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        taken = write(rest)
        if taken is None:
            raise BlockingIOError("the target is a non-blocking file that takes nothing now")
        rest = rest[taken:]


def targets_of(whose: str, **values: TargetLike) -> dict[str, Target]:
    """Return the target of each stream that has one; close all of them if one can't be opened.

    Args:
        whose: The instance's id in quotes.
        values: What the caller gave for each stream.
    """
    found: dict[str, Target] = {}
    try:
        for stream_id, value in values.items():
            taker = target(value, stream_id, f"{stream_id} of {whose}")
            if taker is not None:
                found[stream_id] = taker
    except BaseException:
        for taker in found.values():
            taker.close()
        raise
    if not found:
        raise ValueError(f"one of {', '.join(values)} must be given")
    return found
