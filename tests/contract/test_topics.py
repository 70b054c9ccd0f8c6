"""Topics: made, listed, deleted; written from here, read here, and joined to instances."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from scramjet_client import (
    BadParametersError,
    HostClient,
    HubResponseError,
    InstanceClient,
    TopicNotFoundError,
    UnsupportedByHubError,
)
from tests.contract.conftest import Hub, ended
from tests.support.waiting import LIMIT, eventually

NDJSON = "application/x-ndjson"
TEXT = "text/plain"
BINARY = "application/octet-stream"

MEGABYTE = 1_000_000

RELAY = '''"""From one topic to another, byte for byte."""

import asyncio

from scramjet.streams import Stream

output_type = "application/octet-stream"  # read by hub 0.x
requires = {"requires": "FROM", "contentType": "application/octet-stream"}
provides = {"provides": "TO", "contentType": "application/octet-stream"}


class SteadyStream(Stream):
    """A stream that waits for its reader, where the runners' own would pile up data in memory."""

    async def write_to(self, target):
        on_hub_0 = hasattr(target, "write_eof")  # an asyncio.StreamWriter; 1.x has channels
        flush = getattr(target, "drain" if on_hub_0 else "sync", None)
        async for chunk in self:
            target.write(chunk)
            if flush:
                await flush()
        return target


async def relay(input):
    async for chunk in input:
        yield chunk.encode() if isinstance(chunk, str) else chunk


def run(context, input):
    return SteadyStream.read_from(relay(input), max_parallel=4)
