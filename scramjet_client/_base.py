"""Shared base classes: display in notebooks, `with` for `close()`; and safe display of untrusted text."""

from __future__ import annotations

import logging
import re
import sys
import warnings
from collections.abc import Iterable, Sequence
from traceback import format_exception, walk_tb
from types import FrameType, TracebackType
from typing import NoReturn, TypeVar

from scramjet_client._common.names import Guided, advised
from scramjet_client._common.tracebacks import PACKAGE, is_beneath, module_of, outer

_C = TypeVar("_C", bound="Closing")
_T = TypeVar("_T", bound=type)
_I = TypeVar("_I")

logger: logging.Logger = logging.getLogger("scramjet_client")
logger.addHandler(logging.NullHandler())

PUBLIC = "scramjet_client"
"""The module in which users find every public name."""


def public(cls: _T) -> _T:
    """Mark a class as part of the interface: tracebacks, pickles and `help()` then use its public name."""
    cls.__module__ = PUBLIC
    return advised(cls)


_LONGEST = 400
"""The longest shown text of one value, in characters."""

_LONG_WORD = re.compile(rf"\S{{{_LONGEST + 1},}}")

_MOST_ROWS = 100
"""The most items shown of one list."""

_CELL = "text-align:left;vertical-align:top;white-space:pre-wrap"


def callers_level() -> int:
    """Return the `stacklevel` with which the calling function's warning appears at the user's line.

    Where no line of the user is running any more, as at the interpreter's end, it is that of none.
    """
    level = 1
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and is_beneath(module_of(frame)):
        level, frame = level + 1, frame.f_back
    return level


def warn_aside(text: str, category: type[Warning]) -> None:
    """Warn beside a transfer: a filter that makes errors of warnings (`-W error`) must not end what goes on."""
    try:
        warnings.warn(text, category, stacklevel=callers_level())
    except Warning as warning:
        warnings.showwarning(warning, category, PUBLIC, 1)


def tell_aside(text: str) -> None:
    """Tell of a failure in the background that no call raises, where it is seen.

    That is the log, if somebody has set up logging for it. Otherwise it is a `RuntimeWarning`: this package's logger
    has a `NullHandler`, so that Python itself shows none of its records.
    """
    if _is_logged() or not logger.isEnabledFor(logging.WARNING):
        logger.warning(text)
    else:
        warn_aside(text, RuntimeWarning)


def _is_logged() -> bool:
    """Return whether a handler takes the records of this package's logger."""
    at: logging.Logger | None = logger
    while at is not None:
        if not all(isinstance(each, logging.NullHandler) for each in at.handlers):
            return True
        at = at.parent if at.propagate else None
    return False


def shortened(text: str) -> str:
    """Return a message without the middle of its long words: an id, a name, a URL or a path may fill many screens."""
    return _LONG_WORD.sub(lambda found: _without_middle(found[0]), text)


def quoted(value: object) -> str:
    """Return the repr of a wrong value for a message, without the middle of a long one."""
    text = repr(value)
    return text if len(text) <= _LONGEST else _without_middle(text)


def _without_middle(text: str) -> str:
    half = _LONGEST // 2
    return f"{text[:half]}…{text[-half:]}"


def safe_repr(error: BaseException) -> str:
    """Return the repr of a foreign exception, whose own `__repr__` may raise; then only its type's name."""
    try:
        return repr(error)
    except Exception:
        return f"{type(error).__name__} (it can't be shown)"


class Shown:
    """Gives a class the method with which notebooks show its objects.

    A table shows the same as `repr`: no token, and nothing that needs a request to a hub.
    """

    __slots__ = ()

    def _facts(self) -> Iterable[tuple[str, object]]:
        """Return the rows by name; with no rows, the text of `repr` is shown instead."""
        for field in getattr(type(self), "__attrs_attrs__", ()):
            value = getattr(self, field.name)
            if callable(field.repr):
                yield field.name, field.repr(value)
            elif field.repr:
                yield field.name, value

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><th style="{_CELL}">{in_html(name)}</th><td style="{_CELL}">{_cell(value)}</td></tr>'
            for name, value in self._facts()
        )
        if not rows:
            # Not every frontend has a monospace font for it.
            return f'<pre style="font-family:monospace">{in_html(repr(self))}</pre>'
        return f"<table><caption>{in_html(type(self).__name__)}</caption>{rows}</table>"


class Rows(list[_I]):
    """A list that notebooks show as a table, a row for each item; otherwise a list like any other."""

    def _repr_html_(self) -> str:
        count = f"{len(self)} items" if len(self) != 1 else "1 item"
        return _table(self, count)


class Live(Guided, Shown):
    """Refuses copying and pickling: for objects with a connection, a thread or a client, which may have a token."""

    __slots__ = ()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(
            f"this {type(self).__name__} can't be pickled or copied: make another one where it is needed"
        )


