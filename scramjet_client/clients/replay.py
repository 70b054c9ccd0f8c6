"""Feeds a run of a trace to a program again, and compares: for `scramjet replay` and the pytest plugin."""

from __future__ import annotations

import contextlib
import difflib
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import attrs

from scramjet_client._common.clock import monotonic
from scramjet_client._common.trace import COMPARED, Run, sizes_of, unpacked
from scramjet_client.clients.sequence import SequenceClient
from scramjet_client.errors import HubTimeoutError, InstanceNotFoundError, ScramjetError
from scramjet_client.http.threads import start_thread, thread_needed
from scramjet_client.instances.client import InstanceClient
from scramjet_client.instances.follow import Follow
from scramjet_client.models import BINARY, TEXT

_LOOK = 0.02
"""How often, in seconds, to check whether as much data has come as in the trace."""

_MORE = 0.3
"""Seconds to wait for data beyond the trace."""

_STOP_MS = 2000

PATIENCE = 5.0
"""Seconds of silence after which nothing more is expected."""


@attrs.frozen(kw_only=True)
class Difference:
    """A difference between a run and its trace.

    Attributes:
        of: "output", "stdout", "stderr", "events" or "end".
        lines: A unified diff: "-" is of the trace, "+" of the run.
    """

    of: str
    lines: list[str]


class EventCollector:
    """Collects the events of a LocalHub, also those that came before a client could listen.

    Give it to the hub: `LocalHub(record=tap)`.
    """

    def __init__(self) -> None:
        self._events: dict[str, list[tuple[str, Any]]] = {}

    def __call__(self, record: dict[str, Any]) -> None:
        """Take a record."""
        if record.get("kind") == "came" and record.get("from") == "event":
            of_instance = self._events.setdefault(str(record["instance"]), [])
            of_instance.append((str(record["name"]), record["message"]))

    def of(self, instance_id: str) -> list[tuple[str, Any]]:
        """Return the events of an instance, a list that grows."""
        return self._events.setdefault(instance_id, [])


class _Came:
    """The data and events that have come from the program so far."""

    def __init__(self, events: list[tuple[str, Any]]) -> None:
        self.data: dict[str, bytearray] = {name: bytearray() for name in COMPARED}
        self.events = events
        # Guards both.
        self.lock = threading.Lock()

    def taker(self, name: str) -> Any:
        def take(line: bytes) -> None:
            with self.lock:
                self.data[name] += line

        return take

    def has(self, sizes: dict[str, int]) -> bool:
        """Return whether there is as much of each stream."""
        now = self.sizes()
        return all(now[name] >= size for name, size in sizes.items())

    def sizes(self) -> dict[str, int]:
        """Return how much there is, as `Run.sizes`."""
        with self.lock:
            return sizes_of(self.data, self.events)

    def cut(self, sizes: dict[str, int]) -> None:
        """Drop everything beyond these sizes."""
        with self.lock:
            for name in COMPARED:
                del self.data[name][sizes[name] :]
            self.events = self.events[: sizes["event"]]


class _Quiet:
    """Counts the seconds without data. Data beyond the sizes of the trace does not count: it may come for ever."""

    def __init__(self, run: Run, came: _Came) -> None:
        self._most, self._came = run.sizes(), came
        self._size, self._since = self._size_now(), monotonic()

    def _size_now(self) -> int:
        return sum(min(size, self._most[name]) for name, size in self._came.sizes().items())

    def seconds(self) -> float:
        size, now = self._size_now(), monotonic()
        if size != self._size:
            self._size, self._since = size, now
        return now - self._since


