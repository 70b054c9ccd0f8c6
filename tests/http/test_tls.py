"""The three promises of the duplex TLS socket: no byte lost, none in clear text, no crash."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import traceback
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
import urllib3.util
from urllib3.util import wait_for_read

from scramjet_client import (
    HostClient,
    HttpClient,
    HubConnectionError,
    UploadCancelledError,
)
from scramjet_client.http import tls
from scramjet_client.http.tls import DuplexSSLSocket, duplex_context
from tests.support.certs import Certificates
from tests.support.scripted_hub import H1Hub
from tests.support.waiting import BUILD_LIMIT, LIMIT
from tests.support.wire import Conn, RawServer, RecordingTap

ROUNDS = 12
WRITES = 3000
MARK = b"payload-that-nobody-may-see"


def echo(conn: Conn) -> None:
    """Send back what comes."""
    while True:
        data = conn._end.recv(65536)
        if not data:
            return
        conn.send(data)


def connect(port: int, certificates: Certificates) -> DuplexSSLSocket:
    context = duplex_context(ssl.CERT_REQUIRED)
    context.load_verify_locations(certificates.ca_path)
    plain = socket.create_connection(("127.0.0.1", port))
    wrapped = context.wrap_socket(plain, server_hostname="127.0.0.1")
    assert isinstance(wrapped, DuplexSSLSocket)
    return wrapped


@pytest.mark.parametrize("number", range(ROUNDS))
def test_tight_echo_loop(certificates: Certificates, number: int):
    """3,000 small writes by one thread come back whole to another, with a socket timeout set."""
    expected = b"".join(b"%d:%06d\n" % (number, n) for n in range(WRITES))
    errors: list[BaseException] = []
    with RawServer(echo, ssl_context=certificates.server_context()) as server:
        with connect(server.port, certificates) as sock:
            sock.settimeout(LIMIT)

            def write() -> None:
                try:
                    for n in range(WRITES):
                        sock.sendall(b"%d:%06d\n" % (number, n))
                except BaseException as error:
                    errors.append(error)

            writer = threading.Thread(target=write, name="test-writer")
            writer.start()
            got = b""
            while len(got) < len(expected):
                data = sock.recv(4096)
                assert data, "a clean end that nobody sent"
                got += data
            writer.join(LIMIT)
        server.check()

    assert errors == []
    assert got == expected


def received_apart(sock: DuplexSSLSocket) -> bytes:
    places = [bytearray(size) for size in (1, 700, 40_000, 9, 30_000)]
    count = sock.recvmsg_into(places)[0]
    return b"".join(places)[:count]


def received_into(sock: DuplexSSLSocket) -> bytes:
    place = bytearray(50_000)
    return bytes(place[: sock.recv_into(place)])


WAYS = {
    "recv": lambda sock: sock.recv(100),
    "recv of several records": lambda sock: sock.recv(65536),
    "recv_into": received_into,
    "recvmsg_into": received_apart,
}


def read_to_end(sock: DuplexSSLSocket, way: str) -> Iterator[bytes]:
    while data := WAYS[way](sock):
        yield data


@pytest.mark.parametrize("limit", [LIMIT, None])
@pytest.mark.parametrize("way", WAYS)
def test_each_way_of_reading_gives_every_byte(
    certificates: Certificates, way: str, limit: float | None
):
    """Records of all sizes come whole and in order, however they are read, and then the end, again and again."""
    sizes = [1, 2, 20, 300, 16_384, 16_383, 16_385, 70_000, 5, 200_000]
    expected = b"".join(b"%d," % number * size for number, size in enumerate(sizes))

    def talk(conn: Conn) -> None:
        for number, size in enumerate(sizes):
            conn.send(b"%d," % number * size)

    with RawServer(talk, ssl_context=certificates.server_context()) as server:
        with connect(server.port, certificates) as sock:
            sock.settimeout(limit)
            got = b"".join(read_to_end(sock, way))
            ends = [WAYS[way](sock) for _ in range(3)]

    assert got == expected
    assert ends == [b""] * 3


@pytest.mark.parametrize("way", ["recv of several records", "recvmsg_into"])
def test_a_failure_behind_data_counts_as_pending(certificates: Certificates, way: str):
    """Whoever polls the socket learns that the next read fails, although nothing more comes."""
    sent = threading.Event()

    def talk(conn: Conn) -> None:
        conn.send(b"x" * 400)
        conn.raw.sendall(b"no TLS record at all")
        sent.set()
        conn.wait_closed(LIMIT)

    with RawServer(talk, ssl_context=certificates.server_context()) as server:
        with connect(server.port, certificates) as sock:
            assert sent.wait(LIMIT)
            got = WAYS[way](sock)
            pending = sock.pending()
            with pytest.raises(ssl.SSLError):
                WAYS[way](sock)

    assert got == b"x" * 400
    assert pending


@pytest.mark.parametrize("way", WAYS)
def test_a_close_in_the_middle_of_a_step(
    certificates: Certificates, way: str, monkeypatch: pytest.MonkeyPatch
):
    """A signal handler that closes the socket which its own thread reads ends that read, and nothing hangs."""

    def talk(conn: Conn) -> None:
        conn.wait_closed(LIMIT)

    open_in_the_step: list[bool] = []

    def handler_closes(sock: DuplexSSLSocket) -> None:
        sock.close()
        open_in_the_step.append(sock.fileno() != -1)
        raise ssl.SSLWantReadError

    with RawServer(talk, ssl_context=certificates.server_context()) as server:
        with connect(server.port, certificates) as sock:
            monkeypatch.setattr(DuplexSSLSocket, "_feed", handler_closes)
            with pytest.raises(OSError, match="Bad file descriptor"):
                WAYS[way](sock)
            assert sock.fileno() == -1
    # OpenSSL is still at work there.
    assert open_in_the_step == [True]


def test_time_limit_and_its_end(certificates: Certificates):
    """A read that gets nothing ends in time, and the connection goes on."""
    with RawServer(echo, ssl_context=certificates.server_context()) as server:
        with connect(server.port, certificates) as sock:
            sock.settimeout(0.1)
            began = time.monotonic()
            with pytest.raises(socket.timeout):
                sock.recv(10)
            assert time.monotonic() - began >= 0.09

            sock.settimeout(LIMIT)
            sock.sendall(b"still there")
            assert sock.recv(100) == b"still there"


@pytest.mark.parametrize("limit", [0.05, 0])
def test_a_write_that_found_no_room_goes_on_where_it_was(certificates: Certificates, limit: float):
    """A writer whose limit ends while the hub takes nothing calls again with the same data: none is sent twice."""
    listen = threading.Event()
    got = bytearray()

    def take(conn: Conn) -> None:
        assert listen.wait(LIMIT)
        while len(got) < len(data):
            got.extend(conn._end.recv(65536))
        conn.send(b"all")

    data = b"".join(b"%08d" % number for number in range(1_000_000))
    with RawServer(take, ssl_context=certificates.server_context()) as server:
        with connect(server.port, certificates) as sock:
            sent, refused = 0, 0
            while sent < len(data):
                try:
                    sent += sock.write_within(limit, memoryview(data)[sent:])
                except (socket.timeout, BlockingIOError):
                    refused += 1
                    listen.set()
            sock.settimeout(LIMIT)
            assert sock.recv(10) == b"all"
        server.check()

    assert refused
    assert bytes(got) == data


def test_only_what_can_be_read_is_pending(certificates: Certificates):
    """A record of which a part has come is not pending, or who polls would never wait; a whole one in memory is."""
    part, rest = threading.Event(), threading.Event()

    def talk(conn: Conn) -> None:
        conn.raw.sendall(conn._end.encrypted(b"first") + conn._end.encrypted(b"second" * 1000))
        record = conn._end.encrypted(b"third")
        assert part.wait(LIMIT)
        conn.raw.sendall(record[:10])
        assert rest.wait(LIMIT)
        conn.raw.sendall(record[10:])
        conn.wait_closed(LIMIT)

    with RawServer(talk, ssl_context=certificates.server_context()) as server:
        with connect(server.port, certificates) as sock:
            sock.settimeout(LIMIT)
            assert sock.recv(5) == b"first"
            assert sock.pending()
            size = 0
            while size < 6000:
                size += len(sock.recv(65536))
            assert not sock.pending()
            part.set()
            assert wait_for_read(sock, LIMIT)
            sock.settimeout(0)
            with pytest.raises(BlockingIOError):
                sock.recv(10)
            assert not sock.pending()
            rest.set()
            sock.settimeout(LIMIT)
            assert sock.recv(10) == b"third"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("spoilt", ["no TLS", "changed record"])
def test_a_failure_is_no_end_the_next_time(certificates: Certificates, way: str, spoilt: str):
    """After a failure each further read fails too; the exception does not grow, and keeps nothing of its callers."""

    def talk(conn: Conn) -> None:
        conn.send(b"x" * 50)
        record = bytearray(conn._end.encrypted(b"y" * 50))
        record[30] ^= 1
        conn.raw.sendall(record if spoilt == "changed record" else b"no TLS record at all")
        conn.wait_closed(LIMIT)

    def caller(sock: DuplexSSLSocket) -> weakref.ref[threading.Event]:
        mine = threading.Event()
        with contextlib.suppress(ssl.SSLError):
            WAYS[way](sock)
        return weakref.ref(mine)

    frames: list[int] = []
    with RawServer(talk, ssl_context=certificates.server_context()) as server:
        with connect(server.port, certificates) as sock:
            sock.settimeout(LIMIT)
            assert WAYS[way](sock) == b"x" * 50
            assert [caller(sock)() for _ in range(2)] == [None, None]
            for _ in range(5):
                with pytest.raises(ssl.SSLError) as failed:
                    WAYS[way](sock)
                frames.append(len(list(traceback.walk_tb(failed.tb))))

    assert frames[1:] == [frames[1]] * 4


def test_a_buffer_smaller_than_asked(certificates: Certificates):
    """The rest of a record that had no room is not waited for."""
    with RawServer(echo, ssl_context=certificates.server_context()) as server:
        with connect(server.port, certificates) as sock:
            sock.settimeout(LIMIT)
            sock.sendall(b"0123456789")
            place = bytearray(4)
            got = [bytes(place[: sock.read(1024, place)]) for _ in range(2)]
            got.append(sock.recv(100))

    assert got == [b"0123", b"4567", b"89"]


def test_other_data_than_what_waits_is_refused(certificates: Certificates):
    """A writer that gave up and sends something shorter is told so: it would count as sent."""
    over = threading.Event()
    with RawServer(lambda _: over.wait(LIMIT), ssl_context=certificates.server_context()) as server:
        with connect(server.port, certificates) as sock:
            with contextlib.suppress(BlockingIOError):
                while True:
                    sock.write_within(0, bytes(100_000))
            with pytest.raises(ssl.SSLError, match="bad write retry"):
                sock.write_within(0, b"short")
        over.set()


@pytest.mark.parametrize("at_connect", [True, False])
def test_a_handshake_that_is_done_again(certificates: Certificates, at_connect: bool):
    """As with ssl's own sockets, a further handshake does nothing, and one that may not wait is continued."""
    context = duplex_context(ssl.CERT_REQUIRED)
    context.load_verify_locations(certificates.ca_path)
    with RawServer(echo, ssl_context=certificates.server_context()) as server:
        plain = socket.create_connection(("127.0.0.1", server.port))
        with context.wrap_socket(
            plain, server_hostname="127.0.0.1", do_handshake_on_connect=at_connect
        ) as sock:
            sock.settimeout(0)
            for _ in range(2):
                done = False
                while not done:
                    with contextlib.suppress(BlockingIOError):
                        sock.do_handshake()
                        done = True
            sock.settimeout(LIMIT)
            sock.sendall(b"hello")
            assert sock.recv(10) == b"hello"


