"""Tells a trace what passes through the instances of a hub."""

from __future__ import annotations

from typing import Any

from scramjet_client._common.trace import TraceWriter
from scramjet_client.hub._process import Process

_LOOKED_AT = b'{"msg":"Get info ['


class Recorder:
    """Writes what one instance is sent and gives into a trace, if there is one. All of it happens on the hub's loop."""

    def __init__(self, trace: TraceWriter | None, id: str) -> None:
        self._trace = trace
        self._id = id

    def add(self, kind: str, **fields: Any) -> None:
        """Write a record of a kind."""
        if self._trace is not None:
            self._trace.add(kind, self._id, **fields)

    def listen(self, process: Process) -> None:
        """Write what passes through the streams of the instance's process from now on."""
        if self._trace is None:
            return
        for name in ("stdout", "stderr", "output", "log"):
            getattr(process, name).tap = lambda data, name=name: self._gave(name, data)
        for name in ("input", "stdin"):
            getattr(process, name).tap = lambda data, name=name: self._fed(name, data)

    def _gave(self, name: str, data: bytes) -> None:
        # A hub writes such a line into the log at each request for the info. Traces would consist of them.
        if not (name == "log" and data.startswith(_LOOKED_AT)):
            self.add("came", **{"from": name}, data=data)

    def _fed(self, name: str, data: bytes | None) -> None:
        if data is None:
            self.add("closed", to=name)
        elif data:
            self.add("sent", to=name, data=data)
