"""The terminal's side of `scramjet dev --pdb`: passes lines between it and a debugger in the program."""

from __future__ import annotations

import codecs
import contextlib
import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from scramjet_client.cli._dev_input import KeptInput
from scramjet_client.cli._dev_screen import Screen

_TRACEBACK_FIRST = 0.2
"""Seconds."""

VARIABLE = "SCRAMJET_DEV_DEBUGGER"


class Debugger:
    """Waits for a program that has failed. Programs find its socket by an environment variable.

    `local` turns the paths of the hub into those of this machine.
    """

    def __init__(self, screen: Screen, keys: KeptInput, local: Callable[[str], str]) -> None:
        self._screen = screen
        self._keys = keys
        self._local = local
        # Only this user can reach what is in it.
        self._folder = tempfile.TemporaryDirectory(prefix="scramjet-pdb-")
        path = str(Path(self._folder.name) / "socket")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen()
        self._connection: socket.socket | None = None
        self._before = os.environ.get(VARIABLE)
        os.environ[VARIABLE] = path
        # `close` ends it. A daemon, as it waits for ever.
        self._thread = threading.Thread(target=self._serve, name="scramjet-dev-pdb", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # closed
            self._connection = connection
            with connection, contextlib.suppress(OSError):
                self._talk(connection)
            self._connection = None

    def _talk(self, connection: socket.socket) -> None:
        # The traceback is on its way through other streams, and a reader wants it above the prompt.
        time.sleep(_TRACEBACK_FIRST)
        self._screen.note("stopped where it failed; q ends, h helps")
        decoder = codecs.getincrementaldecoder("utf-8")("replace")

        def take(typed: bytes) -> None:
            if typed:
                connection.sendall(typed)
            else:
                connection.shutdown(socket.SHUT_WR)  # Ctrl-D

        self._keys.divert(take)
        try:
            while data := connection.recv(65536):
                self._screen.raw(self._local(decoder.decode(data)))
        finally:
            self._keys.divert(None)
            self._screen.raw("\n")

    def close(self) -> None:
        """Leave the debugger, and wait for no other."""
        if self._before is None:
            os.environ.pop(VARIABLE, None)
        else:
            os.environ[VARIABLE] = self._before
        # A thread in accept() does not see that its socket is closed.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        connection = self._connection
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(2.0)
        self._folder.cleanup()
