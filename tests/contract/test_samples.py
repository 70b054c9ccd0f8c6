"""Sequences of every shape that hubs run in Python, unchanged on each hub."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from typing import Any

import attrs
import pytest

from scramjet_client import HostClient, InstanceClient, StopTimeoutError
from tests.contract.conftest import SEQUENCES, Hub, Start, ended
from tests.support.real_hub import RealHub
from tests.support.waiting import LIMIT, eventually

SAMPLES = SEQUENCES / "samples"
Play = Callable[[HostClient, InstanceClient], object]


@attrs.frozen(kw_only=True)
class Sample:
    """What a sample is started with, what it is sent, and what comes of it.

    Attributes:
        args: Arguments of the start.
        config: Configuration of the start.
        sent: The pieces that are sent to "input" or "stdin"; the last one ends it.
        type: Content type of the input.
        gives: All that comes from each stream, until its end.
        lives: The instance does not end by itself, so what is in `gives` is where reading ends.
        play: What else happens, once the streams are open and before they are read.
        on_0: What comes instead, or besides, on a 0.x hub, and why.
        gives_on_0: `gives` on a 0.x hub, if it differs.
        play_on_0: `play` on a 0.x hub, if it differs.
        ends_on_0: It ends at once on 0.x, with nothing left to read: by "error", or "well".
        alone_on_0: On 0.x it has a hub for itself, for the reason in `on_0`.
    """

    args: Iterable[Any] = ()
    config: Mapping[str, Any] = attrs.field(factory=dict)
    sent: Mapping[str, list[bytes]] = attrs.field(factory=dict)
    type: str = "text/plain"
    gives: Mapping[str, bytes] = attrs.field(factory=dict)
    lives: bool = False
    play: Play = lambda host, instance: None
    on_0: str = "the same"
    gives_on_0: Mapping[str, bytes] | None = None
    play_on_0: Play | None = None
    ends_on_0: str = ""
    alone_on_0: bool = False


def say(host: HostClient, instance: InstanceClient) -> None:
    """Have three lines written, by events that come while the output is read."""
    instance.get_event("listening", timeout=LIMIT)
    for message in ("one", "two ą", "three"):
        instance.send_event("say", message)
    instance.send_event("end")


def publish(host: HostClient, instance: InstanceClient) -> None:
    """Send text to the topic that the sample consumes."""
    host.client.send_stream("topic/sample-news", "rain, wind\n", type="text/plain", end=False)


def subscribe(topic: str, type: str, expected: bytes) -> Play:
    """Return a play that sends input and finds `expected` in a topic."""

    def play(host: HostClient, instance: InstanceClient) -> None:
        with host.client.get_stream(
            f"topic/{topic}", headers={"Content-Type": type}, idle_timeout=LIMIT
        ) as stream:
            instance.send_input("one\ntwo ą\n", type="text/plain", end=True)
            assert stream.read(len(expected)) == expected

    return play


def log_version(host: HostClient, instance: InstanceClient) -> None:
    """Find the version of the vendored library in the log, as its metadata says it."""
    with instance.get_log_stream(idle_timeout=LIMIT) as log:
        assert any(each["msg"] == "numerals 1.4.0" for each in log.records())


def break_it(host: HostClient, instance: InstanceClient) -> None:
    """See the health check's answer, and how it changes."""
    instance.get_event("listening", timeout=LIMIT)
    # The first message may be of the time before the sample ran.
    eventually(lambda: instance.get_health().raw.get("faults") == 0)
    assert instance.get_health().status == "healthy"

    instance.send_event("break", "no more oil")

    eventually(lambda: instance.get_health().status == "unhealthy")
    health = instance.get_health()
    assert health.message == "no more oil"
    assert health.raw["faults"] == 1
    assert health.extra["processId"] > 0


def stop_in_vain(host: HostClient, instance: InstanceClient) -> None:
    """Stop it, and see that it lives on: it asks for time, or (0.x) its stop handler cannot run."""
    instance.get_event("listening", timeout=LIMIT)
    with pytest.raises(StopTimeoutError):
        instance.stop(500, can_call_keepalive=True)
    assert not ended(instance)


def stop_and_finish(host: HostClient, instance: InstanceClient) -> None:
    """Stop it in less time than it takes, and tell it to finish when that time is over."""
    stop_in_vain(host, instance)
    instance.send_event("finish")


