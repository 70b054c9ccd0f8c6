"""The faults that a request and its answer may meet: one class for each."""

from __future__ import annotations

from collections.abc import Mapping
from http.client import responses
from typing import ClassVar

import attrs

from scramjet_client.testing._flow import POINTS, Fault, Flow, Point


@attrs.frozen
class Delay(Fault):
    """The proxy passes nothing on for `seconds`, and then continues."""

    seconds: float = attrs.field()

    def strike(self, flow: Flow) -> None:
        flow.wait(self.seconds)


@attrs.frozen
class Drip(Fault):
    """From here on the proxy passes on one byte at a time, `seconds` apart."""

    seconds: float = attrs.field(default=0.001)
    nowhere: ClassVar[tuple[str, ...]] = ("connect", "idle")

    def strike(self, flow: Flow) -> None:
        flow.pace = self.seconds


@attrs.frozen
class Stall(Fault):
    """The proxy passes nothing more on in this direction, and the connection stays open. At "answer": never answers."""

    def strike(self, flow: Flow) -> None:
        flow.wait(None)


@attrs.frozen
class Drop(Fault):
    """Both directions fall silent, and the proxy never closes the connection, whatever the client does: half-open.

    The kernel of this machine still acknowledges the client's data, up to its buffer, and the client's keep-alive
    probes. A host that has really vanished would not.
    """

    def strike(self, flow: Flow) -> None:
        flow.freeze()


@attrs.frozen
class Cut(Fault):
    """The connection ends by FIN, without a TLS goodbye: the hub's process has died."""

    def strike(self, flow: Flow) -> None:
        flow.end("cut")


@attrs.frozen
class Reset(Fault):
    """The connection ends by RST. The client may lose bytes that the proxy has already passed on."""

    def strike(self, flow: Flow) -> None:
        flow.end("reset")


@attrs.frozen
class Truncate(Fault):
    """The answer ends here cleanly, over TLS with its goodbye (close_notify), as if it were complete."""

    nowhere: ClassVar[tuple[str, ...]] = ("connect", "idle")

    def strike(self, flow: Flow) -> None:
        flow.end("orderly")


@attrs.frozen
class Corrupt(Fault):
    """The next chunk header is invalid; at "answer" the status line is invalid."""

    usual: ClassVar[Point] = "body"
    nowhere: ClassVar[tuple[str, ...]] = ("connect", "request", "idle")

    def strike(self, flow: Flow) -> None:
        flow.garble = True


@attrs.frozen
class Answer(Fault):
    """The proxy answers and closes: early at "request" and "upload", instead of the hub at "answer".

    Args:
        status: HTTP status.
        headers: For example `{"Location": ...}` or `{"Retry-After": "1"}`.
        body: Text of the answer.
    """

    status: int = attrs.field()
    headers: Mapping[str, str] = attrs.field(factory=dict)
    body: bytes = attrs.field(default=b"")
    usual: ClassVar[Point] = "request"
    nowhere: ClassVar[tuple[str, ...]] = ("connect", "body", "end", "idle")

    def strike(self, flow: Flow) -> None:
        lines = [f"HTTP/1.1 {self.status} {responses.get(self.status, 'Unknown')}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        lines += [f"Content-Length: {len(self.body)}", "Connection: close", "", ""]
        flow.answer("\r\n".join(lines).encode("latin-1") + self.body)


@attrs.frozen
class CloseIdle(Fault):
    """The connection ends by FIN if no other request arrives on it within `seconds` after the answer."""

    seconds: float = attrs.field()
    usual: ClassVar[Point] = "idle"
    nowhere: ClassVar[tuple[str, ...]] = tuple(point for point in POINTS if point != "idle")

    def strike(self, flow: Flow) -> None:
        if flow.idle_for(self.seconds):
            flow.end("cut")


@attrs.frozen
class Restart(Fault):
    """The proxy resets all connections and does not listen for `seconds`, as if the hub restarted."""

    seconds: float = attrs.field(default=0.0)

    def strike(self, flow: Flow) -> None:
        flow.restart(self.seconds)
