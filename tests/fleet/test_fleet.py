"""Many hubs as one: nothing that fails hides the rest, and nothing that failed is hidden."""

from __future__ import annotations

import pickle
import socket
from collections.abc import Iterator

import pytest

from scramjet_client import (
    Fleet,
    FleetError,
    HostClient,
    HubConnectionError,
    HubTimeoutError,
    InsufficientResourcesError,
    ManagerClient,
    MiddlewareClient,
    MultiManagerClient,
    SequenceNotFoundError,
    ServerError,
    UnsupportedByHubError,
)
from scramjet_client.hub import LocalHub
from tests.fleet.conftest import SEQUENCES, TOKEN, send, start
from tests.support.fleet import Platform
from tests.support.hubs import open_hub
from tests.support.real_hub import RealHub

IDLE = {"currentLoad": 0.1, "memUsed": 10, "memFree": 90}
BUSY = {"currentLoad": 0.9, "memUsed": 10, "memFree": 90}
FULL = {"currentLoad": 0.1, "memUsed": 95, "memFree": 5}


@pytest.fixture
def fleet(manager: ManagerClient) -> Fleet:
    """The three hubs of the manager."""
    return manager.fleet()


@pytest.fixture
def one(platform: Platform):
    """The double's own view of the space "one"."""
    return platform.managers["one"]


def test_every_hub_answers_for_itself(fleet: Fleet):
    """What is asked of all comes by hub, from both generations."""
    versions = fleet.get_version().check()

    assert {hub: each.version for hub, each in versions.items()} == {
        "left": "1.0.1",
        "right": "1.0.1",
        "old": "0.18.7",
    }
    assert all(each.mem_free > 0 for each in fleet.get_load_check().check().values())


def test_lists_of_a_fleet(fleet: Fleet, manager: ManagerClient):
    """Sequences and instances are listed hub by hub."""
    left = start(manager.get_host_client("left"), "py-echo")
    old = start(manager.get_host_client("old"), "py-echo")

    instances = fleet.list_instances().check()
    assert [each.id for each in instances["left"]] == [left.id]
    assert [each.id for each in instances["old"]] == [old.id]
    assert instances["right"] == []
    sequences = fleet.list_sequences().check()
    assert [len(sequences[hub]) for hub in ("left", "right", "old")] == [1, 0, 1]


def test_hub_that_is_down_does_not_hide_the_others(fleet: Fleet, one, caplog):
    """One hub is not connected, another does not answer: the third is listed, and both errors are there."""
    one.hubs["right"].connected, one.hubs["right"].reason = False, "network"
    with open_hub() as gone:
        one.hubs["left"].url = gone.url

    answer = fleet.list_sequences()

    assert set(answer) == {"old"}
    assert set(answer.errors) == {"left", "right"}
    assert isinstance(answer.errors["right"], HubConnectionError)
    assert "network" in answer.errors["right"].message
    assert isinstance(answer.errors["left"], ServerError)
    assert "hub left of the fleet failed" in caplog.text
    caplog.clear()
    fleet.list_sequences()
    assert "of the fleet" not in caplog.text
    one.hubs["right"].connected = True
    fleet.list_sequences()
    assert "hub right of the fleet answers again" in caplog.text
    with pytest.raises(FleetError, match=r"2 of 3 hubs failed: .*left") as caught:
        answer.check()
    assert caught.value.errors == answer.errors


def test_fleet_error_pickles():
    """Job queues send it between processes, with what failed."""
    error = FleetError("it failed")
    error.errors = {"left": ServerError("no", status=502)}

    copy = pickle.loads(pickle.dumps(error))

    assert copy.errors["left"].status == 502


def test_mistake_of_the_caller_is_no_answer(fleet: Fleet):
    """Only the errors of this package are a hub's; what else a question raises is raised."""
    with pytest.raises(KeyError):
        fleet.ask(lambda host: {}[host.api_base])


def test_logs_of_all_hubs(fleet: Fleet):
    """The logs of all hubs are opened at once."""
    logs = fleet.get_log_stream(idle_timeout=60).check()

    assert set(logs) == {"left", "right", "old"}
    for log in logs.values():
        with log:
            assert "msg" in next(log.records())


def test_logs_and_audits_for_a_time(fleet: Fleet, middleware: MiddlewareClient, platform: Platform):
    """Each log and audit ends for a reader who wants it for a time, though its hub goes on writing it."""
    with MultiManagerClient(platform.multi_url, token=TOKEN) as multi:
        streams = [
            *fleet.get_log_stream(timeout=0.3).check().values(),
            *fleet.get_audit_stream(timeout=0.3).values(),
            middleware.get_audit_stream(timeout=0.3),
            multi.get_log_stream(timeout=0.3),
        ]
        for stream in streams:
            with stream:
                stream.read()

    assert len(streams) == 7


def test_audits_where_there_are_some(fleet: Fleet):
    """Old hubs have no audit, which is said of them alone."""
    audits = fleet.get_audit_stream(idle_timeout=60)
    for audit in audits.values():
        audit.close()

    assert set(audits) == {"left", "right"}
    assert isinstance(audits.errors["old"], UnsupportedByHubError)


def test_fleet_without_a_manager(local_hubs: tuple[LocalHub, LocalHub], real_hub: RealHub):
    """Any hubs make a fleet."""
    with local_hubs[0].client() as left, HostClient(real_hub.url) as old:
        fleet = Fleet({"a": left, "b": old})

        assert {hub: each.version[0] for hub, each in fleet.get_version().items()} == {
            "a": "1",
            "b": "0",
        }


