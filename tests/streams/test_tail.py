"""The end of a stream: how much of it is kept."""

from __future__ import annotations

import io

import pytest

from scramjet_client.streams.tail import Tail


@pytest.mark.parametrize("piece", [1, 7, 10, 1000])
def test_last_bytes_are_kept(piece: int):
    """Whatever the pieces, the last bytes are kept, and a file behind it gets all of them."""
    data = bytes(range(256)) * 4
    file = io.BytesIO()
    tail = Tail(10, file)
    for at in range(0, len(data), piece):
        tail.write(data[at : at + piece])

    assert bytes(tail) == data[-10:]
    assert file.getvalue() == data
