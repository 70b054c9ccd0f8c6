"""An instance: its process, its state, and what clients see of it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import uuid
from typing import Any, Protocol

import attrs

from scramjet_client._common.trace import TraceWriter
from scramjet_client.hub import _json
from scramjet_client.hub._events import Events
from scramjet_client.hub._http import UNDEFINED
from scramjet_client.hub._process import Process
from scramjet_client.hub._python import Runs
from scramjet_client.hub._reaper import Reaper
from scramjet_client.hub._recorder import Recorder
from scramjet_client.hub._records import Audit, HubLog, compact, log_record, timestamp
from scramjet_client.hub._sequence import Sequence
from scramjet_client.hub._settings import HubSettings
from scramjet_client.hub._topics import Topics

_START_LIMIT = 60.0
"""Seconds in which a runner must say hello. Only an overloaded machine needs that long."""

# Audit codes of changes of state (docs/protocol.md, "Hub log and audit").
_STARTED, _ENDED, _TERMINATED, _CONNECTED = 0, 2, 3, 4

_REASONS = {
    21: "Sequence entrypoint path {} is invalid. Check `main` field in Sequence package.json",
    22: "Sequence failed on start",
    23: "Sequence failed during execution",
    137: "Instance killed",
    138: "Instance stopped",
}
_RUNNER_FAILED = {"exitcode": 213, "reason": "Runner failed"}


@attrs.define
class Start:
    """The options of a start. `UNDEFINED` means that the request has no configuration; null is one."""

    app_config: Any = UNDEFINED
    args: list[Any] | None = None
    output_topic: str | None = None
    input_topic: str | None = None
    id: str = attrs.field(factory=lambda: str(uuid.uuid4()))


class Hub(Protocol):
    """The part of the hub that its instances use."""

    settings: HubSettings
    reaper: Reaper
    runs: Runs
    topics: Topics
    log: HubLog
    audit: Audit
    instances: dict[str, Instance]
    trace: TraceWriter | None

    def broadcast(self, emitter: Instance, name: str, message: Any) -> None:
        """Send an instance's event to all other instances."""


