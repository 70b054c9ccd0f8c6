"""LiveView: an instance that is watched in the background, and drawn again and again."""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

from scramjet_client._base import Closing, logger
from scramjet_client.api.answers import has_ended, health_from, instance_from, seconds_since
from scramjet_client.errors import (
    HubTimeoutError,
    InstanceNotFoundError,
    ScramjetError,
)
from scramjet_client.http.answers import JsonAnswer
from scramjet_client.http.durations import LONGEST_WAIT, Duration, duration
from scramjet_client.http.settings import route
from scramjet_client.instances.cause import Evidence, evidence, settled
from scramjet_client.instances.client import InstanceClient
from scramjet_client.integrations._drawing import StreamState, ViewState
from scramjet_client.models import Cause, GetInstanceResponse, Termination

_numbers = itertools.count(1)

_KEPT = 16384
"""Bytes of the end of a stream that are kept to be shown."""

_MINUTE = 60.0
"""Seconds of rates that are drawn."""

_RATE_EVERY = 0.5
"""Seconds between two rates at least."""

_LIFE = 6.0
"""Seconds for which a picture passes for live at least: as long as a look and a slow frontend take."""

_LOOK_EVERY = 2.0
"""Seconds between two looks at the instance's health."""

_LOOK_LIMIT = 1.0
"""Seconds that a look may take: the first health message comes about a second after the start."""

_JOIN_LIMIT = 15.0
"""Seconds that `close` waits: for the looks that are under way, and a target of `follow`."""

Draw = Callable[[ViewState], object]
"""Draws what there is to be seen; called by the view's thread."""


class Tail:
    """A target of `follow` that counts what comes, and keeps the end of it."""

    def __init__(self, rates: int = 120) -> None:
        """Begin with nothing; `rates` is how many of them are kept."""
        self.received = 0
        self.newlines = 0
        self.rates: deque[float] = deque(maxlen=rates)
        self.end = b""
        self._counted = 0
        # Guards the end and the count of its lines, which number each other.
        self._lock = threading.Lock()

    def write(self, data: bytes) -> None:
        """Take what has come; on the thread that reads the stream."""
        end = data[-_KEPT:] if len(data) >= _KEPT else (self.end + data)[-_KEPT:]
        with self._lock:
            self.end = end
            self.newlines += data.count(b"\n")
        self.received += len(data)

    def state(self) -> StreamState:
        """Return what is drawn of it."""
        with self._lock:
            tail, newlines = self.end, self.newlines
        if self.received > len(tail):
            # What begins within a line is no line, unless it is all that there is.
            tail = tail.partition(b"\n")[2] or tail
        return StreamState(
            received=self.received, rates=tuple(self.rates), tail=tail, newlines=newlines
        )

    def sample(self, seconds: float) -> None:
        """Note how fast it came in the last `seconds`; on the view's thread."""
        received = self.received
        self.rates.append((received - self._counted) / seconds)
        self._counted = received

    def stop(self) -> None:
        """Note that nothing comes any more."""
        self.rates.append(0.0)


