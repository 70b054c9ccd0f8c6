"""What every public class has: a picture for notebooks, and a `with` for what has a `close()`."""

from __future__ import annotations

import html
import logging
from collections.abc import Iterable
from types import TracebackType
from typing import NoReturn, TypeVar

_C = TypeVar("_C", bound="Closing")
_T = TypeVar("_T", bound=type)

logger: logging.Logger = logging.getLogger("scramjet_client")
logger.addHandler(logging.NullHandler())

PUBLIC = "scramjet_client"
"""Where users find every public name."""


def public(cls: _T) -> _T:
    """Mark a class as part of the interface: tracebacks, pickles and `help()` name it by its public place."""
    cls.__module__ = PUBLIC
    return cls


_LONGEST = 400
"""Characters of one value that are shown."""

_CELL = "text-align:left;vertical-align:top;white-space:pre-wrap"


class Shown:
    """Gives a class the method by which notebooks show its objects.

    What is shown is what `repr` shows, as a table: no token, and nothing that a hub would have to be asked for.
    """

    __slots__ = ()

    def _facts(self) -> Iterable[tuple[str, object]]:
        """Return the rows by name; none of them means the text of `repr` instead."""
        for field in getattr(type(self), "__attrs_attrs__", ()):
            value = getattr(self, field.name)
            if callable(field.repr):
                yield field.name, field.repr(value)
            elif field.repr:
                yield field.name, value

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><th style="{_CELL}">{html.escape(name)}</th><td style="{_CELL}">{_cell(value)}</td></tr>'
            for name, value in self._facts()
        )
        if not rows:
            return f"<pre>{html.escape(repr(self))}</pre>"
        return f"<table><caption>{html.escape(type(self).__name__)}</caption>{rows}</table>"


class Live(Shown):
    """Refuses to be copied and pickled: for what holds a connection, a thread or a client, which may have a token."""

    __slots__ = ()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(
            f"this {type(self).__name__} can't be pickled or copied: make another one where it is needed"
        )


def _cell(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return html.escape(text if len(text) <= _LONGEST else text[:_LONGEST] + "…")


class Closing(Live):
    """Makes a class with a `close()` a context manager."""

    def __enter__(self: _C) -> _C:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give up what this holds; safe to call twice."""
        raise NotImplementedError
