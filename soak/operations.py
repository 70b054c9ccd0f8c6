"""The operations of the soak: what is done through the proxy, and what must be true of it afterwards."""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from scramjet_client import (
    InstanceClient,
    Multiplexer,
    OutputStream,
    RunTimeoutError,
    ScramjetError,
    UploadWriter,
)
from soak.accounts import Received, Wrong
from soak.program.content import content, pieces
from soak.trial import Operation, Trial
from soak.world import PATIENCE, packed
from tests.support.waiting import eventually

_ANSWERED = ("connect", "request", "answer", "body", "end")
_SENT = ("connect", "request", "upload", "answer")


def call(trial: Trial) -> None:
    """JSON calls, whose answers are known."""
    host, hub = trial.client, trial.world.hub
    with trial.attempt():
        version = host.get_version().version
        sequences = [each.id for each in host.list_sequences()]
        if hub.sequence not in sequences:
            raise Wrong(f"the list of sequences lacks one: {sequences}")
        if trial.chosen.kind == "idle":
            eventually(lambda: not trial.world.proxy.open_connections, PATIENCE)
        if host.get_version().version != version:
            raise Wrong("the version has changed")
    if trial.chosen.kind in ("delay", "drip", "idle", "503") and not trial.ok:
        raise Wrong(f"a GET was not tried again after {trial.chosen.name}")


def post(trial: Trial) -> None:
    """An event to a program, which counts it: once if it was taken, and never twice."""
    with trial.started("talker") as instance:
        with trial.attempt():
            instance.send_event("count", trial.id)
        direct = trial.world.direct.get_instance_client(instance.id)
        with direct.expect_event("counted", PATIENCE) as expected:
            direct.send_event("report", trial.id)
        counted = json.loads(expected.value.data)["counted"]
        if counted not in ([trial.id], *([[]] if not trial.ok else [])):
            raise Wrong(
                f"an event that was {'' if trial.ok else 'not '}taken was seen as {counted}"
            )


def output(trial: Trial) -> None:
    """An output, read in one of the ways to read it."""
    data = trial.content()
    received = trial.received(data, "the output")
    with trial.started(*_source(trial)) as instance, trial.attempt(), trial.killing(instance):
        with instance.get_stream("output") as stream:
            _read(trial, stream, received)
        if not trial.killed:
            received.whole()
    trial.ledger.moved(received=received.size)


def _source(trial: Trial, seed: int | None = None) -> tuple[object, ...]:
    """Return the arguments of a program that writes the content; on H0 it has to outlive its reader."""
    linger = 0 if trial.world.hub.modern else PATIENCE
    seed = trial.seed if seed is None else seed
    return ("source", trial.world.hub.sabotage, linger, seed, trial.size, trial.text)


def _read(trial: Trial, stream: OutputStream, received: Received) -> None:
    way = trial.rng.choice(["chunks", "lines", "loop", "read", "pipe_to"])
    if way == "chunks":
        for piece in stream.chunks():
            received.add(piece)
    elif way == "lines":
        ends = itertools.chain([b""], itertools.repeat(b"\n"))
        bare = trial.text  # a line of bytes may end with b"\r", which `lines` takes away
        for line in stream.lines() if bare else stream:
            received.add((next(ends) if bare else b"") + line)
        if bare and received.missing == 1:
            received.add(b"\n")
    elif way == "loop":
        for line in stream:
            received.add(line)
    elif way == "read":
        while piece := stream.read(trial.rng.randrange(1, 100_000)):
            received.add(piece)
    else:
        stream.pipe_to(received.add)


def log(trial: Trial) -> None:
    """The log: each line once, in its order."""
    count = trial.rng.randrange(1, 200)
    expected = [f"soak {trial.id} {n} {'x' * (n * 7 % 100)}." for n in range(count)]
    with trial.started("talker") as instance, trial.attempt():
        with instance.get_log_stream() as stream:
            direct = trial.world.direct.get_instance_client(instance.id)
            direct.send_event("log", json.dumps({"id": trial.id, "count": count}))
            records = (str(each.get("msg")) for each in stream.records())
            own = (each for each in records if f"soak {trial.id} " in each)
            for n, line in enumerate(expected):
                seen = next(own, None)
                if seen is None or line not in seen:
                    raise Wrong(f"line {n} of {count} of the log is {seen!r} instead of {line!r}")
                trial.ledger.moved(received=len(line))


def events(trial: Trial) -> None:
    """Events: each once, in its order."""
    count = trial.rng.randrange(1, 100)
    with trial.started("talker") as instance, trial.attempt():
        with instance.get_event_stream("tick") as stream:
            order = {"name": "tick", "id": trial.id, "count": count}
            direct = trial.world.direct.get_instance_client(instance.id)
            direct.send_event("emit", json.dumps(order))
            for n in range(count):
                event = next(stream, None)
                seen = None if event is None else event.data
                if not isinstance(seen, str) or json.loads(seen) != {
                    "id": trial.id,
                    "n": n,
                    "text": "ü" * (n % 50),
                }:
                    raise Wrong(f"event {n} of {count} is {seen!r}")
                trial.ledger.moved(received=len(seen))