class LiveView(Closing):
    """An instance that is being shown; see `InstanceClient.show`.

    One daemon thread, `scramjet-show-N`, asks and draws, beside those of a `Follow`. All of them end with the
    instance, with `close()`, or when something goes wrong, which is shown, and raised by `wait()`.
    """

    def __init__(
        self,
        instance: InstanceClient,
        draw: Draw,
        *,
        streams: Iterable[str],
        lines: int,
        interval: float,
    ) -> None:
        """Open the streams and start to draw; `show` does.

        Args:
            instance: What is shown.
            draw: Called each time with all that there is to be seen.
            streams: Names of the streams to be read.
            lines: How many lines of each are shown.
            interval: Seconds between two drawings.
        """
        if isinstance(lines, bool) or not isinstance(lines, int) or lines < 1:
            raise ValueError(f"lines must be 1 or more, not {lines!r}")
        self._instance = instance
        self._draw = draw
        self._lines = lines
        self._interval = duration("interval", interval) or LONGEST_WAIT
        self._step = max(self._interval, _RATE_EVERY)
        rates = max(2, round(_MINUTE / self._step))
        self._tails = {name: Tail(rates) for name in streams}
        self._info: GetInstanceResponse | None = None
        self._known = ["starting"]
        self._ended = ""
        self._failure = ""
        self._error: BaseException | None = None
        # Why it was closed; set before `_closing` is.
        self._why = ""
        self._closing = threading.Event()
        self._over = threading.Event()
        self._follow = instance.follow(**self._tails)
        self._thread = threading.Thread(
            target=self._run, name=f"scramjet-show-{next(_numbers)}", daemon=True
        )
        self._thread.start()

    def __repr__(self) -> str:
        state = "over" if self.done else "running"
        return f"<LiveView of instance {self._instance.id!r}: {state}>"

    def _ipython_display_(self) -> None:
        """Show nothing when it is a cell's last line: the cell has it already."""

    @property
    def instance(self) -> InstanceClient:
        """What is shown."""
        return self._instance

    @property
    def done(self) -> bool:
        """Whether it is over."""
        return self._over.is_set()

    def wait(self, timeout: Duration | None = None) -> None:
        """Wait until the view is over, which is when the instance has ended and all was shown.

        Args:
            timeout: Seconds; None is for ever.

        Raises:
            HubTimeoutError: It still goes on.
            StreamInterruptedError: A connection broke.
        """
        if not self._over.wait(duration("timeout", timeout, zero=True)):
            raise HubTimeoutError(f"{self!r} did not end within {timeout} s")
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Stop reading, and leave a last picture, which says so; from any thread, and as often as you like."""
        self.end("the view was closed")

    def end(self, why: str) -> None:
        """Do as `close` does, and have the last picture say why."""
        if not self._closing.is_set():
            self._why = why
        self._closing.set()
        if self._thread is not threading.current_thread():
            self._thread.join(_JOIN_LIMIT)
            if self._thread.is_alive():
                logger.warning("%s is still busy drawing %r", self._thread.name, self)

    # -- the view's thread --------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._watch()
        except BaseException as error:  # kept, and raised where it is waited for
            self._error = error
        closed = self._closing.is_set()
        try:
            self._follow.close()
        except BaseException as error:  # what the streams ended with
            self._error = self._error or error
        try:
            self._finish(closed)
            self._draw(self._state())
        except Exception as error:  # nobody is left to be shown it
            self._error = self._error or error
        finally:
            self._over.set()

    def _finish(self, closed: bool) -> None:
        """Find out what the last picture says."""
        for tail in self._tails.values():
            tail.stop()
        if closed:
            self._known = [f"was {self._known[0]}", *self._known[1:]]
            self._ended = self._why
            return
        self._look()
        self._ended = "the view has ended" if self._error is None else "the view broke off"

    def _watch(self) -> None:
        sampled = time.monotonic()
        looked = float("-inf")
        while not self._closing.is_set() and not self._follow.done:
            if time.monotonic() - looked >= _LOOK_EVERY:
                self._look()
                looked = time.monotonic()
            self._draw(self._state())
            self._closing.wait(self._interval)
            now = time.monotonic()
            if now - sampled >= self._step:
                for tail in self._tails.values():
                    tail.sample(now - sampled)
                sampled = now

    def _state(self) -> ViewState:
        return ViewState(
            title=f"instance {self._instance.id}",
            facts=self._known,
            streams={name: tail.state() for name, tail in self._tails.items()},
            interval=self._step,
            lines=self._lines,
            error="" if self._error is None else f"{type(self._error).__name__}: {self._error}",
            failure=self._failure,
            moment=time.strftime("%Y-%m-%d %H:%M:%S"),
            ended=self._ended,
            life=max(_LIFE, 3 * self._interval),
        )

    def _look(self) -> None:
        try:
            info = instance_from(self._ask(), asked_to_end=self._instance.asked_to_end)
        except InstanceNotFoundError:
            # 0.x forgets an instance with its end.
            self._known = ["gone"]
            found = self._evidence()
            self._failure = _failure(found.cause if found.fatal else None)
            return
        except ScramjetError as error:
            # If the hub is down, the streams say so themselves.
            self._known = ["unknown", str(error)]
            return
        if has_ended(info):
            info = settled(info, self._evidence())
            self._known = [info.status, *_end(info.terminated)]
            self._failure = _failure(info.cause)
            return
        uptime = seconds_since(info.started)
        up = [] if uptime is None else [f"up {uptime:.0f} s"]
        self._known = [info.status, *self._health(info.started), *up]

    def _evidence(self) -> Evidence:
        """Return what the streams that are shown tell of the end."""
        ends = {name: tail.end for name, tail in self._tails.items()}
        return evidence(ends.get("stderr", b""), ends.get("log", b""))

    def _health(self, started: str | None) -> list[str]:
        try:
            health = health_from(self._ask("health"), started)
        except ScramjetError:
            return ["health unknown"]
        return [health.status if health.message is None else f"{health.status}: {health.message}"]

    def _ask(self, *rest: str) -> JsonAnswer:
        return self._instance.client.request(
            "GET",
            route("instance", self._instance.id, *rest),
            timeout=_LOOK_LIMIT,
            not_found=InstanceNotFoundError,
        )


def _failure(cause: Cause | None) -> str:
    """Return the program's error with its place and, where that is known, what to do about it."""
    if cause is None:
        return ""
    lines = [cause.summary]
    if cause.file is not None:
        lines.append(f"{cause.file}, line {cause.line}")
    return "\n".join([*lines, *([cause.cure] if cause.cure else [])])


def _end(how: Termination | None) -> list[str]:
    """Return how an instance ended, in words; a code where one says more."""
    if how is None:
        return []
    return [f"{how.reason}, exit code {how.exit_code}" if how.exit_code else how.reason]