def test_bytes_behind_an_answer_are_not_the_next_answer(certificates: Certificates):
    """A connection on which more has come than was asked for carries no other request, as without TLS."""

    def talk(conn: Conn) -> None:
        if conn.read_request() is not None:
            records = [conn._end.encrypted(_answer(text)) for text in ("asked", "unasked")]
            conn.raw.sendall(b"".join(records))
            conn.wait_closed(LIMIT)

    with RawServer(talk, ssl_context=certificates.server_context()) as server:
        with HttpClient(server.url, verify=certificates.ca_path) as client:
            got = [client.get("version") for _ in range(3)]

    assert got == ["asked"] * 3


def _answer(text: str) -> bytes:
    body = f'"{text}"'.encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
    return head + b"%d\r\n\r\n%b" % (len(body), body)


@pytest.mark.parametrize("does", ["recv", "sendall"])
def test_a_closed_descriptor_is_nobody_elses_while_a_thread_waits(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch, does: str
):
    """A thread that is about to wait when another one closes the socket does not wait for a later connection."""
    later: list[socket.socket] = []

    def close_first(sock: DuplexSSLSocket, _timeout: float | None) -> bool:
        number = sock.fileno()
        closer = threading.Thread(target=sock.close, name="test-closer")
        closer.start()
        closer.join(LIMIT)
        later.extend(socket.socketpair())
        assert number not in [each.fileno() for each in later]
        return True

    for name in ("wait_for_read", "wait_for_write"):
        monkeypatch.setattr(tls, name, close_first)
    over = threading.Event()
    with RawServer(lambda _: over.wait(LIMIT), ssl_context=certificates.server_context()) as server:
        with monkeypatch.context() as unchanged:
            for name in ("wait_for_read", "wait_for_write"):
                unchanged.setattr(tls, name, getattr(urllib3.util, name))
            sock = connect(server.port, certificates)
        with pytest.raises(OSError, match="Bad file descriptor"):
            sock.recv(1) if does == "recv" else sock.sendall(bytes(50_000_000))
        assert sock.fileno() == -1
        over.set()
    for each in later:
        each.close()