def replayed(
    sequence: SequenceClient,
    run: Run,
    *,
    tap: EventCollector | None = None,
    patience: float = PATIENCE,
    at_its_pace: bool = False,
) -> list[Difference]:
    """Start a program, send it what a run was sent, and return what differs.

    Args:
        sequence: The program.
        run: The run.
        tap: Collects the events of its hub. Without one, events right after the start are missed, so fewer events than
            in the trace are no difference.
        patience: Seconds of silence after which nothing more is expected.
        at_its_pace: Whether to send at the times of the trace.

    Raises:
        ScramjetError: The hub refuses something.
    """
    instance = sequence.start(args=run.args, app_config=run.config)
    came = _Came([] if tap is None else tap.of(instance.id))
    try:
        with contextlib.ExitStack() as stack:
            for name in sorted({name for name, _ in run.events}) if tap is None else ():
                _listen(stack, instance, name, came)
            following = stack.enter_context(
                instance.follow(**{name: came.taker(name) for name in COMPARED})
            )
            log = stack.enter_context(instance.follow(log=lambda _line: None))
            _send_all(instance, run, came, following, patience=patience, at_its_pace=at_its_pace)
            stopped = _await_end(instance, run, came, following, patience)
            following.close()
            log.close()
            code = _code(instance) if not stopped else None
    finally:
        with contextlib.suppress(ScramjetError):
            instance.kill(remove_immediately=True)
    return _differences(run, came, code, stopped, all_events=tap is not None)


def _listen(stack: contextlib.ExitStack, instance: InstanceClient, name: str, came: _Came) -> None:
    stream = stack.enter_context(instance.get_event_stream(name))

    def read() -> None:
        with contextlib.suppress(Exception):
            for event in stream:
                with came.lock:
                    came.events.append((name, event.data))

    # Ends when the stack closes the stream.
    needed = partial(thread_needed, "the replay of a trace")
    start_thread("scramjet-replay-events", read, needed=needed)


def _send_all(
    instance: InstanceClient,
    run: Run,
    came: _Came,
    following: Follow,
    *,
    patience: float,
    at_its_pace: bool,
) -> None:
    began = monotonic()
    first = float(run.sent[0].get("t") or 0.0) if run.sent else 0.0
    kind = next((str(each["type"]) for each in run.sent if "type" in each), _kind(run))
    for record, sizes in zip(run.sent, run.before):
        # A program that answers may not listen yet, or take two inputs for one.
        _await(partial(came.has, sizes), following, _Quiet(run, came), patience)
        if at_its_pace:
            due = began + float(record.get("t") or 0.0) - first
            while monotonic() < due and not following.done:
                time.sleep(min(_LOOK, max(0.0, due - monotonic())))
        if following.done:
            return
        to, closed = record.get("to"), record["kind"] == "closed"
        data = unpacked(record)
        if to == "event":
            instance.send_event(str(record.get("name")), record.get("message"))
        elif to in ("input", "stdin") and (data or closed):
            options: dict[str, Any] = {} if to == "stdin" else {"type": kind}
            upload = instance.submit_stream(to, data, end=closed, **options)
            if not _await(upload.done, following, _Quiet(run, came), patience):
                upload.cancel()


def _kind(run: Run) -> str:
    """Return the type of the input of a trace that names none: text, unless it is not UTF-8."""
    try:
        b"".join(unpacked(each) for each in run.sent if each.get("to") == "input").decode()
    except UnicodeDecodeError:
        return BINARY
    return TEXT


def _await(done: Callable[[], bool], following: Follow, quiet: _Quiet, patience: float) -> bool:
    """Wait until `done`, as long as the program gives data of the trace; return whether it is."""
    while not done():
        if following.done or quiet.seconds() > patience:
            return done()
        time.sleep(_LOOK / 4)
    return True


def _await_end(
    instance: InstanceClient, run: Run, came: _Came, following: Follow, patience: float
) -> bool:
    """Wait for as much data as in the trace; return whether the program had to be stopped."""
    quiet = _Quiet(run, came)
    counted: dict[str, int] | None = None

    def look() -> float:
        nonlocal counted
        sizes, seconds = came.sizes(), quiet.seconds()
        if run.stopped and came.has(run.sizes()):
            silent = seconds <= run.silence and run.silence > _MORE
            counted = sizes if silent else counted or run.sizes()
        return seconds

    while not following.done:
        with contextlib.suppress(HubTimeoutError):
            following.wait(_LOOK)
        seconds = look()
        if seconds > patience or (counted is not None and seconds > _MORE):
            break
    else:
        return False
    with contextlib.suppress(ScramjetError):
        instance.stop(_STOP_MS)
    with contextlib.suppress(HubTimeoutError):
        following.wait(_STOP_MS / 1000)
    if counted is not None:
        # The traced run was stopped, too, and might have given more in a longer time.
        look()
        came.cut(counted)
    return True


