"""Tells a trace what passes through the instances of a hub."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scramjet_client._trace import TraceWriter

if TYPE_CHECKING:
    from scramjet_client.hub._process import Process


_LOOKED_AT = b'{"msg":"Get info ['


class Recorder:
    """Writes what one instance is sent and gives into a trace. All of it happens on the hub's loop.

    Args:
        trace: The trace, or None to write nothing.
        id: The instance's id.
    """

    def __init__(self, trace: TraceWriter | None, id: str) -> None:
        self._trace = trace
        self._id = id

    def started(self, sequence: str, args: Any, config: Any) -> None:
        """Write that the instance begins."""
        self._add("start", sequence=sequence, args=args or [], config=config or {})

    def listen(self, process: Process) -> None:
        """Write what passes through the streams of the instance's process from now on."""
        if self._trace is None:
            return
        for name in ("stdout", "stderr", "output", "log"):
            getattr(process, name).tap = lambda data, name=name: self._gave(name, data)
        for name in ("input", "stdin"):
            getattr(process, name).tap = lambda data, name=name: self._fed(name, data)

    def input_type(self, content_type: str) -> None:
        """Write the content type of the instance's input."""
        self._add("sent", to="input", type=content_type, data=b"")

    def event_sent(self, name: str, message: Any) -> None:
        """Write that the instance was sent an event."""
        self._add("sent", to="event", name=name, message=message)

    def event_came(self, name: str, message: Any) -> None:
        """Write that the instance has emitted an event."""
        self._add("came", **{"from": "event"}, name=name, message=message)

    def ended(self, exit_code: Any, reason: str) -> None:
        """Write how the instance has ended."""
        self._add("end", exit_code=exit_code, reason=reason)

    def _gave(self, name: str, data: bytes) -> None:
        # A hub writes such a line into the log at each request for the info. Traces would consist of them.
        if not (name == "log" and data.startswith(_LOOKED_AT)):
            self._add("came", **{"from": name}, data=data)

    def _fed(self, name: str, data: bytes | None) -> None:
        if data is None:
            self._add("closed", to=name)
        elif data:
            self._add("sent", to=name, data=data)

    def _add(self, kind: str, **fields: Any) -> None:
        if self._trace is not None:
            self._trace.add(kind, self._id, **fields)