def send(trial: Trial) -> None:
    """A send, and what the program has got of it."""
    _upload(trial, lambda instance, source: instance.send_input(source, trial.init))


def submit(trial: Trial) -> None:
    """The same on a thread of its own."""

    def run(instance: InstanceClient, source: Iterator[bytes]) -> None:
        instance.submit_input(source, trial.init).result(2 * PATIENCE)

    _upload(trial, run)


def writer(trial: Trial) -> None:
    """The same by a file."""

    def run(instance: InstanceClient, source: Iterator[bytes]) -> None:
        with instance.open_input() as file:
            _write(file, source)

    _upload(trial, run)


def _write(file: UploadWriter, source: Iterator[bytes]) -> None:
    for piece in source:
        file.write(piece)
    file.detach()


def _upload(trial: Trial, run: Callable[[InstanceClient, Iterator[bytes]], object]) -> None:
    data = trial.content()
    received = trial.received(data, "the input")
    echo = trial.world.echo()
    with trial.attempt(), trial.killing(echo.instance):
        run(trial.client.get_instance_client(echo.instance.id), pieces(data, trial.seed))
    if trial.ok and not trial.killed:
        echo.take(received)
    else:
        trial.world.retire_echo(received, killed=trial.killed)
    trial.ledger.moved(sent=received.size)


def inout(trial: Trial) -> None:
    """Both directions at once."""
    data = trial.content(text=True)
    received = Received(data, "inout", cut_text=True)
    end = trial.rng.random() < 0.5
    with trial.started("echo", trial.world.hub.sabotage) as instance, trial.attempt():
        source = pieces(data, trial.seed)
        with instance.inout(source, trial.init, {"end": end}) as stream:
            while received.missing:
                piece = stream.read1(received.missing)
                received.add(piece)
                if not piece:
                    break
            received.whole()
            if end and stream.read():
                raise Wrong("inout goes on after all that was sent")
    trial.ledger.moved(sent=received.size, received=received.size)


def multiplex(trial: Trial) -> None:
    """Three outputs read by one thread; what happens to one does not touch the others."""
    seeds = [trial.seed + n for n in range(3)]
    with contextlib.ExitStack() as stack:
        instances = [stack.enter_context(trial.started(*_source(trial, seed))) for seed in seeds]
        accounts: dict[OutputStream, Received] = {}
        ends: dict[OutputStream, ScramjetError | None] = {}
        with trial.attempt():
            for instance, seed in zip(instances, seeds):
                stream = stack.enter_context(instance.get_stream("output"))
                data = content(seed, trial.size, text=trial.text)
                lines = b"".join(line + b"\n" for line in _bare_lines(data))
                accounts[stream] = trial.received(lines, f"stream {len(accounts)}")
            for stream, lines_of in Multiplexer(accounts, limit=1 << 24, on_end=ends.__setitem__):
                for line in lines_of:
                    accounts[stream].add(line + b"\n")
        for stream, received in accounts.items():
            trial.ledger.moved(received=received.size)
            if trial.ok and ends[stream] is None:
                received.whole()
        failed = [error for error in ends.values() if error is not None]
        for error in failed:
            trial.judge(error)
        if len(failed) > 1 and trial.chosen.kind not in ("restart", "stall", "drop"):
            raise Wrong(f"a fault of one stream has ended {len(failed)}")


def _bare_lines(data: bytes) -> list[bytes]:
    lines = data.split(b"\n")
    last = lines.pop()
    # `lines` of a stream take b"\r\n" for an end too, but not a b"\r" at the very end of it.
    return [line[:-1] if line.endswith(b"\r") else line for line in lines] + (
        [last] if last else []
    )


def stop(trial: Trial) -> None:
    """A stop, after which the instance has ended if it says so."""
    with trial.started("echo") as instance:
        with trial.attempt():
            instance.stop(7000)
        _check_ended(trial, instance)


def kill(trial: Trial) -> None:
    """A kill, after which the instance ends if it says so."""
    with trial.started("echo") as instance:
        with trial.attempt():
            instance.kill()
        _check_ended(trial, instance)


def _check_ended(trial: Trial, instance: InstanceClient) -> None:
    if trial.ok:
        direct = trial.world.direct.get_instance_client(instance.id)
        with contextlib.suppress(ScramjetError):  # 0.x has forgotten it
            direct.wait(PATIENCE)
            return
        if any(each.id == instance.id for each in trial.world.direct.list_instances()):
            raise Wrong("an instance lives on that was said to have ended")


