"""Addresses: which of them mean this machine."""

from __future__ import annotations

import pytest

from scramjet_client.http.settings import is_loopback


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("LOCALHOST", True),
        ("localhost.", True),
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("[::1]", True),
        ("[0:0:0:0:0:0:0:1]", True),
        ("[::ffff:127.0.0.1]", True),
        ("127.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example", False),
        ("128.0.0.1", False),
        ("[::2]", False),
        ("[::ffff:10.0.0.1]", False),
        ("0.0.0.0", False),
        ("hub", False),
    ],
)
def test_loopback(host: str, loopback: bool):
    """A URL means this machine by the whole of its host, not by its beginning."""
    assert is_loopback(f"http://{host}:8000/api/v1") is loopback