def add(host: HostClient, instance: InstanceClient) -> None:
    """Send events, and receive those that answer them."""
    assert instance.get_event("listening", timeout=LIMIT).data == "yes"
    with instance.get_event_stream("total", idle_timeout=LIMIT) as totals:
        for name, message in (("add", "2"), ("add", "0.5"), ("reset", ""), ("add", "7")):
            instance.send_event(name, message)
        data = [next(totals).data for _ in range(4)]
    assert data == [
        {"sum": 2.0, "of": 1},
        {"sum": 2.5, "of": 2},
        {"sum": 0, "of": 0},
        {"sum": 7.0, "of": 1},
    ]


def read_complaints(host: HostClient, instance: InstanceClient) -> None:
    """Find the sample's own records in the log."""
    with instance.get_log_stream(idle_timeout=LIMIT) as log:
        instance.send_input(["junk\n", "trash\n"], type="text/plain", end=True)
        wanted = [("DEBUG", "looked at junk"), ("WARN", "cannot use junk")]
        wanted += [("DEBUG", "looked at trash"), ("WARN", "cannot use trash")]
        found: list[tuple[str, str]] = []
        for record in log.records():
            if (record["level"], record["msg"]) in wanted:
                found.append((record["level"], record["msg"]))
            if len(found) == len(wanted):
                break
    assert found == wanted


TABLE = {
    "generator-out": Sample(
        args=[4],
        gives={"output": b"line 1\nline 2\nline 3\nline 4\n"},
    ),
    "generator-transform": Sample(
        sent={"input": [b"one, ", "two ą\n".encode(), b"three\n"]},
        gives={"output": "ONE, TWO Ą\nTHREE\n".encode()},
    ),
    "map-filter": Sample(
        sent={"input": [b"# names\nEve\nAd", b"am\n#", b" end\nAbel\n"]},
        gives={"output": b"1: Eve\n2: Adam\n3: Abel\n"},
    ),
    "stream-pipeline": Sample(
        sent={"input": [b"1\n2\n", b"1", b"0\n5\n20\n", b"7\n"]},
        gives={"output": b"sum 13\nsize 3\nsum 25\nsize 2\nsum 7\nsize 1\n"},
    ),
    "coroutine-stream": Sample(
        sent={"input": [b"to be or not ", b"to be, to be is to do\n"]},
        gives={"output": b"to 4\nbe 2\nor 1\n"},
    ),
    "written-later": Sample(
        play=say,
        gives={"output": "one\ntwo ą\nthree\n".encode()},
    ),
    "topic-consumer": Sample(
        play=publish,
        gives={"output": b"RAIN, WIND\n"},
        lives=True,  # a topic has no end
    ),
    "topic-producer": Sample(
        play=subscribe(
            "sample-lengths",
            "application/x-ndjson",
            b'{"line": "one", "length": 3}\n{"line": "two \\u0105", "length": 5}\n',
        ),
        gives={"output": b'{"line": "one", "length": 3}\n{"line": "two \\u0105", "length": 5}\n'},
        on_0="a topic ends with its provider, and a second provider of it would crash the hub",
        alone_on_0=True,
    ),
    "topic-of-stream": Sample(
        args=["sample-mirror"],
        play=subscribe("sample-mirror", "text/plain", "eno\ną owt\n".encode()),
        gives={"output": "eno\ną owt\n".encode()},
        on_0="the hub knows topics of a module alone, so this one stays empty",
        play_on_0=lambda host, instance: instance.send_input(
            "one\ntwo ą\n", type="text/plain", end=True
        ),
    ),
    "vendored": Sample(
        sent={"input": [b"4\n1999\n", b"2026\n"]},
        play=log_version,
        gives={"output": b"IV\nMCMXCIX\nMMXXVI\n"},
        on_0="__pypackages__ is not on the module path, so that loading ends by a ModuleNotFoundError",
        ends_on_0="error",
    ),
    "helper-module": Sample(
        sent={"input": [b"level\nbevel\nra", b"dar\n"]},
        gives={"output": b"= level\n! bevel\n= radar\n"},
    ),
    "main-in-subfolder": Sample(
        args=["pl"],
        sent={"input": ["Ala\nŁuka".encode(), b"sz\n"]},
        gives={"output": "Cześć, Ala!\nCześć, Łukasz!\n".encode()},
    ),
    "health-check": Sample(play=break_it, lives=True),
    "keep-alive": Sample(
        play=stop_and_finish,
        gives={"output": b"asked to stop, can keep alive: True\nfinished\n"},
        on_0="it calls stop handlers without arguments, and has no keep_alive; so nothing stops it",
        gives_on_0={},
        play_on_0=stop_in_vain,
    ),
    "ndjson-out": Sample(
        sent={"input": [b"list\nobject\nstring\n", b"number\nfalse\n"]},
        gives={
            "output": b'[1, [2, 3], {}]\n{"text": "a\\nb", "\\u0105": null}\n"\\u0105"\n1.5\nfalse\n'
        },
    ),
    "binary-out": Sample(
        type="application/octet-stream",
        sent={"input": [b"\x00\x01\x02", b"ABC\x7f"]},
        gives={"output": b"\xff\xfe\xfd\xbe\xbd\xbc\x80"},
        on_0="the hub takes all bytes for UTF-8, and puts U+FFFD for each that is not",
        gives_on_0={"output": 7 * b"\xef\xbf\xbd"},
    ),
    "text-out": Sample(
        sent={"input": ["aą€".encode(), "😀".encode()]},
        gives={"output": "U+0061 a\nU+0105 ą\nU+20AC €\nU+1F600 😀\n".encode()},
    ),
    "args-and-config": Sample(
        args=["a", 1.5, None, {"b": ["c"]}],
        config={"format": {"prefix": "> "}, "on": True},
        sent={"input": [b"text"]},
        gives={
            "output": b'{"first": "a", "others": [1.5, null, {"b": ["c"]}],'
            b' "config": {"format": {"prefix": "> "}, "on": true}}\n> text'
        },
    ),
    "stdin-to-stdout": Sample(
        sent={"stdin": [b"one\nt", "wo ą\n".encode()]},
        gives={"stdout": "[one]\n[two ą]\n".encode(), "output": b""},
    ),
    "events": Sample(play=add, lives=True),
    "stderr-and-logger": Sample(
        play=read_complaints,
        gives={"stderr": b"cannot use 'junk'\ncannot use 'trash'\n", "output": b""},
    ),
    "sync-none": Sample(
        args=[1, 2, 39],
        gives={"stdout": b"the sum is 42\n", "output": b""},
        on_0="it runs, but what it printed is gone with it before anybody can ask for it",
        ends_on_0="well",
    ),
}


