"""A typed project that uses scramjet_client, as its users' checkers see it.

Nothing here is run. Each line says what a type is, or is an error that mypy and pyright have to find: a comment
that silences nothing is an error of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Optional, Union

import scramjet_client
from scramjet_client import (
    Cause,
    CompletedInstance,
    EventStream,
    Fleet,
    FleetAnswer,
    Follow,
    GetEventResponse,
    GetInstanceResponse,
    GetVersionResponse,
    HostClient,
    InstanceClient,
    InstanceEndedError,
    InstanceFailedError,
    ManagerClient,
    Multiplexer,
    OutputStream,
    ReconnectingStream,
    RunTimeoutError,
    SendStreamResponse,
    SequenceClient,
    StopTimeoutError,
    Timeouts,
    Upload,
    UploadWriter,
)
from scramjet_client.config import Settings, resolve
from scramjet_client.hub import LocalHub
from scramjet_client.testing import Cut, FaultProxy

if TYPE_CHECKING:
    from typing_extensions import assert_type


def clients(hub: LocalHub) -> SequenceClient:
    """Clients and what leads from one to the next."""
    assert_type(scramjet_client.__version__, str)
    assert_type(hub.client(), HostClient)
    assert_type(hub.token, Optional[str])
    with HostClient(hub.url, timeout=Timeouts(read=5.0), retries=1) as host:
        assert_type(host, HostClient)
        assert_type(host.get_version(), GetVersionResponse)
        assert_type(host.get_manager_client(), ManagerClient)
        assert_type(host.list_instances(), list[GetInstanceResponse])
        assert_type(host.deploy(shout, requirements=["attrs"]), SequenceClient)
        return host.send_sequence("folder", progress=lambda sent, total: None)


def shout(context: Any, input: Iterator[str]) -> Iterator[str]:
    """Be a program of a hub."""
    for text in input:
        yield text.upper()


def streams(instance: InstanceClient) -> None:
    """Outputs, and what comes of them."""
    with instance.get_stream("output", idle_timeout=5) as stream:
        assert_type(stream, OutputStream)
        assert_type(stream.read(10), bytes)
        for line in stream:
            assert_type(line, bytes)
        for text in stream.text():
            assert_type(text, str)
    with instance.get_event_stream("tick") as events:
        assert_type(events, EventStream)
        assert_type(next(events), GetEventResponse)
    assert_type(instance.get_reconnecting_stream("log"), ReconnectingStream)
    assert_type(instance.follow(stdout=True, log=print), Follow)
    for each, lines in Multiplexer([instance.get_stream("stdout")]):
        assert_type(each, OutputStream)
        assert_type(lines, list[bytes])


def uploads(instance: InstanceClient) -> None:
    """Every way to send."""
    sent = instance.send_input(["a\n"], type="text/plain", end=True)
    assert_type(sent, Union[SendStreamResponse, Any])
    text = instance.send_stream("input", b"a", parse_response="text")
    assert_type(text, Union[SendStreamResponse, Any])
    assert_type(instance.submit_input(line for line in "abc"), Upload[SendStreamResponse])
    assert_type(instance.submit_input("a").result(timeout=1).bytes_written, int)
    assert_type(instance.open_input(type="text/plain"), UploadWriter)
    assert_type(instance.inout(b"question"), OutputStream)


def ends(instance: InstanceClient) -> Union[str, None]:
    """Waiting, and errors."""
    assert_type(instance.run("input", timeout=5, check=True), CompletedInstance)
    assert_type(instance.attach(), Union[GetInstanceResponse, None])
    with instance.expect_event("pong", timeout=5) as expected:
        instance.send_event("ping", {"any": ["JSON", 1, None]})
    assert_type(expected.value, GetEventResponse)
    try:
        instance.stop(5000)
    except StopTimeoutError as error:
        assert_type(error.code, str)
        assert_type(error.status, Union[int, None])
        return error.message
    except InstanceEndedError as error:
        assert_type(error.info, Union[GetInstanceResponse, None])
        return None
    except InstanceFailedError as error:
        assert_type(error.completed, Union[CompletedInstance, None])
        assert_type(error.info, Union[GetInstanceResponse, None])
        return None if error.cause is None else error.cause.traceback
    except RunTimeoutError as error:
        assert_type(error.cause, Union[Cause, None])
        return None if error.info is None else error.info.status
    return instance.wait(timeout=5).status


def fleets(host: HostClient) -> None:
    """Answers by hub."""
    fleet = Fleet({"one": host})
    assert_type(fleet.get_version(), FleetAnswer[GetVersionResponse])
    assert_type(fleet.get_version().check()["one"], GetVersionResponse)
    assert_type(fleet.ask(lambda each: each.api_base), FleetAnswer[str])


def further(hub: LocalHub) -> None:
    """Public modules."""
    assert_type(resolve(), Settings)
    with FaultProxy(hub.url) as proxy:
        proxy.next(Cut(after=3))
        assert_type(proxy.url, str)


def mistakes(host: HostClient, instance: InstanceClient) -> None:
    """What checkers have to refuse."""
    instance.get_stream("outptu")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    instance.send_stream("output", b"")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    instance.send_input("x", parse_response="test")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    instance.send_input("x", type=b"text/plain")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    instance.wait_for("finished")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    instance.send_inputs("x")  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    print(instance.get_info().state)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType]
    host.list_instances(1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    HostClient(retries="two")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    instance.id = "other"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
