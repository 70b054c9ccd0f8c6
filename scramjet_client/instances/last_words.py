"""Finding out why an instance ended: read its remaining stderr and log, and pass them on to later readers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import attrs

from scramjet_client._common.clock import monotonic
from scramjet_client.api.generations import generation_of
from scramjet_client.api.http_client import HttpClient
from scramjet_client.errors import ScramjetError
from scramjet_client.http.exchange import Exchange, WaitEnded
from scramjet_client.http.settings import route
from scramjet_client.http.turns import Turn
from scramjet_client.instances.cause import Evidence, Survived, evidence, settled, survived
from scramjet_client.models import GetInstanceResponse
from scramjet_client.streams.tail import Tail

_MOST = 8 * 2**20
"""Bytes that are read from one stream. Hubs keep some 5 MB of unread data."""

_KEPT = 64
"""Number of instances whose last words are kept: the most recently used ones."""

_LIMIT = 15.0
"""Seconds for one whole stream, in case the hub goes on sending."""

_POLL = 0.1

_READ = ("stderr", "log")
"""The streams that are read for the cause of an end."""

_KEPT_LINES = 128 * 1024
"""Bytes at the end of stderr and log that `LastLines` keeps."""


@attrs.define
class _Left:
    """What is known about the end of one instance.

    Attributes:
        found: The evidence of its stderr and log; None until they are read.
        rest: The bytes that were read, by the name of the stream, until another reader takes them.
    """

    found: Evidence | None = None
    rest: dict[str, bytes] = attrs.field(factory=dict)
    turn: Turn = attrs.field(factory=Turn)
    """Taken while its streams are read; guards `rest`. `found` is only ever set as a whole."""


class LastWords:
    """What the instances of one client left behind.

    Later readers miss nothing: the next stream that this client opens begins with the bytes that were read here.
    """

    def __init__(self, client: HttpClient) -> None:
        self._client = client
        self._left: dict[str, _Left] = {}
        # Guards _left.
        self._lock = threading.RLock()

    def of(self, info: GetInstanceResponse) -> GetInstanceResponse:
        """Return the info of an ended instance with its cause and exit code, as far as they are known."""
        if not _is_worth_a_look(info) or not generation_of(self._client).modern:
            return info
        left = self._entry(info.id)
        with left.turn.taken(2 * _LIMIT) as mine:
            found = left.found or (self._read(info, left) if mine else None)
            return info if found is None else settled(info, found)

    def known(self, info: GetInstanceResponse) -> GetInstanceResponse:
        """Return the info completed with earlier findings; sends no request."""
        with self._lock:
            left = self._left.get(info.id)
        found = None if left is None else left.found
        return info if found is None or not _is_worth_a_look(info) else settled(info, found)

    def learn(self, info: GetInstanceResponse, stderr: bytes, log: bytes) -> GetInstanceResponse:
        """Return the info of an instance whose last words another caller has read, and remember the evidence."""
        if not (_is_worth_a_look(info) or info.terminated is None):
            return info
        found = evidence(stderr, log)
        if _is_worth_a_look(info) and (found.exit_code is not None or found.cause is not None):
            self._entry(info.id).found = found
        return settled(info, found)

    def take(self, instance_id: str, stream_id: str) -> bytes:
        """Return the bytes that were read from a stream, once."""
        if stream_id not in _READ:
            # Another thread may be waiting for the rest of the others.
            return b""
        with self._lock:
            left = self._left.get(instance_id)
        if left is None:
            return b""
        with left.turn.taken(2 * _LIMIT):
            return left.rest.pop(stream_id, b"")

    def _entry(self, instance_id: str) -> _Left:
        with self._lock:
            left = self._left.pop(instance_id, None) or _Left()
            self._left[instance_id] = left
            while len(self._left) > _KEPT:
                del self._left[next(iter(self._left))]
            return left

    def _read(self, info: GetInstanceResponse, left: _Left) -> Evidence:
        """Read stderr, and also the log if stderr does not say everything."""
        stderr = left.rest["stderr"] = self._rest_of(info.id, "stderr")
        found = evidence(stderr, b"")
        failed = found.fatal or (info.terminated is not None and info.terminated.exit_code)
        if not failed or found.cause is None:
            log = left.rest["log"] = self._rest_of(info.id, "log")
            found = evidence(stderr, log)
        left.found = found
        return found

    def _rest_of(self, instance_id: str, stream_id: str) -> bytes:
        settle = self._client.tuning.settle(stream_id)

        def idle(silence: float) -> None:
            if silence >= settle:
                raise WaitEnded("nothing more has come")

        exchange = Exchange(deadline=monotonic() + _LIMIT)
        read: list[bytes] = []
        try:
            with self._client.get_stream(
                route("instance", instance_id, stream_id),
                name=f"{stream_id} of {instance_id!r}",
                idle_timeout=self._client.tuning.look,
                subject=f"instance {instance_id!r}",
                exchange=exchange,
            ) as stream:
                # Hubs leave the log open, and stderr of a program that lives on: from here on silence means the end.
                exchange.on_idle, exchange.poll = idle, _POLL
                while (piece := stream.read1()) and sum(map(len, read)) < _MOST:
                    read.append(piece)
        except ScramjetError:
            # The hub is down or has forgotten the instance: there is nothing to learn.
            pass
        return b"".join(read)


def last_words_of(client: HttpClient) -> LastWords:
    """Return the `LastWords` of a client."""
    return client.fact("last words", lambda: LastWords(client))


class LastLines:
    """The end of an instance's stderr and log, for a caller who reads them and writes them to `stderr` and `log`.

    A binary file that is given for one of them gets all of it.
    """

    def __init__(self, client: HttpClient, stderr: Any = None, log: Any = None) -> None:
        self._client = client
        self.stderr: Tail = Tail(_KEPT_LINES, stderr)
        self.log: Tail = Tail(_KEPT_LINES, log)
        self._searched = (0, 0)
        self._told = False

    def survived(self) -> Survived | None:
        """Return the last error that the program has survived, as far as they say."""
        return survived(bytes(self.stderr), bytes(self.log))

    def news(self, is_alive: Callable[[], bool]) -> Survived | None:
        """Return an error that the program survives, once, while it runs. Call it now and then.

        `is_alive` says whether the instance still runs, and is called only if there is such an error.
        """
        arrived = (self.stderr.total, self.log.total)
        if self._told or arrived == self._searched:
            return None
        self._searched = arrived
        found = self.survived()
        # Tasks of a runner may fail in the course of an ordinary end.
        if found is None or not is_alive():
            return None
        self._told = True
        return found

    def explain(self, info: GetInstanceResponse | None) -> bool:
        """Return whether they say all that a reader of the log can learn about an end.

        The hub's info may tell no exit code; then only the log has it.
        """
        code = None if info is None or info.terminated is None else info.terminated.exit_code
        if code == 0:
            return True
        told = evidence(bytes(self.stderr), bytes(self.log))
        return told.exit_code is not None or (code is not None and told.cause is not None)

    def learn(self, info: GetInstanceResponse) -> GetInstanceResponse:
        """Return the info of the ended instance, completed with what they say."""
        return last_words_of(self._client).learn(info, bytes(self.stderr), bytes(self.log))


def _is_worth_a_look(info: GetInstanceResponse) -> bool:
    """Say whether stderr and log may say more about an end than the hub does."""
    how = info.terminated
    if how is None:
        return info.status == "crashed"
    return how.exit_code is None or how.exit_code > 0
