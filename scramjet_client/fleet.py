"""Fleet: many hubs as one — asked all at once, each answering, or failing, for itself."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, Union

from scramjet_client._answers import has_ended
from scramjet_client._at_once import at_once
from scramjet_client._dialect import dialect_of
from scramjet_client._durations import Duration, duration
from scramjet_client._fleet_follow import FleetFollow
from scramjet_client._html import Live
from scramjet_client._send_plan import checked_stream_id
from scramjet_client.errors import (
    InsufficientResourcesError,
    ScramjetError,
    SequenceNotFoundError,
)
from scramjet_client.fleet_answers import (
    BroadcastResponse,
    FleetAnswer,
    FleetInstance,
    check_all,
)
from scramjet_client.host_client import HostClient
from scramjet_client.instance_client import InstanceClient
from scramjet_client.models import (
    OUTPUT_STREAMS,
    GetInstanceResponse,
    GetSequenceResponse,
    GetVersionResponse,
    InstanceOutputStream,
    LoadCheckResponse,
    SendEventResponse,
)
from scramjet_client.streams import OutputStream

_K = TypeVar("_K")
_T = TypeVar("_T")

Members = Mapping[str, Union[HostClient, ScramjetError]]
"""The hubs of a fleet by their ids; an error stands for one that is known not to answer."""

logger: logging.Logger = logging.getLogger("scramjet_client")


class Fleet(Live):
    """Many hubs as one. Safe to use from any number of threads.

    A hub that fails never hides the others: what is asked of all is answered by a `FleetAnswer`, with what
    the others said and the error of that one, which is logged as a warning too.

    `manager.fleet()` makes one of all hubs of a manager; hubs without a manager are given by hand:

        fleet = Fleet({"left": HostClient(url), "right": HostClient(other_url)})

    Args:
        hosts: The hubs by ids of your choice, or a function that returns them and is called each time.
    """

    def __init__(self, hosts: Members | Callable[[], Members]) -> None:
        self._discover = hosts if callable(hosts) else lambda: hosts

    # -- asking all -------------------------------------------------------------------------------

    def get_hosts(self) -> FleetAnswer[HostClient]:
        """Return a client for each hub; in `errors` are those that are known not to answer."""
        members = self._discover()
        return FleetAnswer(
            {hub: each for hub, each in members.items() if isinstance(each, HostClient)},
            {hub: each for hub, each in members.items() if isinstance(each, ScramjetError)},
        )

    def ask(self, question: Callable[[HostClient], _T]) -> FleetAnswer[_T]:
        """Call a function with the client of each hub, on threads of its own, and wait for all of them.

        For example `fleet.ask(lambda host: host.send_sequence("./counter"))` has every hub hold a sequence.

        Args:
            question: Called once for each hub, on several threads at a time. A `ScramjetError` that it
                raises is that hub's; anything else is raised here.
        """
        answer = self._asked(question)
        for hub, error in answer.errors.items():
            logger.warning("hub %s of the fleet failed: %s", hub, error)
        return answer

    def _asked(self, question: Callable[[HostClient], _T]) -> FleetAnswer[_T]:
        hosts = self.get_hosts()
        return _gathered({hub: _bound(question, host) for hub, host in hosts.items()}, hosts.errors)

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

    def get_log_stream(self, *, idle_timeout: Duration | None = None) -> FleetAnswer[OutputStream]:
        """Open each hub's log; whoever asks closes them. `Multiplexer` reads them with one thread."""
        return self.ask(lambda host: host.get_log_stream(idle_timeout=idle_timeout))

    def get_audit_stream(
        self, *, idle_timeout: Duration | None = None
    ) -> FleetAnswer[OutputStream]:
        """Open each hub's audit (1.x); whoever asks closes them."""
        return self.ask(lambda host: host.get_audit_stream(idle_timeout=idle_timeout))

    # -- one sequence, wherever it is -------------------------------------------------------------

    def find_sequence(self, sequence: str) -> FleetAnswer[list[GetSequenceResponse]]:
        """Return the sequences with an id, or with a package's name, on each hub that has one.

        Args:
            sequence: An id; or a name, as each hub gives an id of its own to what is sent to it.
        """
        found = self.ask(
            lambda host: [
                each for each in host.list_sequences() if sequence in (each.id, each.name)
            ]
        )
        return FleetAnswer({hub: each for hub, each in found.items() if each}, found.errors)

    def start(self, sequence: str, **options: Any) -> FleetInstance:
        """Start an instance of a sequence on the least loaded of the hubs that have it.

        A hub's load is the larger of the shares of its processors and of its memory that are in use. Hubs
        that are equally loaded, to a tenth, are told apart by their running instances, because those
        that have just been started do not show in the load yet. A hub that refuses for want of
        resources is passed over for the next one; nothing else is tried twice.

        Args:
            sequence: Its id or name (see `find_sequence`); of several with that name on a hub, the one
                that came last.
            **options: As of `SequenceClient.start`.

        Raises:
            SequenceNotFoundError: No hub has it.
            FleetError: No hub with it could be asked, or had the resources; `.errors` says why.
        """
        found = self.find_sequence(sequence)
        hosts = self.get_hosts()
        ranks = _gathered(
            {hub: _bound(_rank, hosts[hub]) for hub in found if hub in hosts}, found.errors
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
        """Return clients of the instances of a sequence that have not ended, on each hub that has some.

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
            message: Text; instances on 1.x hubs take any JSON value, those on 0.x then fail.

        Returns:
            What became of it for each instance; `check()` raises if it did not reach all.
        """
        found = self.list_instances_of(sequence)
        targets = {
            (hub, each.id): _bound(_event(event_name, message), each)
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

        Those that run are attached to when this returns.

        Args:
            sequence: Its id or name (see `find_sequence`).
            stream_id: "stdout", "stderr", "output" or "log".
            look: Seconds between two looks for new instances, which are followed too, until the result is closed.
                With None there are none, and the loop ends when all streams have.
            limit: Bytes that a line may have; a longer one is an error of its instance.

        Returns:
            To be iterated, once, and closed; what fails is in its `errors`.
        """
        checked_stream_id(stream_id, OUTPUT_STREAMS)
        look = duration("look", look)
        # Not by `ask`: a hub that is down for long is not worth a warning at each look.
        return FleetFollow(
            lambda: self._asked(lambda host: _living(host, sequence)), stream_id, look, limit
        )


def _bound(question: Callable[[_K], _T], about: _K) -> Callable[[], _T]:
    return lambda: question(about)


def _event(event_name: str, message: Any) -> Callable[[InstanceClient], SendEventResponse]:
    return lambda instance: instance.send_event(event_name, message)


def _living(host: HostClient, sequence: str) -> list[InstanceClient]:
    """Return the instances of a sequence on a hub; what has been deleted is known by its id alone."""
    ids = {each.id for each in host.list_sequences() if each.name == sequence} | {sequence}
    return [
        host.get_instance_client(each.id)
        for each in host.list_instances()
        if each.sequence in ids and not has_ended(each)
    ]


def _rank(host: HostClient) -> tuple[float, int, float]:
    """Return what hubs are ordered by, the least loaded first."""
    load = host.get_load_check()
    # A fraction on 1.x, a percentage on 0.x.
    processors = load.current_load / (1 if dialect_of(host.client).modern else 100)
    memory = load.mem_used + load.mem_free
    share = max(processors, load.mem_used / memory if memory else 0.0)
    running = sum(not has_ended(each) for each in host.list_instances())
    return round(share, 1), running, share


def _gathered(
    calls: Mapping[str, Callable[[], _T]], known: Mapping[str, ScramjetError]
) -> FleetAnswer[_T]:
    """Call all at once; `known` are the errors that there are already."""
    values, errors = at_once(calls)
    return FleetAnswer(values, {**known, **errors})
