"""The live view of an instance as HTML: a line of facts, rates over time, and the end of each stream."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import attrs

from scramjet_client._base import in_html
from scramjet_client._common.log_records import HUB, record_of

COLOURS = {"output": "#1f77b4", "stdout": "#2ca02c", "stderr": "#d62728", "log": "#9467bd"}
"""The colour of each stream, in the plot and beside its name. They are distinct on dark and light pages."""

_LIVE = {"running": "#2ca02c", "starting": "#ff7f0e", "stopping": "#ff7f0e"}
"""The colour of the dot while the view is live."""

_PAST = "#7f7f7f"
_BAD = "#d62728"
_WIDTH, _HEIGHT = 480, 72
"""Units of the plot; one unit is one pixel if the page has room."""

_LONGEST = 400
"""Characters of one line that the view shows."""

_WRAP = (
    "max-height:16em;overflow:auto;display:flex;flex-direction:column-reverse;margin:0 0 .5em 1em"
)
"""A box that always shows its end, because the newest lines are the last ones."""

_PRE = "flex:none;margin:0;padding:0;background:none;white-space:pre-wrap;font-family:monospace;font-size:90%"
_FAILED = (
    "margin:.25em 0;padding:.25em .75em;border-left:4px solid;white-space:pre-wrap;"
    f"overflow-wrap:anywhere;font-family:monospace;color:{_BAD}"
)

# Control sequences of terminals (cursor, colours), and other characters that a page can't show.
_UNSHOWN = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f]")


@attrs.frozen(kw_only=True)
class StreamState:
    """One stream of a view: bytes so far, recent bytes a second (the latest last), and its last bytes.

    The number of line ends so far gives the lines of `tail` their numbers.
    """

    received: int
    rates: Sequence[float]
    tail: bytes
    newlines: int = 0


@attrs.frozen(kw_only=True)
class ViewState:
    """Everything that a view shows.

    Attributes:
        facts: The known facts: its status first, then its health and so on.
        interval: Seconds between two rates.
        lines: How many lines of each stream the view shows.
        error: The error that ended the view, if any.
        failure: The program's error, with its place, if any.
        moment: The time of this state: "2026-11-30 10:02:33".
        ended: Why no further picture follows, "" while the view is live.
        life: Seconds after which a picture without a successor no longer counts as live.
    """

    title: str
    facts: Sequence[str]
    streams: Mapping[str, StreamState]
    interval: float
    lines: int
    error: str = ""
    failure: str = ""
    moment: str = ""
    ended: str = ""
    life: float = 6.0


def as_html(state: ViewState, closed: Collection[str] = ()) -> str:
    """Return the view as a piece of a page, with some streams closed; text from the hub is never markup in it."""
    parts = [head(state), plot(state)]
    for name, stream in state.streams.items():
        shown = in_html("\n".join(last_lines(name, stream.tail, state.lines)))
        parts.append(
            f"<details{'' if name in closed else ' open'}><summary>{_summary(name, stream)}</summary>"
            f'<div style="{_WRAP}"><pre style="{_PRE}">{shown}</pre></div></details>'
        )
    return "\n".join([*parts, trouble(state)])


def as_parts(state: ViewState) -> dict[str, Any]:
    """Return the view in pieces, for a page that replaces changed pieces; all are HTML except the lines."""
    return {
        "head": head(state),
        "plot": plot(state),
        "trouble": trouble(state),
        "streams": [
            {
                "name": name,
                "summary": _summary(name, stream),
                "lines": numbered_lines(name, stream, state.lines),
                "box": _WRAP,
                "text": _PRE,
            }
            for name, stream in state.streams.items()
        ],
    }


def as_text(state: ViewState) -> str:
    """Return the view in one line, for frontends that show no HTML."""
    streams = [f"{name} {size(stream.received)}" for name, stream in state.streams.items()]
    troubles = [each for each in (state.ended, state.failure, state.error) if each]
    return ", ".join([f"{state.title}: {state.facts[0]}", *streams, *troubles])


def head(state: ViewState) -> str:
    """Return the line of facts. It shows by itself when it is no longer live.

    A page can't know whether another picture will follow, and a notebook keeps the last one. So the markup
    shows the past, and an animation makes it look live for some seconds.
    """
    facts = in_html(" · ".join(state.facts))
    bad = bool(state.failure or state.error) or state.facts[0] == "crashed"
    moment = in_html(state.moment)
    if state.ended:
        style, dot, after = "", _BAD if bad else _PAST, in_html(state.ended)
        note = f"{after}, {moment}" if moment else after
    else:
        colour = _LIVE.get(state.facts[0], "#ff7f0e")
        name = "scramjet-" + colour[1:]
        style = (
            f"<style>@keyframes {name}{{from,to{{color:{colour}}}}}"
            "@keyframes scramjet-unseen{from,to{visibility:hidden}}</style>"
        )
        dot = f"{_PAST};animation:{name} {state.life:g}s"
        note = f"as of {moment}" if moment else ""
        note += (
            f' <i style="animation:scramjet-unseen {state.life:g}s">'
            "(a saved picture: nothing draws it anew)</i>"
        )
    return (
        f'{style}<div><span style="color:{dot}">●</span> <b>{in_html(state.title)}</b>'
        f' {facts} <span style="opacity:.7">· {note}</span></div>'
    )


def trouble(state: ViewState) -> str:
    """Return the program's error and the error that ended the view, as separate pieces."""
    return "\n".join(
        f'<pre style="{_FAILED}">{in_html(_UNSHOWN.sub("", each))}</pre>'
        for each in (state.failure, state.error)
        if each
    )


