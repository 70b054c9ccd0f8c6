"""LiveView: watches an instance in the background and draws it repeatedly."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

from scramjet_client._base import Closing, tell_aside
from scramjet_client._common.clock import monotonic
from scramjet_client.api.answers import (
    has_ended,
    health_from,
    instance_from,
    seconds_since,
    shown_status,
)
from scramjet_client.errors import (
    HubTimeoutError,
    InstanceNotFoundError,
    NoThreadError,
    ScramjetError,
)
from scramjet_client.http.answers import JsonAnswer
from scramjet_client.http.durations import LONGEST_WAIT, Duration, duration, seconds
from scramjet_client.http.interrupts import Event
from scramjet_client.http.retries import pauses
from scramjet_client.http.settings import route
from scramjet_client.http.threads import thread_name, thread_needed
from scramjet_client.instances.cause import Evidence, evidence, settled
from scramjet_client.instances.client import InstanceClient
from scramjet_client.integrations._drawing import StreamState, ViewState
from scramjet_client.models import Cause, Termination
from scramjet_client.streams.tail import Tail

_KEPT = 16384
"""Bytes at the end of each stream that are kept to be shown."""

_MINUTE = 60.0
"""Seconds of rates that the plot covers."""

_RATE_EVERY = 0.5
"""The minimum of seconds between two rates."""

_LIFE = 6.0
"""The minimum of seconds for which a picture counts as live: the time that a look and a slow frontend take."""

_LOOK_EVERY = 2.0
"""Seconds between two looks at the instance's health."""

_LOOK_LIMIT = 1.0
"""Seconds that a look may take. The first health message comes about a second after the start."""

_JOIN_LIMIT = 15.0
"""Seconds that `close` waits for the current looks, and for a target of `follow`."""

Draw = Callable[[ViewState], object]
"""Draws a state; called by the view's thread."""


class Meter(Tail):
    """A target of `follow` that counts bytes and keeps the last ones."""

    def __init__(self, rates: int = 120) -> None:
        """Begin empty; `rates` is the number of rates to keep."""
        super().__init__(_KEPT)
        self.received = 0
        self.newlines = 0
        self.rates: deque[float] = deque(maxlen=rates)
        self._counted = 0

    def _keep(self, data: bytes) -> None:
        super()._keep(data)
        self.newlines += data.count(b"\n")
        self.received += len(data)

    def state(self) -> StreamState:
        with self._lock:
            tail, newlines = self._last(), self.newlines
        if self.received > len(tail):
            # Drop the part before the first line end, because it is a cut line. Keep it if there is nothing else.
            tail = tail.partition(b"\n")[2] or tail
        return StreamState(
            received=self.received, rates=tuple(self.rates), tail=tail, newlines=newlines
        )

    def sample(self, seconds: float) -> None:
        """Record the rate of the last `seconds`, on the view's thread."""
        received = self.received
        self.rates.append((received - self._counted) / seconds)
        self._counted = received

    def stop(self) -> None:
        """Record that no more data will come."""
        self.rates.append(0.0)