def test_the_hub_learns_why_a_handshake_failed(certificates: Certificates):
    """A client that does not trust the certificate says so to the hub, as OpenSSL's own sockets do."""
    reasons: list[str] = []
    context = certificates.server_context()

    def accept(listener: socket.socket) -> None:
        plain, _ = listener.accept()
        with plain, pytest.raises(ssl.SSLError) as failed:
            # In TLS 1.3 the server reads the alert behind its own part of the handshake.
            with context.wrap_socket(plain, server_side=True) as wrapped:
                wrapped.recv(1)
        reasons.append(failed.value.reason)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        acceptor = threading.Thread(target=accept, args=[listener], name="test-acceptor")
        acceptor.start()
        stranger = duplex_context(ssl.CERT_REQUIRED)
        with socket.create_connection(listener.getsockname()) as plain:
            with pytest.raises(ssl.SSLCertVerificationError):
                stranger.wrap_socket(plain, server_hostname="127.0.0.1")
            acceptor.join(LIMIT)

    assert reasons == ["TLSV1_ALERT_UNKNOWN_CA"]


def test_shutdown_frees_a_blocked_reader(certificates: Certificates):
    """A reader blocked in recv is freed by a shutdown from another thread, while the server says nothing."""
    with RawServer(echo, ssl_context=certificates.server_context()) as server:
        with connect(server.port, certificates) as sock:

            def read() -> None:
                with contextlib.suppress(OSError):
                    sock.recv(10)

            reader = threading.Thread(target=read, name="test-reader")
            reader.start()
            sock.shutdown(socket.SHUT_RDWR)
            reader.join(LIMIT)
            assert not reader.is_alive()


