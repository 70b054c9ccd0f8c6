"""What the sockets of this process are, for a test that leaves one; and whether somebody listens."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path

import psutil


def described(links: set[str]) -> list[str]:
    """Describe sockets, given as /proc/self/fd names them: both addresses and the state of each."""
    known = {each.fd: each for each in psutil.Process().net_connections(kind="all")}
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            link = os.readlink(entry)
        except OSError:
            continue
        if link in links:
            each = known.get(int(entry.name))
            found.append(
                f"{link} is no connection"
                if each is None
                else f"{each.family.name} {_place(each.laddr)} -> {_place(each.raddr)} {each.status}"
            )
    return found


def _place(address: object) -> str:
    return ":".join(str(part) for part in address) if isinstance(address, tuple) else str(address)


def listens(port: int) -> bool:
    """Return whether somebody listens on a port of this machine."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