def _summary(name: str, stream: StreamState) -> str:
    told = f"{size(stream.received)}, {size(stream.rates[-1] if stream.rates else 0)}/s"
    return f'<span style="color:{COLOURS[name]}">■</span> {name}: {told}'


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
    """Return the last lines of a stream as text. Lines of a log appear without the details that people do not read."""
    return [text for _number, text in _lines(name, tail)[-count:]]


def numbered_lines(name: str, stream: StreamState, count: int) -> list[tuple[str, str]]:
    """Return the last lines, each with a unique name that stays the same from one picture to the next."""
    begun = stream.newlines - stream.tail.count(b"\n")
    found: list[tuple[str, str]] = []
    part = previous = -1
    for number, text in _lines(name, stream.tail):
        part = part + 1 if number == previous else 0
        previous = number
        found.append((f"{begun + number}.{part}", text))
    return found[-count:]


def _lines(name: str, tail: bytes) -> list[tuple[int, str]]:
    """Return the lines to show, each with the number of its line in the stream."""
    found: list[tuple[int, str]] = []
    lines = tail.decode("utf-8", "replace").split("\n")
    if not lines[-1]:
        lines.pop()
    for number, line in enumerate(lines):
        # A record of a log may hold a whole traceback, and its last line matters most.
        shown = _record(line) if name == "log" else [_overwritten(line)]
        found += [(number, _cut(_UNSHOWN.sub("", each))) for each in shown]
    return found


def _record(line: str) -> list[str]:
    record = record_of(line)
    if record is None or not record.level:
        return [_overwritten(line)]
    if record.level in ("TRACE", "DEBUG") and record.source == HUB:
        return []  # such as the record of each look of the view
    first, *others = record.message.splitlines() or [""]
    return [f"{record.level:<5} {first}", *(f"{'':<5} {each}" for each in others)]


def _overwritten(line: str) -> str:
    """Return the part of a line that a terminal leaves visible after a progress bar has overwritten it repeatedly."""
    return next((part for part in reversed(line.split("\r")) if part), "")


def _cut(line: str) -> str:
    """Return a line, without its middle if it is long: the beginning and the end say the most."""
    if len(line) <= _LONGEST:
        return line
    half = _LONGEST // 2
    return f"{line[:half]} … {line[-half:]}"


def size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5 or unit == "GB":
            break
        count /= 1000
    return f"{count:.0f} {unit}" if unit == "B" or count >= 99.5 else f"{count:.1f} {unit}"
