"""The hub itself: what it says of itself, and sequences on it."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta

import pytest

from scramjet_client import (
    HostClient,
    HubResponseError,
    SequenceNotFoundError,
    UnprocessableEntityError,
    UnsupportedByHubError,
)
from scramjet_client.hub import LocalHub
from scramjet_client.packages.package import pack
from tests.contract.conftest import SEQUENCES, Hub, Start, ended
from tests.support.waiting import eventually


def test_version_and_load(host: HostClient, hub: Hub):
    """A hub tells its version and its machine's load."""
    version, load = host.get_version(), host.get_load_check()

    assert version.version[0].isdigit()
    assert (version.service == "@scramjet/host") is hub.modern  # 0.x names no service
    assert load.mem_free > 0
    assert load.fs_size[0]["size"] > 0


@pytest.mark.parametrize("name", ["get_status", "get_config", "get_audit_stream"])
def test_what_old_hubs_lack_is_said(host: HostClient, hub: Hub, name: str):
    """On 0.x, which has no such routes, the error names the version instead of a 404."""
    if hub.modern:
        answer = getattr(host, name)()
        if name == "get_audit_stream":
            answer.close()
        return

    with pytest.raises(UnsupportedByHubError, match=r"0\.18\.7"):
        getattr(host, name)()


def test_hub_log(host: HostClient):
    """The hub's log is JSON lines, with what was logged before."""
    with host.get_log_stream(idle_timeout=20) as log:
        record = next(log.records())

    assert {"msg", "level", "ts"} <= set(record)


def test_sequence_from_every_kind_of_package(host: HostClient, tmp_path):
    """A folder, bytes, a file, a path and a generator all arrive as the same sequence."""
    folder = SEQUENCES / "py-echo"
    package = pack(folder)
    path = tmp_path / "echo.tar.gz"
    path.write_bytes(package)

    with path.open("rb") as file:
        kinds = [folder, str(folder), package, path, str(path), file, iter([package])]
        sent = [host.send_sequence(kind) for kind in kinds]

    listed = {each.id: each for each in host.list_sequences()}
    assert {listed[each.id].name for each in sent} == {"py-echo"}
    for each in sent:
        assert host.delete_sequence(each.id).id == each.id
    assert not {each.id for each in sent} & {each.id for each in host.list_sequences()}


def test_sequence_info_and_its_instances(host: HostClient, hub: Hub, start: Start):
    """A sequence knows its instances, and the hub's lists know both."""
    instance = start("py-echo")
    sequence = hub.sequence(host, "py-echo")

    assert sequence.get_info().id == sequence.id
    assert host.get_sequence(sequence.id).name == "py-echo"
    assert instance.id in sequence.list_instances()
    assert instance.id in {each.id for each in host.list_instances()}
    entities = host.list_entities()
    assert sequence.id in {each.id for each in entities.sequences}
    assert instance.id in {each.id for each in entities.instances}
    assert host.get_instance_info(instance.id).sequence == sequence.id


def test_sequence_in_use_is_not_deleted(host: HostClient, start: Start):
    """A sequence that runs is kept, and the refusal says why."""
    sequence = host.send_sequence(SEQUENCES / "py-echo")
    instance = sequence.start()

    with pytest.raises(HubResponseError, match="in use") as caught:
        host.delete_sequence(sequence.id)

    assert caught.value.status == 409
    assert "a hub counts one for 15 s after its end" in str(caught.value)
    instance.kill(remove_immediately=True)
    eventually(lambda: ended(instance))


def test_package_is_replaced(host: HostClient, hub: Hub):
    """An update keeps the id and changes the program (1.x); a 0.x hub can't, and says so at once."""
    sequence = host.send_sequence(SEQUENCES / "py-echo")
    if not hub.modern:
        for call in (
            lambda: host.update_sequence(sequence.id, SEQUENCES / "py-bytes"),
            lambda: sequence.overwrite(SEQUENCES / "py-bytes"),
            lambda: sequence.delete(force=True),
        ):
            with pytest.raises(UnsupportedByHubError, match=r"0\.18\.7"):
                call()
        return

    updated = host.update_sequence(sequence.id, SEQUENCES / "py-bytes")
    name_then = host.get_sequence(sequence.id).name
    sequence.overwrite(pack(SEQUENCES / "py-ticker"))

    assert (updated.id, name_then) == (sequence.id, "py-bytes")
    assert sequence.get_info().name == "py-ticker"
    assert sequence.delete().id == sequence.id
    with pytest.raises(SequenceNotFoundError):
        sequence.overwrite(SEQUENCES / "py-echo")


def test_package_in_use_is_not_replaced(host: HostClient, hub: Hub):
    """A sequence that runs keeps its package (1.x)."""
    if not hub.modern:
        return
    sequence = host.send_sequence(SEQUENCES / "py-echo")
    instance = sequence.start()

    with pytest.raises(HubResponseError, match="with instances") as caught:
        sequence.overwrite(SEQUENCES / "py-bytes")

    assert (caught.value.status, sequence.get_info().name) == (409, "py-echo")
    instance.kill(remove_immediately=True)


