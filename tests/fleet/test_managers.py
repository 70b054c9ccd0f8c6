"""The clients of managers, multi-managers and the platform: every call, in front of hubs that run."""

from __future__ import annotations

import json

import pytest

from scramjet_client import (
    AuthenticationError,
    BadParametersError,
    HubNotFoundError,
    HubResponseError,
    InvalidResponseError,
    ManagerClient,
    ManagerNotFoundError,
    MiddlewareClient,
    MultiManagerClient,
    NotFoundError,
    UnprocessableEntityError,
)
from tests.fleet.conftest import SEQUENCES, TOKEN, send, start
from tests.support.fleet import Platform
from tests.support.wire import Conn, RawServer


def test_managers_of_the_platform(middleware: MiddlewareClient):
    """The platform tells its version and its spaces."""
    assert middleware.get_version().service == "@scramjet/middleware"
    assert [each.id for each in middleware.get_managers()] == ["one", "two"]


def test_audit_of_the_platform(middleware: MiddlewareClient):
    """The platform's audit is a live stream of JSON lines."""
    middleware.get_version()
    with middleware.get_audit_stream(idle_timeout=60) as audit:
        assert next(audit.records())["path"] == "version"


def test_life_of_access_keys(middleware: MiddlewareClient):
    """Keys are made, listed without the key itself, and revoked one by one or all."""
    made = middleware.create_access_key("two", description=" for the edge ")
    middleware.create_access_key("two", description="another")
    key = made.raw["apiKey"]

    assert made.description == "for the edge"
    assert key not in repr(made)
    listed = middleware.list_access_keys("two")
    assert [each.description for each in listed] == ["for the edge", "another"]
    assert middleware.revoke_access_key("two", key).keys_revoked == 1
    assert middleware.revoke_all_access_keys("two").keys_revoked == 1
    assert middleware.list_access_keys("two") == []


def test_access_keys_of_an_unknown_space(middleware: MiddlewareClient):
    """A space that is not there is named."""
    with pytest.raises(ManagerNotFoundError, match="space 'nope' not found"):
        middleware.list_access_keys("nope")


def test_hubs_of_a_manager(manager: ManagerClient):
    """A manager lists its hubs, and how each is connected."""
    hubs = {each.id: each for each in manager.get_hosts()}

    assert set(hubs) == {"left", "right", "old"}
    assert hubs["old"].is_connection_active
    assert hubs["old"].healthy
    assert hubs["old"].self_hosted
    assert hubs["old"].last_connected == "2026-11-24T08:00:01.000Z"
    assert hubs["old"].tags == ("test",)


def test_what_a_manager_says_of_itself(manager: ManagerClient):
    """Version, load and configuration."""
    assert manager.get_version().service == "@scramjet/manager"
    assert manager.get_load().mem_free > 0
    assert manager.get_config() == {"config": {"id": "one"}}


def test_lists_of_a_manager_hold_what_is_on_all_hubs(manager: ManagerClient):
    """Sequences and instances of a 1.x and of a 0.x hub stand in the same lists."""
    instances = [start(manager.get_host_client(id), "py-echo") for id in ("left", "old")]

    sequences = manager.get_sequences()
    assert sorted(each.location or "" for each in sequences) == ["left", "old"]
    assert {each.name for each in sequences} == {"py-echo"}
    listed = manager.get_instances()
    assert {each.id for each in instances} <= {each.id for each in listed}
    assert {each.sequence for each in listed} == {each.id for each in sequences}
    assert {each.id for each in manager.get_all_sequences()} == {each.id for each in sequences}


def test_log_and_audit_of_a_manager(manager: ManagerClient):
    """A manager's log and audit are live streams of JSON lines."""
    manager.disconnect_hubs(id="right")
    with manager.get_log_stream(idle_timeout=60) as log:
        assert next(log.records())["msg"] == "POST disconnect"
    with manager.get_audit_stream(idle_timeout=60) as audit:
        assert next(audit.records())["path"] == "disconnect"


def test_topic_across_hubs(manager: ManagerClient):
    """What is sent to a topic is read from it, and the manager says who takes part."""
    manager.send_named_data("colours", b"red\n\xff\n")
    upload = manager.submit_named_data("colours", iter([b"blue\n"]))
    with manager.get_named_data("colours", idle_timeout=60) as topic:
        assert topic.read(11) == b"red\n\xff\nblue\n"
    assert upload.result(20).bytes_written == 5
    sent: list[int] = []
    manager.send_named_data(
        "colours", b"green\n", progress=lambda done, total: sent.append(done), timeout=60
    )
    with manager.open_named_data("colours") as writer:
        writer.write(b"grey\n")
    with manager.get_named_data("colours", idle_timeout=60) as topic:
        assert topic.read(11) == b"green\ngrey\n"
    assert sent[-1] == 6

    found = {each.name: each for each in manager.get_topics()}
    assert found["colours"].content_type == "application/octet-stream"
    assert found["colours"].actors[0].host_id == "left"


def test_store_of_a_manager(manager: ManagerClient):
    """Packages are put into the store with an id or without, listed, and taken out."""
    first = manager.put_store_item(SEQUENCES / "py-echo", "echo")
    sent: list[int] = []
    second = manager.put_store_item(
        SEQUENCES / "py-events", progress=lambda done, total: sent.append(done)
    )

    assert (first.id, first.name) == ("echo", "py-echo")
    assert second.name == "py-events"
    assert sent[-1] > 0
    assert {each.id for each in manager.get_store_items()} == {"echo", second.id}
    manager.delete_store_item("echo")
    assert [each.id for each in manager.get_store_items()] == [second.id]
    manager.clear_store()
    assert manager.get_store_items() == []
    with pytest.raises(NotFoundError, match="store item 'echo' not found"):
        manager.delete_store_item("echo")