def test_nothing_in_clear_text(certificates: Certificates):
    """However an upload is torn down while it writes, no byte of it crosses the wire unencrypted."""

    def items():
        while True:
            yield MARK * 200

    with H1Hub(ssl_context=certificates.server_context()) as hub:
        instance_id = hub.add_instance().id
        with RecordingTap(hub.port) as tap:
            url = f"https://127.0.0.1:{tap.port}/api/v1"
            with HostClient(url, verify=certificates.ca_path) as host:
                instance = host.get_instance_client(instance_id)
                for _ in range(40):
                    upload = instance.submit_input(items())
                    assert upload.accepted(LIMIT)
                    upload.cancel()
                    with pytest.raises(UploadCancelledError):
                        upload.result(LIMIT)
            sent = tap.client_bytes

    assert len(sent) > 40 * 1000
    assert MARK not in sent


STORM = """
import socket, ssl, sys, threading
from scramjet_client.http.tls import duplex_context
port, ca = int(sys.argv[1]), sys.argv[2]
for n in range(100):
    context = duplex_context(ssl.CERT_REQUIRED)
    context.load_verify_locations(ca)
    sock = context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="127.0.0.1")
    def write():
        try:
            while True:
                sock.sendall(b"x" * 1000)
        except OSError:
            pass
    def read():
        try:
            while sock.recv(4096):
                pass
        except OSError:
            pass
    threads = [threading.Thread(target=each) for each in (write, read)]
    for each in threads:
        each.start()
    sock.recv(10)
    if n % 2:
        sock.shutdown(socket.SHUT_RDWR)
    else:
        sock.close()
    for each in threads:
        each.join(60)
        assert not each.is_alive(), "a thread is stuck"
    sock.close()
print("survived")
"""


