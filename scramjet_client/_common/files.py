"""Files that are made anew: what they held stays until the first byte replaces it, and none is one that is read."""

from __future__ import annotations

import contextlib
import io
import os
import stat
import threading
import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn, TypeVar, Union

_F = TypeVar("_F", bound="Reading | Given | NewFile")

Named = Union[str, "os.PathLike[str]"]

_REMEMBERED = 256
"""How many sent files are remembered. One that was sent to a program must not be replaced by the program's answer."""


def _stat_of(file: Any) -> os.stat_result | None:
    """Return the status of the regular file or disk behind a path or an open file; None for anything else."""
    try:
        is_path = isinstance(file, (str, os.PathLike)) and not hasattr(file, "read")
        found = os.stat(file) if is_path else os.fstat(file.fileno())
    except (OSError, ValueError, TypeError, AttributeError, NotImplementedError):
        # It does not exist, is closed, or is no file of the system.
        return None
    # Terminals, pipes and devices can be read and written at the same time.
    return found if stat.S_ISREG(found.st_mode) or stat.S_ISBLK(found.st_mode) else None


def is_same(one: Any, other: Any) -> bool:
    """Return whether two paths or open files are the same regular file, also by links."""
    first, second = _stat_of(one), _stat_of(other)
    return first is not None and second is not None and os.path.samestat(first, second)


def replaced_by(target: Any, read: Iterable[tuple[Any, str]]) -> str | None:
    """Return what a new file at `target` would replace, of files and what each of them is; None for nothing."""
    found = _stat_of(target)
    if found is None:
        return None
    for file, what in read:
        other = None if file is None else _stat_of(file)
        if other is not None and os.path.samestat(found, other):
            return what
    return None


def name_in(error: OSError, file: Any) -> None:
    """Put the name of a file into an error of writing it, which the system leaves without."""
    name = getattr(file, "name", None)
    if error.errno is not None and error.filename is None and isinstance(name, (str, os.PathLike)):
        error.filename = os.fspath(name)


def partner_of(name: str) -> str:
    """Return whose stream a name means: that of "input of 'abc'" is "'abc'"."""
    return name.rpartition(" of ")[2]


class Reading:
    """A file that is being sent. Until `close`, no new file takes its place.

    Args:
        file: The path or the open file; anything else is no file.

    Raises:
        ValueError: A new file is about to take its place.
    """

    def __init__(self, file: Any) -> None:
        self.partner = ""
        self._file = file
        self.status = _stat_of(file)
        name = getattr(file, "name", None) if hasattr(file, "read") else file
        self.shown = repr(os.fspath(name)) if isinstance(name, (str, os.PathLike)) else "the file"
        if self.status is not None:
            _in_use.read(self, self.status)

    def to(self, name: str) -> None:
        """Tell where it is sent: "input of 'abc'".

        Raises:
            ValueError: What comes from there goes into it.
        """
        if self.status is not None:
            _in_use.send(self, self.status, name)

    def end(self) -> Iterator[NoReturn]:
        """Yield nothing, as the last part of what is sent.

        Raises (when iterated):
            OSError: The file has become shorter since, so that a part of it may be missing.
        """
        yield from ()
        before, now = self.status, _stat_of(self._file)
        if before is None or now is None or not os.path.samestat(before, now):
            return
        if now.st_size < before.st_size:
            raise OSError(
                f"{self.shown} became shorter while it was sent: it had {before.st_size} bytes, and has {now.st_size}"
            )

    def close(self) -> None:
        """Tell that it has been read; safe to call twice."""
        self._file = None
        _in_use.forget(self)


class Given:
    """A file that somebody has opened, and that is written to until `close`. What it holds is theirs.

    Args:
        file: The open file.
        argument: The argument that named it, for errors.
        what: What is written into it, for errors: "output of 'abc'".

    Raises:
        ValueError: It is being sent to where the data comes from, or a new file is at its place.
    """

    is_new = False
    does = "goes into"
    made = False
    spared = False
    begun = False

    def __init__(self, file: Any, argument: str, what: str = "") -> None:
        name = getattr(file, "name", None)
        self.name = os.fspath(name) if isinstance(name, (str, os.PathLike)) else "a file"
        self.argument = argument
        self.what = what or argument
        self.status = _stat_of(file)
        if self.status is not None:
            _in_use.write(self, self.status)

    def close(self) -> None:
        """Tell that nothing more is written; the file stays open. Safe to call twice."""
        _in_use.forget(self)


