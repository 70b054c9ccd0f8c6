"""The fault proxy itself: what each fault looks like to a plain socket, and that nothing of it stays behind."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from scramjet_client import HostClient, HubConnectionError
from scramjet_client.testing import (
    Answer,
    CloseIdle,
    Corrupt,
    Cut,
    Delay,
    Drip,
    Drop,
    Fault,
    FaultProxy,
    Flow,
    Pass,
    Reset,
    Restart,
    Stall,
    Truncate,
)
from tests.support.certs import Certificates
from tests.support.scripted_hub import H1Hub
from tests.support.waiting import LIMIT, eventually
from tests.support.wire import Conn, RawServer

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
BODY = b"5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n"
REQUEST = b"GET /api/v1/x HTTP/1.1\r\nHost: hub\r\n\r\n"
UPLOAD = b"POST /api/v1/x HTTP/1.1\r\nHost: hub\r\nTransfer-Encoding: chunked\r\n\r\n"


class Hub:
    """A server that answers two chunks to every request, and keeps the bodies that came."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.broken: list[BaseException] = []
        self._server = RawServer(self._handle)
        self.url = self._server.url

    def _handle(self, conn: Conn) -> None:
        try:
            while (request := conn.read_request()) is not None:
                self.bodies.append(b"")
                if request.method == "POST":
                    for chunk in conn.chunks():
                        self.bodies[-1] += chunk
                conn.send(HEAD + BODY)
        except (ConnectionError, ValueError) as error:
            self.broken.append(error)


@pytest.fixture
def hub() -> Iterator[Hub]:
    hub = Hub()
    with hub._server:
        yield hub


@pytest.fixture
def proxy(hub: Hub) -> Iterator[FaultProxy]:
    with FaultProxy(hub.url) as proxy:
        yield proxy


@contextlib.contextmanager
def connected(proxy: FaultProxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=LIMIT) as sock:
        yield sock


def everything(sock: socket.socket) -> bytes:
    """Return what comes until the end of the connection."""
    return b"".join(iter(lambda: sock.recv(65536), b""))


def said(proxy: FaultProxy, request: bytes = REQUEST) -> bytes:
    """Return what a request is answered until the connection ends."""
    with connected(proxy) as sock:
        sock.sendall(request)
        return everything(sock)


def exactly(sock: socket.socket, size: int) -> bytes:
    """Return the next bytes, as many as that."""
    data = b""
    while len(data) < size:
        data += sock.recv(size - len(data))
    return data


def an_answer(sock: socket.socket) -> bytes:
    """Return one whole answer."""
    data = b""
    while not data.endswith(b"0\r\n\r\n"):
        piece = sock.recv(65536)
        assert piece, data
        data += piece
    return data


def test_without_a_script_bytes_pass_unchanged(proxy: FaultProxy, hub: Hub):
    """Two requests on one connection are answered as they would be without the proxy."""
    with connected(proxy) as sock:
        for request in (REQUEST, UPLOAD + b"3\r\nabc\r\n0\r\n\r\n"):
            sock.sendall(request)
            assert an_answer(sock) == HEAD + BODY

    assert hub.bodies == [b"", b"abc"]
    assert list(proxy.requests) == ["GET /api/v1/x", "POST /api/v1/x"] == list(proxy.delivered)
    assert (proxy.connections, list(proxy.struck)) == (1, [])


@pytest.mark.parametrize(
    ("fault", "rest"),
    [
        (Cut(), b""),
        (Cut(at="request"), b""),
        (Cut(at="connect"), b""),
        (Cut(at="body"), HEAD),
        (Cut(after=3), HEAD + BODY[:6]),
        (Cut(after=5), HEAD + BODY[:10]),
        (Cut(after=7), HEAD + BODY[:15]),
        (Cut(at="end"), HEAD + BODY[:-5]),
        (Truncate(after=3), HEAD + BODY[:6]),
        (CloseIdle(0.01), HEAD + BODY),
    ],
)
def test_cuts(proxy: FaultProxy, fault: Fault, rest: bytes):
    """A cut is the end of the connection, by FIN, after exactly what was to pass."""
    proxy.next(fault)

    assert said(proxy) == rest
    assert list(proxy.struck) == [fault]