def test_teardown_storm(certificates: Certificates):
    """100 busy connections, shut or closed under a reader and a writer, neither crash nor stick."""
    with RawServer(echo, ssl_context=certificates.server_context()) as server:
        done = subprocess.run(
            [sys.executable, "-X", "dev", "-c", STORM, str(server.port), certificates.ca_path],
            capture_output=True,
            text=True,
            timeout=BUILD_LIMIT,
            check=False,
        )

    assert (done.returncode, done.stdout, done.stderr) == (0, "survived\n", "")


FORKS = """
import os, signal, socket, ssl, sys, threading
from scramjet_client.http.tls import duplex_context
port, ca = int(sys.argv[1]), sys.argv[2]
context = duplex_context(ssl.CERT_REQUIRED)
context.load_verify_locations(ca)
sock = context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="127.0.0.1")
over = threading.Event()
def write():
    while not over.is_set():
        sock.sendall(b"x" * 100_000)
def read():
    try:
        while sock.recv(65536):
            pass
    except OSError:
        pass
threads = [threading.Thread(target=each) for each in (write, read)]
for each in threads:
    each.start()
for n in range(30):
    pid = os.fork()
    if not pid:
        signal.alarm(30)  # ends one that hangs
        sock.close()
        os._exit(sock.fileno() != -1)
    assert os.waitpid(pid, 0)[1] == 0, "a child could not close what it inherited"
over.set()
threads[0].join()
sock.close()
threads[1].join()
print("survived")
"""

