"""Server-sent events: data from a hub in the format that a browser's `EventSource` reads."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import attrs
from attrs.validators import optional

from scramjet_client.models import GetEventResponse
from scramjet_client.streams.lines import bare
from scramjet_client.streams.output import OutputStream

LINE_LIMIT = 1 << 20
"""The longest line of a stream, in bytes."""

HEARTBEAT = b": heartbeat\n\n"
"""A comment, which the page does not see."""

# The three line ends of the format; str.splitlines would split at more.
_LINE_END = re.compile(r"\r\n|\r|\n")


def _text(_: Any, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{attribute.name} must be a str, not {type(value).__name__}")


def _one_line(_: Any, attribute: attrs.Attribute[Any], value: str) -> None:
    _text(_, attribute, value)
    if re.search(r"[\r\n\0]", value):
        raise ValueError(f"{attribute.name} must be one line, not {value!r}")


def _milliseconds(_: Any, attribute: attrs.Attribute[Any], value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(
            f"{attribute.name} must be a whole number of milliseconds, not {type(value).__name__}"
        )
    if value < 0:
        raise ValueError(f"{attribute.name} must be 0 or more milliseconds, not {value!r}")


@attrs.frozen(kw_only=True)
class ServerSentEvent:
    """One event for a browser.

    Attributes:
        data: Text, which may have many lines.
        event: Its name, for `addEventListener`; None means "message".
        id: The browser sends it back as `Last-Event-ID` when it reconnects.
        retry: Milliseconds after which the browser reconnects.
    """

    data: str = attrs.field(default="", validator=_text)
    event: str | None = attrs.field(default=None, validator=optional(_one_line))
    id: str | None = attrs.field(default=None, validator=optional(_one_line))
    retry: int | None = attrs.field(default=None, validator=optional(_milliseconds))

    def encode(self) -> bytes:
        """Return its bytes, with the blank line that ends it."""
        fields = {"event": self.event, "id": self.id, "retry": self.retry}
        lines = [f"{name}: {value}" for name, value in fields.items() if value is not None]
        lines += [f"data: {line}" for line in _LINE_END.split(self.data)]
        return "\n".join([*lines, "", ""]).encode("utf-8", "replace")


def as_event(item: Any, name: str | None) -> ServerSentEvent:
    """Return an item of a stream as an event.

    Bytes and text become the data. An instance's event keeps its own name, and its message becomes the data as JSON.
    Any other value becomes JSON.
    """
    if isinstance(item, ServerSentEvent):
        return item
    if isinstance(item, GetEventResponse):
        return ServerSentEvent(event=name or item.event_name, data=_json(item.data))
    if isinstance(item, (bytes, bytearray)):
        item = item.decode("utf-8", "replace")
    return ServerSentEvent(event=name, data=item if isinstance(item, str) else _json(item))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def items_of(stream: Any) -> Iterable[Any]:
    """Return the items that become one event each: lines of bytes or text without their ends, else items."""
    return stream.lines(LINE_LIMIT) if isinstance(stream, OutputStream) else map(_bare, stream)


def _bare(item: Any) -> Any:
    if isinstance(item, bytes):
        return bare(item)
    return re.sub(r"\r?\n\Z", "", item) if isinstance(item, str) else item


def encoded(
    items: Iterable[Any], *, name: str | None, first_id: int | None, end: str | None
) -> Iterator[bytes]:
    """Yield events as bytes, then an event that marks the end; without it a browser reconnects.

    `first_id` numbers the events, and `end` is the name of the last one; None leaves it out.
    """
    numbers: Iterator[str | None] = (
        itertools.repeat(None) if first_id is None else map(str, itertools.count(first_id))
    )
    for item in items:
        event = as_event(item, name)
        number = next(numbers)
        yield (event if event.id is not None else attrs.evolve(event, id=number)).encode()
    if end is not None:
        yield ServerSentEvent(event=end).encode()
