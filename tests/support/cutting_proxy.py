"""A relay on loopback whose connections can be cut, and which can be down, or lead elsewhere."""

from __future__ import annotations

import contextlib
import socket
import threading

from tests.support.waiting import eventually
from tests.support.wire import Conn, RawServer


class CuttingProxy:
    """Passes bytes between clients and a hub; use it in a `with` block.

    Args:
        port: The hub's port on 127.0.0.1; may be changed later.

    Attributes:
        port: Where it passes what comes on.
        down: While true, connections are closed as soon as they are made.
        refused: How many were.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.down = False
        self.refused = 0
        self._onward: set[socket.socket] = set()
        # Guards the set.
        self._lock = threading.Lock()
        self._server = RawServer(self._relay)
        self.url = self._server.url

    def __enter__(self) -> CuttingProxy:
        self._server.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self.cut()
        self._server.stop()
        self._server.check()

    @property
    def open(self) -> int:
        """How many connections there are."""
        return len(self._onward)

    def come_back(self) -> None:
        """End being down when a connection has been refused."""
        eventually(lambda: self.refused)
        self.down = False

    def cut(self) -> None:
        """Cut every connection, in both directions."""
        with self._lock:
            for onward in self._onward:
                with contextlib.suppress(OSError):
                    onward.shutdown(socket.SHUT_RDWR)

    def _relay(self, conn: Conn) -> None:
        if self.down:
            self.refused += 1
            return
        try:
            onward = socket.create_connection(("127.0.0.1", self.port))
        except OSError:
            return
        with onward:
            with self._lock:
                self._onward.add(onward)
            back = threading.Thread(target=self._pump, args=(onward, conn.raw), name="test-back")
            back.start()
            self._pump(conn.raw, onward)
            back.join()
            with self._lock:
                self._onward.discard(onward)

    @staticmethod
    def _pump(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                data = source.recv(65536)
                if not data:
                    break
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