HANDLERS = """
import contextlib, random, signal, socket, ssl, sys
from scramjet_client.http.tls import duplex_context
port, ca = int(sys.argv[1]), sys.argv[2]
context = duplex_context(ssl.CERT_REQUIRED)
context.load_verify_locations(ca)
for n in range(60):
    sock = context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="127.0.0.1")
    signal.signal(signal.SIGALRM, lambda *_: sock.close())
    signal.setitimer(signal.ITIMER_REAL, 0.001 + random.random() / 100)
    while sock.fileno() != -1:
        with contextlib.suppress(OSError):
            sock.sendall(b"x" * 10_000)
            left = 10_000
            while left:
                left -= len(sock.recv(4096))
print("survived")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks or timers")
@pytest.mark.parametrize("program", [FORKS, HANDLERS], ids=["a child", "a signal's handler"])
def test_closed_in_the_middle_of_a_step(certificates: Certificates, program: str):
    """A child and the handler of a signal may close a socket that was at work, and do not wait for that work."""
    with RawServer(echo, ssl_context=certificates.server_context()) as server:
        done = subprocess.run(
            [sys.executable, "-c", program, str(server.port), certificates.ca_path],
            capture_output=True,
            text=True,
            timeout=BUILD_LIMIT,
            check=False,
        )

    assert (done.returncode, done.stdout) == (0, "survived\n"), done.stderr


def test_a_context_for_each_connection(certificates: Certificates):
    """A client that trusts one CA does not make another client of the same process trust it."""
    with H1Hub(ssl_context=certificates.server_context()) as hub:
        with HostClient(hub.url, verify=certificates.ca_path) as trusting:
            assert trusting.get_version().version == "1.0.1"
        with HostClient(hub.url, verify=True, retries=0) as other:
            with pytest.raises(ConnectionError, match="certificate verify failed"):
                other.get_version()


@contextlib.contextmanager
def opened(client: HttpClient, count: int) -> Iterator[list[DuplexSSLSocket]]:
    """Open streams for a block; give their sockets."""
    streams = [client.get_stream("output") for _ in range(count)]
    try:
        yield [stream._reader.exchange._sock for stream in streams]  # type: ignore[misc]
    finally:
        for stream in streams:
            stream.close()


def talks(conn: Conn) -> None:
    if conn.read_request() is not None:
        conn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        conn.wait_closed(LIMIT)


def test_later_connections_resume_the_session(certificates: Certificates):
    """Only the first connection to a hub checks its certificate; the others know it."""
    with RawServer(talks, ssl_context=certificates.server_context()) as server:
        with (
            HttpClient(server.url, verify=certificates.ca_path) as client,
            opened(client, 4) as sockets,
        ):
            resumed = [sock.session_reused for sock in sockets]
            known = [sock.getpeercert() for sock in sockets]

    assert resumed == [False, True, True, True]
    assert known == [known[0]] * 4
    assert known[0]


def test_a_session_does_not_outlive_what_it_trusts(certificates: Certificates, tmp_path: Path):
    """When the CA bundle changes, the next connection checks the certificate anew, and refuses it."""
    bundle = tmp_path / "ca.pem"
    shutil.copy(certificates.ca_path, bundle)
    with RawServer(talks, ssl_context=certificates.server_context()) as server:
        with HttpClient(server.url, verify=str(bundle)) as client, opened(client, 2) as sockets:
            resumed = [sock.session_reused for sock in sockets]
            trustme.CA().cert_pem.write_to_path(str(bundle))
            os.utime(bundle, (1, 1))
            with pytest.raises(HubConnectionError, match="certificate"):
                client.get_stream("output")

    assert resumed == [False, True]


def test_a_hub_that_forgets_sessions_gets_a_whole_handshake(certificates: Certificates):
    """A ticket that a hub can't read any more is no failure."""
    contexts = [certificates.server_context() for _ in range(2)]
    with RawServer(talks, ssl_context=contexts[0]) as server:
        with HttpClient(server.url, verify=certificates.ca_path) as client, opened(client, 2):
            server._context = contexts[1]  # as after its restart
            with opened(client, 2) as sockets:
                resumed = [sock.session_reused for sock in sockets]

    assert resumed[0] is False


def test_verify_false_is_the_users_choice(certificates: Certificates):
    """verify=False connects to a hub with any certificate, and urllib3's warning is left to be seen."""
    with (
        H1Hub(ssl_context=certificates.server_context()) as hub,
        HostClient(hub.url, verify=False) as host,
    ):
        with pytest.warns(match="Unverified HTTPS request"):
            assert host.get_version().version == "1.0.1"


def test_peer_that_is_gone_before_the_handshake(certificates: Certificates):
    """A connection that was reset before TLS began fails as a connection does, whatever is done with it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        plain = socket.create_connection(server.getsockname(), timeout=LIMIT)
        accepted, _ = server.accept()
        Conn(accepted, None).reset()
        with contextlib.suppress(ConnectionResetError):
            plain.recv(1)
    context = duplex_context(None)
    context.load_verify_locations(certificates.ca_path)

    with contextlib.ExitStack() as stack:
        try:
            sock = stack.enter_context(context.wrap_socket(plain, server_hostname="127.0.0.1"))
        except OSError:
            plain.close()
            return
        for use in (lambda: sock.recv(1), lambda: sock.sendall(b"x"), lambda: sock.read(1)):
            with pytest.raises(OSError, match="not connected"):
                use()
