"""Connections whose other end has vanished without a word, or is alive and says nothing."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import stat
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import attrs
import pytest

from scramjet_client import HostClient, KeepAlive, StreamInterruptedError, Timeouts, Tuning
from tests.support.tuned import tuned
from tests.support.waiting import LIMIT
from tests.support.wire import Conn, RawServer

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks at the kernel of Linux")

_STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n"

# Answers each request by a log of one line, and is silent then.
_HUB = f"""
import socket, sys, time
server = socket.create_server((sys.argv[1], 0))
print(server.getsockname()[1], flush=True)
kept = []
while True:
    connection, _ = server.accept()
    kept.append(connection)
    connection.recv(65536)
    connection.sendall({_STREAM!r} + b"3\\r\\n{{}}\\n\\r\\n")
"""


@attrs.frozen
class OtherHost:
    """A hub on a host of its own: a network namespace at the other end of a cable.

    Attributes:
        url: The hub's.
        namespace: The host.
        here: The address of this end of the cable.
    """

    url: str
    namespace: str
    here: str

    def vanish(self) -> None:
        """Have nothing that this host sends arrive any more; what is sent to it does, without an answer."""
        _run("ip", "-n", self.namespace, "route", "add", "blackhole", f"{self.here}/32")


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=LIMIT)


@pytest.fixture
def other_host() -> Iterator[OtherHost]:
    """A hub on a host that can vanish."""
    if sys.platform != "linux" or shutil.which("ip") is None or os.geteuid() != 0:
        pytest.skip("network namespaces need Linux, iproute2 and root")
    number = os.getpid() % 16000
    namespace, cable = f"scramjet-{number}", f"sj{number}"
    here, there = (f"10.213.{number // 64}.{number % 64 * 4 + n}" for n in (1, 2))
    try:
        _run("ip", "netns", "add", namespace)
        _run("ip", "link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", namespace)
    except subprocess.CalledProcessError as error:
        subprocess.run(["ip", "netns", "del", namespace], check=False, capture_output=True)
        pytest.skip(f"this machine allows no network namespaces: {error.stderr!r}")
    with contextlib.ExitStack() as stack:
        stack.callback(_run, "ip", "netns", "del", namespace)
        _run("ip", "addr", "add", f"{here}/30", "dev", cable)
        _run("ip", "link", "set", cable, "up")
        _run("ip", "-n", namespace, "addr", "add", f"{there}/30", "dev", "eth0")
        _run("ip", "-n", namespace, "link", "set", "eth0", "up")
        command = ["ip", "netns", "exec", namespace, sys.executable, "-c", _HUB, there]
        process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        stack.callback(process.kill)
        assert process.stdout is not None
        port = int(process.stdout.readline())
        yield OtherHost(f"http://{there}:{port}/api/v1", namespace, here)


QUICK = Tuning(keep_alive=KeepAlive(idle=1, interval=1, count=2))


def _seconds_until_found(host: OtherHost, limit: float, tuning: Tuning) -> float:
    with tuned(host.url, tuning=tuning, proxies={}, timeout=Timeouts(connect=LIMIT)) as client:
        with client.get_log_stream(idle_timeout=limit) as stream:
            assert stream.readline() == b"{}\n"
            host.vanish()
            began = time.monotonic()
            with pytest.raises(StreamInterruptedError):
                stream.readline()
            return time.monotonic() - began


def test_host_that_vanishes_is_found(other_host: OtherHost):
    """A reader of a hub that is gone without a word is told so by keep-alive: here with 1 + 2 * 1 seconds.

    That it was keep-alive shows in the error: what only the limit of the stream finds is a `StreamIdleError`.
    """
    assert _seconds_until_found(other_host, LIMIT, QUICK) > 1


@pytest.mark.long
def test_host_that_vanishes_is_found_by_default(other_host: OtherHost):
    """With the settings as they are it takes 60 seconds, as docs/reliability.md says."""
    assert 55 < _seconds_until_found(other_host, 110, Tuning()) < 100


def _options(sock: socket.socket) -> list[int]:
    names = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
    alive = sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    return [alive, *(sock.getsockopt(socket.IPPROTO_TCP, name) for name in names)]


def _sockets_to(port: int) -> list[socket.socket]:
    """Return duplicates of this process's sockets that are connected to a port."""
    # All of them first: a duplicate takes the number of the folder's own descriptor, which is listed too.
    sockets = [int(name) for name in os.listdir("/proc/self/fd") if _is_socket(int(name))]
    found = []
    for number in sockets:
        sock = socket.socket(fileno=os.dup(number))
        with contextlib.suppress(OSError):
            if sock.family == socket.AF_INET and sock.getpeername()[1] == port:
                found.append(sock)
                continue
        sock.close()
    return found


def _is_socket(number: int) -> bool:
    try:
        return stat.S_ISSOCK(os.fstat(number).st_mode)
    except OSError:
        return False


@linux
def test_probes_are_on_by_default():
    """Every connection has keep-alive with the documented times."""

    def handle(conn: Conn) -> None:
        while conn.read_request() is not None:
            conn.send_json("200 OK", {"version": "0.18.7"})

    with RawServer(handle) as server, HostClient(server.url) as host:
        host.get_version()
        sockets = _sockets_to(server.port)
        options = [_options(each) for each in sockets]
        for each in sockets:
            each.close()

    assert options == [[1, 30, 10, 3]]


def _silence(sock: socket.socket) -> tuple[float, float]:
    """Return the seconds since data and since an acknowledgement came; fields of Linux's struct tcp_info."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    data, acknowledgement = struct.unpack_from("2I", info, 8 + 4 * 11)
    return data / 1000, acknowledgement / 1000


# A day has 2,880 probes, one every 30 seconds. An answered probe leaves the connection as it was before, so as many
# are sent here by streams that are probed every second: there is no shorter interval.
@linux
@pytest.mark.parametrize(
    ("streams", "seconds"), [(20, 5), pytest.param(60, 48, marks=pytest.mark.long)]
)
def test_quiet_log_stays_open(streams: int, seconds: int):
    """A log without a line is kept by probes alone, and ends when the hub ends it, as it does after a day."""
    over = threading.Event()

    def handle(conn: Conn) -> None:
        conn.read_request()
        conn.send(_STREAM)
        over.wait()
        conn.send(b"0\r\n\r\n")

    with RawServer(handle) as server, tuned(server.url, tuning=QUICK) as host:
        logs = [host.get_log_stream() for _ in range(streams)]
        with ThreadPoolExecutor(streams, "test-reader") as pool:
            reads = [pool.submit(log.read) for log in logs]
            try:
                sockets = _sockets_to(server.port)
                time.sleep(seconds)  # the silence itself
                silences = [_silence(each) for each in sockets]
                ended = [each.done() for each in reads]
            finally:
                over.set()
            rest = [each.result(LIMIT) for each in reads]
        for each in [*sockets, *logs]:
            each.close()

    assert len(silences) == streams
    assert all(data > seconds - 1 and acknowledged < 2.5 for data, acknowledged in silences)
    assert not any(ended)
    assert rest == [b""] * streams
