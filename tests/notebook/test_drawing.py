"""A view as a piece of a page."""

from __future__ import annotations

import json

import attrs
import pytest

from scramjet_client.integrations._drawing import (
    StreamState,
    ViewState,
    as_html,
    as_text,
    last_lines,
    numbered_lines,
    size,
)
from scramjet_client.integrations._view import Meter


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


def test_nothing_is_reordered():
    """Characters that reorder or hide what stands around them are shown as their escapes."""
    unseen = "a\u202eb\u2066c\x9bd"
    given = attrs.evolve(
        state(output=StreamState(received=9, rates=[], tail=f"{unseen}\n".encode())),
        title=unseen,
        facts=[unseen],
        error=unseen,
    )

    page = as_html(given)

    assert [each for each in page if not each.isprintable() and each not in "\n\t"] == []


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


TRACE = "Traceback:\n  File x, line 12\n" + "  frame\n" * 30 + "ValueError: no number in line 3"

TAILS = [
    # (stream, its end, how many lines, what is shown)
    (
        "log",
        json.dumps({"level": "ERROR", "msg": TRACE}).encode(),
        2,
        ["        frame", "      ValueError: no number in line 3"],
    ),
    (
        "log",
        b'{"level":"INFO","msg":"a"}\n{"msg":"Get info","level":"DEBUG","from":"CSIController"}\n'
        b'{"msg":"Instance completed","level":"INFO","from":"CSIController"}\n',
        2,
        ["INFO  a", "INFO  Instance completed"],
    ),
    ("log", b'{"level":"DEBUG","msg":"mine","from":"PythonRunner"}', 2, ["DEBUG mine"]),
    ("log", b'{"level":"INFO","msg":""}', 2, ["INFO  "]),
    ("log", b'{"level":"INFO","msg":7}', 2, ["INFO  7"]),
    (
        "stderr",
        b"x" * 1000 + b"ValueError: y",
        1,
        ["x" * 200 + " … " + "x" * 187 + "ValueError: y"],
    ),
    ("stderr", b"10%\r20%\r30%", 1, ["30%"]),
    ("stderr", b"one\r\ntwo\r\n", 2, ["one", "two"]),
    ("output", b"a\n\nb\n", 3, ["a", "", "b"]),
    ("output", "a\u2028b".encode(), 3, ["a\u2028b"]),
    ("output", b"", 3, []),
]


@pytest.mark.parametrize(("name", "tail", "count", "shown"), TAILS)
def test_what_is_said_last_is_shown(name: str, tail: bytes, count: int, shown: list[str]):
    """Records are split into lines before the last are chosen, and a long line keeps its end."""
    assert last_lines(name, tail, count) == shown


def test_lines_keep_their_names():
    """A line has the same name in each picture, however much has come; one that grows keeps it, too."""
    tail = Meter()
    tail.write(b"one\ntwo\nth")
    before = numbered_lines("output", tail.state(), 3)
    tail.write(b"ree\n" + b"more\n")
    after = numbered_lines("output", tail.state(), 3)
    tail.write(b"x" * 1000 + b"\n" + b"filled\n" * 3000)
    late = numbered_lines("output", tail.state(), 1)

    assert before == [("0.0", "one"), ("1.0", "two"), ("2.0", "th")]
    assert after == [("1.0", "two"), ("2.0", "three"), ("3.0", "more")]
    assert late == [("3004.0", "filled")]
    assert len({name for name, _ in numbered_lines("output", tail.state(), 5000)}) > 2000


def test_what_begins_within_a_line_is_not_shown():
    """Of a line whose beginning is no longer kept nothing is shown, unless there is nothing else."""
    tail = Meter()
    tail.write(b"a" * 16380 + b"end\nlast\n")
    alone = Meter()
    alone.write(b"a" * 20_000)

    assert last_lines("output", tail.state().tail, 5) == ["last"]
    assert last_lines("output", alone.state().tail, 5)[0].startswith("aaa")


def test_a_picture_says_when_it_is_of():
    """A live one looks live by an animation that runs out, and an ended one says why and until when."""
    live = attrs.evolve(state(), moment="2026-11-30 10:02:33")
    past = attrs.evolve(live, ended="the view was closed")

    assert "as of 2026-11-30 10:02:33" in as_html(live)
    assert "animation:" in as_html(live)
    assert "a saved picture" in as_html(live)
    assert "the view was closed, 2026-11-30 10:02:33" in as_html(past)
    assert "animation:" not in as_html(past)
    assert "#2ca02c" not in as_html(past)


def test_troubles_stand_on_their_own():
    """The program's error and what ended the view are apart from streams and facts, as text."""
    page = as_html(
        attrs.evolve(state(), ended="over", failure="ValueError: <b>", error="StreamError: x")
    )

    assert page.count("<pre") == 2
    assert "ValueError: &lt;b&gt;" in page
    assert "StreamError: x" in page
    assert "ValueError: <b>" in as_text(attrs.evolve(state(), failure="ValueError: <b>"))


def test_sections_that_were_closed_stay_closed():
    """The last picture has the sections that its reader has closed closed."""
    streams = {name: StreamState(received=0, rates=[], tail=b"") for name in ("output", "log")}
    page = as_html(state(**streams), closed=["log"])

    assert page.count("<details open>") == 1
    assert page.count("<details>") == 1


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (99_600, "100 kB"), (2.5e12, "2500 GB")],
)
def test_sizes(count: float, text: str):
    """Numbers of bytes have three digits or fewer, and a unit."""
    assert size(count) == text


def test_tail_is_bounded():
    """However much comes, and in whatever pieces, the last 16 KiB are kept and all is counted."""
    tail = Meter()
    for _ in range(100):
        tail.write(b"a" * 1000)
    tail.write(b"b" * 100_000)
    tail.write(b"end")
    tail.sample(2.0)

    assert tail.received == 200_003
    assert bytes(tail) == b"b" * 16_381 + b"end"
    assert list(tail.rates) == [100_001.5]