class NewFile:
    """A file that is made anew: the first byte replaces what it held, and so does the end of a `with` block.

    Before that, an error leaves it as it was. If it was made here, such an error removes it.

    Args:
        path: Its path.
        argument: The argument that named it, for errors.
        what: What is written into it, for errors: "output of 'abc'".

    Raises:
        OSError: It can't be opened for writing.
        ValueError: It is being sent, or gets something else already.
    """

    is_new = True
    does = "would replace"

    def __init__(self, path: Named, argument: str, what: str = "") -> None:
        self.made = False
        self.begun = False
        # Whether somebody wanted to send what it holds: then only data replaces that.
        self.spared = False
        self.name = os.fspath(path)
        self.argument = argument
        self.what = what or argument
        self._path = os.path.abspath(self.name)
        self._file: io.FileIO = open(path, "wb", buffering=0, opener=self._open)  # noqa: SIM115 - `close` does it
        self.status = _stat_of(self._file)
        try:
            if self.status is not None:
                _in_use.write(self, self.status)
        except BaseException:
            self.close()
            raise

    def _open(self, path: str, flags: int) -> int:
        flags &= ~os.O_TRUNC
        try:
            descriptor = os.open(path, flags | os.O_EXCL, 0o666)
        except FileExistsError:
            return os.open(path, flags, 0o666)
        except FileNotFoundError as error:
            folder = os.path.dirname(path)
            if folder and not os.path.isdir(folder):
                error.strerror = f"there is no folder {folder!r}; make it first"
            raise
        self.made = True
        return descriptor

    def finish(self) -> None:
        """Drop what it held, if no data has done that."""
        if not self.spared:
            self._begin()

    def _begin(self) -> None:
        if self.begun:
            return
        self.begun = True
        if self.status is not None and stat.S_ISREG(self.status.st_mode):
            self._file.truncate(0)

    def write(self, data: Any) -> int:
        """Write all of the data."""
        try:
            self._begin()
            rest = memoryview(data).cast("B")
            while rest:
                taken = self._file.write(rest)
                if taken is None:
                    raise BlockingIOError(
                        f"{self.name} is a non-blocking file that takes nothing now"
                    )
                rest = rest[taken:]
        except OSError as error:
            name_in(error, self)
            raise
        return len(data)

    def flush(self) -> None:
        """Do nothing: there is no buffer."""

    def __enter__(self) -> NewFile:
        return self

    def __exit__(self, kind: object = None, *_error: object) -> None:
        try:
            if kind is None:
                self.finish()
        finally:
            self.close()

    def close(self) -> None:
        """Close it; safe to call twice. If it was made here and nothing was written, it goes."""
        _in_use.forget(self)
        if self._file.closed:
            return
        needless = self.made and not self.begun and is_same(self._file, self._path)
        try:
            self._file.close()
        except OSError as error:
            name_in(error, self)
            raise
        finally:
            if needless:
                os.unlink(self._path)


class _InUse:
    """The files that this process sends, has sent and writes."""

    def __init__(self) -> None:
        self._watches_forks = False
        self._start()

    def _start(self) -> None:
        # Guards what is below. It can be taken twice, because the garbage collector may close a file meanwhile. A
        # forked child gets a new one, as another thread may have held it at the fork.
        self._lock = threading.RLock()
        self._readings: weakref.WeakValueDictionary[int, Reading] = weakref.WeakValueDictionary()
        self._written: weakref.WeakValueDictionary[int, Given | NewFile] = (
            weakref.WeakValueDictionary()
        )
        self._sent: deque[tuple[str, os.stat_result]] = deque(maxlen=_REMEMBERED)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        if not self._watches_forks and hasattr(os, "register_at_fork"):
            self._watches_forks = True
            os.register_at_fork(after_in_child=self._start)
        with self._lock:
            yield

    def read(self, reading: Reading, status: os.stat_result) -> None:
        """Add a file that will be sent."""
        with self._locked():
            for each in _those(self._written, status):
                if not each.begun:
                    each.spared = True
                    raise ValueError(
                        f"{reading.shown} can't be sent: {each.what} {each.does} it; name another file for that"
                    )
            self._readings[id(reading)] = reading

    def send(self, reading: Reading, status: os.stat_result, name: str) -> None:
        """Take a note of where a file goes."""
        with self._locked():
            reading.partner = partner_of(name)
            for each in _those(self._written, status):
                if partner_of(each.what) == reading.partner:
                    raise ValueError(
                        f"{reading.shown} can't be sent to {name}: {each.what} goes into it; name another file for that"
                    )
            self._sent.append((reading.partner, status))

    def write(self, file: Given | NewFile, status: os.stat_result) -> None:
        """Add a file that will be written."""
        partner = partner_of(file.what)
        with self._locked():
            for reading in _those(self._readings, status):
                if file.is_new or reading.partner == partner:
                    self._refuse(file, "is being sent")
            for other in _those(self._written, status):
                if file.is_new or other.is_new:
                    raise ValueError(
                        f"{file.argument} and {other.argument} would overwrite each other in {file.name!r}; name a file"
                        " for each"
                    )
            for whose, sent in self._sent:
                # What was made here is not what was sent, even if its number is the same.
                if file.is_new and not file.made and whose == partner and _is_as_sent(sent, status):
                    self._refuse(file, f"was sent to {_called(partner)}")
            self._written[id(file)] = file

    @staticmethod
    def _refuse(file: Given | NewFile, why: str) -> None:
        raise ValueError(
            f"{file.argument} would replace {file.name!r}, which {why}; name another file"
        )

    def forget(self, file: Reading | Given | NewFile) -> None:
        """Drop a file that is read or written no more."""
        if file.status is not None:
            with self._locked():
                self._readings.pop(id(file), None)
                self._written.pop(id(file), None)


def _those(files: weakref.WeakValueDictionary[int, _F], status: os.stat_result) -> list[_F]:
    """Return those of some files that are the file with a status."""
    found = [each() for each in files.valuerefs()]
    return [
        each
        for each in found
        if each is not None and each.status is not None and os.path.samestat(each.status, status)
    ]


def _called(partner: str) -> str:
    return partner if partner.startswith("topic") else f"instance {partner}"


def _is_as_sent(before: os.stat_result, now: os.stat_result) -> bool:
    """Return whether a file is one that was sent, unchanged; its number alone may be that of a newer file."""
    same = os.path.samestat(before, now)
    return same and (before.st_mtime_ns, before.st_size) == (now.st_mtime_ns, now.st_size)


_in_use = _InUse()
