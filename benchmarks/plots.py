"""Plots of the results: bars with their spread, this client's in another colour."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.model import US, Case, Measure, Result

FIGURES = {
    "reading": ("output-64k", "output-100", "lines-64k", "lines-100", "records"),
    "tls": ("tls-output-64k", "tls-lines-100", "tls-lines-64k", "tls-upload-64k", "tls-upload-100", "tls-both"),
    "sending": ("upload-64k", "upload-100"),
    "waiting": ("ping-pong", "first-byte", "upload-lone", "json-calls"),
    "far": ("far-first-byte", "far-calls", "far-upload", "far-item"),
    "start": ("start-answer", "start-help", "start-list"),
    "many": ("many-plain", "many-tls", "many-plain-in-step", "many-tls-in-step", "many-uploads"),
    "real-hub": (
        "real-output", "real-lines", "real-upload-64k", "real-upload-100", "real-ping-pong", "real-json-calls",
    ),
}  # fmt: skip
"""The files, and the cases in each."""

_COLOURS = {
    "this": "#d1495b",
    "limit": "#8d96a3",
    "server": "#c9ced6",
    "python": "#30638e",
    "c": "#5a8f69",
    "node": "#b08968",
}
_KINDS = {
    "this": "this client",
    "python": "Python",
    "c": "C with a binding",
    "node": "Node.js",
    "limit": "raw socket",
    "server": "program in C",
}


def drawn(results: Sequence[Result], folder: Path) -> list[Path]:
    """Draw what was measured into SVG files; return those that were made.

    Raises:
        ImportError: matplotlib is not installed (extra "bench").
    """
    _prepare()
    by_name = {result.case.name: result for result in results if result.samples}
    made = []
    folder.mkdir(parents=True, exist_ok=True)
    for name, cases in FIGURES.items():
        there = [by_name[case] for case in cases if case in by_name]
        if there:
            made.append(folder / f"{name}.svg")
            _draw(there, made[-1])
    return made


def _prepare() -> None:
    import matplotlib  # noqa: PLC0415  # of an extra: everything but plots works without

    matplotlib.use("svg")
    # Text stays text, and the same figures make the same file.
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "bench", "font.size": 9})


def _draw(results: list[Result], path: Path) -> None:
    from matplotlib import pyplot  # noqa: PLC0415
    from matplotlib.patches import Patch  # noqa: PLC0415

    sizes = [len(result.samples) for result in results]
    figure, axes = pyplot.subplots(
        len(results), 1, figsize=(8.5, 0.4 + sum(sizes) * 0.21 + len(results) * 0.8),
        gridspec_kw={"height_ratios": [size + 0.5 for size in sizes]}, squeeze=False, layout="constrained",
    )  # fmt: skip
    kinds = set()
    for result, (axis,) in zip(results, axes):
        _bars(result, axis)
        kinds |= {each.kind for each in result.case.contestants if each.name in result.samples}
    handles = [Patch(color=_COLOURS[kind]) for kind in _KINDS if kind in kinds]
    labels = [text for kind, text in _KINDS.items() if kind in kinds]
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def _plotted(case: Case) -> Measure:
    """Return the figure to draw: the first, but where the hub is the bottleneck the processor time."""
    if case.name.startswith("real-") and case.measures[1].title.startswith("CPU"):
        return case.measures[1]
    return case.measures[0]


def _bars(result: Result, axis: Any) -> None:
    """Draw one case, the best on top."""
    measure = _plotted(result.case)
    ran = [each for each in result.case.contestants if each.name in result.samples]
    ran.sort(key=lambda each: result.median(each.name, measure), reverse=not measure.more_is_better)
    middles = [result.median(each.name, measure) for each in ran]
    spreads = [result.values(each.name, measure) for each in ran]
    below = [middle - min(values) for middle, values in zip(middles, spreads)]
    above = [max(values) - middle for middle, values in zip(middles, spreads)]
    colours = [_COLOURS[each.kind] for each in ran]
    names = [each.name for each in ran]
    axis.barh(
        names, middles, color=colours, height=0.72, xerr=(below, above),
        error_kw={"lw": 0.9, "ecolor": "#222222"},
    )  # fmt: skip
    better = "more is better" if measure.more_is_better else "less is better"
    axis.set_title(
        f"{result.case.title.replace('`', '')}: {measure.title}, {better}", loc="left", fontsize=9.5
    )
    # A limit that is far ahead would press the others into a corner: its bar goes on beyond the edge.
    peers = [max(v) for each, v in zip(ran, spreads) if each.kind not in ("limit", "server")]
    end = min(max(map(max, spreads)), 2.5 * max(peers, default=1))
    axis.set_xlim(0, end * 1.14)
    for number, (middle, values) in enumerate(zip(middles, spreads)):
        axis.annotate(
            f"{middle:,.{measure.digits}f}", (min(max(values), end), number), xytext=(4, 0),
            textcoords="offset points", va="center", ha="left", fontsize=8,
            bbox={"boxstyle": "square,pad=0.1", "color": "white"},
        )  # fmt: skip
    axis.margins(y=0.02)
    axis.spines[["top", "right"]].set_visible(False)


OVERVIEW = {
    "output-64k": "read, 64 KiB chunks",
    "lines-64k": "read lines, 64 KiB chunks",
    "lines-100": "read lines, one a chunk",
    "upload-64k": "send, 64 KiB items",
    "upload-100": "send, 100 byte items",
    "json-calls": "small calls",
    "tls-output-64k": "TLS: read, 64 KiB chunks",
    "tls-lines-64k": "TLS: read lines, 64 KiB chunks",
    "tls-lines-100": "TLS: read lines, one a chunk",
    "tls-upload-64k": "TLS: send, 64 KiB items",
    "tls-upload-100": "TLS: send, 100 byte items",
    "start-answer": "start, and one answer",
}
"""The cases in the first picture of the page, from its top."""

_PEERS = {
    "scramjet_client": "#d1495b",
    "requests": "#30638e",
    "urllib3": "#6fa8dc",
    "httpx": "#8d96a3",
    "aiohttp": "#e0a030",
    "pycurl": "#5a8f69",
}


def overview(values: dict[str, Any], folder: Path) -> Path | None:
    """Draw who does most for the same processor time into overview.svg; None if too little was measured.

    Args:
        values: What `report.as_json` returns.
        folder: Where to draw.
    """
    rows = overview_rows(values)
    if not rows:
        return None
    _prepare()
    from matplotlib import pyplot  # noqa: PLC0415

    figure, axis = pyplot.subplots(figsize=(8.5, 1.1 + 0.3 * len(rows)), layout="constrained")
    seen = set()
    for at, costs in enumerate(reversed(list(rows.values()))):
        for peer, cost in costs.items():
            first = peer not in seen
            seen.add(peer)
            axis.scatter(
                costs["requests"] / cost, at, s=110 if peer == US else 46, color=_PEERS[peer],
                zorder=3 if peer == US else 2, label=peer if first else None,
            )  # fmt: skip
    axis.set_yticks(range(len(rows)), [OVERVIEW[name] for name in reversed(rows)])
    axis.set_xscale("log")
    axis.set_xticks([0.25, 0.5, 1, 2, 4, 8], ["1/4", "1/2", "requests", "2 x", "4 x", "8 x"])
    axis.minorticks_off()
    axis.axvline(1, color="#30638e", lw=0.8, zorder=1)
    axis.grid(axis="y", color="#e4e7eb", zorder=0)
    axis.set_title("Work for the same processor time: more is further to the right", loc="left")
    axis.spines[["top", "right", "left"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=len(_PEERS), frameon=False)
    path = folder / "overview.svg"
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
    return path


def overview_rows(values: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Return the processor time of each library, for cases of the overview that this client and requests are in."""
    cases = {case["name"]: _costs(case["contestants"]) for case in values["cases"]}
    return {
        name: cases[name] for name in OVERVIEW if cases.get(name, {}).keys() >= {US, "requests"}
    }


def _costs(contestants: dict[str, dict[str, list[float]]]) -> dict[str, float]:
    """Return the processor time of each library, that of its best way."""
    found: dict[str, float] = {}
    for name, measures in contestants.items():
        peer = name.partition(",")[0]
        for title, figures in measures.items():
            if title.startswith("CPU") and figures and peer in _PEERS:
                cost = statistics.median(figures)
                found[peer] = min(cost, found.get(peer, cost))
    return found
