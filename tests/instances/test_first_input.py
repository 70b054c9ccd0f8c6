"""The first input and stdin of an instance arrive unchanged; what may not arrive so is said."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from scramjet_client import ChangedInputWarning, HostClient, InstanceClient, InstanceNotFoundError
from scramjet_client.http.tuning import Tuning
from scramjet_client.instances import first_input
from tests.support.spoiling_hub import NodeInstance, SpoilingHub
from tests.support.tuned import tuned

BYTES = bytes(range(256)) * 400
TEXT = "x" + "ąęż" * 30000
"""Of which each read of an even size cuts a character, if the first one began with it."""


@pytest.fixture
def hub() -> Iterator[SpoilingHub]:
    with SpoilingHub() as hub:
        yield hub
        hub.check()


@pytest.fixture
def host(hub: SpoilingHub) -> Iterator[HostClient]:
    # More time for the double's runner than a busy machine takes from it.
    with tuned(hub.url, tuning=Tuning(input_settle=1.0)) as host:
        yield host


@pytest.fixture
def patient(hub: SpoilingHub) -> Iterator[HostClient]:
    """A client that would wait for an hour, where it waits."""
    with tuned(hub.url, tuning=Tuning(input_settle=3600.0)) as host:
        yield host


def _output(node: NodeInstance, instance: InstanceClient) -> bytes:
    """Return all that the program got; its input has been ended."""
    with instance.get_stream("output") as output:
        return output.read()


def _ascii_first() -> Iterator[bytes]:
    yield b"plain\n"
    yield BYTES


SENDS = {
    "bytes": lambda i: i.send_input(BYTES, end=True),
    "bytearray": lambda i: i.send_input(bytearray(BYTES), end=True),
    "memoryview": lambda i: i.send_input(memoryview(BYTES), end=True),
    "list": lambda i: i.send_input([BYTES[:1000], BYTES[1000:]], end=True),
    "generator": lambda i: i.send_input(iter([BYTES]), end=True),
    "file": lambda i: i.send_input(io.BytesIO(BYTES), end=True),
    "path": lambda i: i.send_input(Path(__file__), end=True),
    "send_stream": lambda i: i.send_stream("input", BYTES, end=True),
    "submit": lambda i: i.submit_input(BYTES, end=True).result(30),
    "writer": lambda i: _written(i, BYTES),
    "parse_response": lambda i: i.send_input(BYTES, end=True, parse_response="text"),
    "streamed answer": lambda i: _answered(i, BYTES),
    "two sends": lambda i: (i.send_input(BYTES[:700]), i.send_input(BYTES[700:], end=True)),
    "ASCII, then bytes": lambda i: (i.send_input(b"x"), i.send_input(BYTES, end=True)),
    "ASCII in one body": lambda i: i.send_input(_ascii_first(), end=True),
    "text as bytes": lambda i: i.send_input(TEXT, end=True),
}
SENT = {
    "path": Path(__file__).read_bytes(),
    "ASCII, then bytes": b"x" + BYTES,
    "ASCII in one body": b"plain\n" + BYTES,
}
SENT["text as bytes"] = TEXT.encode()


def _twice(instance: InstanceClient, type: str) -> None:
    instance.send_input(TEXT, type=type)
    instance.send_input(TEXT, type=type)


def _answered(instance: InstanceClient, data: bytes) -> None:
    with instance.send_stream("input", data, end=True, parse_response="stream") as answer:
        answer.read()


def _written(instance: InstanceClient, data: bytes) -> None:
    with instance.open_input() as writer:
        writer.write(data)


@pytest.mark.parametrize("how", SENDS)
def test_first_input_arrives_whole(hub: SpoilingHub, host: HostClient, how: str):
    """Whatever is sent first, in whatever way, is not decoded with the header lines."""
    node = hub.add_node(busy=0.05)
    instance = host.get_instance_client(node.id)

    SENDS[how](instance)

    assert _output(node, instance) == SENT.get(how, BYTES)


@pytest.mark.parametrize("loading", [1, 3])
@pytest.mark.parametrize("computing", [0, 2])
def test_program_that_is_not_there_yet(
    hub: SpoilingHub, host: HostClient, loading: int, computing: int
):
    """A program that loads, or whose function has not returned, is waited for."""
    node = hub.add_node(loading=loading, computing=computing)
    instance = host.get_instance_client(node.id)

    instance.send_input(BYTES, end=True)

    assert _output(node, instance) == BYTES


@pytest.mark.parametrize("kind", ["application/octet-stream", "text/plain"])
def test_proxy_that_holds_requests_back(hub: SpoilingHub, host: HostClient, kind: str):
    """Where no yes comes before the whole body, an empty request brings the header lines to the runner."""
    hub.buffers = True
    node = hub.add_node(busy=0.05)
    instance = host.get_instance_client(node.id)
    data = BYTES if kind == "application/octet-stream" else "ąę" * 200 + "plain" * 20000

    instance.send_input(data, end=True, type=kind)

    assert _output(node, instance) == (data if isinstance(data, bytes) else data.encode())
    assert node.accepted == [("input", kind)] * 2


def test_function_that_returns_after_its_input(hub: SpoilingHub):
    """A function that returns when its input has ended is not waited for."""
    node = hub.add_node(computing=10**6)
    node.busy = -1.0

    with tuned(hub.url, tuning=Tuning(input_settle=1.0, input_return=0.2)) as host:
        upload = host.get_instance_client(node.id).submit_input(BYTES, end=False)

        assert upload.result(60).bytes_written == len(BYTES)


def test_duplex(hub: SpoilingHub, host: HostClient):
    """A character of the first body of `inout` is not cut by the runner's first read either."""
    node = hub.add_node(busy=0.05)
    instance = host.get_instance_client(node.id)
    data = TEXT.encode()

    with instance.inout(TEXT, end=False) as output:
        came = output.read(len(data))

    assert came == data


