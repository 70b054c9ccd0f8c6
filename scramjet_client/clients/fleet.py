"""Fleet: many hubs as one. All hubs are asked at once; each answers, or fails, independently."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar, Union

import attrs

from scramjet_client._base import Closing, Live, Rows, Shown, logger, public, tell_aside
from scramjet_client.api.answers import has_ended
from scramjet_client.api.generations import generation_of
from scramjet_client.clients.host import HostClient
from scramjet_client.errors import (
    FleetError,
    HubConnectionError,
    HubTimeoutError,
    InstanceNotFoundError,
    InsufficientResourcesError,
    InvalidResponseError,
    ScramjetError,
    SequenceNotFoundError,
    StreamInterruptedError,
)
from scramjet_client.http.contexts import in_context
from scramjet_client.http.durations import Duration, duration
from scramjet_client.http.interrupts import Event, wait_in_parts
from scramjet_client.http.threads import start_thread, thread_needed
from scramjet_client.instances.client import InstanceClient
from scramjet_client.instances.watcher import fetch_info
from scramjet_client.models import (
    OUTPUT_STREAMS,
    GetInstanceResponse,
    GetSequenceResponse,
    GetVersionResponse,
    InstanceOutputStream,
    LoadCheckResponse,
    SendEventResponse,
)
from scramjet_client.streams.multiplex import Multiplexer
from scramjet_client.streams.output import OutputStream
from scramjet_client.uploads.options import checked_stream_id

_K = TypeVar("_K")
_T = TypeVar("_T")


Members = Mapping[str, Union[HostClient, ScramjetError]]
"""The hubs of a fleet by their ids; an error stands for a hub that is known not to answer."""


@public
class FleetAnswer(Mapping[str, _T], Shown):
    """The answers of a fleet's hubs: a mapping from hub ids.

    Hubs that failed are only in `errors`; `check()` raises one error for all of them.

    Attributes:
        errors: The errors, by the id of the hub.
    """

    def __init__(self, values: Mapping[str, _T], errors: Mapping[str, ScramjetError]) -> None:
        self._values = dict(values)
        self.errors: dict[str, ScramjetError] = dict(errors)

    def __repr__(self) -> str:
        return f"<FleetAnswer {self._values!r}, errors {self.errors!r}>"

    def _facts(self) -> Iterable[tuple[str, object]]:
        return [*self._values.items(), *self.errors.items()]

    def __getitem__(self, hub: str) -> _T:
        return self._values[hub]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def check(self) -> FleetAnswer[_T]:
        """Return this answer if every hub answered.

        Raises:
            FleetError: Some did not; `.errors` says which and why.
        """
        check_all(self.errors, f"{len(self.errors)} of {len(self) + len(self.errors)} hubs failed")
        return self


@public
@attrs.frozen(kw_only=True)
class FleetInstance(Shown):
    """An instance somewhere in a fleet: the id of its hub, and its client."""

    hub: str
    instance: InstanceClient


@public
@attrs.frozen(kw_only=True)
class BroadcastResponse(Shown):
    """The results of an event that was sent to many instances.

    Attributes:
        sent: The hubs' answers, by hub and instance.
        failed: The errors, by hub and instance.
        errors: Hubs whose instances could not be listed, so none of them received the event.
    """

    sent: Mapping[tuple[str, str], SendEventResponse]
    failed: Mapping[tuple[str, str], ScramjetError]
    errors: Mapping[str, ScramjetError]

    def check(self) -> BroadcastResponse:
        """Return this if every instance on every hub was reached.

        Raises:
            FleetError: Some were not; `.errors` says which and why.
        """
        wrong = {f"{hub} {instance}": error for (hub, instance), error in self.failed.items()}
        reached = f"the event reached {len(self.sent)} of {len(self.sent) + len(wrong)} instances"
        check_all({**self.errors, **wrong}, f"{reached}, and {len(self.errors)} hubs failed")
        return self


def check_all(errors: Mapping[str, ScramjetError], what: str) -> None:
    """Raise one error that holds all of these errors, if there are any."""
    if errors:
        listed = "; ".join(f"{hub}: {error}" for hub, error in errors.items())
        failure = FleetError(f"{what}: {listed}")
        failure.errors = dict(errors)
        raise failure


_CONNECTING = 2.0
"""Seconds for an answer about an instance that may not be connected yet. Once connected, it takes milliseconds."""

Find = Callable[[], FleetAnswer[list[InstanceClient]]]

_Key = tuple[str, str]


@public
class FleetFollow(Closing):
    """The lines of all instances of a sequence; see `Fleet.follow`.

    Iterate over it on one thread. It gives `(where, lines)`: a `FleetInstance`, and lines as `bytes` without their
    line ends. The end of an instance is not an error. If a stream is cut, the next look attaches to it again. Data
    written in between is missing, and the cut is in `errors`. `close()` may be called from any thread and ends the
    loop.

    Attributes:
        errors: The last error of each hub, and of each "hub instance", if there was one. Each change makes a new
            dict, so you can go through one while the next is made.
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
        # Guards errors, _where and _known, which the looking thread and the iterating one change.
        self._lock = threading.RLock()
        self._where: dict[OutputStream, FleetInstance] = {}
        self._known: set[_Key] = set()
        self._closed = Event()
        try:
            self._look()
            if look is not None:
                # Ends with close(), as soon as the requests of its last look have been answered. It is a daemon
                # because a hub may take a minute to answer.
                needed = partial(thread_needed, "follow() that looks again", "look=None needs none")
                start_thread("scramjet-fleet-look", self._look_again, look, needed=needed)
        except BaseException:
            self.close()
            raise

    def __repr__(self) -> str:
        return f"<FleetFollow {self._stream_id} of {len(self._multiplexer)} instances>"

    def __iter__(self) -> Iterator[tuple[FleetInstance, list[bytes]]]:
        for stream, lines in self._multiplexer:
            yield self._where[stream], lines

    def check(self) -> FleetFollow:
        """Return this object if nothing has failed so far.

        Raises:
            FleetError: Something has failed; `.errors` says what.
        """
        errors = self.errors
        check_all(errors, f"{len(errors)} parts of the fleet could not be followed")
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
                # The manager itself failed; its hubs are still followed.
                self._failed("manager", error)

    def _look(self) -> None:
        found = self._find()
        for hub, error in found.errors.items():
            self._failed(hub, error)
        listed = {
            (hub, instance.id): instance
            for hub, instances in found.items()
            for instance in instances
        }
        with self._lock:
            # An instance that a hub has forgotten will not come back.
            self._known = {key for key in self._known if key in listed or key[0] in found.errors}
            new = {key: each for key, each in listed.items() if key not in self._known}
        streams, errors = at_once(
            {key: partial(_attached, each, self._stream_id) for key, each in new.items()}
        )
        for (hub, id), error in errors.items():
            # The instance has ended since it was listed, which is not an error.
            if not isinstance(error, InstanceNotFoundError):
                self._failed(f"{hub} {id}", error)
        for key, stream in streams.items():
            name = f"{key[0]} {key[1]}"
            with self._lock:
                if isinstance(self.errors.get(name), HubTimeoutError):
                    # It was not ready before, and nothing of it has been missed.
                    self.errors = {each: self.errors[each] for each in self.errors if each != name}
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
        with self._lock:
            before = self.errors.get(what)
            self.errors = {**self.errors, what: error}
        if type(before) is not type(error):
            tell_aside(f"{what} of the fleet can't be followed: {error}")


