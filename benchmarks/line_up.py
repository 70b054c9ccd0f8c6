"""Who takes part: the contestants of the cases, and how targets pick among them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.model import US, Contestant

_KINDS = {"raw_socket": "limit", "with_pycurl": "c", "node": "node", "server": "server"}

_NAMES = {
    "raw_socket": "raw socket",
    "with_requests": "requests",
    "with_urllib3": "urllib3",
    "with_httpx": "httpx",
    "with_aiohttp": "aiohttp",
    "with_pycurl": "pycurl",
    "node": "TypeScript client (Node.js)",
    "old_client": "scramjet-api-client 1.1.1",
    "server": "the server alone",
}

HALF_DUPLEX = "reads no answer before the body is sent"
NO_OUTPUTS = "has no call for stdout, stderr or output"
NO_GENERATORS = "sends bytes or one JSON value, not a generator"


def us(way: str) -> Contestant:
    """Return this client."""
    return Contestant(name=US, kind="this", module="this_client", way=way)


def them(module: str, way: str, detail: str = "", reason: str = "") -> Contestant:
    """Return somebody else.

    Args:
        module: Where it is.
        way: What to run there.
        detail: The call that is used.
        reason: Why it can't do the case.
    """
    name = f"{_NAMES[module]}, {detail}" if detail else _NAMES[module]
    kind: Any = _KINDS.get(module, "python")
    return Contestant(name=name, kind=kind, module=module, way=way, reason=reason)


def peers(contestant: Contestant) -> bool:
    """Say whether it is another client."""
    return contestant.kind in ("python", "c", "node")


def python_peers(contestant: Contestant) -> bool:
    """Say whether it is another client in Python, not a C library's binding."""
    return contestant.kind == "python"


def limit(contestant: Contestant) -> bool:
    """Say whether it is a raw socket."""
    return contestant.kind == "limit"


def called(*parts: str) -> Callable[[Contestant], bool]:
    """Return what says whether a name has one of these parts."""
    return lambda contestant: any(part in contestant.name for part in parts)


def json_peers(contestant: Contestant) -> bool:
    """Say whether it is another client in Python, a C library's binding too."""
    return contestant.kind in ("python", "c")


CHUNK_READERS = (
    us("chunks"),
    them("with_requests", "chunks", "iter_content(65536)"),
    them("with_urllib3", "chunks", "stream(65536)"),
    them("with_urllib3", "chunks-chunked", "read_chunked()"),
    them("with_httpx", "chunks", "iter_raw(65536)"),
    them("with_aiohttp", "chunks", "iter_chunked(65536)"),
    them("with_aiohttp", "chunks-any", "iter_any()"),
    them("with_pycurl", "chunks", "WRITEFUNCTION"),
    them("node", "chunks"),
    them("old_client", "", reason=NO_OUTPUTS),
    them("raw_socket", "chunks", "reads of 64 KiB"),
    them("raw_socket", "chunks-large", "reads of 256 KiB"),
    them("server", "get", "read by a program in C"),
)

LINE_READERS = (
    us("lines"),
    them("with_requests", "lines", "iter_lines(65536)"),
    them("with_urllib3", "lines", "for line in response"),
    them("with_httpx", "lines", "iter_lines()"),
    them("with_aiohttp", "lines", "async for line in content"),
    them("with_pycurl", "lines", "split by hand"),
    them("node", "lines", "split by hand"),
    them("old_client", "", reason=NO_OUTPUTS),
)

RECORD_READERS = (
    us("records"),
    them("with_requests", "records", "iter_lines(65536)"),
    them("with_urllib3", "records", "for line in response"),
    them("with_httpx", "records", "iter_lines()"),
    them("with_aiohttp", "records", "async for line in content"),
    them("with_pycurl", "records", "split by hand"),
    them("old_client", "records", "get_log_stream()"),
    them("node", "records", "split by hand"),
)

SENDERS = (
    us("upload"),
    them("with_requests", "upload", "data=generator"),
    them("with_urllib3", "upload", "body=generator"),
    them("with_httpx", "upload", "content=generator"),
    them("with_aiohttp", "upload", "data=asynchronous generator"),
    them("with_pycurl", "upload", "READFUNCTION"),
    them("node", "upload", "Readable.from(generator)"),
    them("old_client", "", reason=NO_GENERATORS),
    them("raw_socket", "upload", "one sendall() an item"),
    them("server", "post", "from a program in C"),
)

CALLERS = (
    us("calls"),
    them("with_requests", "calls", "Session"),
    them("with_urllib3", "calls", "PoolManager"),
    them("with_httpx", "calls", "Client"),
    them("with_aiohttp", "calls", "ClientSession"),
    them("with_pycurl", "calls", "one handle"),
    them("node", "calls"),
    them("old_client", "calls"),
)