def _lines() -> Iterator[bytes]:
    for n in range(5000):
        yield b"%d\n" % n


LINES = b"".join(_lines())


def _split(instance: InstanceClient) -> None:
    instance.send_stdin(LINES[:700])
    instance.send_stdin(LINES[700:], end=True)


def _stdin_written(instance: InstanceClient) -> None:
    with instance.open_stdin() as writer:
        for line in _lines():
            writer.write(line)


STDIN_SENDS = {
    "one burst": lambda i: i.send_stdin(LINES, end=True),
    "generator": lambda i: i.send_stdin(_lines(), end=True),
    "two sends": _split,
    "writer": _stdin_written,
    "submit": lambda i: i.submit_stdin(LINES, end=True).result(30),
    "send_stream": lambda i: i.send_stream("stdin", LINES, end=True),
    "end only": lambda i: i.send_stdin(b"", end=True),
    "nothing written": lambda i: i.open_stdin().close(),
}
STDIN_SENT = {"end only": b"", "nothing written": b""}


@pytest.mark.parametrize("old", [False, True], ids=["1.x", "0.x"])
@pytest.mark.parametrize("how", STDIN_SENDS)
def test_first_stdin_arrives_in_order(hub: SpoilingHub, host: HostClient, how: str, old: bool):
    """What is sent before the program takes its stdin waits, with its end."""
    hub.old = old
    node = hub.add_node(loading=2, busy=0.05)
    instance = host.get_instance_client(node.id)

    STDIN_SENDS[how](instance)

    assert not node.lost_end
    with instance.get_stream("stdout") as output:
        assert output.read() == STDIN_SENT.get(how, LINES)


def test_only_the_first_stdin_waits(hub: SpoilingHub, host: HostClient):
    """A second send to stdin goes at once."""
    node = hub.add_node()
    instance = host.get_instance_client(node.id)
    instance.send_stdin("one\n")
    looks = node.looks

    instance.send_stdin("two\n")

    assert node.looks == looks