def _code(instance: InstanceClient) -> int | None:
    try:
        found = instance.wait(10).terminated
    except (InstanceNotFoundError, HubTimeoutError):
        return None
    return None if found is None else found.exit_code


def _differences(
    run: Run, came: _Came, code: int | None, stopped: bool, *, all_events: bool
) -> list[Difference]:
    found = []
    with came.lock:
        for name in COMPARED:
            before, now = run.came.get(name, b""), bytes(came.data[name])
            if name == "stderr":
                before, now = (_without_paths(each) for each in (before, now))
            if before != now:
                found.append(Difference(of=name, lines=_diff(_lines(before), _lines(now))))
        events = [_event(each) for each in run.events], [_event(each) for each in came.events]
    # Those of different names are read by different streams, and come in any order.
    missed = not all_events and not Counter(events[1]) - Counter(events[0])
    if sorted(events[0]) != sorted(events[1]) and not missed:
        found.append(Difference(of="events", lines=_diff(sorted(events[0]), sorted(events[1]))))
    ends = _end(run.stopped, run.exit_code), _end(stopped, code)
    # Some hubs do not tell codes.
    known = stopped or run.stopped or None not in (code, run.exit_code)
    if ends[0] != ends[1] and known:
        found.append(Difference(of="end", lines=[f"-{ends[0]}", f"+{ends[1]}"]))
    return found


def _end(stopped: bool, code: int | None) -> str:
    if stopped:
        return "it was still running, and was stopped"
    # A hub's words for a good end and a failure are -1 and 22 or 23, the client's 0 and 1.
    good = code in (0, -1)
    known = {22: 1, 23: 1}.get(code or 0, code)
    return "it ended well" if good else f"it failed with exit code {known}"


def _event(event: tuple[str, Any]) -> str:
    name, message = event
    # Hubs write an empty object into a stream of events for a message that is false.
    shown = message if message or isinstance(message, (list, dict)) else {}
    return f"{name} {json.dumps(shown, sort_keys=True, ensure_ascii=False)}"


def _without_paths(data: bytes) -> bytes:
    """Remove the folders from tracebacks: a hub unpacks each package into a new one."""
    lines = []
    for line in data.split(b"\n"):
        head, mark, rest = line.partition(b'  File "')
        path, quote, end = rest.partition(b'"')
        lines.append(
            head + mark + path.rpartition(b"/")[2] + quote + end if mark and quote else line
        )
    return b"\n".join(lines)


def _lines(data: bytes) -> list[str]:
    return data.decode("utf-8", "backslashreplace").splitlines()


def _diff(before: list[str], now: list[str]) -> list[str]:
    lines = list(difflib.unified_diff(before, now, "trace", "now", lineterm="", n=2))
    return lines[2:] or ["(only the ends of lines differ)"]


def program_of(about: dict[str, Any], trace: Path) -> str | None:
    """Return the program of a trace, as a path from the current folder; None if the trace does not name it."""
    named = about.get("program")
    if not isinstance(named, str) or not named:
        return None
    path, separator, name = named.partition(":")
    return str(trace.resolve().parent / path) + separator + name


def chosen_run(runs: list[Run], number: int | None = None) -> Run:
    """Return the run to replay: the one of a number, or the last.

    Raises:
        ValueError: There is none.
    """
    if not runs:
        raise ValueError("the trace has no run")
    if number is None:
        return runs[-1]
    if not 1 <= number <= len(runs):
        raise ValueError(f"the trace has {len(runs)} runs, and no number {number}")
    return runs[number - 1]
