"""Finding out why an instance ended: what it left on its stderr and in its log is read, and given to later readers."""

from __future__ import annotations

import threading
import time

import attrs

from scramjet_client.api.generations import generation_of
from scramjet_client.api.http_client import HttpClient
from scramjet_client.errors import ScramjetError
from scramjet_client.http.exchange import Exchange, WaitEnded
from scramjet_client.http.settings import route
from scramjet_client.instances.cause import Evidence, evidence, settled
from scramjet_client.models import GetInstanceResponse

_MOST = 8 * 2**20
"""Bytes that are read of one stream; hubs keep some 5 MB of what nobody has read."""

_KEPT = 64
"""Instances whose last words are kept: those that were asked for last."""

_LIMIT = 15.0
"""Seconds for all of one stream, from a hub that goes on sending."""

_POLL = 0.1


@attrs.define
class _Left:
    """What is known of one instance's end.

    Attributes:
        found: What its stderr and log tell; None until they were read.
        rest: What was read, by the name of the stream, until somebody else asks for it.
    """

    found: Evidence | None = None
    rest: dict[str, bytes] = attrs.field(factory=dict)
    lock: threading.Lock = attrs.field(factory=threading.Lock)
    """Held while its streams are read; guards the two above."""


class LastWords:
    """What the instances of one client left behind.

    What it reads to find out why an instance ended is missing nowhere: the next stream that this client opens begins
    with it.
    """

    def __init__(self, client: HttpClient) -> None:
        self._client = client
        self._left: dict[str, _Left] = {}
        # Guards _left.
        self._lock = threading.Lock()

    def of(self, info: GetInstanceResponse) -> GetInstanceResponse:
        """Return the info of an instance that has ended, with its cause and exit code as far as they are told."""
        if not _is_worth_a_look(info) or not generation_of(self._client).modern:
            return info
        left = self._entry(info.id)
        with left.lock:
            found = left.found or self._read(info, left)
            return settled(info, found)

    def known(self, info: GetInstanceResponse) -> GetInstanceResponse:
        """Return the info with what was found out before; asks nothing of the hub."""
        with self._lock:
            left = self._left.get(info.id)
        found = None if left is None else left.found
        return info if found is None or not _is_worth_a_look(info) else settled(info, found)

    def learn(self, info: GetInstanceResponse, stderr: bytes, log: bytes) -> GetInstanceResponse:
        """Return the info of an instance whose last words somebody else has read, and remember what they tell."""
        if not (_is_worth_a_look(info) or info.terminated is None):
            return info
        found = evidence(stderr, log)
        if _is_worth_a_look(info) and (found.exit_code is not None or found.cause is not None):
            self._entry(info.id).found = found
        return settled(info, found)

    def take(self, instance_id: str, stream_id: str) -> bytes:
        """Return what was read of a stream, once."""
        with self._lock:
            left = self._left.get(instance_id)
        if left is None:
            return b""
        with left.lock:
            return left.rest.pop(stream_id, b"")

    def _entry(self, instance_id: str) -> _Left:
        with self._lock:
            left = self._left.pop(instance_id, None) or _Left()
            self._left[instance_id] = left
            while len(self._left) > _KEPT:
                del self._left[next(iter(self._left))]
            return left

    def _read(self, info: GetInstanceResponse, left: _Left) -> Evidence:
        """Read stderr, and the log where stderr does not tell all."""
        stderr = left.rest["stderr"] = self._rest_of(info.id, "stderr")
        found = evidence(stderr, b"")
        failed = found.fatal or (info.terminated is not None and info.terminated.exit_code)
        if not failed or found.cause is None:
            log = left.rest["log"] = self._rest_of(info.id, "log")
            found = evidence(stderr, log)
        left.found = found
        return found

    def _rest_of(self, instance_id: str, stream_id: str) -> bytes:
        settle = self._client.tuning.settle("log")

        def idle(silence: float) -> None:
            if silence >= settle:
                raise WaitEnded("nothing more has come")

        exchange = Exchange(deadline=time.monotonic() + _LIMIT)
        read: list[bytes] = []
        try:
            with self._client.get_stream(
                route("instance", instance_id, stream_id),
                name=f"{stream_id} of {instance_id!r}",
                idle_timeout=self._client.tuning.look,
                subject=f"instance {instance_id!r}",
                exchange=exchange,
            ) as stream:
                # Hubs leave the log open; from here on silence is an end.
                exchange.on_idle, exchange.poll = idle, _POLL
                while (piece := stream.read1()) and sum(map(len, read)) < _MOST:
                    read.append(piece)
        except ScramjetError:
            # It is forgotten, or the hub is down: then there is nothing that it could tell.
            pass
        return b"".join(read)


def last_words_of(client: HttpClient) -> LastWords:
    """Return the last words that a client knows."""
    found: LastWords = client.memo.setdefault("last_words", LastWords(client))
    return found


def _is_worth_a_look(info: GetInstanceResponse) -> bool:
    """Say whether stderr and log may tell more of an end than the hub does."""
    how = info.terminated
    if how is None:
        return info.status == "crashed"
    return how.exit_code is None or how.exit_code > 0