def test_stdin_of_a_python_program_is_not_held(hub: SpoilingHub, patient: HostClient):
    """A Python runner keeps the order: one look says what it is."""
    hub.old = True
    node = hub.add_node(config={"engines": {"python3": ">=3.9"}})

    patient.get_instance_client(node.id).send_stdin("text")

    assert (node.looks, node.heard) == (1, False)


def test_stdin_of_a_program_that_says_nothing(hub: SpoilingHub):
    """After a while stdin is sent all the same, with a warning."""
    node = hub.add_node(loading=10**6)

    with tuned(hub.url, tuning=Tuning(input_reading=0.3)) as host:
        with pytest.warns(ChangedInputWarning, match="wrong order"):
            host.get_instance_client(node.id).send_stdin("text")


def test_double_reverses_what_comes_early(
    hub: SpoilingHub, host: HostClient, monkeypatch: pytest.MonkeyPatch
):
    """Without the wait the double is as bad as the hub: the last read comes first, and the end is lost."""
    monkeypatch.setattr(first_input.FirstInput, "settle_stdin", lambda *_args: None)
    hub.old = True
    node = hub.add_node()
    instance = host.get_instance_client(node.id)

    instance.send_stdin("one\n")
    instance.send_stdin("two\n", end=True)
    node.take_stdin()

    assert node.lost_end
    assert node.pipes["stdout"].held() == b"two\none\n"


@pytest.mark.parametrize("data", [b"plain\n", BYTES.decode("latin-1")], ids=["ASCII", "text"])
def test_first_input_of_an_old_hub_arrives_once(hub: SpoilingHub, host: HostClient, data: object):
    """A 0.x hub's program gets nothing twice: its first input waits until the hub has heard from it."""
    hub.old = True
    node = hub.add_node(busy=0.05)
    instance = host.get_instance_client(node.id)

    instance.send_input(data, end=True)

    assert node.heard
    assert _output(node, instance) == (data if isinstance(data, bytes) else str(data).encode())


def test_double_spoils_what_comes_with_the_lines(
    hub: SpoilingHub, host: HostClient, monkeypatch: pytest.MonkeyPatch
):
    """Without the wait the double is as bad as the hub: bytes that are not UTF-8 become U+FFFD."""
    monkeypatch.setattr(first_input.FirstInput, "settle", lambda *_args, **_more: None)
    node = hub.add_node(loading=10**6)
    instance = host.get_instance_client(node.id)

    upload = instance.submit_input(BYTES[:50000])
    while node.waiting < 50000:
        node.looks = 0
    node.looks = 10**7
    upload.result(30)
    instance.send_input(b"", end=True)

    assert _output(node, instance) == BYTES[:50000].decode("utf-8", "replace").encode()


@pytest.mark.parametrize(
    "config",
    [{"language": "py"}, {"engines": {"python3": ">=3.9"}}],
    ids=["language", "engines"],
)
def test_python_programs_are_not_waited_for(
    hub: SpoilingHub, patient: HostClient, config: dict[str, object]
):
    """A Python runner reads the lines by themselves: one look says so, and nothing else is awaited."""
    node = hub.add_node(config=config)
    instance = patient.get_instance_client(node.id)

    instance.send_input(BYTES)

    assert node.looks == 1


def test_ascii_is_not_waited_for(hub: SpoilingHub, patient: HostClient):
    """ASCII can't be spoiled, so the program is not even looked at."""
    node = hub.add_node()
    instance = patient.get_instance_client(node.id)

    instance.send_input("plain text\n" * 1000, type="text/plain")
    instance.send_input([{"name": "Zoë"}], json=True)

    assert node.looks == 0


def test_behind_a_lot_of_ascii_nothing_is_waited_for(hub: SpoilingHub, patient: HostClient):
    """Bytes that can't come in the same read as the header lines are sent at once, and arrive unchanged."""
    node = hub.add_node()
    instance = patient.get_instance_client(node.id)
    long = b"ascii " * 200_000

    instance.send_input(iter([long, BYTES]), end=True)

    assert _output(node, instance) == long + BYTES