def _table(items: Sequence[object], caption: str) -> str:
    """Return items as the rows of a table. It has a column for each field that is set in at least one item."""
    rows = [_row(each) for each in items[:_MOST_ROWS]]
    names = dict.fromkeys(name for row in rows for name, value in row.items() if value is not None)
    head = "".join(f'<th style="{_CELL}">{in_html(name)}</th>' for name in names)
    body = "".join(
        "<tr>"
        + "".join(f'<td style="{_CELL}">{_cell(row.get(name, ""))}</td>' for name in names)
        + "</tr>"
        for row in rows
    )
    if len(items) > len(rows):
        caption += f", the first {len(rows)} of them"
    return f"<table><caption>{in_html(caption)}</caption><tr>{head}</tr>{body}</table>"


def _row(item: object) -> dict[str, object]:
    facts = dict(item._facts()) if isinstance(item, Shown) else {}
    return facts or {"": item}


def _cell(value: object) -> str:
    if isinstance(value, (list, tuple)) and value and isinstance(value[0], Shown):
        return _table(value, "")
    text = value if isinstance(value, str) else repr(value)
    return in_html(text if len(text) <= _LONGEST else text[:_LONGEST] + "…")


class Closing(Live):
    """Makes a class with a `close()` a context manager."""

    def __enter__(self: _C) -> _C:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Release its resources; safe to call twice."""
        raise NotImplementedError


def traceback_lines(error: BaseException) -> list[str]:
    """Return a traceback with the caller's frames and the call into this package, without deeper frames.

    IPython gets it from errors through `_render_traceback_`. The causes stay in `__cause__`, which this does not
    change.
    """
    shown = _alone(error)
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if shell is None:
        lines = format_exception(type(shown), shown, shown.__traceback__)
        found = "".join(lines).splitlines()
    else:
        found = shell.InteractiveTB.structured_traceback(type(shown), shown, shown.__traceback__)
    return [*found, "(with its causes: import traceback; traceback.print_last())"]


def show_briefly(error: BaseException) -> None:
    """Have IPython show an interrupt as it shows a `ScramjetError`."""
    if "IPython" in sys.modules and not isinstance(error, Exception):
        error._render_traceback_ = lambda: traceback_lines(error)  # type: ignore[attr-defined]


def _alone(error: BaseException) -> BaseException:
    """Return a copy of an error without deeper frames and causes; the caller's own causes stay."""
    shown = type(error).__new__(type(error), *error.args)
    shown.args = error.args
    shown.__dict__.update(error.__dict__)
    shown.__traceback__ = outer(error.__traceback__)
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is None or is_beneath(type(cause).__module__) or _inner(cause):
        shown.__suppress_context__ = True
    else:
        shown.__cause__ = _alone(cause)
    return shown


def _inner(error: BaseException) -> bool:
    """Tell whether an error was raised by deeper code and also caught there."""
    return all(is_beneath(module_of(frame)) for frame, _ in walk_tb(error.__traceback__))


def without_callers(trace: TracebackType | None) -> TracebackType | None:
    """Return a traceback from the first frame outside of this package on: of a generator of the user, its own lines."""
    found = trace
    while found is not None and module_of(found.tb_frame).partition(".")[0] == PACKAGE:
        found = found.tb_next
    return found or trace


_NOT_ASCII = re.compile(r"[^\x00-\x7f]")

_UNSEEN = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # C0, DEL and C1: they move the cursor, set titles, write to the clipboard
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # reorder the shown text
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200d\u2060-\u2065\u206a-\u206f"
    "\u3164\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U00013430-\U00013455"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff"  # take no visible room
    "\u2028\u2029"  # end a line for some programs
    "\ud800-\udfff"  # halves of characters, which cannot be sent to a terminal
    "]"
)
"""Characters that do something other than show themselves. `str.isprintable` does not fit: it changes with Python's
Unicode tables, and counts spaces of other widths and new emoji."""


def in_html(text: str) -> str:
    """Return text for HTML: it is shown as text, and does not reorder or hide the text around it."""
    import html  # noqa: PLC0415 - its table of names takes 1 ms, and few programs show a page

    return html.escape(printable(text, keep="\n\t"))


def printable(text: str, *, keep: str = "") -> str:
    r"""Return text that is safe to print: each character that would act on a terminal becomes an escape.

    Args:
        text: Text from a hub, a program or a file.
        keep: Characters to leave unchanged, such as "\n".
    """
    return _UNSEEN.sub(lambda found: found[0] if found[0] in keep else ascii(found[0])[1:-1], text)


def printable_json(text: str, *, to_ascii: bool = False) -> str:
    """Return equivalent JSON without characters that would act on a terminal, or `to_ascii` without any but ASCII.

    Line ends between its parts stay as they are.
    """
    printable = _UNSEEN.sub(
        lambda found: found[0] if found[0] in "\n\r\t" else _json_escape(found[0]), text
    )
    return (
        _NOT_ASCII.sub(lambda found: _json_escape(found[0]), printable) if to_ascii else printable
    )


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
