"""Plots of the results: bars with their spread, this client's in another colour."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.model import Case, Measure, Result

FIGURES = {
    "reading": ("output-64k", "output-100", "lines-64k", "lines-100", "records"),
    "sending": ("upload-64k", "upload-100"),
    "waiting": ("ping-pong", "first-byte", "upload-lone", "json-calls"),
    "many": ("many-plain", "many-tls", "many-plain-in-step", "many-tls-in-step"),
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
    import matplotlib  # noqa: PLC0415  # of an extra: everything but plots works without

    matplotlib.use("svg")
    # Text stays text, and the same figures make the same file.
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "bench", "font.size": 9})
    by_name = {result.case.name: result for result in results if result.samples}
    made = []
    folder.mkdir(parents=True, exist_ok=True)
    for name, cases in FIGURES.items():
        there = [by_name[case] for case in cases if case in by_name]
        if there:
            made.append(folder / f"{name}.svg")
            _draw(there, made[-1])
    return made


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
