"""The content of a hub: sequences, instances, topics, and records."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import attrs

from scramjet_client._common.trace import TraceWriter
from scramjet_client.hub._instance import Instance, Start
from scramjet_client.hub._packages import remove
from scramjet_client.hub._python import Runs
from scramjet_client.hub._reaper import Reaper
from scramjet_client.hub._records import Audit, HubLog
from scramjet_client.hub._sequence import LOCATION, Sequence
from scramjet_client.hub._settings import HubSettings
from scramjet_client.hub._topics import Topics

_KEPT_REQUESTS = 10_000
_KEPT_REQUEST_BYTES = 16 * 2**20

_REQUEST_LIMIT = 16384
"""Most bytes that the hub keeps of one request: it leaves out longer headers, and cuts a longer path."""

_KEPT_FAILURES = 100

_HEARTBEAT = 10.0
"""Seconds between two heartbeats in the audit."""

# Audit codes of changes of state.
_SEQUENCE_CREATED, _SEQUENCE_DELETED = 0, 1


@attrs.frozen(kw_only=True)
class RecordedRequest:
    """A request that arrived.

    Attributes:
        method, path: As the client sent them; the path includes its query.
        headers: Names in lower case, without the value of `authorization`.
        complete: False if the request was larger than 16 KB, and the rest is missing.
    """

    method: str
    path: str
    headers: dict[str, str] = attrs.field(repr=False)
    complete: bool = attrs.field(default=True, repr=False)


class Requests:
    """The last requests that were let in, up to a maximum number and a maximum of bytes."""

    def __init__(self) -> None:
        self._kept: deque[tuple[RecordedRequest, int]] = deque()
        self._size = 0

    def __iter__(self) -> Iterator[RecordedRequest]:
        return (request for request, _ in self._kept)

    def add(self, method: str, path: str, headers: Iterable[tuple[str, str]]) -> None:
        """Add one, and forget the oldest ones over the limit."""
        kept: dict[str, str] = {}
        size, complete = len(method) + min(len(path), _REQUEST_LIMIT), len(path) <= _REQUEST_LIMIT
        for name, value in headers:
            if name.lower() == "authorization":
                continue
            if size + len(name) + len(value) > _REQUEST_LIMIT:
                complete = False
                continue
            size += len(name) + len(value)
            kept[name.lower()] = value
        request = RecordedRequest(
            method=method, path=path[:_REQUEST_LIMIT], headers=kept, complete=complete
        )
        self._kept.append((request, size))
        self._size += size
        while len(self._kept) > _KEPT_REQUESTS or self._size > _KEPT_REQUEST_BYTES:
            self._size -= self._kept.popleft()[1]

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()
        self._size = 0


@attrs.define(eq=False, slots=False)
class State:
    """Everything in a hub except its sockets. Lives on the hub's loop."""

    storage: Path
    settings: HubSettings
    reaper: Reaper
    runs: Runs
    trace: TraceWriter | None = None
    sequences: dict[str, Sequence] = attrs.field(factory=dict, init=False)
    instances: dict[str, Instance] = attrs.field(factory=dict, init=False)
    topics: Topics = attrs.field(factory=Topics, init=False)
    log: HubLog = attrs.field(factory=HubLog, init=False)
    audit: Audit = attrs.field(factory=Audit, init=False)
    requests: Requests = attrs.field(factory=Requests, init=False)
    failures: deque[BaseException] = attrs.field(
        factory=partial(deque, maxlen=_KEPT_FAILURES), init=False
    )
    port: int = attrs.field(default=0, init=False)

    # -- sequences ------------------------------------------------------------------------------------

    def add(self, sequence: Sequence) -> None:
        """Add a sequence, or replace the one with its id."""
        old = self.sequences.get(sequence.id)
        self.sequences[sequence.id] = sequence
        if old is not None:
            remove(old.folder)
        self.audit.changed(_SEQUENCE_CREATED, sequence.id)
        self.log.note("INFO", "Sequence identified", sequence.config)

    def remove(self, sequence: Sequence) -> None:
        """Forget a sequence, and remove its files."""
        del self.sequences[sequence.id]
        remove(sequence.folder)
        self.audit.changed(_SEQUENCE_DELETED, sequence.id)
        self.log.note("INFO", "Sequence removed", sequence.id)

    def instances_of(self, sequence: Sequence) -> list[Instance]:
        """Return the listed instances of a sequence."""
        return [each for each in self.instances.values() if each.sequence.id == sequence.id]

    def describe(self, sequence: Sequence) -> dict[str, Any]:
        """Return the hub's description of a sequence."""
        return {**sequence.brief(), "instances": [each.id for each in self.instances_of(sequence)]}

    # -- instances ------------------------------------------------------------------------------------

    def start(self, sequence: Sequence, start: Start) -> tuple[Instance, asyncio.Task[str | None]]:
        """Begin to start an instance, which is listed from now on.

        Returns:
            The instance, and a task: its result is the reason for a failure before the connection, or None.
        """
        instance = Instance(self, sequence, start)
        self.instances[instance.id] = instance
        self.log.note("INFO", "Starting instance", instance.id, sequence.id)
        # The hub runs this task, not the caller: a client that leaves does not undo a start.
        return instance, asyncio.ensure_future(self._connect(instance))

    async def _connect(self, instance: Instance) -> str | None:
        failure: str | None = "Runner failed"
        try:
            failure = await instance.start()
        finally:
            if failure is not None:
                if self.instances.get(instance.id) is instance:
                    del self.instances[instance.id]
                self.log.note("ERROR", "Instance failed to start", instance.id, failure)
        return failure

    def broadcast(self, emitter: Instance, name: str, message: Any) -> None:
        """Send an instance's event to all other instances, as real hubs do."""
        for instance in self.instances.values():
            if instance is not emitter and instance.lives and instance.status != "starting":
                instance.send_event(name, message)

    # -- the whole hub --------------------------------------------------------------------------------

    async def heartbeat(self) -> None:
        """Record heartbeats while somebody reads the audit, for ever."""
        while True:
            await asyncio.sleep(_HEARTBEAT)
            if self.audit.has_readers:
                self.audit.heartbeat(LOCATION, list(self.instances))

    async def clear(self) -> None:
        """End all instances, and forget everything but the settings."""
        instances = list(self.instances.values())
        self.instances.clear()
        await asyncio.gather(*(each.close() for each in instances))
        for sequence in self.sequences.values():
            remove(sequence.folder)
        self.sequences.clear()
        self.topics.clear()
        self.requests.clear()
        self.failures.clear()
