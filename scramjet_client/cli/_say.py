"""The one way to stdout and stderr for text: whatever it says, and whoever said it, it moves no cursor.

Bytes of an instance's streams are not text: they go through `data` as they are, as `cat` does it.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO, Union

from scramjet_client._base import printable

Piece = Union[str, "tuple[str, str]"]
"""A text, or a text and the colour that a terminal shows it in."""

LINES = "\n\t"
"""What may stay in a text of several lines."""

GREEN, RED, YELLOW, DIM = "32", "31", "33", "2"


def attach() -> None:
    """See to it that there are a stdin, a stdout and a stderr.

    Cron jobs and services may start a command without them. Then they are the null device: there is nothing
    to read, and nobody wants to read. The numbers 0 to 2 are taken as well, for a socket that got one of them
    would be sent what libraries and the interpreter print.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free, which is this one.
            os.open(os.devnull, os.O_RDWR)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        file = getattr(sys, name)
        if file is None or file.closed:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - it stays
        elif isinstance(file, io.TextIOWrapper) and mode == "w":
            # A name that the terminal's encoding does not have must not end the command.
            file.reconfigure(errors="backslashreplace")


def out(*pieces: Piece, keep: str = "") -> None:
    r"""Print a line to stdout.

    Args:
        pieces: What stands in it.
        keep: Control characters that may stay, such as "\n".

    Raises:
        OSError: It can't be written; `filename` is "stdout". BrokenPipeError: nobody reads it any more.
    """
    raw_out(_line(pieces, sys.stdout, keep))


def raw_out(text: str) -> None:
    """Print a text of several lines of our own to stdout, in which all that is not ours is printable already."""
    with named_stdout():
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def err(*pieces: Piece, keep: str = "") -> None:
    """Print a line to stderr, if that can be; there is no other place to complain."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(_line(pieces, sys.stderr, keep) + "\n")
        sys.stderr.flush()


def warn(text: str) -> None:
    """Say on stderr what must be heard in any case."""
    err(("Warning:", YELLOW), " ", text)


def error(sentence: str) -> None:
    """Say on stderr what went wrong."""
    err(("Error:", RED), " ", sentence)


class Data(io.RawIOBase):
    """Stdout for bytes, which it is given as they are."""

    def write(self, data: Any) -> int:
        """Write a piece, and send it on its way."""
        with named_stdout():
            sys.stdout.flush()
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        return len(data)

    def writable(self) -> bool:
        """Say that it takes bytes."""
        return True


def flushed(code: int) -> int:
    """Write out what stdout still holds; return the exit code that is left.

    If that can't be, see to it that nobody tries again: the interpreter's end would, and complain.
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


def shows_colours(file: TextIO) -> bool:
    """Say whether a file is a terminal that shows colours."""
    return file.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


@contextlib.contextmanager
def named_stdout() -> Iterator[None]:
    """Have an error of the block say that it is stdout that can't be written."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as failure:
        if failure.errno is None or failure.filename is not None:
            raise
        raise OSError(failure.errno, failure.strerror, "stdout") from failure
