"""The only way for text to stdout and stderr: no text, whoever wrote it, can move the cursor.

Bytes of an instance's streams are not text: they pass through `data` unchanged, as with `cat`.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import sys
from collections.abc import Iterator
from typing import Any, TextIO, Union

from scramjet_client._base import printable, shortened

Piece = Union[str, "tuple[str, str]"]
"""A text, or a text and the colour that a terminal shows it in."""

LINES = "\n\t"
"""Control characters that may stay in a text of several lines."""

GREEN, RED, YELLOW, DIM = "32", "31", "33", "2"

_SGR = re.compile(r"\x1b\[[0-9;]*m")
"""A change of colour, which moves nothing. Programs that are run at a terminal may be colourful."""


def attach() -> None:
    """Make sure that stdin, stdout and stderr exist.

    Cron jobs and services may start a command without them. Then each becomes the null device: it provides no input,
    and discards output. This also takes the descriptors 0 to 2. Otherwise a socket could get one of these numbers, and
    receive what libraries and the interpreter print.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number, which is this one.
            os.open(os.devnull, os.O_RDWR)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        file = getattr(sys, name)
        if file is None or file.closed:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - it stays
        elif isinstance(file, io.TextIOWrapper) and mode == "w":
            # A name that the terminal's encoding lacks must not end the command. A line ends alike on all systems.
            file.reconfigure(errors="backslashreplace", newline="\n")


def out(*pieces: Piece, keep: str = "") -> None:
    r"""Print a line to stdout; `keep` are control characters that may stay, such as "\n".

    Raises:
        OSError: It can't be written; `filename` is "stdout". BrokenPipeError: nobody reads it any more.
    """
    raw_out(_line(pieces, sys.stdout, keep))


def raw_out(text: str) -> None:
    """Print our own text of several lines to stdout; foreign parts in it must already be printable."""
    with named_stdout():
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def stream_line(name: tuple[str, str], text: str) -> None:
    """Print a line of a program to stdout, behind the name of its stream, which has a colour.

    A terminal shows the line in the program's own colours.
    """
    raw_out(_line((name,), sys.stdout, "") + _in_its_colours(text, sys.stdout))


def part(text: str) -> None:
    """Print text to stdout that is not a whole line, such as the prompt of a debugger."""
    with named_stdout():
        sys.stdout.write(printable(text, keep=LINES))
        sys.stdout.flush()


def err(*pieces: Piece, keep: str = "") -> None:
    """Print a line to stderr if possible; errors are ignored, as they could be reported nowhere else."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(_line(pieces, sys.stderr, keep) + "\n")
        sys.stderr.flush()


def warn(text: str) -> None:
    """Print a warning to stderr, even if the command is quiet."""
    err(("Warning:", YELLOW), " ", shortened(text))


def error(sentence: str) -> None:
    err(("Error:", RED), " ", shortened(sentence))


class Data(io.RawIOBase):
    """Stdout for bytes, which it writes unchanged."""

    def write(self, data: Any) -> int:
        with named_stdout():
            sys.stdout.flush()
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        return len(data)

    def writable(self) -> bool:
        return True


def flushed(code: int) -> int:
    """Flush stdout and stderr; return the resulting exit code.

    If a flush fails, make sure that nothing flushes again: the interpreter would do so at its end, and complain.
    """
    try:
        with named_stdout():
            sys.stdout.flush()
    except BrokenPipeError:
        _drop(sys.stdout)
        return 141
    except (OSError, ValueError) as failure:
        _drop(sys.stdout)
        if code == 0:
            error(f"stdout: {getattr(failure, 'strerror', None) or failure}")
            return 1
    try:
        sys.stderr.flush()
    except (OSError, ValueError):
        _drop(sys.stderr)
    return code


def _drop(file: TextIO) -> None:
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, file.fileno())
        os.close(null)


def _line(pieces: tuple[Piece, ...], file: TextIO, keep: str) -> str:
    coloured = shows_colours(file)
    shown = []
    for piece in pieces:
        text, colour = (piece, "") if isinstance(piece, str) else piece
        text = printable(text, keep=keep)
        shown.append(f"\x1b[{colour}m{text}\x1b[0m" if colour and coloured and text else text)
    return "".join(shown)


def _in_its_colours(text: str, file: TextIO) -> str:
    colours = _SGR.findall(text)
    pieces = [printable(each, keep="\t") for each in _SGR.split(text)]
    if not colours or not shows_colours(file):
        return "".join(pieces)
    mixed = [pieces[0]]
    for colour, piece in zip(colours, pieces[1:]):
        mixed += [colour, piece]
    return "".join([*mixed, "\x1b[0m"])


def shows_colours(file: TextIO) -> bool:
    return file.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


@contextlib.contextmanager
def named_stdout() -> Iterator[None]:
    """Name stdout in an error of the block that means that stdout can't be written."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as failure:
        if sys.platform == "win32" and failure.errno == errno.EINVAL:
            # So Windows says that nobody reads a pipe any more.
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)) from failure
        if failure.errno is None or failure.filename is not None:
            raise
        raise OSError(failure.errno, failure.strerror, "stdout") from failure