@pytest.mark.parametrize(
    "fault",
    [
        Reset(at="connect"),
        Reset(at="request"),
        Reset(),
        Reset(after=3),
        Restart(),
        Reset(at="idle"),
    ],
)
def test_resets(proxy: FaultProxy, fault: Fault):
    """A reset is RST, which a socket reports as such."""
    proxy.next(fault)
    with pytest.raises(ConnectionResetError):
        with connected(proxy) as sock:
            eventually(lambda: sock.sendall(REQUEST) or everything(sock))


def test_corrupt(proxy: FaultProxy):
    """The next chunk header is none; all else is as it came."""
    proxy.next(Corrupt(after=2), Corrupt(at="answer"))
    with connected(proxy) as sock:
        sock.sendall(REQUEST)
        assert an_answer(sock) == HEAD + b"5\r\nhello\r\nzz5\r\nworld\r\n0\r\n\r\n"
        sock.sendall(REQUEST)
        assert an_answer(sock).startswith(b"zzHTTP/1.1 200 OK")


def test_delay(proxy: FaultProxy):
    """A delayed answer is whole, and late."""
    proxy.next(Delay(0.2, after=5))
    with connected(proxy) as sock:
        began = time.monotonic()
        sock.sendall(REQUEST)
        first = exactly(sock, len(HEAD) + 10)
        between = time.monotonic() - began
        rest = an_answer(sock)

    assert first + rest == HEAD + BODY
    assert time.monotonic() - began >= 0.2
    assert between < time.monotonic() - began


def test_drip(proxy: FaultProxy):
    """What drips comes a byte at a time, in its order."""
    proxy.next(Drip(0.02, at="end"))
    with connected(proxy) as sock:
        sock.sendall(REQUEST)
        exactly(sock, len(HEAD + BODY) - 5)
        pieces = [sock.recv(100) for _ in range(5)]

    assert b"".join(pieces) == b"0\r\n\r\n"
    assert len(pieces[0]) == 1


@pytest.mark.parametrize("fault", [Stall(), Drop(), Stall(at="connect"), Drop(at="request")])
def test_silence(proxy: FaultProxy, fault: Fault):
    """A connection that has fallen silent is not closed."""
    proxy.next(fault)
    with connected(proxy) as sock:
        sock.sendall(REQUEST)
        sock.settimeout(0.2)
        with pytest.raises((TimeoutError, socket.timeout)):
            sock.recv(1)


def test_dropped_connections_outlive_their_client(proxy: FaultProxy):
    """A half-open connection stays on the proxy's side though the client has gone, until it is reset."""
    proxy.next(Drop())
    with connected(proxy) as sock:
        sock.sendall(REQUEST)
        eventually(lambda: proxy.struck)
    with pytest.raises(AssertionError):
        eventually(lambda: proxy.open_connections == 0, limit=0.2)
    proxy.reset_connections()

    eventually(lambda: proxy.open_connections == 0)


def test_stalled_connections_do_not(proxy: FaultProxy):
    """A client that leaves a stalled answer is noticed."""
    proxy.next(Stall())
    with connected(proxy) as sock:
        sock.sendall(REQUEST)
        eventually(lambda: proxy.struck)

    eventually(lambda: proxy.open_connections == 0)


@pytest.mark.parametrize(("at", "delivered"), [("request", 0), ("answer", 1)])
def test_answers_in_the_hubs_place(proxy: FaultProxy, hub: Hub, at, delivered: int):
    """An early answer keeps the request from the hub, a late one hides that it was delivered."""
    proxy.next(Answer(503, {"Retry-After": "1"}, b"busy", at=at))

    assert said(proxy) == (
        b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 4\r\n"
        b"Connection: close\r\n\r\nbusy"
    )
    assert len(hub.bodies) == len(proxy.delivered) == delivered