def _attached(instance: InstanceClient, stream_id: InstanceOutputStream) -> OutputStream:
    """Return a stream of an instance that may only just have been started.

    A 0.x hub lists an instance before its runner has connected, and until then never answers requests about it.
    So this asks for its info first, repeatedly, with a short limit.
    """
    if generation_of(instance.client).modern:
        return instance.get_stream(stream_id)
    for attempts_left in (2, 1, 0):
        try:
            fetch_info(instance.client, instance.id, timeout=_CONNECTING)
            break
        except HubTimeoutError:
            if not attempts_left:
                raise
    return instance.get_stream(stream_id)


@public
class Fleet(Live):
    """Many hubs as one. Safe to use from any number of threads.

    One failing hub does not hide the others. A request to all hubs returns a `FleetAnswer`, with the answers of the
    others and the error of that hub. A warning in the log says when a hub begins to fail, and when it answers again.

    `manager.fleet()` makes a fleet of all hubs of a manager. For hubs without a manager, make it yourself:

        fleet = Fleet({"left": HostClient(url), "right": HostClient(other_url)})

    Args:
        hosts: The hubs by ids of your choice, or a function that returns them and is called each time.
    """

    def __init__(self, hosts: Members | Callable[[], Members]) -> None:
        self._discover = hosts if callable(hosts) else lambda: hosts
        self._failing: dict[str, str] = {}
        # Guards _failing: any thread may ask.
        self._lock = threading.RLock()

    # -- asking all -------------------------------------------------------------------------------

    def get_hosts(self) -> FleetAnswer[HostClient]:
        """Return a client for each hub; hubs that are known not to answer are in `errors`."""
        members = self._discover()
        if not isinstance(members, Mapping):
            cure = "; manager.fleet() makes a fleet" if hasattr(members, "fleet") else ""
            raise TypeError(
                f"hosts must be a mapping of names to HostClients, not {type(members).__name__}{cure}"
            )
        return FleetAnswer(
            {hub: each for hub, each in members.items() if isinstance(each, HostClient)},
            {hub: each for hub, each in members.items() if isinstance(each, ScramjetError)},
        )

    def ask(self, question: Callable[[HostClient], _T]) -> FleetAnswer[_T]:
        """Call a function with the client of each hub, on separate threads, and wait for all of them.

        For example `fleet.ask(lambda host: host.send_sequence("./counter"))` sends a sequence to every hub.

        Args:
            question: Called once for each hub, on several threads at a time. If it raises a `ScramjetError`, that is
                the hub's error; any other exception is raised here.
        """
        answer = self._asked(question)
        with self._lock:
            before = self._failing
            again = [hub for hub in answer if before.pop(hub, None)]
            self._failing = {**before, **{hub: each.code for hub, each in answer.errors.items()}}
        for hub, error in answer.errors.items():
            if before.get(hub) != error.code:
                logger.warning("hub %s of the fleet failed: %s", hub, error)
        for hub in again:
            logger.warning("hub %s of the fleet answers again", hub)
        return answer

    def _asked(self, question: Callable[[HostClient], _T]) -> FleetAnswer[_T]:
        hosts = self.get_hosts()
        return _gathered(
            {hub: partial(question, host) for hub, host in hosts.items()}, hosts.errors
        )

    def get_version(self) -> FleetAnswer[GetVersionResponse]:
        """Return each hub's version."""
        return self.ask(lambda host: host.get_version())

    def get_load_check(self) -> FleetAnswer[LoadCheckResponse]:
        """Return the load of each hub's machine."""
        return self.ask(lambda host: host.get_load_check())

    def list_sequences(self) -> FleetAnswer[list[GetSequenceResponse]]:
        """Return each hub's sequences."""
        return self.ask(lambda host: host.list_sequences())

    def list_instances(self) -> FleetAnswer[list[GetInstanceResponse]]:
        """Return each hub's instances."""
        return self.ask(lambda host: host.list_instances())

    def get_log_stream(
        self, *, timeout: Duration | None = None, idle_timeout: Duration | None = None
    ) -> FleetAnswer[OutputStream]:
        """Open each hub's log; you close them. `Multiplexer` reads them with one thread.

        The arguments are those of `HostClient.get_log_stream`.
        """
        return self.ask(
            lambda host: host.get_log_stream(timeout=timeout, idle_timeout=idle_timeout)
        )

    def get_audit_stream(
        self, *, timeout: Duration | None = None, idle_timeout: Duration | None = None
    ) -> FleetAnswer[OutputStream]:
        """Open each hub's audit (1.x); you close them. The arguments are those of `get_log_stream`."""
        return self.ask(
            lambda host: host.get_audit_stream(timeout=timeout, idle_timeout=idle_timeout)
        )

    # -- one sequence, wherever it is -------------------------------------------------------------

    def find_sequence(self, sequence: str) -> FleetAnswer[list[GetSequenceResponse]]:
        """Return the sequences with an id, or with a package's name, on each hub that has one.

        Args:
            sequence: An id, or a name, because each hub gives its own id to a package.
        """
        found = self.ask(
            lambda host: Rows(
                each for each in host.list_sequences() if sequence in (each.id, each.name)
            )
        )
        return FleetAnswer({hub: each for hub, each in found.items() if each}, found.errors)

    def start(self, sequence: str, **options: Any) -> FleetInstance:
        """Start an instance of a sequence on the least loaded of the hubs that have it.

        A hub's load is the share of its processors or of its memory that is in use, whichever is larger. If the loads
        of two hubs round to the same tenth, the hub with fewer running instances comes first, because instances that
        have just been started do not show in the load yet. If a hub refuses for lack of resources, the next one is
        tried; nothing else is tried twice.

        Args:
            sequence: Its id or name (see `find_sequence`). If a hub has several with that name, the last one sent
                is used.
            **options: As in `SequenceClient.start`.

        Raises:
            SequenceNotFoundError: No hub has it.
            FleetError: Every hub that may have it failed or lacked the resources; `.errors` says why.
        """
        found = self.find_sequence(sequence)
        hosts = self.get_hosts()
        ranks = _gathered(
            {hub: partial(_rank, hosts[hub]) for hub in found if hub in hosts}, found.errors
        )
        errors = dict(ranks.errors)
        for hub in sorted(ranks, key=lambda hub: ranks[hub]):
            client = hosts[hub].get_sequence_client(found[hub][-1].id)
            try:
                return FleetInstance(hub=hub, instance=client.start(**options))
            except InsufficientResourcesError as error:
                logger.info("hub %s: %s; trying the next one", hub, error)
                errors[hub] = error
        check_all(errors, f"no hub could start sequence {sequence!r}")
        raise SequenceNotFoundError(f"no hub of the fleet has a sequence {sequence!r}")

    def list_instances_of(self, sequence: str) -> FleetAnswer[list[InstanceClient]]:
        """Return clients of the instances of a sequence that have not ended, for each hub that has some.

        Args:
            sequence: Its id or name (see `find_sequence`).
        """
        found = self.ask(lambda host: _living(host, sequence))
        return FleetAnswer({hub: each for hub, each in found.items() if each}, found.errors)

    def broadcast(self, sequence: str, event_name: str, message: Any = "") -> BroadcastResponse:
        """Send an event to every instance of a sequence, on all hubs at once.

        Args:
            sequence: Its id or name (see `find_sequence`).
            event_name: Any non-empty text.
            message: Text. Instances on 1.x hubs take any JSON value; instances on 0.x then fail.

        Returns:
            The result for each instance; `check()` raises if the event did not reach all.
        """
        found = self.list_instances_of(sequence)
        targets = {
            (hub, each.id): partial(each.send_event, event_name, message)
            for hub, instances in found.items()
            for each in instances
        }
        sent, failed = at_once(targets)
        return BroadcastResponse(sent=sent, failed=failed, errors=found.errors)

    def follow(
        self,
        sequence: str,
        stream_id: InstanceOutputStream = "output",
        *,
        look: float | None = 2.0,
        limit: int = 1 << 20,
    ) -> FleetFollow:
        """Follow a stream of all instances of a sequence, on all hubs, with one thread.

            with fleet.follow("counter") as following:
                for where, lines in following:
                    print(where.hub, where.instance.id, lines)

        When this returns, it is attached to the instances that run.

        Args:
            sequence: Its id or name (see `find_sequence`).
            stream_id: "stdout", "stderr", "output" or "log".
            look: Seconds between two looks for new instances, which are then followed too, until you close the result.
                None means no further looks: the loop ends when all streams have ended.
            limit: Bytes that a line may have; a longer one is an error of its instance.

        Returns:
            An object to iterate over once, and to close; failures are in its `errors`.
        """
        checked_stream_id(stream_id, OUTPUT_STREAMS)
        look = duration("look", look)
        # Not with `ask`: a hub that is down for a long time does not deserve a warning at each look.
        return FleetFollow(
            lambda: self._asked(lambda host: _living(host, sequence)), stream_id, look, limit
        )


