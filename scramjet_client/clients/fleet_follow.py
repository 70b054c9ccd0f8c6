"""FleetFollow: one stream of each instance of a sequence, wherever it runs, read by one thread."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from functools import partial

from scramjet_client.api.generations import dialect_of
from scramjet_client.api.handles import Closing
from scramjet_client.clients.at_once import at_once
from scramjet_client.clients.fleet_answers import FleetAnswer, FleetInstance, check_all
from scramjet_client.errors import (
    HubConnectionError,
    HubTimeoutError,
    InstanceNotFoundError,
    InvalidResponseError,
    ScramjetError,
    StreamInterruptedError,
)
from scramjet_client.http.settings import route
from scramjet_client.instances.client import InstanceClient
from scramjet_client.models import InstanceOutputStream
from scramjet_client.streams.multiplex import Multiplexer
from scramjet_client.streams.output import OutputStream

logger = logging.getLogger("scramjet_client")

_CONNECTING = 2.0
"""Seconds for an answer about an instance that may not have connected yet; connected, it takes milliseconds."""

Find = Callable[[], FleetAnswer[list[InstanceClient]]]

_Key = tuple[str, str]


class FleetFollow(Closing):
    """The lines of all instances of a sequence; see `Fleet.follow`.

    Iterating, on one thread, gives `(where, lines)`: a `FleetInstance`, and lines as `bytes` without their ends.
    An instance that ends just ends. A stream that is cut is attached to again at the next look; what was
    written in between is missing, and the cut is in `errors`. `close()` may be called from any thread, and
    ends the loop.

    Attributes:
        errors: The last error of each hub, and of each "hub instance", that had one.
    """

    def __init__(
        self, find: Find, stream_id: InstanceOutputStream, look: float | None, limit: int
    ) -> None:
        self.errors: dict[str, ScramjetError] = {}
        self._find = find
        self._stream_id = stream_id
        self._multiplexer = Multiplexer(
            limit=limit, on_end=self._ended, until_closed=look is not None
        )
        # Guards _where and _known, which the looking thread and the iterating one change.
        self._lock = threading.Lock()
        self._where: dict[OutputStream, FleetInstance] = {}
        self._known: set[_Key] = set()
        self._closed = threading.Event()
        try:
            self._look()
        except BaseException:
            self.close()
            raise
        if look is not None:
            # Ends with close(), as soon as the requests of its last look have their answers. A daemon,
            # because a hub may take a minute for that.
            threading.Thread(
                target=self._look_again, args=[look], name="scramjet-fleet-look", daemon=True
            ).start()

    def __repr__(self) -> str:
        return f"<FleetFollow {self._stream_id} of {len(self._multiplexer)} instances>"

    def __iter__(self) -> Iterator[tuple[FleetInstance, list[bytes]]]:
        for stream, lines in self._multiplexer:
            yield self._where[stream], lines

    def check(self) -> FleetFollow:
        """Return this if nothing has failed so far.

        Raises:
            FleetError: Something has; `.errors` says what.
        """
        check_all(self.errors, f"{len(self.errors)} parts of the fleet could not be followed")
        return self

    def close(self) -> None:
        """End the loop, and close all streams."""
        self._closed.set()
        self._multiplexer.close()

    def _look_again(self, pause: float) -> None:
        while not self._closed.wait(pause):
            try:
                self._look()
            except ScramjetError as error:
                # The manager itself; its hubs are followed on.
                self._failed("manager", error)

    def _look(self) -> None:
        """Attach to what is new."""
        found = self._find()
        for hub, error in found.errors.items():
            self._failed(hub, error)
        listed = {
            (hub, instance.id): instance
            for hub, instances in found.items()
            for instance in instances
        }
        with self._lock:
            # What a hub has forgotten will not come again.
            self._known = {key for key in self._known if key in listed or key[0] in found.errors}
            new = {key: each for key, each in listed.items() if key not in self._known}
        streams, errors = at_once(
            {key: partial(_attached, each, self._stream_id) for key, each in new.items()}
        )
        for (hub, id), error in errors.items():
            # Gone since it was listed: that is an end like any other.
            if not isinstance(error, InstanceNotFoundError):
                self._failed(f"{hub} {id}", error)
        for key, stream in streams.items():
            name = f"{key[0]} {key[1]}"
            if isinstance(self.errors.get(name), HubTimeoutError):
                # It was not ready, and nothing of it has been missed.
                del self.errors[name]
            self._follow(key, FleetInstance(hub=key[0], instance=new[key]), stream)

    def _follow(self, key: _Key, where: FleetInstance, stream: OutputStream) -> None:
        with self._lock:
            self._known.add(key)
            self._where[stream] = where
        try:
            self._multiplexer.add(stream)
        except ValueError as error:
            stream.close()
            if not self._closed.is_set():
                self._ended(stream, InvalidResponseError(f"{stream!r} can't be followed: {error}"))

    def _ended(self, stream: OutputStream, error: ScramjetError | None) -> None:
        with self._lock:
            where = self._where.pop(stream)
            if isinstance(error, (StreamInterruptedError, HubConnectionError)):
                self._known.discard((where.hub, where.instance.id))
        if error is not None:
            self._failed(f"{where.hub} {where.instance.id}", error)

    def _failed(self, what: str, error: ScramjetError) -> None:
        if type(self.errors.get(what)) is not type(error):
            logger.warning("%s of the fleet can't be followed: %s", what, error)
        self.errors[what] = error


def _attached(instance: InstanceClient, stream_id: InstanceOutputStream) -> OutputStream:
    """Return a stream of an instance that may have been started in this moment.

    An 0.x hub lists an instance before its runner has connected, and never answers what is asked of it until
    then. So its info is asked for first, with a short limit, and again.
    """
    if dialect_of(instance.client).modern:
        return instance.get_stream(stream_id)
    for attempts_left in (2, 1, 0):
        try:
            instance.client.request(
                "GET",
                route("instance", instance.id),
                timeout=_CONNECTING,
                subject=f"instance {instance.id!r}",
                not_found=InstanceNotFoundError,
            )
            break
        except HubTimeoutError:
            if not attempts_left:
                raise
    return instance.get_stream(stream_id)
