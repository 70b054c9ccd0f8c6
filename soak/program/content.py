"""What streams carry: bytes that both ends make from a seed. Runs here, and beside the program on the hub."""

from __future__ import annotations

import random
from collections.abc import Iterator

_GLYPHS = ("", "ü", "€", "😀")
"""Of 0, 2, 3 and 4 bytes, so that pieces are cut inside a character."""

_PIECE = 65536


def content(seed: int, size: int, *, text: bool) -> bytes:
    """Return `size` bytes, or up to 3 fewer bytes of numbered lines of UTF-8, where a hub carries nothing else."""
    rng = random.Random(seed)
    if not text:
        return rng.randbytes(size)
    lines: list[str] = []
    length = 0
    while length < size:
        line = f"{len(lines)} {rng.randbytes(rng.randrange(200)).hex()}{rng.choice(_GLYPHS)}\n"
        lines.append(line)
        length += len(line)
    return "".join(lines).encode()[:size].decode("utf-8", "ignore").encode()


def pieces(data: bytes, seed: int) -> Iterator[bytes]:
    """Yield the data in pieces of random sizes, most of them small."""
    rng = random.Random(seed)
    at = 0
    while at < len(data):
        size = int(_PIECE ** rng.random())
        yield data[at : at + size]
        at += size
