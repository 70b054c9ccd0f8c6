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
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from urllib3.util import wait_for_read

from scramjet_client import (
    HostClient,
    HttpClient,
    HubConnectionError,
    UploadCancelledError,
)
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