def test_deletion_by_force():
    """A sequence is deleted with what runs of it; on a hub that forgets soon, which others don't."""
    with LocalHub(instance_lifetime=0.2) as hub, hub.client() as host:
        sequence = host.send_sequence(SEQUENCES / "py-echo")
        instance = sequence.start()
        with pytest.raises(HubResponseError, match="in use"):
            sequence.delete()

        deleted = host.delete_sequence(sequence.id, force=True, timeout=timedelta(minutes=1))
        assert deleted.id == sequence.id
        assert host.list_entities().sequences == ()
        assert instance.id not in {each.id for each in host.list_instances()}
        hub.check()


def test_sequence_ids_by_name(host: HostClient, tmp_path):
    """A name finds each sequence that has it; one that nobody has is SEQUENCE_NOT_FOUND."""
    (tmp_path / "main.py").write_text("def run(context, input): pass")
    manifest = {"name": "@team/named", "version": "1.0.0", "main": "main.py"}
    (tmp_path / "package.json").write_text(json.dumps({**manifest, "engines": {"python3": "3"}}))
    sent = [host.send_sequence(tmp_path) for _ in range(2)]

    assert set(host.get_sequence_id("@team/named")) == {each.id for each in sent}
    for each in sent:
        each.delete()
    with pytest.raises(SequenceNotFoundError, match="@team/named"):
        host.get_sequence_id("@team/named")


def test_instance_id_of_ones_own(host: HostClient, hub: Hub):
    """An instance gets the id that the start names (1.x); one that is in use is refused."""
    sequence, id = hub.sequence(host, "py-echo"), str(uuid.uuid4())
    if not hub.modern:
        with pytest.raises(UnsupportedByHubError, match="instanceId"):
            sequence.start(instance_id=id)
        return

    instance = sequence.start(instance_id=id)
    with pytest.raises(HubResponseError, match="already exists") as caught:
        sequence.start(instance_id=id)

    assert (instance.id, caught.value.status) == (id, 409)
    assert host.get_instance_info(id).id == id
    instance.kill(remove_immediately=True)


def test_config_shows_no_secrets(host: HostClient, hub: Hub):
    """The configuration is typed, and its repr gives away nothing of what a hub may list (1.x)."""
    if not hub.modern:
        return

    config = host.get_config()

    assert config.runtime_adapter == "process"
    assert config.host["apiBase"] == "/api/v1"
    assert config.id == config.raw["host"].get("id")  # a hub that was started without one has none
    assert "apiVersion" not in repr(config)


def test_audit_is_a_stream_of_records(host: HostClient, hub: Hub):
    """The audit tells what was done, from before and live (1.x)."""
    if not hub.modern:
        return
    host.list_sequences()

    with host.get_audit_stream(idle_timeout=20) as audit:
        record = next(audit.records())

    assert {"opCode", "receivedAt"} <= set(record)


def test_doctor_of_a_hub_that_runs(host: HostClient, hub: Hub):
    """The report names the hub, its generation and its clock."""
    report = host.doctor()

    assert report.reachable
    assert report.hub is not None
    assert report.hub["generation"] == ("1.x" if hub.modern else "0.x")
    assert report.hub["version"] == host.get_version().version
    assert report.clock_skew is not None
    assert abs(report.clock_skew) < 3
    assert report.problems == ()
    assert report.url == hub.url
    assert report.proxy == "none (the hub is on this machine)"


@pytest.mark.parametrize(
    "call",
    [
        lambda host: host.get_sequence("nope"),
        lambda host: host.delete_sequence("nope"),
        lambda host: host.get_sequence_client("nope").list_instances(),
        lambda host: host.get_sequence_client("nope").get_info(),
        lambda host: host.get_sequence_client("nope").start(),
    ],
)
def test_unknown_sequence(host: HostClient, call):
    """What concerns an unknown sequence is SEQUENCE_NOT_FOUND."""
    with pytest.raises(SequenceNotFoundError) as caught:
        call(host)

    assert caught.value.code == "SEQUENCE_NOT_FOUND"


@pytest.mark.parametrize("package", [b"", b"not a package", pack(SEQUENCES / "py-echo")[:200]])
def test_broken_package(host: HostClient, package: bytes):
    """A package that can't be unpacked is refused with the hub's words."""
    with pytest.raises(UnprocessableEntityError, match=r"tar\.gz"):
        host.send_sequence(package)


@pytest.mark.parametrize("language", ["py", "node"])
def test_app_config_and_args_arrive(host: HostClient, start: Start, language: str):
    """What start was given is what the hub says of the instance."""
    instance = start(f"{language}-bytes", 1000, app_config={"x": [1, "ą"]})

    raw = instance.get_info().raw
    assert raw["appConfig"] == {"x": [1, "ą"]}
    assert raw.get("args", raw.get("sequenceArgs")) == [1000]  # 1.x and 0.x name it differently
    with instance.get_stream("output") as output:
        assert len(output.read()) == 1000


def test_topics_at_the_start_of_a_sequence(host: HostClient, hub: Hub):
    """A 0.x hub would ignore topics silently, so they are refused there."""
    sequence = hub.sequence(host, "py-echo")
    if hub.modern:
        sequence.start(output_topic="t1").kill(remove_immediately=True)
        return

    with pytest.raises(UnsupportedByHubError, match="outputTopic"):
        sequence.start(output_topic="t1")


def test_start_is_one_request_with_a_body(host: HostClient, hub: Hub):
    """A start without any settings still sends both keys: Python sequences of 0.x die without them."""
    sequence = hub.sequence(host, "py-echo")
    instance = sequence.start()

    assert json.dumps(instance.get_info().raw["appConfig"]) == "{}"
    instance.kill(remove_immediately=True)
