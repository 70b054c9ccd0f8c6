"""Intervals and margins of the client itself."""

from __future__ import annotations

import time
from collections.abc import Callable

import attrs

from scramjet_client._base import Shown, public
from scramjet_client.http.durations import count, interval

_LONGEST_SILENCE = 32767
"""The most seconds of keep-alive that Linux can count."""

_MOST_PROBES = 127
"""The most probes of keep-alive that Linux can count."""


@public
@attrs.frozen(kw_only=True)
class KeepAlive(Shown):
    """TCP keep-alive, in whole seconds: it finds a vanished peer after `idle + count * interval`.

    Attributes:
        idle: Silence before the first probe.
        interval: Time between probes.
        count: Probes without an answer.
    """

    idle: int = 30
    interval: int = 10
    count: int = 3

    def __attrs_post_init__(self) -> None:
        """Limit the values to those that a system can count."""
        if not isinstance(self.count, int) or not 1 <= self.count <= _MOST_PROBES:
            raise ValueError(f"count must be 1 to {_MOST_PROBES} probes, not {self.count!r}")
        for name in ("idle", "interval"):
            seconds = interval(name, getattr(self, name))
            object.__setattr__(self, name, max(1, min(round(seconds), _LONGEST_SILENCE)))


_LONGEST_CHARACTER = 4
"""Bytes in UTF-8, which two requests can't share."""


@public
@attrs.frozen(kw_only=True)
class Tuning(Shown):
    """Intervals and margins of the client itself, in seconds; the defaults fit unmodified hubs.

    Your own waits have their limits in `Timeouts`. Change these values if something between you and the hub needs
    it: a gateway that closes idle connections sooner than a hub, or a hub that answers late under load.

    Attributes:
        keep_alive: Finds a host that vanished silently.
        pool_idle: Idle time after which a pooled connection is not used again; a hub closes it at 5 s.
        body_lifetime: Age at which a body sent to an 0.x hub continues in another request; the hub cuts it at 300 s,
            which it checks every 30 s.
        body_size: Bytes after which a body sent to an input continues in another request. None means 64 KiB behind an
            nginx that names itself, which else stalls it once the hub holds it back, and no limit elsewhere.
        look: Limit of one check of an instance; an 0.x hub never answers for an instance that did not connect.
        look_every: How often a silent wait looks whether its instance has ended; a wait for a log looks less and less.
        stop_margin: How long the answer to a stop may come after the stop's own timeout.
        stop_settle: How long the process may take to end after that answer; runners take up to 1.2 s.
        answer_settle: Silence after the end of an instance in which an answer or an event of it may still come.
        log_settle: Silence after the end of an instance that ends its log; hubs leave logs open.
        stream_settle: The same for its other streams, which hubs leave open for a program that lives on after a crash.
        log_echo: How long an ended log waits for the line that a look adds to it on 1.x, if none has come before; a hub
            may be told not to write them.
        log_echo_limit: The same if one has come before; a 1.x log that one reader has left gives nothing to the others.
        input_settle: How long a Node.js runner may take to read the header lines of its first input, before the first
            byte that is not ASCII follows them. It took 0.06 s when measured, but a program that computes delays it.
            Its program has the same time to take its first stdin.
        input_reading: How long to wait for signs that a program reads; a runner that came back to a restarted hub never
            gives one.
        input_return: How long a function that has not returned may compute before its first input is sent anyway.
        run_silence: How long a program may give nothing to a `run` without input and limit, until `run` says so.
        exit_grace: How long the interpreter's end waits for running uploads, all of them together.
        sleep: Waits between two attempts of a request.
    """

    keep_alive: KeepAlive = KeepAlive()
    pool_idle: float = 4.0
    body_lifetime: float = 240.0
    body_size: int | None = None
    look: float = 5.0
    look_every: float = 1.0
    stop_margin: float = 30.0
    stop_settle: float = 3.0
    answer_settle: float = 1.0
    log_settle: float = 0.5
    stream_settle: float = 5.0
    log_echo: float = 2.0
    log_echo_limit: float = 30.0
    input_settle: float = 0.5
    input_reading: float = 30.0
    input_return: float = 1.0
    run_silence: float = 30.0
    exit_grace: float = 5.0
    sleep: Callable[[float], object] = attrs.field(default=time.sleep, repr=False)

    def __attrs_post_init__(self) -> None:
        """Check the times, and convert them to seconds."""
        if self.body_size is not None and count("body_size", self.body_size) < _LONGEST_CHARACTER:
            raise ValueError(f"body_size must be 4 bytes or more, not {self.body_size}")
        for field in attrs.fields(type(self)):
            if isinstance(field.default, float):
                seconds = interval(field.name, getattr(self, field.name), zero=True)
                object.__setattr__(self, field.name, seconds)

    def settle(self, stream_id: str | None) -> float:
        """Return the silence that ends a stream whose instance has ended, or with None another answer."""
        if stream_id is None:
            return self.answer_settle
        return self.log_settle if stream_id == "log" else self.stream_settle
