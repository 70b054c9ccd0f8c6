"""A LocalHub that is stopped in the midst of something, and what its clients see."""

from __future__ import annotations

import socket
import threading
from typing import Any
from urllib.parse import urlsplit

import pytest

from scramjet_client import InstanceNotFoundError, ScramjetError
from scramjet_client.hub import LocalHub
from tests.support.hubs import open_hub

PATIENCE = 60.0
"""Seconds that only a hang needs."""


async def endless(context: Any, input: Any) -> Any:
    import asyncio  # noqa: PLC0415

    yield "first"
    await asyncio.Event().wait()


@pytest.mark.parametrize("stream_id", ["output", "stdout", "stderr", "log"])
def test_streams_are_cut(stream_id: str):
    """A stream of a hub that stops raises: what has come is not taken for all there was."""
    with LocalHub() as hub, hub.client() as host:
        instance = host.deploy(endless).start(timeout=PATIENCE)
        with instance.get_stream(stream_id) as stream:
            if stream_id == "output":
                assert stream.read(5) == b"first"
            hub.stop()

            with pytest.raises(ScramjetError):
                stream.read()


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0"])
def test_cut_on_the_wire(version: str):
    """The connection is reset: no last chunk comes, nor an end of file that old clients take for one."""
    with open_hub() as hub, hub.client() as host:
        instance = host.deploy(endless).start(timeout=PATIENCE)
        address = urlsplit(hub.url)
        with socket.create_connection((address.hostname, address.port), PATIENCE) as wire:
            head = f"GET /api/v1/instance/{instance.id}/output {version}\r\nHost: localhost\r\n\r\n"
            wire.sendall(head.encode())
            got = b""
            while b"first" not in got:
                got += wire.recv(4096)
            hub.stop()

            more = bytearray()
            with pytest.raises(ConnectionResetError):
                _read_all(wire, more)

    assert b"0\r\n\r\n" not in got + more


def _read_all(wire: socket.socket, into: bytearray) -> None:
    while got := wire.recv(4096):
        into += got


def test_wait_across_a_restart():
    """A hub that was started anew knows nothing of an end, and `wait` says so."""
    hub = LocalHub()
    hub.start()
    try:
        address = hub.url.split("/")[2].rpartition(":")
        with hub.client() as host:
            instance = host.deploy(endless).start(timeout=PATIENCE)
            seen = threading.Event()
            caught: list[Any] = []

            def wait() -> None:
                try:
                    caught.append(instance.wait(PATIENCE))
                except ScramjetError as error:
                    caught.append(error)

            ask = instance.get_info
            looks: list[Any] = []

            def get_info() -> Any:
                looks.append(ask())
                if len(looks) == 2:
                    seen.set()
                    again.wait(PATIENCE)
                return looks[-1]

            again = threading.Event()
            instance.get_info = get_info  # type: ignore[method-assign]
            waiting = threading.Thread(target=wait, name="test-wait")
            waiting.start()
            assert seen.wait(PATIENCE)
            hub.stop()
            hub = LocalHub(address[0], int(address[2]), token=hub.token)
            hub.start()
            again.set()
            waiting.join(PATIENCE)

        assert isinstance(caught[0], InstanceNotFoundError)
        assert "how it ended is not known" in str(caught[0])
    finally:
        hub.stop()
