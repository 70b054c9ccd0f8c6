"""What may happen to a request and its answer: one class for each fault."""

from __future__ import annotations

from collections.abc import Mapping
from http.client import responses
from typing import ClassVar

import attrs

from scramjet_client.testing._flow import POINTS, Fault, Flow, Point


@attrs.frozen
class Delay(Fault):
    """Nothing is passed on for `seconds`; then all goes on."""

    seconds: float = attrs.field()

    def strike(self, flow: Flow) -> None:
        """Wait."""
        flow.wait(self.seconds)


@attrs.frozen
class Drip(Fault):
    """From here on one byte is passed on at a time, `seconds` apart."""

    seconds: float = attrs.field(default=0.001)
    nowhere: ClassVar[tuple[str, ...]] = ("connect", "idle")

    def strike(self, flow: Flow) -> None:
        """Slow the flow down."""
        flow.pace = self.seconds


@attrs.frozen
class Stall(Fault):
    """Nothing more is passed on in this direction, and the connection stays open. At "answer": never answers."""

    def strike(self, flow: Flow) -> None:
        """Wait until the client leaves."""
        flow.wait(None)


@attrs.frozen
class Drop(Fault):
    """Both directions fall silent and the connection is never closed, whatever the client does: half-open.

    The kernel of this machine goes on acknowledging what the client sends, up to its buffer, and its keep-alive
    probes; a host that has really vanished would not.
    """

    def strike(self, flow: Flow) -> None:
        """Carry nothing any more."""
        flow.freeze()


@attrs.frozen
class Cut(Fault):
    """The connection ends by FIN, without a word of TLS: the hub's process has died."""

    def strike(self, flow: Flow) -> None:
        """End the connection."""
        flow.end("cut")


@attrs.frozen
class Reset(Fault):
    """The connection ends by RST; what had been passed on may be lost to the client."""

    def strike(self, flow: Flow) -> None:
        """End the connection."""
        flow.end("reset")


@attrs.frozen
class Truncate(Fault):
    """The answer ends here in good order, over TLS with its goodbye (close_notify), as if that were all."""

    nowhere: ClassVar[tuple[str, ...]] = ("connect", "idle")

    def strike(self, flow: Flow) -> None:
        """End the connection."""
        flow.end("orderly")


@attrs.frozen
class Corrupt(Fault):
    """The next chunk header is not one; at "answer" the status line is not one."""

    usual: ClassVar[Point] = "body"
    nowhere: ClassVar[tuple[str, ...]] = ("connect", "request", "idle")

    def strike(self, flow: Flow) -> None:
        """Have the next header garbled."""
        flow.garble = True


@attrs.frozen
class Answer(Fault):
    """The proxy answers and closes: early at "request" and "upload", in place of the hub's answer at "answer".

    Args:
        status: HTTP status.
        headers: Such as `{"Location": ...}` or `{"Retry-After": "1"}`.
        body: Its text.
    """

    status: int = attrs.field()
    headers: Mapping[str, str] = attrs.field(factory=dict)
    body: bytes = attrs.field(default=b"")
    usual: ClassVar[Point] = "request"
    nowhere: ClassVar[tuple[str, ...]] = ("connect", "body", "end", "idle")

    def strike(self, flow: Flow) -> None:
        """Answer and close."""
        lines = [f"HTTP/1.1 {self.status} {responses.get(self.status, 'Unknown')}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        lines += [f"Content-Length: {len(self.body)}", "Connection: close", "", ""]
        flow.answer("\r\n".join(lines).encode("latin-1") + self.body)


@attrs.frozen
class CloseIdle(Fault):
    """The connection ends by FIN if no other request comes on it within `seconds` of the answer."""

    seconds: float = attrs.field()
    usual: ClassVar[Point] = "idle"
    nowhere: ClassVar[tuple[str, ...]] = tuple(point for point in POINTS if point != "idle")

    def strike(self, flow: Flow) -> None:
        """End the connection, unless it is used."""
        if flow.idle_for(self.seconds):
            flow.end("cut")


@attrs.frozen
class Restart(Fault):
    """All connections are reset, and nobody listens for `seconds`: the hub is restarted."""

    seconds: float = attrs.field(default=0.0)

    def strike(self, flow: Flow) -> None:
        """Go away."""
        flow.restart(self.seconds)