def sequence(trial: Trial) -> None:
    """A package, which is there once if it was taken, byte for byte, and never twice."""
    direct, name = trial.world.direct, f"soak-{trial.world.hub.name}-{trial.id}"
    data = content(trial.seed, trial.size, text=False)
    package = packed(name, data)
    with trial.attempt():
        trial.client.send_sequence(pieces(package, trial.seed))
    trial.world.quiet()
    found = [each.id for each in direct.list_sequences() if each.name == name]
    if len(found) > 1 or (trial.ok and not found):
        raise Wrong(
            f"a package that was {'' if trial.ok else 'not '}taken is there {len(found)} times"
        )
    for id in found:
        client = direct.get_sequence_client(id)
        if trial.rng.random() < 0.3:
            _check_package(trial, id, data)
        with contextlib.suppress(ScramjetError):  # 1.x: while its instance is listed
            client.delete()
        trial.ledger.moved(sent=len(package))


def _check_package(trial: Trial, id: str, data: bytes) -> None:
    client = trial.world.direct.get_sequence_client(id)
    instance = client.start(args=["digest", "", PATIENCE], timeout=PATIENCE)
    try:
        with instance.get_stream("output", idle_timeout=PATIENCE) as stream:
            seen = stream.read(64).decode()
    finally:
        trial.world.end(instance)
    if seen != hashlib.sha256(data).hexdigest():
        raise Wrong(f"the data of a package has the digest {seen!r}")


def follow(trial: Trial) -> None:
    """Two streams of an instance at once, written to files."""
    received = trial.received(trial.content(), "the output")
    printed = content(trial.seed + 1, 2000, text=True)
    stdout = io.BytesIO()
    with trial.started(*_source(trial)) as instance:
        with trial.attempt():
            with instance.follow(output=_Taker(received), stdout=stdout) as following:
                # On H0 the streams end when the program does, which waits for its readers.
                if trial.world.hub.modern:
                    following.wait(trial.limit)
                else:
                    _wait_for(lambda: not received.missing or following.done, trial.limit)
            if trial.world.hub.modern or not following.done:
                received.whole()
        if not printed.startswith(stdout.getvalue()):
            raise Wrong(f"stdout is {stdout.getvalue()[:80]!r}")
    trial.ledger.moved(received=received.size + len(stdout.getvalue()))


class _Taker(io.RawIOBase):
    """A file that takes what is expected."""

    def __init__(self, received: Received) -> None:
        super().__init__()
        self._received = received

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._received.add(bytes(data))
        return len(data)


def _wait_for(probe: Callable[[], bool], limit: float | None) -> None:
    deadline = time.monotonic() + (PATIENCE if limit is None else limit)
    while not probe() and time.monotonic() < deadline:
        time.sleep(0.02)


def run(trial: Trial) -> None:
    """A program fed, and all that it gives."""
    data = trial.content()
    received = trial.received(data, "the output of run")
    linger = 0 if trial.world.hub.modern else 1
    with trial.started("echo", trial.world.hub.sabotage, linger) as instance, trial.attempt():
        try:
            completed = instance.run(pieces(data, trial.seed), timeout=trial.limit)
        except RunTimeoutError as error:
            received.add(error.output)
            raise
        received.add(completed.output)
        received.whole()
    trial.ledger.moved(sent=received.size, received=received.size)


OPERATIONS: dict[str, Operation] = {
    "call": Operation(call, r"GET .*/version$", (*_ANSWERED, "idle"), weight=4),
    "post": Operation(post, r"POST .*/_event$", _ANSWERED),
    "output": Operation(output, r"GET .*/output$", _ANSWERED, 4_000_000, weight=4, mortal=True),
    "log": Operation(log, r"GET .*/log$", ("connect", "request", "answer", "body"), 10_000),
    "events": Operation(
        events, r"GET .*/events/tick$", ("connect", "request", "answer", "body"), 2_000
    ),
    "send": Operation(send, r"POST .*/input$", (*_SENT, "end"), 4_000_000, weight=6, mortal=True),
    "submit": Operation(
        submit, r"POST .*/input$", (*_SENT, "end"), 4_000_000, weight=6, mortal=True
    ),
    "writer": Operation(
        writer, r"POST .*/input$", ("connect", "request", "answer"), 1_000_000, weight=4
    ),
    "inout": Operation(
        inout, r"(POST|GET) .*/(inout|output)$", (*_SENT, "body"), 1_000_000, weight=3
    ),
    "multiplex": Operation(multiplex, r"GET .*/output$", _ANSWERED, 500_000),
    "stop": Operation(stop, r"POST .*/_stop$", ("connect", "answer", "body", "end")),
    "kill": Operation(kill, r"POST .*/_kill$", _ANSWERED),
    "sequence": Operation(sequence, r"POST .*/sequence$", (*_SENT, "end"), 500_000, weight=2),
    "follow": Operation(follow, r"GET .*/output$", _ANSWERED, 1_000_000, weight=2),
    "run": Operation(run, r"(GET .*/output|POST .*/input)$", _ANSWERED, 1_000_000, weight=2),
}
