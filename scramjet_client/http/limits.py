"""How long a request may take where the exchange's own deadline does not say it."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator

from scramjet_client.http.durations import LONGEST_WAIT, seconds
from scramjet_client.http.exchange import Exchange


def connect_limit(exchange: Exchange, limit: float | None) -> float | None:
    """Return how many seconds opening a connection may take: `limit`, or what the exchange has left."""
    limits = [] if limit is None else [min(limit, LONGEST_WAIT)]
    if exchange.deadline is not None:
        # 0 would mean "do not wait"; that the time is over is found by the first read.
        limits.append(min(max(0.001, exchange.deadline - time.monotonic()), LONGEST_WAIT))
    return min(limits, default=None)


@contextlib.contextmanager
def head_within(
    exchange: Exchange, limit: float | None, *, rest: float | None = None
) -> Iterator[None]:
    """Give the head of an upload's answer a limit while the block runs that sends the request.

    Counted from the last byte that the hub took: a gateway may read the whole body before it asks the hub, but
    one that neither reads nor answers is not back-pressure. Afterwards a silent hub is.

    Args:
        exchange: The upload's.
        limit: Seconds, or None.
        rest: Seconds for what follows the head, or None.
    """
    writer, watch, poll = exchange.writer, exchange.on_idle, exchange.poll
    if writer is None or limit is None:
        yield
        return
    sent, since = writer.bytes_sent, time.monotonic()

    def look(silence: float) -> object:
        nonlocal sent, since
        if writer.bytes_sent != sent:
            sent, since = writer.bytes_sent, time.monotonic()
        elif time.monotonic() - since >= limit:
            exchange.overdue = f"{seconds(limit)} (Timeouts.read)"
            raise socket.timeout("timed out")
        return None if watch is None else watch(silence)

    exchange.on_idle, exchange.poll = look, min(poll, limit)
    try:
        yield
    finally:
        exchange.on_idle, exchange.poll = watch, poll
    if rest is not None:
        exchange.deadline = time.monotonic() + rest
        exchange.limit = f"{seconds(rest)} (Timeouts.read)"