def test_cut_in_an_upload(proxy: FaultProxy, hub: Hub):
    """Faults at "upload" count the bytes of the request, and the hub gets no more of it."""
    proxy.next(Cut(at="upload", after=4))

    assert said(proxy, UPLOAD + b"3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n") == b""
    eventually(lambda: hub.broken)
    assert hub.bodies == [b"abc"]


def test_restart(proxy: FaultProxy):
    """While the hub is away connections are refused, at the same port; those that were open are reset."""
    with connected(proxy) as sock:
        sock.sendall(REQUEST)
        an_answer(sock)
        proxy.restart(0.3)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", proxy.port)).close()
        with pytest.raises(ConnectionResetError):
            sock.recv(1)

    def answered() -> bytes:
        with contextlib.suppress(ConnectionRefusedError), connected(proxy) as again:
            again.sendall(REQUEST)
            return an_answer(again)
        return b""

    assert eventually(answered) == HEAD + BODY


def test_script_is_followed_in_order_and_by_pattern(proxy: FaultProxy):
    """Each request takes the first entry that fits it, and each entry is used once."""
    proxy.next(Cut(at="end"), of="POST .*")
    proxy.next(Pass(), Cut())
    post = UPLOAD + b"0\r\n\r\n"
    with connected(proxy) as sock:
        sock.sendall(REQUEST)
        assert an_answer(sock) == HEAD + BODY
        sock.sendall(post)
        assert everything(sock) == HEAD + BODY[:-5]

    assert said(proxy) == b""
    assert list(proxy.struck) == [Cut(at="end"), Cut()]
    with connected(proxy) as sock:
        sock.sendall(post)
        assert an_answer(sock) == HEAD + BODY


def test_a_fault_that_is_not_reached_is_not_struck(proxy: FaultProxy):
    """A test can find out that its fault came too late: the answer was shorter."""
    proxy.next(Cut(after=11))
    with connected(proxy) as sock:
        sock.sendall(REQUEST)
        an_answer(sock)

    assert not proxy.struck


def test_clear(proxy: FaultProxy):
    """`clear` forgets the script and the records."""
    proxy.next(Cut(), Cut())
    said(proxy)
    proxy.clear()
    with connected(proxy) as sock:
        sock.sendall(REQUEST)
        assert an_answer(sock) == HEAD + BODY

    assert not proxy.struck
    assert list(proxy.requests) == ["GET /api/v1/x"]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Cut(at="nowhere"),
        lambda: Cut(at="answer", after=5),
        lambda: Cut(after=-1),
        lambda: Corrupt(at="connect"),
        lambda: Drip(at="connect"),
        lambda: Answer(400, at="body"),
        lambda: CloseIdle(1, at="answer"),
        lambda: FaultProxy("ftp://hub/x"),
    ],
)
def test_senseless_faults(make):
    """A fault that can't happen there is refused when it is made."""
    with pytest.raises(ValueError, match=r"."):
        make()


def test_senseless_scripts(proxy: FaultProxy):
    """A script holds faults, and nothing can be said of a request before it comes."""
    with pytest.raises(TypeError):
        proxy.next(0.2)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="connect"):
        proxy.next(Cut(at="connect"), of="GET")


def test_errors_in_the_proxy_are_raised_by_close(hub: Hub):
    """A fault of one's own that fails is not lost on the proxy's thread."""

    class Broken(Fault):
        def strike(self, flow: Flow) -> None:
            raise KeyError(flow.request)

    proxy = FaultProxy(hub.url)
    proxy.next(Broken())
    with connected(proxy) as sock, contextlib.suppress(ConnectionError):
        sock.sendall(REQUEST)
        everything(sock)
    with pytest.raises(KeyError, match="GET /api/v1/x"):
        proxy.close()


def test_a_fault_of_ones_own(proxy: FaultProxy):
    """`Fault` can be subclassed: here to stutter."""

    class Stutter(Fault):
        def strike(self, flow: Flow) -> None:
            flow.wait(0.01)
            flow.garble = True

    proxy.next(Stutter(at="answer"))

    with connected(proxy) as sock:
        sock.sendall(REQUEST)
        assert an_answer(sock).startswith(b"zzHTTP")