def test_broken_package_for_the_store(manager: ManagerClient):
    """What the platform says by a number of its own under a plain 400 has its class."""
    with pytest.raises(UnprocessableEntityError, match="Unprocessable entity") as caught:
        manager.put_store_item(b"no package")

    assert caught.value.status == 400


def test_answer_of_the_store_that_is_none():
    """What is not JSON, from whatever stands in front of a manager, is said to be that."""

    def say_yes(conn: Conn) -> None:
        request = conn.read_request()
        assert request is not None
        conn.read_body(request)
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")

    with RawServer(say_yes) as server, ManagerClient(server.url) as manager:
        with pytest.raises(InvalidResponseError, match="not JSON") as caught:
            manager.put_store_item(b"x")

    assert caught.value.body == "OK"


def test_disconnecting_and_deleting_hubs(manager: ManagerClient):
    """A hub that is connected is deleted by force alone; one that is not is, in any case."""
    gone = manager.disconnect_hubs(id="left")
    assert gone.manager_id == "one"
    assert [each.hub_id for each in gone.disconnected] == ["left"]
    assert [each.id for each in manager.get_hosts() if each.is_connection_active] == [
        "right",
        "old",
    ]

    manager.delete_hub("left")
    with pytest.raises(HubResponseError) as caught:
        manager.delete_hub("right")
    assert caught.value.status == 409
    manager.delete_hub("right", force=True)
    assert [each.id for each in manager.get_hosts()] == ["old"]
    with pytest.raises(HubNotFoundError, match="hub 'left' not found"):
        manager.delete_hub("left")


def test_disconnecting_nothing_in_particular(manager: ManagerClient):
    """Without any choice, which might mean all hubs, nothing is sent."""
    with pytest.raises(ValueError, match="needs an id"):
        manager.disconnect_hubs()


def test_multi_manager(platform: Platform):
    """A multi-manager tells of itself, starts managers, and leads to the hubs of each."""
    with MultiManagerClient(platform.multi_url, token=TOKEN) as multi:
        assert multi.get_version().service == "@scramjet/multi-manager"
        assert multi.get_load().mem_free > 0
        info = multi.get_info()
        assert (info.id, info.api_base, info.managers_count) == ("multi", "/api/v1", 2)
        with multi.get_log_stream(idle_timeout=60) as log:
            assert next(log.records())["level"] == "INFO"

        started = multi.start_manager({"id": "three"})

        assert started.get_hosts() == []
        assert [each.id for each in multi.get_managers()] == ["one", "two", "three"]
        host = multi.get_manager_client("one").get_host_client("old")
        assert host.get_version().version == "0.18.7"


def test_unknown_manager(platform: Platform):
    """A call to a manager that is not there names it, whatever the call is about."""
    with MultiManagerClient(platform.multi_url, token=TOKEN) as multi:
        with pytest.raises(ManagerNotFoundError, match="no manager 'nope'"):
            multi.get_manager_client("nope").delete_store_item("x")
        with pytest.raises(ManagerNotFoundError, match="no manager 'nope'"):
            multi.get_manager_client("nope").get_host_client("left").get_version()


def test_wrong_token(platform: Platform):
    """A token that the platform does not take is an AuthenticationError, with its words."""
    with MiddlewareClient(platform.url, token="wrong") as middleware:
        with pytest.raises(AuthenticationError, match="Not authorized"):
            middleware.get_manager_client("one").get_host_client("left").list_instances()


def test_answers_survive_what_is_not_known(middleware: MiddlewareClient, platform: Platform):
    """A hub of which the manager says next to nothing is listed all the same."""
    platform.managers["two"].hubs.clear()
    answer = json.loads('[{"id": "bare", "newField": [1]}]')
    platform.managers["two"]._entry = lambda _hub: answer[0]  # type: ignore[method-assign]
    platform.managers["two"].hubs["bare"] = platform.managers["one"].hubs["left"]

    (hub,) = middleware.get_manager_client("two").get_hosts()

    assert (hub.id, hub.healthy, hub.created) == ("bare", False, None)
    assert hub.raw == answer[0]


def test_bad_request_stays_what_it_is(manager: ManagerClient):
    """A refusal of a hub behind the manager keeps its class and the hub's words."""
    host = manager.get_host_client("left")
    host.create_topic("t1", "text/plain")

    with pytest.raises(BadParametersError, match="already exist"):
        host.create_topic("t1", "text/plain")


def test_manager_by_its_address(platform: Platform):
    """The address of a space is all that a ManagerClient needs."""
    with ManagerClient(f"{platform.url}/space/one/api/v1", token=TOKEN) as manager:
        assert manager.get_host_client("old").get_version().version == "0.18.7"


def test_instance_of_a_sequence(manager: ManagerClient):
    """A client of an instance is had by way of its sequence too."""
    sequence = send(manager.get_host_client("left"), "py-echo")
    instance = sequence.start()

    assert sequence.get_instance(instance.id).get_health().status == "healthy"


def test_sequences_by_name_on_every_hub(manager: ManagerClient):
    """A hub behind a manager gives the id of a sequence by its name."""
    sent = send(manager.get_host_client("old"), "py-echo")

    assert manager.get_host_client("old").get_sequence(sent.id).name == "py-echo"
