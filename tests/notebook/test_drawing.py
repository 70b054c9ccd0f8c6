"""A view as a piece of a page."""

from __future__ import annotations

import pytest

from scramjet_client.integrations._drawing import (
    StreamState,
    ViewState,
    as_html,
    as_text,
    last_lines,
    size,
)
from scramjet_client.integrations._view import Tail


def state(**streams: StreamState) -> ViewState:
    return ViewState(
        title="instance <abc>",
        facts=["running", "healthy: a & b"],
        streams=streams,
        interval=0.5,
        lines=2,
    )


def test_everything_is_escaped():
    """Title, facts and what a program says are text."""
    page = as_html(state(output=StreamState(received=9, rates=[], tail=b"<i>x</i>\n")))

    assert "&lt;abc&gt;" in page
    assert "healthy: a &amp; b" in page
    assert "&lt;i&gt;x&lt;/i&gt;" in page
    assert "<i>" not in page


def test_rates_are_drawn_to_one_scale():
    """The highest rate of all streams is the height of the plot, and its right end is now."""
    page = as_html(
        state(
            output=StreamState(received=300, rates=[0, 100, 200], tail=b""),
            log=StreamState(received=9, rates=[0, 0, 50], tail=b""),
        )
    )

    assert 'points="0.0,72.0 240.0,43.0 480.0,14.0"' in page
    assert 'points="0.0,72.0 240.0,72.0 480.0,57.5"' in page
    assert "the last 2 s; at most 200 B/s" in page


def test_nothing_has_come_yet():
    """A view without a byte can be drawn."""
    nothing = state(output=StreamState(received=0, rates=[], tail=b""))

    assert "<svg" in as_html(nothing)
    assert as_text(nothing) == "instance <abc>: running, output 0 B"


def test_lines_that_are_shown():
    """The last lines alone, without colours of a terminal; of a log, level and message."""
    log = b'{"level":"WARN","msg":"hot"}\nnot json\n{"level":1}\n'

    assert last_lines("stdout", b"one\n\x1b[31mtwo\x1b[0m\nthree\x07", 2) == ["two", "three"]
    assert last_lines("log", log, 3) == ["WARN  hot", "not json", '{"level":1}']
    assert last_lines("output", b"\xff" * 3, 2) == ["\ufffd" * 3]


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (99_600, "100 kB"), (2.5e12, "2500 GB")],
)
def test_sizes(count: float, text: str):
    """Numbers of bytes have three digits or fewer, and a unit."""
    assert size(count) == text


def test_tail_is_bounded():
    """However much comes, and in whatever pieces, the last 16 KiB are kept and all is counted."""
    tail = Tail()
    for _ in range(100):
        tail.write(b"a" * 1000)
    tail.write(b"b" * 100_000)
    tail.write(b"end")
    tail.sample(2.0)

    assert tail.received == 200_003
    assert tail.end == b"b" * 16_381 + b"end"
    assert list(tail.rates) == [100_001.5]