'''


@pytest.fixture
def topic() -> str:
    """The name of a topic that no other test uses."""
    return f"t-{uuid.uuid4()}"


def test_topics_are_made_listed_and_deleted(host: HostClient, hub: Hub, topic: str):
    """A topic is listed with its type until it is deleted; 0.x, which can't, says so."""
    if not hub.modern:
        for call in (
            lambda: host.create_topic(topic, TEXT),
            lambda: host.delete_topic(topic),
            host.get_topics,
        ):
            with pytest.raises(UnsupportedByHubError, match=r"0\.18\.7"):
                call()
        return

    made = host.create_topic(topic, TEXT)
    listed = {each.name: each for each in host.get_topics()}
    with pytest.raises(BadParametersError, match="already exist"):
        host.create_topic(topic, TEXT)
    deleted = host.delete_topic(topic)

    assert (made.name, made.content_type, made.state) == (topic, TEXT, "flowing")
    assert (listed[topic].content_type, listed[topic].local_provider) == (TEXT, None)
    assert topic in deleted.message
    assert topic not in {each.name for each in host.get_topics()}
    with pytest.raises(TopicNotFoundError) as caught:
        host.delete_topic(topic)
    assert caught.value.code == "TOPIC_NOT_FOUND"


def test_what_is_sent_is_read(host: HostClient, topic: str):
    """A generator's items reach a reader of the topic, in order, over several sends."""
    with host.get_topic(topic, TEXT, idle_timeout=20) as reader:
        first = host.send_topic(topic, (f"{n}\n" for n in range(3)), content_type=TEXT)
        host.send_topic(topic, "ą\n", content_type=TEXT)
        lines = [reader.readline() for _ in range(4)]

    assert first.bytes_written == 6
    assert lines == [b"0\n", b"1\n", b"2\n", "ą\n".encode()]


def test_values_as_json_lines(host: HostClient, topic: str):
    """`json=True` sends one document a line, in the type that is a topic's default."""
    values = [{"a": 1}, [2], "ą"]
    host.send_topic(topic, values, json=True)

    with host.get_topic(topic, idle_timeout=20) as reader:
        records = reader.records()
        assert [next(records) for _ in values] == values


def test_named_data_is_the_same(host: HostClient, topic: str):
    """The names of the older interface do the same."""
    host.send_named_data(topic, "x\n", None, TEXT)

    with host.get_named_data(topic, TEXT, idle_timeout=20) as reader:
        assert reader.readline() == b"x\n"


def test_topic_as_a_file(host: HostClient, topic: str):
    """What is printed into an open topic is read while it is open, and the topic outlives it."""
    with host.get_topic(topic, TEXT, idle_timeout=20) as reader:
        with host.open_topic(topic, content_type=TEXT) as writer:
            print("one", file=writer)
            assert reader.readline() == b"one\n"
        host.send_topic(topic, "two\n", content_type=TEXT)
        assert reader.readline() == b"two\n"


def test_senders_take_turns(host: HostClient, hub: Hub, topic: str):
    """A 1.x hub takes a second body when the first has ended; 0.x takes both at once."""
    with host.get_topic(topic, TEXT, idle_timeout=20) as reader:
        with host.open_topic(topic, content_type=TEXT) as writer:
            writer.write("first\n")
            assert reader.readline() == b"first\n"
            second = host.submit_topic(topic, "second\n", content_type=TEXT)
            if not hub.modern:
                second.result(timeout=LIMIT)
            writer.write("third\n")
            lines = [reader.readline() for _ in range(1 if hub.modern else 2)]
            assert second.done() is not hub.modern
        assert second.result(timeout=LIMIT).bytes_written == 7
        if hub.modern:
            lines.append(reader.readline())

    assert lines == ([b"third\n", b"second\n"] if hub.modern else [b"second\n", b"third\n"])


def test_another_type_than_the_topics(host: HostClient, hub: Hub, topic: str):
    """A 1.x hub refuses what has another type, both ways, and the error names it; 0.x does not look."""
    host.send_topic(topic, "x\n", content_type=TEXT)
    if not hub.modern:
        host.send_topic(topic, "x\n", content_type=BINARY)
        host.get_topic(topic, BINARY).close()
        return

    with pytest.raises(HubResponseError, match=f"{topic}.*octet-stream") as sending:
        host.send_topic(topic, iter(lambda: "x\n", None), content_type=BINARY)
    with pytest.raises(HubResponseError, match=f"{topic}.*x-ndjson") as reading:
        host.get_topic(topic)

    assert (sending.value.status, reading.value.status) == (500, 415)


def test_bytes_that_would_be_changed(host: HostClient, hub: Hub, topic: str):
    """1.x carries any bytes through a topic; for 0.x, which would change them, they are refused."""
    if not hub.modern:
        with pytest.raises(UnsupportedByHubError, match="offset 1"):
            host.send_topic(topic, b"a\xff", content_type=BINARY)
        return

    host.send_topic(topic, b"\xff\x00", content_type=BINARY)
    with host.get_topic(topic, BINARY, idle_timeout=20) as reader:
        assert reader.read(2) == b"\xff\x00"


def test_topic_is_ended_only_where_a_hub_can(host: HostClient, hub: Hub, topic: str):
    """`end=True` ends a topic of 0.x for its readers; one of 1.x goes on."""
    with host.get_topic(topic, TEXT, idle_timeout=20) as reader:
        host.send_topic(topic, "x\n", content_type=TEXT, end=True)
        if not hub.modern:
            assert reader.read() == b"x\n"
            return
        host.send_topic(topic, "y\n", content_type=TEXT)
        assert [reader.readline(), reader.readline()] == [b"x\n", b"y\n"]


def test_generator_that_raises(host: HostClient, topic: str):
    """A source that fails is named, and the topic goes on."""

    def source() -> Iterator[str]:
        yield "x\n"
        raise KeyError("lost")

    with pytest.raises(Exception, match="lost") as caught:
        host.send_topic(topic, source(), content_type=TEXT)

    assert isinstance(caught.value.__cause__, KeyError)
    eventually(lambda: _sent_again(host, topic))


def _sent_again(host: HostClient, topic: str) -> bool:
    return host.send_topic(topic, "y\n", content_type=TEXT).bytes_written == 2


def relay(host: HostClient, folder: Path, source: str, target: str) -> InstanceClient:
    """Start a sequence that passes on what comes from one topic to another."""
    package = {"name": "relay", "version": "1.0.0", "main": "main.py", "engines": {"python3": "3"}}
    folder.joinpath("package.json").write_text(json.dumps(package))
    folder.joinpath("main.py").write_text(RELAY.replace("FROM", source).replace("TO", target))
    return host.send_sequence(folder).start(timeout=LIMIT)


def data(size: int, digest: hashlib._Hash) -> Iterator[bytes]:
    """Yield numbered lines of text, which every hub can carry, and take them into a digest."""
    block = 6400
    for start in range(0, size // 100, block):
        piece = b"".join(b"%099d\n" % n for n in range(start, min(start + block, size // 100)))
        digest.update(piece)
        yield piece


def test_hundred_megabytes_through_topics_and_an_instance(
    host: HostClient, topic: str, tmp_path: Path
):
    """100 MB from a generator here reach an instance by a topic, and come back by another, byte for byte."""
    size = 100 * MEGABYTE
    there, back = f"{topic}-there", f"{topic}-back"
    instance = relay(host, tmp_path, there, back)
    sent, received, count = hashlib.sha256(), hashlib.sha256(), 0
    upload = host.submit_topic(there, data(size, sent), content_type=BINARY)

    with host.get_topic(back, BINARY, idle_timeout=60) as reader:
        for chunk in reader.chunks():
            received.update(chunk)
            count += len(chunk)
            if count >= size:
                break

    assert upload.result(timeout=LIMIT).bytes_written == size
    assert (count, received.hexdigest()) == (size, sent.hexdigest())
    instance.kill(remove_immediately=True)
    eventually(lambda: ended(instance))


def test_topics_named_at_the_start(host: HostClient, hub: Hub, topic: str, tmp_path: Path):
    """`input_topic` and `output_topic` go before the names in the program (1.x)."""
    if not hub.modern:
        return
    relay(host, tmp_path, f"{topic}-a", f"{topic}-b").kill(remove_immediately=True)
    sequence = host.send_sequence(tmp_path)
    instance = sequence.start(input_topic=f"{topic}-c", output_topic=f"{topic}-d")

    host.send_topic(f"{topic}-c", b"hello\n", content_type=BINARY)
    with host.get_topic(f"{topic}-d", BINARY, idle_timeout=20) as reader:
        assert reader.readline() == b"hello\n"
    providers = {each.name: each.local_provider for each in host.get_topics()}
    assert providers[f"{topic}-d"] is None  # 1.0.1 does not name Python instances
    instance.kill(remove_immediately=True)
    eventually(lambda: ended(instance))
