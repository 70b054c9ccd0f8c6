"""Rounds of a tight echo loop over TLS, written by one thread and read by another.

tls_loop.py PORT CA ROUNDS WRITES
"""

from __future__ import annotations

import socket
import ssl
import sys
import threading

from scramjet_client.http.tls import DuplexSSLSocket, duplex_context
from tests.support.waiting import LIMIT


def one_round(port: int, ca: str, number: int, writes: int) -> None:
    """Send small writes and read them all back, byte for byte."""
    expected = b"".join(b"%d:%06d\n" % (number, n) for n in range(writes))
    context = duplex_context(ssl.CERT_REQUIRED)
    context.load_verify_locations(ca)
    plain = socket.create_connection(("127.0.0.1", port))
    with context.wrap_socket(plain, server_hostname="127.0.0.1") as sock:
        assert isinstance(sock, DuplexSSLSocket)
        sock.settimeout(LIMIT)

        def write() -> None:
            for n in range(writes):
                sock.sendall(b"%d:%06d\n" % (number, n))

        writer = threading.Thread(target=write)
        writer.start()
        got = b""
        while len(got) < len(expected):
            data = sock.recv(4096)
            assert data, "a clean end that nobody sent"
            got += data
        writer.join(LIMIT)
    assert not writer.is_alive()
    assert got == expected


def main() -> None:
    port, ca, rounds, writes = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    for number in range(rounds):
        one_round(port, ca, number, writes)
    print("%d.%d: %d of %d" % (*sys.version_info[:2], rounds, rounds))  # noqa: UP031


main()
