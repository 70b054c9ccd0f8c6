"""The widget that draws a live view, if anywidget is installed."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

_SCRIPT = Path(__file__).with_name("live_view.js")
"""The page's side, an ES module."""

_VIEW = "application/vnd.jupyter.widget-view+json"


def live_widget() -> Any:
    """Return a widget that draws its `state`, which comes from `as_parts`; None without anywidget.

    The page reports the names of the sections that its reader has closed, in `closed`.
    """
    try:
        anywidget = import_module("anywidget")
    except ImportError:
        return None
    traitlets = import_module("traitlets")
    widget = anywidget.AnyWidget(_esm=_SCRIPT.read_text("utf-8"))
    widget.add_traits(state=traitlets.Dict().tag(sync=True), closed=traitlets.List().tag(sync=True))
    return widget


def view_of(widget: Any) -> dict[str, Any]:
    return {_VIEW: {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}}
