"""The hub's records: JSON lines, kept up to a limit; a reader gets the kept lines first, then live ones."""

from __future__ import annotations

import json
import time
import uuid
from collections import deque
from datetime import datetime, timezone
from typing import Any

from scramjet_client.hub._pipes import Pipe

_KEPT_LINES = 1000
_KEPT_BYTES = 4 * 2**20

_HUB_BEAT, _INSTANCE_BEAT = 13010, 13012


def timestamp() -> str:
    """Return the time as hubs write it in info, e.g. "2026-11-24T08:26:43.145Z"."""
    now = datetime.now(timezone.utc)
    return now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03d}Z"


def milliseconds() -> int:
    """Return the time as hubs write it in logs: milliseconds since 1970."""
    return int(time.time() * 1000)


def compact(value: Any) -> bytes:
    """Return a value as JSON in a hub's format: no spaces, UTF-8.

    Half a surrogate pair becomes its escape. Bytes of a path or a header that are not UTF-8 become such halves.
    """
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    try:
        return text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


class History:
    """Lines of JSON. Each reader gets the kept lines, and then new ones."""

    def __init__(self) -> None:
        self._kept: deque[bytes] = deque()
        self._size = 0
        self._pipes: list[Pipe] = []

    @property
    def has_readers(self) -> bool:
        """Whether anybody reads."""
        return bool(self._pipes)

    def add(self, record: dict[str, Any]) -> None:
        """Add a line. A reader that is too slow loses its oldest lines, and delays nobody."""
        line = compact(record) + b"\n"
        self._kept.append(line)
        self._size += len(line)
        # Lines repeat data from clients: paths, and the description of a package.
        while len(self._kept) > _KEPT_LINES or self._size > _KEPT_BYTES:
            self._size -= len(self._kept.popleft())
        for pipe in self._pipes:
            pipe.put(line)

    def attach(self) -> Pipe:
        """Return a pipe for a new reader."""
        pipe = Pipe(dropping=True)
        for line in self._kept:
            pipe.put(line)
        self._pipes.append(pipe)
        return pipe

    def detach(self, pipe: Pipe) -> None:
        """Remove a reader's pipe."""
        self._pipes.remove(pipe)


def log_record(
    writer: str, about: dict[str, Any], level: str, message: str, data: tuple[Any, ...]
) -> dict[str, Any]:
    """Return a record of a log as hubs write it."""
    record = {"msg": message, "level": level, "ts": milliseconds()}
    more = {"data": list(data)} if data else {}
    return {**record, **more, "from": writer, writer: about}


class HubLog(History):
    """The hub's log."""

    def note(self, level: str, message: str, *data: Any) -> None:
        """Add a line."""
        self.add(log_record("Host", {}, level, message, data))


class Audit(History):
    """Who did what (docs/protocol.md, "Hub log and audit")."""

    def request(
        self,
        state: str,
        code: int,
        object_id: str,
        requestor: str,
        *,
        request_id: str | None = None,
        rx: int = 0,
        tx: int = 0,
    ) -> None:
        """Note the start or the end of a request, with the bytes of its body and of its answer."""
        self.add(
            {
                "opState": state,
                "opCode": code,
                "requestId": request_id or str(uuid.uuid4()),
                "objectId": object_id,
                "requestorId": requestor,
                "rx": rx,
                "tx": tx,
                "receivedAt": milliseconds(),
            }
        )

    def changed(self, code: int, object_id: str) -> None:
        """Note that a sequence or an instance has changed its state."""
        self.request("", code, object_id, "system")

    def heartbeat(self, hub_id: str, instances: list[str]) -> None:
        """Note that the hub and its instances live."""
        beats = [(_HUB_BEAT, hub_id), *((_INSTANCE_BEAT, each) for each in instances)]
        for code, object_id in beats:
            self.request("ACTIVE", code, object_id, "system")
