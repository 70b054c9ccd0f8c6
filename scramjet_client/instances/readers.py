"""Which outputs of an instance this client reads: an output that nobody reads holds its program back."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable

import attrs

from scramjet_client.api.http_client import HttpClient
from scramjet_client.models import OUTPUT_STREAMS
from scramjet_client.streams.output import OutputStream, is_read, on_end

_KEPT = 64
"""Number of instances whose readers are known: the most recently used ones."""

_MAIN = ("output", "stdout")
"""The outputs that most programs write much to. A wait warns if nobody reads one of these."""


@attrs.define
class _Read:
    """The outputs of one instance that this client has opened.

    Attributes:
        streams: All that may still be open, by name.
        ended: The names of those that were read to their end.
    """

    streams: list[tuple[str, weakref.ref[OutputStream]]] = attrs.field(factory=list)
    ended: set[str] = attrs.field(factory=set)

    def live(self) -> list[tuple[str, OutputStream]]:
        """Return the streams that still exist."""
        found = [(name, each()) for name, each in self.streams]
        return [(name, stream) for name, stream in found if stream is not None]


class Readers:
    """The readers of the outputs of one client's instances."""

    def __init__(self) -> None:
        self._read: dict[str, _Read] = {}
        # Guards all of the above. A collection that begins meanwhile may come back here through a handler of logging.
        self._lock = threading.RLock()

    @classmethod
    def of(cls, client: HttpClient) -> Readers:
        """Return the readers of a client."""
        return client.fact("readers", cls)

    def add(self, instance_id: str, stream_id: str, stream: OutputStream) -> None:
        """Take note of a stream that was opened."""
        with self._lock:
            known = self._read.pop(instance_id, None) or _Read()
            self._read[instance_id] = known
            while len(self._read) > _KEPT:
                del self._read[next(iter(self._read))]
            known.streams = [each for each in known.streams if each[1]() is not None]
            known.streams.append((stream_id, weakref.ref(stream)))
        on_end(stream, lambda: known.ended.add(stream_id))

    def come(self, instance_id: str) -> int:
        """Return how many bytes have come in the streams that are still open.

        The log does not count: a hub may write a line into it for each look of a client.
        """
        live = self._of(instance_id).live()
        return sum(stream.bytes_read for name, stream in live if name != "log")

    def unread(self, instance_id: str) -> list[str]:
        """Return the outputs that no thread of this client reads now, and none has read to the end."""
        known = self._of(instance_id)
        read = known.ended | {name for name, stream in known.live() if is_read(stream)}
        return [name for name in OUTPUT_STREAMS if name not in read]

    def advice(self, instance_id: str) -> str:
        """Return, as the end of a sentence, which unread outputs may hold it back; "" if the main ones are read."""
        unread = self.unread(instance_id)
        main = [name for name in _MAIN if name in unread]
        if not main:
            return ""
        cure = ", ".join(f"{name}=..." for name in main)
        return (
            f"; this client does not read its {_listed(unread)}: if nobody else does, the program waits when some"
            f" megabytes are unread; follow({cure}) reads them"
        )

    def _of(self, instance_id: str) -> _Read:
        with self._lock:
            return self._read.get(instance_id) or _Read()


def _listed(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
