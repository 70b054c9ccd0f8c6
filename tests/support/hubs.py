"""Hubs without a token, for clients that know of none: raw sockets, other languages, scripts of the documents."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import warnings
from collections.abc import Iterator
from typing import Any

from scramjet_client import HostClient
from scramjet_client.hub import LocalHub, OpenHubWarning

URL = "SCRAMJET_TEST_HUB_URL"
_DOOR = "SCRAMJET_TEST_HUB_CLEAR"


def open_hub(**options: Any) -> LocalHub:
    """Return a LocalHub that lets in everybody of this machine."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OpenHubWarning)
        return LocalHub(token=None, **options)


@contextlib.contextmanager
def hub_for_another_process() -> Iterator[dict[str, str]]:
    """Run a hub here while the block runs; give the variables by which a `FarHub` finds it, and has it cleared."""
    with open_hub() as hub, socket.create_server(("127.0.0.1", 0)) as door:

        def clear() -> None:
            while True:
                asking, _ = door.accept()
                with asking:
                    if not asking.recv(1):
                        return
                    hub.clear()
                    asking.sendall(b"x")

        thread = threading.Thread(target=clear, name="test-clearing")
        thread.start()
        try:
            yield {URL: hub.url, _DOOR: str(door.getsockname()[1])}
        finally:
            socket.create_connection(door.getsockname()).close()
            thread.join()


class FarHub:
    """The hub of another process (`hub_for_another_process`), for systems on which no LocalHub runs."""

    def __init__(self) -> None:
        self.url = os.environ[URL]

    def __enter__(self) -> FarHub:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def client(self) -> HostClient:
        """Return a client of it."""
        return HostClient(self.url)

    def check(self) -> None:
        """Do nothing: its own failures are seen where it runs."""

    def clear(self) -> None:
        """Have it cleared."""
        with socket.create_connection(("127.0.0.1", int(os.environ[_DOOR]))) as asking:
            asking.sendall(b"x")
            assert asking.recv(1)