class LiveView(Closing):
    """An instance that is on display; see `InstanceClient.show`.

    A daemon thread, `scramjet-show-N`, asks and draws, beside the threads of a `Follow`. All of them end with the
    instance, with `close()`, or at an error. The view shows the error, and `wait()` raises it.
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
        """Open the streams and start to draw; only `show` calls this, and has the arguments."""
        if isinstance(lines, bool) or not isinstance(lines, int) or lines < 1:
            raise ValueError(f"lines must be 1 or more, not {lines!r}")
        self._instance = instance
        self._draw = draw
        self._lines = lines
        self._interval = duration("interval", interval) or LONGEST_WAIT
        self._step = max(self._interval, _RATE_EVERY)
        rates = max(2, round(_MINUTE / self._step))
        self._meters = {name: Meter(rates) for name in streams}
        self._known = ["starting"]
        self._ended = ""
        self._failure = ""
        self._error: BaseException | None = None
        # Why it was closed; set before `_closing` is.
        self._why = ""
        self._closing = Event()
        self._over = Event()
        self._follow = instance.follow(**self._meters)
        # Not in the caller's context: an update that belongs to an earlier cell is lost in notebooks.
        try:
            with thread_needed("show()", "the instance goes on"):
                self._thread = threading.Thread(
                    target=self._run, name=thread_name("scramjet-show"), daemon=True
                )
                self._thread.start()
        except NoThreadError:
            self._follow.close()
            raise

    def __repr__(self) -> str:
        state = "over" if self.done else "running"
        return f"<LiveView of instance {self._instance.id!r}: {state}>"

    def _ipython_display_(self) -> None:
        """Show nothing if the view is a cell's last line, because the cell has it already."""

    @property
    def instance(self) -> InstanceClient:
        """The instance on display."""
        return self._instance

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self._over.is_set()

    def wait(self, timeout: Duration | None = None) -> None:
        """Wait until the view has ended: the instance has ended and everything has been shown.

        Args:
            timeout: Seconds; None waits without limit.

        Raises:
            HubTimeoutError: It has not ended in time.
            StreamInterruptedError: A connection broke.
        """
        limit = duration("timeout", timeout, zero=True)
        if not self._over.wait(limit):
            raise HubTimeoutError(f"{self!r} did not end within {seconds(limit or 0)}")
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Stop reading, and leave a last picture that says so. Call it from any thread, as often as you like."""
        self.end("the view was closed")

    def end(self, why: str) -> None:
        """Close the view, and give the reason in the last picture."""
        if not self._closing.is_set():
            self._why = why
        self._closing.set()
        if self._thread is not threading.current_thread():
            self._thread.join(_JOIN_LIMIT)
            if self._thread.is_alive():
                tell_aside(f"{self._thread.name} is still busy drawing {self!r}")

    # -- the view's thread --------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._watch()
        except BaseException as error:  # kept, and raised to the thread that waits
            self._error = error
        try:
            self._follow.close()
        except BaseException as error:  # the error that ended the streams
            self._error = self._error or error
        try:
            self._finish()
            self._draw(self._state())
        except Exception as error:  # there is nobody left to see it
            self._error = self._error or error
        finally:
            self._over.set()

    def _finish(self) -> None:
        """Fill in the state for the last picture, when the instance has ended or the view was closed."""
        for meter in self._meters.values():
            meter.stop()
        # The hub learns of the end after the streams: by a moment, or, of a Node.js program, by 10 s.
        looks = pauses(self._interval, _LOOK_EVERY)
        while not self._closing.is_set() and self._look() and self._error is None:
            self._draw(self._state())
            self._closing.wait(next(looks))
        if self._closing.is_set():
            self._known = [f"was {self._known[0]}", *self._known[1:]]
            self._ended = self._why
            return
        self._ended = "the view has ended" if self._error is None else "the view broke off"

    def _watch(self) -> None:
        sampled = monotonic()
        looked = float("-inf")
        while not self._closing.is_set() and not self._follow.done:
            if monotonic() - looked >= _LOOK_EVERY:
                self._look()
                looked = monotonic()
            self._draw(self._state())
            self._closing.wait(self._interval)
            now = monotonic()
            if now - sampled >= self._step:
                for meter in self._meters.values():
                    meter.sample(now - sampled)
                sampled = now

    def _state(self) -> ViewState:
        return ViewState(
            title=f"instance {self._instance.id}",
            facts=self._known,
            streams={name: meter.state() for name, meter in self._meters.items()},
            interval=self._step,
            lines=self._lines,
            error="" if self._error is None else f"{type(self._error).__name__}: {self._error}",
            failure=self._failure,
            moment=time.strftime("%Y-%m-%d %H:%M:%S"),
            ended=self._ended,
            life=max(_LIFE, 3 * self._interval),
        )

    def _look(self) -> bool:
        """Learn the state of the instance; return whether it lives."""
        try:
            info = instance_from(self._ask(), asked_to_end=self._instance.asked_to_end)
        except InstanceNotFoundError:
            # 0.x forgets an instance at its end.
            self._known = ["gone"]
            found = self._evidence()
            self._failure = _failure(found.cause if found.fatal else None)
            return False
        except ScramjetError as error:
            # If the hub is down, the streams report it themselves.
            self._known = ["unknown", str(error)]
            return False
        if has_ended(info):
            info = settled(info, self._evidence())
            self._known = [shown_status(info), *_end(info.terminated)]
            self._failure = _failure(info.cause)
            return False
        uptime = seconds_since(info.started)
        up = [] if uptime is None else [f"up {uptime:.0f} s"]
        self._known = [info.status, *self._health(info.started), *up]
        return True

    def _evidence(self) -> Evidence:
        """Return the evidence of the end in the streams that the view reads."""
        stderr, log = (bytes(self._meters.get(name, b"")) for name in ("stderr", "log"))
        return evidence(stderr, log)

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
    """Return the program's error with its place and, if known, its cure."""
    if cause is None:
        return ""
    place = "" if cause.file is None else f"{cause.file}, line {cause.line}"
    return "\n".join([cause.summary, *(each for each in (place, cause.cure) if each)])


def _end(how: Termination | None) -> list[str]:
    """Return in words how an instance ended, with the exit code if it says more."""
    if how is None:
        return []
    return [f"{how.reason}, exit code {how.exit_code}" if how.exit_code else how.reason]
