"""One connection through the proxy: two sockets, and the bytes that flow between them in each direction."""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, ClassVar, Literal, NoReturn, Protocol

import attrs

from scramjet_client._common.clock import monotonic
from scramjet_client.testing._framing import Framing, Part

Ending = Literal["cut", "reset", "orderly"]

_SIZE = 65536
_GOODBYE = 0.25
"""Seconds for which a cut connection still reads from its client. Unread bytes would make the kernel send RST
instead of FIN.
"""

_CONNECT = 5.0
"""Time limit in seconds for the connection to the hub."""

# selectors' default needs a separate descriptor for each wait.
_Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)


Point = Literal["connect", "request", "upload", "answer", "body", "end", "idle"]
"""When a fault strikes:

- "connect": the proxy has accepted a connection, and read nothing from it.
- "request": the head of the request has arrived, and the proxy has passed on nothing of it.
- "upload": the proxy has passed on `after` bytes of the request's body.
- "answer": the hub has the request and begins to answer; the proxy has passed on nothing of the answer.
- "body": the proxy has passed on `after` bytes of the answer's body.
- "end": the proxy has passed on the answer except its end.
- "idle": the proxy has passed on the answer.
"""

POINTS = ("connect", "request", "upload", "answer", "body", "end", "idle")
_COUNTED = ("upload", "body")


@attrs.frozen
class Fault:
    """One fault that a request may meet. Subclasses implement it in `strike`.

    Args:
        at: When it strikes (see `Point`). None means "body" if you give `after`, else the fault's usual point.
        after: Bytes of the body, without chunk headers, that pass before "body" or "upload" is reached.

    Raises:
        ValueError: The point does not exist, or the fault makes no sense there.
    """

    at: Point | None = attrs.field(default=None, kw_only=True)
    after: int = attrs.field(default=0, kw_only=True)

    usual: ClassVar[Point] = "answer"
    nowhere: ClassVar[tuple[str, ...]] = ()
    """Points at which the fault makes no sense."""

    def __attrs_post_init__(self) -> None:
        if self.point not in POINTS or self.point in self.nowhere:
            raise ValueError(f"{type(self).__name__} can't strike at {self.point!r}")
        if self.after < 0 or (self.after and self.point not in _COUNTED):
            raise ValueError(f"after={self.after} has no meaning at {self.point!r}")

    @property
    def point(self) -> Point:
        """The point at which it strikes."""
        return self.at or ("body" if self.after else self.usual)

    def strike(self, flow: Flow) -> None:
        """Carry out the fault. The thread that carries the bytes of this direction calls this once."""
        raise NotImplementedError


@attrs.frozen
class Pass(Fault):
    """Nothing happens."""

    def strike(self, flow: Flow) -> None:
        """Do nothing."""


class Over(Exception):
    """The connection has ended."""