def test_every_sample_is_in_the_table():
    """No folder of samples is left out of the tests below, and there are twenty at least."""
    folders = {each.name for each in SAMPLES.iterdir() if each.is_dir()}

    assert folders == set(TABLE)
    assert len(folders) >= 20


@pytest.mark.parametrize("name", TABLE)
def test_sample(name: str, hub: Hub, host: HostClient, start: Start):
    """A sample does what the table says, on 1.x and, with the differences in the table, on 0.x."""
    sample = TABLE[name]
    if hub.modern:
        instance = start(f"samples/{name}", *sample.args, app_config=sample.config)
        came = run(host, instance, sample, sample.gives, sample.play)
        assert came == sample.gives
        return
    if sample.ends_on_0:
        assert end_on_0(name, sample) == sample.ends_on_0
        return
    gives = sample.gives if sample.gives_on_0 is None else sample.gives_on_0
    play = sample.play_on_0 or sample.play
    with ExitStack() as stack:
        if sample.alone_on_0:
            host = stack.enter_context(HostClient(stack.enter_context(RealHub()).url))
            instance = start_on(host, name, sample)
        else:
            instance = start(f"samples/{name}", *sample.args, app_config=sample.config)
        assert run(host, instance, sample, gives, play) == gives


def start_on(host: HostClient, name: str, sample: Sample) -> InstanceClient:
    """Start a sample on a hub that the `start` fixture does not serve."""
    sequence = host.send_sequence(SAMPLES / name)
    return sequence.start(args=list(sample.args), app_config=sample.config, timeout=LIMIT)


def run(
    host: HostClient,
    instance: InstanceClient,
    sample: Sample,
    gives: Mapping[str, bytes],
    play: Play,
) -> dict[str, bytes]:
    """Send what is to be sent, play, and return what came from the streams that `gives` names."""
    with ExitStack() as stack:
        streams = {
            stream_id: stack.enter_context(instance.get_stream(stream_id, idle_timeout=LIMIT))
            for stream_id in gives
        }
        for where, pieces in sample.sent.items():
            options = {"type": sample.type} if where == "input" else {}
            for number, piece in enumerate(pieces, 1):
                instance.send_stream(where, piece, end=number == len(pieces), **options)
        play(host, instance)
        return {
            stream_id: stream.read(len(gives[stream_id])) if sample.lives else stream.read()
            for stream_id, stream in streams.items()
        }


def end_on_0(name: str, sample: Sample) -> str:
    """Start a sample on a 0.x hub of its own, which alone knows how the instance ends."""
    with RealHub() as hub, HostClient(hub.url) as host:
        instance = start_on(host, name, sample)
        eventually(lambda: ended(instance))
        return "error" if "Sequence finished with error" in hub.log() else "well"
