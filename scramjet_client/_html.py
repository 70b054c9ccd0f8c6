"""How a notebook shows a client or an answer: one way for all of them."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import NoReturn

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
