"""Following all instances of a sequence across hubs."""

from __future__ import annotations

import threading

import pytest

from scramjet_client import (
    Fleet,
    FleetAnswer,
    FleetError,
    FleetFollow,
    HubConnectionError,
    InstanceClient,
    LineTooLongError,
    ManagerClient,
    MiddlewareClient,
    ScramjetError,
    StreamInterruptedError,
)
from tests.fleet.conftest import send
from tests.support.fleet import Platform
from tests.support.real_hub import RealHub
from tests.support.waiting import eventually


@pytest.fixture
def fleet(manager: ManagerClient) -> Fleet:
    """The three hubs of the manager."""
    return manager.fleet()


def test_outputs_of_all_hubs_come_together(fleet: Fleet):
    """Each instance's lines come, in its own order, under its own name, until all have ended."""
    sequences = fleet.ask(lambda host: send(host, "py-echo")).check()
    instances = {
        (hub, each.id): each
        for hub, sequence in sequences.items()
        for each in (sequence.start(args=[0]), sequence.start(args=[0]))
    }
    seen: dict[tuple[str, str], list[bytes]] = {key: [] for key in instances}

    with fleet.follow("py-echo", look=None) as following:
        for (_, id), instance in instances.items():
            instance.send_input(f"{id} 1\n{id} 2\n", end=True)
        for where, lines in following:
            seen[where.hub, where.instance.id] += lines

    assert seen == {(hub, id): [f"{id} 1".encode(), f"{id} 2".encode()] for hub, id in instances}
    following.check()


def test_new_instances_are_followed(fleet: Fleet, manager: ManagerClient):
    """An instance that is started later, on a hub that had none, is found at the next look."""
    first = send(manager.get_host_client("left"), "py-ticker").start()
    send_later = threading.Event()
    hubs = set()

    with fleet.follow("py-ticker", look=0.2) as following:
        for where, _lines in following:
            hubs.add(where.hub)
            if not send_later.is_set():
                send_later.set()
                assert where.instance.id == first.id
                send(manager.get_host_client("old"), "py-ticker").start()
            if hubs == {"left", "old"}:
                break

    assert hubs == {"left", "old"}


def test_close_from_another_thread_ends_the_loop(fleet: Fleet):
    """A loop that waits for what does not come ends when it is closed elsewhere."""
    following = fleet.follow("nothing", look=60)
    ended = threading.Event()

    def read() -> None:
        for _ in following:
            pass
        ended.set()

    thread = threading.Thread(target=read, name="test-reader")
    thread.start()
    following.close()
    thread.join(60)

    assert ended.is_set()


def test_errors_can_be_read_while_others_come():
    """Somebody who goes through `errors` is not disturbed by what the looking thread finds."""
    found: dict[str, ScramjetError] = {}

    def find() -> FleetAnswer[list[InstanceClient]]:
        found[f"hub {len(found)}"] = ScramjetError("away")
        return FleetAnswer({}, found)

    with FleetFollow(find, "output", 0.001, 1024) as following:
        errors = following.errors
        count, names = len(errors), iter(errors)
        first = next(names)
        eventually(lambda: len(following.errors) > count)
        rest = list(names)

    assert first == "hub 0"
    assert len(rest) == count - 1


def test_hub_that_can_not_be_asked_is_in_the_errors(fleet: Fleet, platform: Platform):
    """A hub that is not connected when the following begins is named, the others are followed."""
    platform.managers["one"].hubs["right"].connected = False

    with fleet.follow("py-echo", look=None) as following:
        assert list(following) == []
        with pytest.raises(FleetError) as caught:
            following.check()

    assert isinstance(caught.value.errors["right"], HubConnectionError)


def test_cut_is_not_an_end(platform: Platform, middleware: MiddlewareClient):
    """The stream of a hub that died is an error of its instance; those of others go on."""
    with RealHub() as brief:
        one = platform.managers["one"]
        one.hubs = {"left": one.hubs["left"]}
        one.hubs["brief"] = type(one.hubs["left"])(brief.url)
        fleet = middleware.get_manager_client("one").fleet()
        instances = {
            hub: each.start() for hub, each in fleet.ask(lambda h: send(h, "py-ticker")).items()
        }
        with fleet.follow("py-ticker", look=None) as following:
            name = f"brief {instances['brief'].id}"
            lines_after_the_cut = 0
            for where, lines in following:
                if where.hub == "brief":
                    brief.kill()
                elif name in following.errors:
                    lines_after_the_cut += len(lines)
                    if lines_after_the_cut > 3:
                        break

    assert isinstance(following.errors[name], StreamInterruptedError)


def test_cut_stream_is_attached_to_again(fleet: Fleet, manager: ManagerClient, platform: Platform):
    """After a cut on the way the instance is followed on, and the cut stays known."""
    instance = send(manager.get_host_client("left"), "py-ticker").start()
    name = f"left {instance.id}"
    after = 0

    with fleet.follow("py-ticker", look=0.2) as following:
        for _, lines in following:
            if name not in following.errors:
                platform.cut()
            else:
                after += len(lines)
            if after > 3:
                break

    assert isinstance(following.errors[name], StreamInterruptedError)


def test_line_without_an_end(fleet: Fleet, manager: ManagerClient):
    """A line that is longer than its limit is an error of that instance alone."""
    instance = send(manager.get_host_client("left"), "py-echo").start()
    with fleet.follow("py-echo", look=None, limit=1000) as following:
        instance.send_input(b"x" * 5000)

        assert list(following) == []

    assert isinstance(following.errors[f"left {instance.id}"], LineTooLongError)


def test_wrong_arguments(fleet: Fleet):
    """A pause that is none, or a stream that can't be read, is refused before anything is asked."""
    with pytest.raises(ValueError, match="look must be more than 0"):
        fleet.follow("x", look=0)
    with pytest.raises(ValueError, match="stream_id must be one of"):
        fleet.follow("x", "input")


def test_streams_are_closed(fleet: Fleet, manager: ManagerClient):
    """What is followed holds its connections until it is closed, and no longer."""
    send(manager.get_host_client("left"), "py-ticker").start()
    following = fleet.follow("py-ticker")
    where, _ = next(iter(following))

    following.close()

    # The guard of all tests looks at the sockets, while this object lives on.
    assert where.hub == "left"
    assert list(following) == []