class End:
    """One socket. One thread may read it while another writes. `wake` frees both when it becomes readable."""

    def __init__(self, sock: socket.socket, wake: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self._wake = wake
        # Guards every step into OpenSSL, but not the waiting.
        self._lock = threading.Lock()

    def handshake(self) -> None:
        if isinstance(self.sock, ssl.SSLSocket):
            self._step(self.sock.do_handshake, selectors.EVENT_READ)

    def recv(self) -> bytes:
        """Return the bytes that have arrived, b"" at the end."""
        data: bytes = self._step(lambda: self.sock.recv(_SIZE), selectors.EVENT_READ)
        return data

    def send(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self._step(lambda: self.sock.send(rest), selectors.EVENT_WRITE) :]  # noqa: B023

    def _step(self, call: Callable[[], Any], event: int) -> Any:
        while True:
            awaited = event
            with self._lock:
                try:
                    return call()
                except ssl.SSLWantReadError:
                    awaited = selectors.EVENT_READ
                except ssl.SSLWantWriteError:
                    awaited = selectors.EVENT_WRITE
                except BlockingIOError:
                    pass
            with _Selector() as selector:
                selector.register(self.sock, awaited)
                selector.register(self._wake, selectors.EVENT_READ)
                if any(key.fileobj is self._wake for key, _ in selector.select()):
                    raise Over

    def close(self, ending: Ending) -> None:
        """Close the socket. No thread may still read or write it."""
        with contextlib.suppress(OSError):
            if ending == "reset":
                linger = struct.pack("ii", 1, 0)
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            elif isinstance(self.sock, ssl.SSLSocket) and ending == "orderly":
                self.sock.unwrap()
        with contextlib.suppress(OSError):
            if ending != "reset":
                self._say_goodbye()
        self.sock.close()

    def _say_goodbye(self) -> None:
        # Below TLS: ssl's own methods would send more.
        socket.socket.shutdown(self.sock, socket.SHUT_WR)
        deadline = monotonic() + _GOODBYE
        with _Selector() as selector:
            selector.register(self.sock, selectors.EVENT_READ)
            while selector.select(max(0, deadline - monotonic())):
                if not socket.socket.recv(self.sock, _SIZE) or monotonic() >= deadline:
                    return


@attrs.define
class Exchange:
    """One request: its line, and the fault it meets."""

    request: str = ""
    fault: Fault = attrs.field(factory=Pass)
    answered: bool = False


class Owner(Protocol):
    """The part of the proxy that a connection uses."""

    struck: deque[Fault]
    delivered: deque[str]

    def accept_tls(self, sock: socket.socket) -> socket.socket: ...
    def reach_hub(self, timeout: float) -> socket.socket: ...
    def chosen(self, request: str) -> Fault: ...
    def chosen_at_connect(self) -> Fault | None: ...
    def failed(self, error: BaseException) -> None: ...
    def restart(self, away: float) -> None: ...
    def gone(self, connection: Connection) -> None: ...


class Flow:
    """One direction of a connection, as a fault controls it.

    Attributes:
        request: Method and target of the request.
        pace: Seconds between two bytes, or None for no pause.
        garble: Whether to spoil the next header of a chunk, or the status line.
    """

    def __init__(self, connection: Connection, exchange: Exchange) -> None:
        self._connection = connection
        self._exchange = exchange
        self._count = 0
        self._struck = False
        self.pace: float | None = None
        self.garble: bool = False

    @property
    def request(self) -> str:
        """Method and target of the request, "" if unknown."""
        return self._exchange.request

    def wait(self, seconds: float | None) -> None:
        """Wait for so many seconds, or for ever if None; the end of the connection ends the wait."""
        self._connection.wait(lambda: False, seconds)

    def idle_for(self, seconds: float) -> bool:
        """Return whether no request arrives on this connection for so many seconds."""
        return not self._connection.wait(lambda: bool(self._connection.asked), seconds)

    def freeze(self) -> NoReturn:
        """Carry nothing in either direction until the proxy is closed."""
        self._connection.freeze()

    def end(self, ending: Ending) -> NoReturn:
        """End the connection: "cut" (FIN), "reset" (RST), "orderly" (FIN after TLS's own goodbye)."""
        self._connection.end(ending)
        raise Over

    def answer(self, data: bytes) -> NoReturn:
        """Send bytes to the client instead of the hub's answer, unless that has begun, and end the connection."""
        if self._exchange.answered:
            self.end("cut")
        self._connection.client.send(data)
        self.end("orderly")

    def restart(self, away: float) -> NoReturn:
        """Let the proxy reset all connections and not listen for `away` seconds."""
        self._connection.owner.restart(away)
        self.end("reset")

    # -- for the connection -----------------------------------------------------------------------

    def carry(self, part: Part, to: End, before: Point, within: Point, last: Point | None) -> None:
        """Pass a part on, and let the fault strike at its point.

        Of a message, that is `before` its head, `within` its body, or `last`, before its end.
        """
        data = part.data
        if part.kind in ("head", "interim"):
            self.meet(before)
            self._exchange.answered = before == "answer"
        elif part.kind != "crlf":
            if part.kind == "data" and self._exchange.fault.point == within and not self._struck:
                room = self._exchange.fault.after - self._count
                if room < len(data):
                    self._send(data[:room], "data", to)
                    self._count += room
                    data = data[room:]
            if self._count == self._exchange.fault.after:
                self.meet(within)
            if part.kind == "end" and last is not None:
                self.meet(last)
            if part.kind == "data":
                self._count += len(data)
        self._send(data, part.kind, to)

    def meet(self, point: Point) -> None:
        if self._exchange.fault.point == point and not self._struck:
            self._struck = True
            if not isinstance(self._exchange.fault, Pass):
                self._connection.owner.struck.append(self._exchange.fault)
            self._exchange.fault.strike(self)

    def _send(self, data: bytes, kind: str, to: End) -> None:
        if self.garble and kind in ("head", "size", "end"):
            self.garble = False
            data = b"zz" + data
        if self.pace is None:
            to.send(data)
            return
        for at in range(len(data)):
            to.send(data[at : at + 1])
            self.wait(self.pace)


class Connection:
    """A client's connection, and its connection to the hub.

    It has two threads: `scramjet-proxy-N` and, as soon as something goes to the hub, `scramjet-proxy-N-back`. Both end
    when either side closes, a fault ends the connection, or you close the proxy. They are daemons, so that a proxy that
    nobody closes does not keep the interpreter alive.
    """

    def __init__(self, owner: Owner, sock: socket.socket, number: int, *, opaque: bool) -> None:
        self.owner = owner
        self._wake, self._waker = socket.socketpair()
        self.client: End = End(sock, self._wake)
        self.hub: End | None = None
        self.asked: deque[Exchange] = deque()
        self._opaque = opaque
        self._ending: Ending = "cut"
        self._over = self._frozen = False
        # Guards the three above and `asked`; notified when one of them changes.
        self._changed = threading.Condition()
        name = f"scramjet-proxy-{number}"
        self.thread: threading.Thread = threading.Thread(target=self._run, name=name, daemon=True)
        back = (self._carry_answers, "orderly")
        self._back = threading.Thread(
            target=self._guarded, args=back, name=f"{name}-back", daemon=True
        )

    def end(self, ending: Ending, *, thaw: bool = False) -> None:
        """End the connection, from any thread; a frozen connection ends only with `thaw`."""
        with self._changed:
            if self._over or (self._frozen and not thaw):
                return
            self._over, self._ending = True, ending
            self._changed.notify_all()
        self._waker.close()

    def freeze(self) -> NoReturn:
        """Stop passing anything on, and never close."""
        with self._changed:
            self._frozen = True
        self.wait(lambda: False, None)
        raise Over

    def wait(self, until: Callable[[], bool], seconds: float | None) -> bool:
        """Wait until a condition is true, at most `seconds`; return whether it is true. Raises Over."""
        with self._changed:
            result = self._changed.wait_for(lambda: self._over or until(), seconds)
            if self._over:
                raise Over
        return result

    def _run(self) -> None:
        """Run the client's side in this thread, and end the connection."""
        self._guarded(self._requests, "cut")
        if self._back.ident is not None:
            self._back.join()
        self.client.close(self._ending)
        if self.hub is not None:
            self.hub.sock.close()
        self._waker.close()
        self._wake.close()
        self.owner.gone(self)

    def _guarded(self, carry: Callable[[], None], at_end: Ending) -> None:
        """Carry until the end, and then end the other direction too. A frozen connection waits for the proxy."""
        ending = at_end
        try:
            carry()
        except Over:
            pass
        except OSError:
            ending = "reset"
        except BaseException as error:
            self.owner.failed(error)
            ending = "reset"
        self.end(ending)
        with contextlib.suppress(Over):
            self.wait(lambda: False, None)

    def _requests(self) -> None:
        fault = self.owner.chosen_at_connect()
        if fault is not None:
            Flow(self, Exchange("", fault)).meet("connect")
        self.client.sock = self.owner.accept_tls(self.client.sock)
        self.client.handshake()
        framing = Framing(answers=False, opaque=self._opaque)
        flow: Flow | None = None
        while data := self._received(self.client):
            for part in framing.feed(data):
                if part.kind == "head" or flow is None:
                    flow = self._begun(part)
                    flow.meet("request")
                    self.owner.delivered.append(flow.request)
                    self._reach_hub()
                assert self.hub is not None
                flow.carry(part, self.hub, "request", "upload", None)

    def _begun(self, part: Part) -> Flow:
        line = part.data.partition(b"\r\n")[0] if part.kind == "head" else b""
        request = line.rpartition(b" ")[0].decode("latin-1")
        exchange = Exchange(request, self.owner.chosen(request))
        with self._changed:
            self.asked.append(exchange)
            self._changed.notify_all()
        return Flow(self, exchange)

    def _reach_hub(self) -> None:
        if self.hub is None:
            self.hub = End(self.owner.reach_hub(_CONNECT), self._wake)
            self.hub.handshake()
            self._back.start()

    def _carry_answers(self) -> None:
        assert self.hub is not None
        framing = Framing(answers=True, opaque=self._opaque, bodiless=self._next_answers_head)
        flow: Flow | None = None
        while data := self._received(self.hub):
            for part in framing.feed(data):
                flow = self._carry_answer(flow, part)
        for part in framing.close():
            flow = self._carry_answer(flow, part)

    def _carry_answer(self, flow: Flow | None, part: Part) -> Flow | None:
        if flow is None:
            with self._changed:
                flow = Flow(self, self.asked.popleft() if self.asked else Exchange())
            if self._opaque:
                flow.meet("answer")
        flow.carry(part, self.client, "answer", "body", "end")
        if part.kind != "end":
            return flow
        flow.meet("idle")
        return None

    def _next_answers_head(self) -> bool:
        with self._changed:
            return bool(self.asked) and self.asked[0].request.startswith("HEAD ")

    def _received(self, end: End) -> bytes:
        data = end.recv()
        if self._frozen or self._over:
            raise Over
        return data