def test_close_ends_everything(hub: Hub):
    """`close` frees every connection, whatever it is doing, leaves no thread and no socket, and can be called twice."""
    before = psutil.Process().num_fds()
    proxy = FaultProxy(hub.url)
    faults = [
        Stall(),
        Drop(),
        Delay(3600),
        Stall(at="connect"),
        Drop(at="request"),
        Pass(),
        CloseIdle(3600),
    ]
    socks = []
    for number, fault in enumerate(faults):
        proxy.next(fault)
        socks.append(socket.create_connection(("127.0.0.1", proxy.port)))
        socks[-1].sendall(REQUEST)
        # Each before the next comes: a fault at "connect" is chosen only if no other waits for its request.
        struck = sum(not isinstance(each, Pass) for each in faults[: number + 1])
        eventually(lambda n=number: proxy.open_connections == n + 1)
        eventually(lambda wanted=struck: len(proxy.struck) == wanted)
    proxy.close()
    proxy.close()
    for sock in socks:
        sock.close()

    assert not [each for each in threading.enumerate() if each.name.startswith("scramjet-proxy")]
    eventually(lambda: psutil.Process().num_fds() <= before)


def test_example_of_the_document(capsys: pytest.CaptureFixture[str]):
    """The example in docs/reliability.md does what it says."""
    text = Path("docs/reliability.md").read_text("utf-8")
    code = text.partition("```python\n")[2].partition("```")[0]
    exec(compile(code, "docs/reliability.md", "exec"), {})

    assert "was cut after 100 bytes" in capsys.readouterr().out


def test_a_hub_that_is_not_there(closed_port: int):
    """A client of a proxy whose hub is away loses its connection."""
    with FaultProxy(f"http://127.0.0.1:{closed_port}/api/v1") as proxy:
        with HostClient(proxy.url, retries=0) as host, pytest.raises(HubConnectionError):
            host.get_version()


@pytest.mark.parametrize("to_client", ["plain", "tls"])
@pytest.mark.parametrize("to_hub", ["plain", "tls"])
def test_tls(to_client: str, to_hub: str, certificates: Certificates):
    """With a certificate the proxy sees requests, whatever each side speaks."""
    context = certificates.server_context() if to_hub == "tls" else None
    cert = certificates.server_path if to_client == "tls" else None
    with H1Hub(ssl_context=context) as hub:
        with FaultProxy(hub.url, cert=cert, verify=certificates.ca_path) as proxy:
            with HostClient(proxy.url, verify=certificates.ca_path, retries=0) as host:
                assert host.get_version().version == "1.0.1"
                host.close()  # where TLS passes through, a fault is one of the next connection
                proxy.next(Cut(after=3))
                with pytest.raises(HubConnectionError):
                    host.get_version()
                assert host.get_version().version == "1.0.1"

    assert len(proxy.struck) == 1
    # Passed through as it is, TLS shows no requests.
    seen = "GET /api/v1/version" in proxy.requests
    assert seen == ((to_client, to_hub) != ("plain", "tls"))


@pytest.mark.parametrize(("fault", "ragged"), [(Cut(after=3), True), (Truncate(after=3), False)])
def test_end_of_tls(fault: Fault, ragged: bool, certificates: Certificates):
    """A cut ends TLS without a word, a truncated answer with its goodbye."""
    with H1Hub() as hub, FaultProxy(hub.url, cert=certificates.server_path) as proxy:
        proxy.next(fault)
        context = ssl.create_default_context(cafile=certificates.ca_path)
        # Python up to 3.10 has OpenSSL 3 take a ragged end for a good one, and has no name for it.
        context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 1 << 7)
        with connected(proxy) as plain:
            with context.wrap_socket(
                plain, server_hostname="127.0.0.1", suppress_ragged_eofs=False
            ) as sock:
                sock.sendall(b"GET /api/v1/version HTTP/1.1\r\nHost: hub\r\n\r\n")
                try:
                    everything(sock)
                    was_ragged = False
                except ssl.SSLError:
                    was_ragged = True

    assert was_ragged is ragged
