"""The live view of an instance as HTML: a line of facts, rates over time, and the end of each stream."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping, Sequence

import attrs

COLOURS = {"output": "#1f77b4", "stdout": "#2ca02c", "stderr": "#d62728", "log": "#9467bd"}
"""The colour of each stream, in the plot and beside its name: they can be told apart on dark and light pages."""

_DOTS = {"running": "#2ca02c", "stopped": "#7f7f7f", "crashed": "#d62728"}
_WIDTH, _HEIGHT = 480, 72
"""Units of the plot, which are pixels where there is room for them."""

_LONGEST = 400
"""Characters of one line that are shown."""

_PRE = "margin:0 0 .5em 1em;max-height:16em;overflow:auto;white-space:pre-wrap;font-size:90%"

# What moves the cursor or sets colours in a terminal, and other characters that no page can show.
_UNSHOWN = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f]")


@attrs.frozen(kw_only=True)
class StreamState:
    """One stream of a view: bytes so far, bytes a second over time (the latest last), its last bytes."""

    received: int
    rates: Sequence[float]
    tail: bytes


@attrs.frozen(kw_only=True)
class ViewState:
    """All that a view shows.

    Attributes:
        title: What is shown.
        facts: What is known of it: its status first, then its health and so on.
        streams: The streams by name.
        interval: Seconds between two rates.
        lines: Lines of each stream that are shown.
        error: What ended the view, "" for nothing.
    """

    title: str
    facts: Sequence[str]
    streams: Mapping[str, StreamState]
    interval: float
    lines: int
    error: str = ""


def as_html(state: ViewState) -> str:
    """Return the view as a piece of a page; nothing that came from the hub is markup in it."""
    dot = f'<span style="color:{_DOTS.get(state.facts[0], "#ff7f0e")}">●</span>'
    facts = html.escape(" · ".join(state.facts))
    parts = [f"<div>{dot} <b>{html.escape(state.title)}</b> {facts}</div>", plot(state)]
    for name, stream in state.streams.items():
        told = f"{size(stream.received)}, {size(stream.rates[-1] if stream.rates else 0)}/s"
        mark = f'<span style="color:{COLOURS[name]}">■</span>'
        shown = html.escape("\n".join(last_lines(name, stream.tail, state.lines)))
        parts.append(
            f"<details open><summary>{mark} {name}: {told}</summary>"
            f'<pre style="{_PRE}">{shown}</pre></details>'
        )
    if state.error:
        parts.append(f'<pre style="color:#d62728">{html.escape(state.error)}</pre>')
    return "\n".join(parts)


def as_text(state: ViewState) -> str:
    """Return the view in one line, for where no HTML is shown."""
    streams = [f"{name} {size(stream.received)}" for name, stream in state.streams.items()]
    return ", ".join(
        [f"{state.title}: {state.facts[0]}", *streams, *([state.error] * bool(state.error))]
    )


def plot(state: ViewState) -> str:
    """Return the rates of all streams over time, as one SVG."""
    longest = max((len(stream.rates) for stream in state.streams.values()), default=0)
    top = max((max(stream.rates, default=0) for stream in state.streams.values()), default=0)
    lines = "".join(
        f'<polyline fill="none" stroke-width="1.5" stroke="{COLOURS[name]}"'
        f' points="{_points(stream.rates, top)}"/>'
        for name, stream in state.streams.items()
    )
    label = f"bytes a second, the last {longest * state.interval:.0f} s; at most {size(top)}/s"
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" style="width:100%;max-width:{_WIDTH}px;display:block"'
        f' role="img" aria-label="{label}">'
        f'<path d="M0 {_HEIGHT}H{_WIDTH}" stroke="currentColor" opacity=".3"/>'
        f'<text x="0" y="10" font-size="10" fill="currentColor" opacity=".7">{label}</text>'
        f"{lines}</svg>"
    )


def _points(rates: Sequence[float], top: float) -> str:
    # Below the label, and the latest on the right.
    step = _WIDTH / max(len(rates) - 1, 1)
    scale = (_HEIGHT - 14) / top if top else 0
    return " ".join(
        f"{at * step:.1f},{_HEIGHT - rate * scale:.1f}" for at, rate in enumerate(rates)
    )


def last_lines(name: str, tail: bytes, count: int) -> list[str]:
    """Return the last lines of a stream as text; those of a log without what a person does not read."""
    lines = tail.decode("utf-8", "replace").splitlines()[-count:]
    if name == "log":
        lines = [_log_line(line) for line in lines]
    lines = [_UNSHOWN.sub("", line) for line in lines]
    return [line if len(line) <= _LONGEST else line[:_LONGEST] + "…" for line in lines]


def _log_line(line: str) -> str:
    try:
        record = json.loads(line)
        return f"{record['level']:<5} {record['msg']}"
    except (ValueError, TypeError, KeyError, RecursionError):
        return line


def size(count: float) -> str:
    """Return a number of bytes as people write it."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5 or unit == "GB":
            break
        count /= 1000
    return f"{count:.0f} {unit}" if unit == "B" or count >= 99.5 else f"{count:.1f} {unit}"