def _living(host: HostClient, sequence: str) -> list[InstanceClient]:
    """Return the instances of a sequence on a hub; a deleted sequence is found only by its id."""
    ids = {each.id for each in host.list_sequences() if each.name == sequence} | {sequence}
    return Rows(
        host.get_instance_client(each.id)
        for each in host.list_instances()
        if each.sequence in ids and not has_ended(each)
    )


def _rank(host: HostClient) -> tuple[float, int, float]:
    """Return the key by which hubs are sorted, the least loaded first."""
    load = host.get_load_check()
    # On 1.x the load average of a minute, which counts the same on one processor as on many: no hub says how many
    # it has. On 0.x a percentage of all.
    processors = load.current_load / (1 if generation_of(host.client).modern else 100)
    memory = load.mem_used + load.mem_free
    share = max(processors, load.mem_used / memory if memory else 0.0)
    running = sum(not has_ended(each) for each in host.list_instances())
    return round(share, 1), running, share


def _gathered(
    calls: Mapping[str, Callable[[], _T]], known: Mapping[str, ScramjetError]
) -> FleetAnswer[_T]:
    """Make all calls at once; `known` holds the errors so far."""
    values, errors = at_once(calls)
    return FleetAnswer(values, {**known, **errors})


_AT_ONCE = 8
"""Requests at a time. Behind a manager they share one pool, of 10 connections (requests' default)."""


def at_once(calls: Mapping[_K, Callable[[], _T]]) -> tuple[dict[_K, _T], dict[_K, ScramjetError]]:
    """Make calls on several threads; return their results, and their errors of this package's types."""
    values: dict[_K, _T] = {}
    errors: dict[_K, ScramjetError] = {}
    # The threads end with this call; each request has time limits of its own.
    pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="scramjet-fleet")
    try:
        with thread_needed("a call to several hubs", "some of them may have been asked"):
            futures = {key: pool.submit(in_context(call)) for key, call in calls.items()}
        for key, future in futures.items():
            try:
                values[key] = future.result(wait_in_parts(future, None))
            except ScramjetError as error:
                errors[key] = error
    finally:
        pool.shutdown(cancel_futures=True)
    return values, errors
