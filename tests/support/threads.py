"""The threads of the client, told apart from those of hubs that a test run keeps."""

from __future__ import annotations

import threading

_KEPT = ("scramjet-local-hub", "scramjet-proxy")
"""Threads of fixtures that live for longer than a test."""


def client_threads() -> list[threading.Thread]:
    """Return the threads that the client has started and that still run."""
    return [
        each
        for each in threading.enumerate()
        if each.name.startswith("scramjet-") and not each.name.startswith(_KEPT)
    ]
