"""Results on stdout: tables for people, the same without colour for pipes, JSON for machines."""

from __future__ import annotations

import codecs
import io
import json
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

import attrs
import click

from scramjet_client._base import printable, printable_json
from scramjet_client.api.answers import seconds_since
from scramjet_client.cli import _exits, _say
from scramjet_client.cli._session import Session
from scramjet_client.errors import ScramjetError

_NARROW = 80
"""Below this many columns of a terminal, ids are cut; every command accepts the beginning of an id."""

_SHORT_ID = 12

_STYLES = {
    "killed": "yellow",
    "running": "green",
    "starting": "cyan",
    "stopping": "yellow",
    "crashed": "red",
    "unknown": "yellow",
    "stopped": "bright_black",
    "healthy": "green",
    "unhealthy": "red",
}
"""Colours of status words."""


def plain(value: Any) -> Any:
    """Return a client's answer as JSON values, without the hub's own JSON."""
    if attrs.has(type(value)):
        fields = {name.name: getattr(value, name.name) for name in attrs.fields(type(value))}
        extra = fields.pop("extra", {})
        fields.pop("raw", None)
        known = {name: plain(each) for name, each in fields.items()}
        return {**plain(extra), **known} if isinstance(extra, Mapping) else known
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return value


def document(value: Any) -> None:
    """Print one JSON document: on one line for pipes, indented on a terminal."""
    indent = 2 if sys.stdout.isatty() else None
    _say.raw_out(for_stdout(json.dumps(plain(value), indent=indent, ensure_ascii=False)))


def line(value: Any) -> None:
    text = json.dumps(plain(value), separators=(",", ":"), ensure_ascii=False)
    _say.raw_out(for_stdout(text))


def for_stdout(text: str) -> str:
    """Return equivalent JSON for stdout: JSON is UTF-8, and other encodings have only ASCII in common with it."""
    # A file in memory has no encoding.
    encoding = codecs.lookup(sys.stdout.encoding or "utf-8").name
    return printable_json(text, to_ascii=encoding != "utf-8")


def result(session: Session, value: Any, name: str) -> None:
    """Print what a command has made: its name for people, `value` as one JSON document for machines.

    If stdout does not take it, stderr gets the name: what was made is there, and nobody else knows it.
    """
    try:
        if session.json:
            document(value)
        else:
            _say.out(name)
    except OSError:
        _say.warn(f"{name} is what was made, and could not be printed to stdout")
        raise


def listing(
    session: Session,
    items: Sequence[Any],
    columns: Sequence[str],
    row: Callable[[Any], Sequence[str]],
    *,
    first_only: bool = False,
) -> None:
    """Print a list: as a table, or as one JSON document.

    `row` returns the cells of one item, of which the first is its id or name; `first_only` prints that alone.
    """
    if session.json:
        document(list(items))
        return
    rows = [[printable(cell) for cell in row(each)] for each in items]
    if first_only:
        for each in rows:
            _say.out(each[0])
    elif sys.stdout.isatty():
        _rich_table(columns, rows)
    else:
        for text in _aligned([list(columns), *rows]):
            _say.out(text)


def for_each(session: Session, given: Sequence[str], act: Callable[[str], tuple[str, Any]]) -> None:
    """Do something to each of `given`, and print the ids of those where it succeeded.

    `act` handles one word; it returns its id, and the client's answer.
    """
    first: Exception | None = None
    for each in given:
        try:
            id, answer = act(each)
        except (ScramjetError, click.UsageError, ValueError) as error:
            if first is not None:
                _say.error(_exits.sentence(error))
            first = first or error
            continue
        message = getattr(answer, "message", "")
        if session.json:
            line({**plain(answer), "id": id})
        else:
            _say.out(id)
            if message:
                session.note(f"{id}: {message}")
    if first is not None:
        raise first


def details(session: Session, value: Any, pairs: Sequence[tuple[str, Any]]) -> None:
    """Print the details of one thing: `pairs` for people, `value` as one JSON document for machines."""
    if session.json:
        document(value)
        return
    rows = [
        [printable(name), printable(str(each))]
        for name, each in pairs
        if each not in (None, "", {}, [], ())
    ]
    if sys.stdout.isatty():
        _rich_table(None, rows)
    else:
        for text in _aligned([[f"{name}:", each] for name, each in rows]):
            _say.out(text)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip_longest(*rows, fillvalue="")]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows
    ]


def _rich_table(columns: Sequence[str] | None, rows: Sequence[Sequence[str]]) -> None:
    from rich.cells import cell_len  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    # Rendered into a text, because rich handles a terminal that is gone in its own way.
    console = Console(
        file=io.StringIO(),
        width=shutil.get_terminal_size().columns,
        force_terminal=True,
        no_color=not _say.shows_colours(sys.stdout),
        highlight=False,
        soft_wrap=False,
    )
    table = Table(box=None, pad_edge=False, show_header=columns is not None, header_style="bold")
    heads = columns if columns is not None else ["", ""]
    for number, name in enumerate(heads):
        fixed = number == 0
        # A name that takes the whole line would leave no place for its value.
        longest = max((cell_len(row[0]) for row in rows), default=0)
        folds = columns is None and longest > console.width // 2
        table.add_column(
            name,
            no_wrap=columns is not None or (fixed and not folds),
            overflow="ellipsis" if columns is not None else "fold",
            max_width=console.width // 2 if fixed and folds else None,
            style="bold" if columns is None and fixed else "",
        )
    for row in rows:
        cells = list(row)
        if columns is not None and columns[0] == "ID" and console.width < _NARROW:
            cells[0] = cells[0][:_SHORT_ID]
        head, *rest = cells
        table.add_row(Text(head), *(Text(cell, style=_STYLES.get(cell, "")) for cell in rest))
    with console.capture() as shown:
        console.print(table)
    _say.raw_out(shown.get().rstrip("\n"))


# -- readable numbers -----------------------------------------------------------------------------


def size(count: float | None) -> str:
    """Return a number of bytes in readable form: "12.3 MB"."""
    if count is None:
        return ""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def ago(moment: str | None) -> str:
    """Return the time since an ISO 8601 time in readable form: "3 min ago"."""
    seconds = seconds_since(moment)
    if seconds is None:
        return moment or ""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"