def test_only_the_first_input_waits(hub: SpoilingHub, host: HostClient):
    """A second input is sent at once."""
    node = hub.add_node()
    instance = host.get_instance_client(node.id)
    instance.send_input(BYTES)
    looks = node.looks

    instance.send_input(BYTES)

    assert node.looks == looks


def test_refusal_while_it_waits(hub: SpoilingHub, host: HostClient):
    """An instance that is gone is said to be, though nothing but bytes that wait were to be sent."""
    with pytest.raises(InstanceNotFoundError):
        host.get_instance_client("nowhere").send_input(BYTES)


@pytest.mark.parametrize("old", [False, True], ids=["input", "stdin"])
def test_cancel_while_it_waits(hub: SpoilingHub, patient: HostClient, old: bool):
    """An input, and the stdin of an old hub, that wait for their program can be cancelled."""
    hub.old = old
    instance = patient.get_instance_client(hub.add_node().id)
    upload = instance.submit_stdin(LINES) if old else instance.submit_input(BYTES)
    assert upload.accepted(30)

    upload.cancel()

    assert upload.writer.join(30)
    assert upload.bytes_sent == 0


def test_program_that_never_says_that_it_reads(hub: SpoilingHub):
    """After a while the input is sent all the same, with a warning."""
    node = hub.add_node(loading=10**6)

    with tuned(hub.url, tuning=Tuning(input_settle=0.1, input_reading=0.3)) as host:
        with pytest.warns(ChangedInputWarning, match="does not show that the program reads"):
            host.get_instance_client(node.id).send_input(BYTES)


@pytest.mark.parametrize("type", ["text/plain", "application/x-ndjson", "text/x-ndjson"])
def test_text_that_may_be_split_is_said(hub: SpoilingHub, host: HostClient, type: str):
    """Node.js runners decode text read by read; more than a packet of it is warned of, once."""
    node = hub.add_node()
    instance = host.get_instance_client(node.id)

    with pytest.warns(ChangedInputWarning, match="split between two reads") as caught:
        _twice(instance, type)

    assert len([each for each in caught if each.category is ChangedInputWarning]) == 1


@pytest.mark.parametrize(
    ("data", "options"),
    [
        (TEXT, {}),
        ("plain " * 3000, {"type": "text/plain"}),
        ("zażółć\n", {"type": "text/plain"}),
        (["zażółć\n", "plain " * 3000], {"type": "text/plain"}),
        ([{"text": TEXT}], {"type": "application/x-ndjson", "json": True}),
    ],
    ids=["without a type", "ASCII", "short", "ASCII behind it", "values"],
)
def test_what_is_safe_is_not_warned_of(
    hub: SpoilingHub, host: HostClient, data: object, options: dict[str, object]
):
    """Nothing is said where nothing can be split."""
    node = hub.add_node()

    with warnings.catch_warnings():
        warnings.simplefilter("error", ChangedInputWarning)
        host.get_instance_client(node.id).send_input(data, **options)


def test_values_are_sent_in_ascii(hub: SpoilingHub, host: HostClient):
    """JSON lines have escapes, so that no runner can split a character, and give the same values."""
    value = {"text": TEXT}
    node = hub.add_node()
    instance = host.get_instance_client(node.id)

    instance.send_input([value], json=True, type="application/x-ndjson", end=True)

    line = _output(node, instance)
    assert line.isascii()
    assert json.loads(line) == value


def test_large_event_to_a_node_program_is_said(hub: SpoilingHub, host: HostClient):
    """An event's message goes the same way, so a long one that is not ASCII is warned of."""
    instance = host.get_instance_client(hub.add_node().id)

    with pytest.warns(ChangedInputWarning, match="event 'e'"):
        instance.send_event("e", TEXT)


@pytest.mark.parametrize("message", ["x" * 10000, "zażółć"], ids=["ASCII", "short"])
def test_other_events_are_not(hub: SpoilingHub, host: HostClient, message: str):
    """A short message is read at once, and ASCII has no characters to be split."""
    node = hub.add_node()

    host.get_instance_client(node.id).send_event("e", message)

    assert node.looks == 0