class Instance:
    """One run of a sequence. Lives on the hub's loop, with a status in the hub's words.

    Attributes:
        terminated: `{"exitcode", "reason"}` after the end.
        unlisted: Set when the hub has removed it from its list.
        input_type: Content type of the first input. It holds for all later inputs too.
        requires: The topic that the input comes from, if it does.
    """

    def __init__(self, hub: Hub, sequence: Sequence, start: Start) -> None:
        self._hub = hub
        self.sequence = sequence
        self._start = start
        self.id = start.id
        self.status = "initializing"
        self.terminated: dict[str, Any] | None = None
        self.events = Events()
        self.health: dict[str, Any] | None = None
        self.health_came = asyncio.Event()
        self.input_type: str | None = None
        self.in_use = True
        self.unlisted = asyncio.Event()
        self._created = timestamp()
        self._started: str | None = None
        self._ended: str | None = None
        self._provides: str | None = start.output_topic
        self.requires: str | None = start.input_topic
        self._keeps_alive = False
        self._lifetime = hub.settings.instance_lifetime
        self._hello = asyncio.Event()
        self._begun = asyncio.Event()
        self._doomed = False
        self._watching: asyncio.Task[None] | None = None
        self._routes: list[asyncio.Task[None]] = []
        self._early_notes: list[bytes] = []
        self._recorder = Recorder(hub.trace, self.id)
        self.process: Process

    # -- start and end --------------------------------------------------------------------------------

    async def start(self) -> str | None:
        """Start the process; return None once it is connected, or the reason why it ended before that.

        Call this once. In every case, `unlisted` is set when the instance has ended.
        """
        try:
            failure = await self._start_process()
        except BaseException:
            self.unlisted.set()
            raise
        finally:
            self._begun.set()
        if failure is None:
            failure = await self._connect()
        if failure is not None:
            await self.process.close()
            self.unlisted.set()
            return failure
        self._started = timestamp()
        self.status = "running"
        self._hub.audit.changed(_CONNECTED, self.id)
        self._watching = asyncio.ensure_future(self._watch())
        return None

    async def _start_process(self) -> str | None:
        config = self._start.app_config
        order = {
            "entry": str(self.sequence.entry),
            "root": str(self.sequence.folder),
            "args": self._start.args or [],
            "appConfig": {} if config is UNDEFINED else config,
        }
        self.status = "starting"
        self._hub.audit.changed(_STARTED, self.id)
        name = str(self.sequence.manifest.get("name") or "")
        self._recorder.add(
            "start", sequence=name, args=order["args"], config=order["appConfig"] or {}
        )
        self.process = await Process.start(order, self._heard, self._hub.reaper, self._hub.runs)
        self._recorder.listen(self.process)
        for line in self._early_notes:
            self.process.log.put(line)
        # Whoever deletes the sequence or clears the hub does not wait for this task.
        return _REASONS[137] if self._doomed else None

    async def _connect(self) -> str | None:
        """Wait until the runner says hello; return why it does not, or None."""
        ended = asyncio.ensure_future(self.process.exited())
        connected = asyncio.ensure_future(self._hello.wait())
        try:
            await asyncio.wait(
                [ended, connected], timeout=_START_LIMIT, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            ended.cancel()
            connected.cancel()
        if self._doomed:
            return _REASONS[137]
        if not self._hello.is_set():
            code = self.process.last_word
            known = _REASONS.get(code) if isinstance(code, int) else None
            if known is not None:
                return known.format(self.sequence.main)
            said = await self.process.last_line() if self.process.has_ended else ""
            python = self._hub.runs.python
            # Clients tell from the name of the hub that this is not the known fault of other hubs.
            return (
                f"Runner failed: the Python of this LocalHub ({python}) ended before it had loaded the program:"
                f" {said or 'it said nothing'}"
            )
        return None

    async def _watch(self) -> None:
        await self.process.exited()
        self.terminated, explanation = self._judge()
        code, reason = self.terminated["exitcode"], self.terminated["reason"]
        good = code in (-1, 137, 138)
        self._recorder.add("end", exit_code=code, reason=reason)
        self.status = "completed" if good else "errored"
        if code != 22:  # as on a real hub
            self._ended = timestamp()
        self.note("INFO" if good else "ERROR", explanation)
        self._hub.log.note("INFO" if good else "ERROR", "Instance ended", self.id, self.terminated)
        self._hub.audit.changed(_ENDED, self.id)
        await asyncio.sleep(min(self._hub.settings.exit_delay, self._lifetime))
        self.in_use = False
        await asyncio.sleep(max(0.0, self._lifetime - self._hub.settings.exit_delay))
        self._hub.audit.changed(_TERMINATED, self.id)
        self._hub.instances.pop(self.id, None)
        self._watching = None  # otherwise close() would cancel this very task
        await self.close()

    def _judge(self) -> tuple[dict[str, Any], str]:
        """Return `terminated`, and a sentence for the log."""
        # The runner's own report decides. The system may report nothing, and cannot tell who chose an exit code.
        process = self.process
        code, word, chosen = process.returncode, process.last_word, process.own_code
        if isinstance(word, int) and word in _REASONS:
            reason = _REASONS[word].format(self.sequence.main)
            return {"exitcode": word, "reason": reason}, reason
        if word == 0 or chosen == 0 or (chosen is None and code == 0):
            return {"exitcode": -1, "reason": "Instance completed"}, "Instance completed"
        if process.killed and chosen is None and code in (137, -signal.SIGKILL, None):
            return {"exitcode": 137, "reason": _REASONS[137]}, _REASONS[137]
        code = chosen or code
        if code is None:
            return _RUNNER_FAILED, (
                "the process ended in a way that the system did not tell the hub: "
                "the hub's own process ignores SIGCHLD, or waits for processes that are not its own"
            )
        if code > 0:
            said = f"the program ended its process with exit code {code}"
            return {"exitcode": code, "reason": "Runner failed"}, said
        # A real hub does not learn of signals, so `terminated` is the same here. Only the log names the signal.
        with contextlib.suppress(ValueError):
            code_name = signal.Signals(-code).name
            return _RUNNER_FAILED, f"the process was ended by signal {code_name}"
        return _RUNNER_FAILED, f"the process was ended by signal {-code}"

    async def close(self) -> None:
        """Kill the process if it is alive, and end all streams but the log, which hubs never end.

        An instance that is still starting ends as soon as it can.
        """
        self._doomed = True
        await self._begun.wait()
        self.unlisted.set()
        if not hasattr(self, "process"):
            return
        tasks = self._routes + ([self._watching] if self._watching else [])
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.process.close()
        for pipe in (self.process.stdout, self.process.stderr, self.process.output):
            pipe.end()

    async def begun(self) -> bool:
        """Wait until the instance has a process; return whether it has one."""
        await self._begun.wait()
        return hasattr(self, "process")

    # -- messages to it -------------------------------------------------------------------------------

    @property
    def lives(self) -> bool:
        """Whether the process is still alive."""
        return self.terminated is None

    async def stop(self, timeout: float, can_keep_alive: bool) -> None:
        """Stop it as a hub does: tell it, sleep for all of `timeout` seconds, kill it unless it asked for more."""
        self.status = "stopping"
        self._keeps_alive = False
        self.process.send("stop", {"timeout": timeout, "canKeepAlive": can_keep_alive})
        await asyncio.sleep(max(0.0, timeout))
        if self.lives and not self._keeps_alive:
            self.process.kill()

    def kill(self, *, remove_immediately: bool = False) -> None:
        """Kill the instance."""
        if self._started is None:
            # It has no process yet, or nobody would read the order. It must not come up.
            self._doomed = True
            if hasattr(self, "process"):
                self.process.kill()
            return
        self.status = "killing"
        if remove_immediately:
            self._lifetime = self._hub.settings.exit_delay
        self.process.kill()

    def send_event(self, name: str, message: Any) -> None:
        """Send the program an event."""
        self._recorder.add("sent", to="event", name=name, message=message)
        self.process.send("event", {"name": name, "message": message})

    def set_input_type(self, content_type: str) -> None:
        """Tell the program the content type of its input; the first call counts."""
        if self.input_type is None:
            self.input_type = content_type
            self._recorder.add("sent", to="input", type=content_type, data=b"")
            self.process.send("input", content_type)

    # -- messages from it -----------------------------------------------------------------------------

    def _heard(self, kind: str, value: Any) -> None:
        # The program's process can write anything here. A value that is not JSON would end up in lists.
        if not _is_message(kind, value) or not _json.is_sound(value):
            self.note(
                "ERROR",
                f"what the program sent was dropped ({kind}): it can't be passed on as JSON, "
                "as NaN, Infinity, half a character or data that is nested too deep can't",
            )
            return
        if kind == "hello":
            self._hello.set()
        elif kind == "event":
            name, message = value["name"], value["message"]
            self._recorder.add("came", **{"from": "event"}, name=name, message=message)
            self.events.emitted(name, message)
            self._hub.broadcast(self, name, message)
        elif kind == "health":
            self.health = value
            self.health_came.set()
        elif kind == "keepAlive":
            self._keeps_alive = True
        elif kind == "provides":
            self._provides = self._start.output_topic or value["topic"]
            self._route("provides", self._provides, value["contentType"])
        elif kind == "requires":
            self.requires = self._start.input_topic or value["topic"]
            self._route("requires", self.requires, value["contentType"])

    def _route(self, role: str, topic_name: str | None, content_type: str | None) -> None:
        if not topic_name or not content_type:
            return
        topic = self._hub.topics.find(topic_name, content_type)
        if topic is None:
            self.note(
                "ERROR",
                f"topic {topic_name!r} cannot carry {content_type!r}: it has another type, or no hub has such",
            )
            return
        if role == "provides":
            reader = self.process.output.attach()
            self._routes.append(asyncio.ensure_future(topic.take(reader)))
        else:
            self.set_input_type(content_type)
            self._routes.append(asyncio.ensure_future(topic.give(self.process.input)))

    def note(self, level: str, message: str, *data: Any) -> None:
        """Add a line to the instance's log; it waits for the process if there is none yet."""
        record = log_record("CSIController", {"id": self.id}, level, message, data)
        line = compact(record) + b"\n"
        if hasattr(self, "process"):
            self.process.log.put(line)
        else:
            self._early_notes.append(line)

    def info(self) -> dict[str, Any]:
        """Return the answer to `GET instance/ID`. As on a real hub, each call leaves a line in the instance's log."""
        times = _known(created=self._created, started=self._started, ended=self._ended)
        self.note("DEBUG", "Get info [seq, info]", self.sequence.brief(), times)
        config = self._start.app_config
        return {
            "id": self.id,
            **_known(
                appConfig=None if config is UNDEFINED else config,
                args=self._start.args,
                provides=self._provides,
                requires=self.requires,
            ),
            "sequence": self.sequence.brief(),
            "created": self._created,
            **_known(started=self._started),
            "status": self.status,
            **_known(ended=self._ended, terminated=self.terminated),
        }


def _known(**values: Any) -> dict[str, Any]:
    """Return the values that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def _is_message(kind: str, value: Any) -> bool:
    """Return whether a message of the program's process has the right form for its kind."""
    if kind in ("hello", "keepAlive"):
        return True
    if not isinstance(value, dict):
        return False
    if kind == "event":
        return isinstance(value.get("name"), str) and "message" in value
    if kind in ("provides", "requires"):
        topic, content_type = value.get("topic"), value.get("contentType", 0)
        return isinstance(topic, str) and isinstance(content_type, (str, type(None)))
    return kind == "health"