def test_fleet_of_all_spaces(middleware: MiddlewareClient, platform: Platform):
    """Hubs of several managers are told apart by both ids."""
    platform.managers["two"].hubs["left"] = platform.managers["one"].hubs["left"]

    assert set(middleware.fleet().get_version()) == {"one/left", "one/right", "one/old", "two/left"}


# -- starting where there is room ---------------------------------------------------------------------


@pytest.fixture
def everywhere(fleet: Fleet, one) -> Iterator[Fleet]:
    """The fleet with the sequence py-echo on each hub, and known loads."""
    for hub in one.hubs.values():
        hub.load = dict(IDLE)
    one.hubs["old"].load["currentLoad"] = 10  # a percentage there
    fleet.ask(lambda host: host.send_sequence(SEQUENCES / "py-echo")).check()
    return fleet


@pytest.mark.parametrize("free", ["left", "right", "old"])
def test_start_on_the_least_loaded_hub(everywhere: Fleet, one, free: str):
    """The hub whose scarcest resource is the least in use gets the instance."""
    for name, hub in one.hubs.items():
        if name != free:
            hub.load = dict(FULL) if name == "left" else dict(BUSY)
    if free != "old":
        one.hubs["old"].load["currentLoad"] = 90

    started = everywhere.start("py-echo", app_config={"x": 1})

    assert started.hub == free
    assert started.instance.get_info().raw["appConfig"] == {"x": 1}


def test_starts_in_a_row_are_spread(everywhere: Fleet):
    """What has just been started counts, though it does not show in the load yet."""
    hubs = [everywhere.start("py-echo").hub for _ in range(6)]

    assert {hub: hubs.count(hub) for hub in set(hubs)} == {"left": 2, "right": 2, "old": 2}


def test_full_hub_is_passed_over(everywhere: Fleet, one):
    """A hub that refuses for want of resources is not the end; the next one is tried."""
    one.hubs["left"].full = one.hubs["right"].full = True

    assert everywhere.start("py-echo").hub == "old"


def test_all_hubs_full(everywhere: Fleet, one):
    """If none has room, the error says what each has said."""
    for hub in one.hubs.values():
        hub.full = True

    with pytest.raises(FleetError, match="no hub could start sequence 'py-echo'") as caught:
        everywhere.start("py-echo")

    assert set(caught.value.errors) == {"left", "right", "old"}
    assert isinstance(caught.value.errors["old"], InsufficientResourcesError)


def test_start_goes_where_the_sequence_is(fleet: Fleet, manager: ManagerClient):
    """A hub without the sequence is no candidate, however free it is; an id does as well as a name."""
    sequence = send(manager.get_host_client("right"), "py-echo")

    assert fleet.start("py-echo").hub == "right"
    assert fleet.start(sequence.id).hub == "right"


def test_start_of_what_no_hub_has(fleet: Fleet, one):
    """A sequence that is nowhere is not found; if a hub could not be asked, that is said instead."""
    with pytest.raises(SequenceNotFoundError, match="'nope'"):
        fleet.start("nope")
    one.hubs["left"].connected = False
    with pytest.raises(FleetError) as caught:
        fleet.start("nope")

    assert set(caught.value.errors) == {"left"}


# -- events to all ------------------------------------------------------------------------------------


def test_event_reaches_every_instance(fleet: Fleet):
    """Two instances on each hub, of both generations: each hears it."""
    sequences = fleet.ask(lambda host: send(host, "py-events")).check()
    instances = {
        (hub, each.id): each
        for hub, sequence in sequences.items()
        for each in (sequence.start(timeout=60), sequence.start(timeout=60))
    }
    for each in instances.values():
        each.get_event("ready", timeout=60)

    result = fleet.broadcast("py-events", "ping", "all").check()

    assert set(result.sent) == set(instances)
    assert all(each.sent for each in result.sent.values())
    for each in instances.values():
        assert each.get_event("pong", timeout=60).data == {"echo": "all"}


def test_event_that_some_can_not_get(fleet: Fleet, one):
    """What reached some and not others is told for each instance and hub."""
    sequences = fleet.ask(lambda host: send(host, "py-events")).check()
    instances = {hub: each.start(timeout=60) for hub, each in sequences.items()}
    one.hubs["right"].connected = False

    result = fleet.broadcast("py-events", "ping", {"not": "text"})

    assert set(result.sent) == {("left", instances["left"].id)}
    assert set(result.failed) == {("old", instances["old"].id)}
    assert isinstance(result.failed["old", instances["old"].id], UnsupportedByHubError)
    assert set(result.errors) == {"right"}
    with pytest.raises(FleetError, match="reached 1 of 2 instances, and 1 hubs failed") as caught:
        result.check()
    assert set(caught.value.errors) == {"right", f"old {instances['old'].id}"}


def test_ended_instances_are_left_out(fleet: Fleet, manager: ManagerClient):
    """An instance that has ended, and is listed still, is sent nothing."""
    sequence = send(manager.get_host_client("left"), "py-events")
    ended, living = sequence.start(), sequence.start()
    ended.stop()

    found = fleet.list_instances_of("py-events").check()

    assert [each.id for each in found["left"]] == [living.id]
    assert set(found) == {"left"}


def test_hub_that_hangs_does_not_hold_the_others_for_ever(middleware: MiddlewareClient, one):
    """A hub that takes requests and never answers fails by the client's own limit."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        one.hubs["left"].url = f"http://127.0.0.1:{silent.getsockname()[1]}/api/v1"
        answer = (
            middleware.get_manager_client("one")
            .fleet()
            .ask(
                lambda host: host.client.get(
                    "version", timeout=0.5 if "/left/" in repr(host) else 60
                )
            )
        )

    assert isinstance(answer.errors["left"], HubTimeoutError)
    assert set(answer) == {"right", "old"}
