"""Intervals and margins that the client keeps by itself."""

from __future__ import annotations

import time
from collections.abc import Callable

import attrs

from scramjet_client._base import Shown, public
from scramjet_client.http.durations import interval

_LONGEST_SILENCE = 32767
"""Seconds of keep-alive that Linux can count."""

_MOST_PROBES = 127
"""Probes of keep-alive that Linux can count."""


@public
@attrs.frozen(kw_only=True)
class KeepAlive(Shown):
    """TCP keep-alive, in whole seconds: a peer that vanished is found after `idle + count * interval`.

    Attributes:
        idle: Silence before the first probe.
        interval: Between probes.
        count: Probes without an answer.
    """

    idle: int = 30
    interval: int = 10
    count: int = 3

    def __attrs_post_init__(self) -> None:
        """Hold the values to what a system can count."""
        if not isinstance(self.count, int) or not 1 <= self.count <= _MOST_PROBES:
            raise ValueError(f"count must be 1 to {_MOST_PROBES} probes, not {self.count!r}")
        for name in ("idle", "interval"):
            seconds = interval(name, getattr(self, name))
            object.__setattr__(self, name, max(1, min(round(seconds), _LONGEST_SILENCE)))


@public
@attrs.frozen(kw_only=True)
class Tuning(Shown):
    """Intervals and margins that the client keeps by itself, in seconds; the defaults fit hubs as they are.

    What you wait for has its limits in `Timeouts`. Change these where something between you and the hub needs it:
    a gateway that closes idle connections sooner than a hub, or a hub that answers late under load.

    Attributes:
        keep_alive: Finds a host that vanished without a word.
        pool_idle: Age at which an idle pooled connection is not used again; a hub closes it at 5 s.
        body_lifetime: Age at which a body sent to an 0.x hub goes on in another request; the hub cuts it at 300 s,
            which it checks every 30 s.
        look: Limit of one look at an instance; an 0.x hub never answers for one that did not connect.
        stop_margin: How long beyond a stop's own timeout its answer may come.
        stop_settle: After that answer, how long the end of the process may take; runners take up to 1.2 s.
        log_settle: Silence after the end of an instance that ends its log, which hubs leave open.
        stream_settle: The same of its other streams, which hubs leave open for a program that lives on after a crash.
        input_settle: How long a Node.js runner may take to read the header lines of its first input, before the first
            byte that is not ASCII follows them: 0.06 s were seen, but a program that computes holds it up.
        input_reading: How long a program may take to be seen to read; a runner that came back to a restarted hub
            never says so.
        input_return: How long a function that has not returned may compute before its first input is sent all the same.
        exit_grace: How long the interpreter's end waits for uploads that run, all of them together.
        sleep: Waits between two attempts of a request.
    """

    keep_alive: KeepAlive = KeepAlive()
    pool_idle: float = 4.0
    body_lifetime: float = 240.0
    look: float = 5.0
    stop_margin: float = 30.0
    stop_settle: float = 3.0
    log_settle: float = 0.5
    stream_settle: float = 5.0
    input_settle: float = 0.5
    input_reading: float = 30.0
    input_return: float = 1.0
    exit_grace: float = 5.0
    sleep: Callable[[float], object] = attrs.field(default=time.sleep, repr=False)

    def __attrs_post_init__(self) -> None:
        """Hold the times to what a duration is."""
        for field in attrs.fields(type(self)):
            if isinstance(field.default, float):
                seconds = interval(field.name, getattr(self, field.name), zero=True)
                object.__setattr__(self, field.name, seconds)

    def settle(self, stream_id: str) -> float:
        """Return the silence that ends a stream whose instance has ended."""
        return self.log_settle if stream_id == "log" else self.stream_settle
