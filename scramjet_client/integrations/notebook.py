"""Notebooks: a live view of an instance in a cell, and bars for transfers.

    view = instance.show()

    with TransferBar("sending") as bar:
        instance.send_input(path, progress=bar)

docs/notebook.md has the rest. Needs the extra "notebook".
"""

from __future__ import annotations

import asyncio
import atexit
import io
import sys
import warnings
import weakref
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

try:
    from IPython import get_ipython
    from IPython.display import display
    from tqdm import TqdmWarning

    with warnings.catch_warnings():
        # It warns that ipywidgets is missing; the bar is then text.
        warnings.simplefilter("ignore", TqdmWarning)
        from tqdm.auto import tqdm
except ImportError as _error:
    if _error.name not in ("IPython", "tqdm"):
        raise
    raise ImportError(
        f"scramjet_client.integrations.notebook needs {_error.name}: pip install 'scramjet_client[notebook]'",
        name=_error.name,
    ) from _error

from scramjet_client._base import Closing
from scramjet_client._common.checks import checked_list
from scramjet_client._common.names import advised_function, elsewhere
from scramjet_client.http.exchange import READ_SIZE
from scramjet_client.instances.client import InstanceClient
from scramjet_client.integrations._drawing import ViewState, as_html, as_parts, as_text
from scramjet_client.integrations._view import LiveView
from scramjet_client.integrations._widget import live_widget, view_of
from scramjet_client.models import OUTPUT_STREAMS, InstanceOutputStream
from scramjet_client.uploads.options import checked_stream_id

__all__ = ["LiveView", "TransferBar", "show"]

if not TYPE_CHECKING:
    __getattr__ = elsewhere(__name__)

_views: weakref.WeakKeyDictionary[LiveView, Any] = weakref.WeakKeyDictionary()
# The views of this kernel, and their cells (None if the frontend does not name them). Only the thread that runs
# cells uses it.


@advised_function
def show(
    instance: InstanceClient,
    *,
    streams: Iterable[InstanceOutputStream] = ("output", "stdout", "stderr", "log"),
    lines: int = 12,
    interval: float = 0.5,
    widget: bool | None = None,
) -> LiveView:
    """Show an instance live in this cell; return at once, so that other cells can run.

    If a reader opens a stream later, it does not get the data that the view has read before. Readers that are open at
    the same time both get everything. A second view of the same instance ends the first.

    The view ends when the instance has ended, when its cell is run again, when a cell is interrupted, at the end of
    a `with` block, and by `close()`.

    Args:
        instance: The instance to show.
        streams: The streams to read; choose streams that nobody else reads.
        lines: How many of the last lines of each stream to show.
        interval: Seconds between two drawings.
        widget: Whether to draw with a widget, in which sections stay closed and text stays selected. It needs
            anywidget, and a frontend that supports widgets. None means yes if anywidget is installed.

    Raises:
        RuntimeError: This is not a notebook.
        ImportError: You asked for a widget, and anywidget is not installed.
        InstanceNotFoundError: The hub has no such instance.
    """
    given = [streams] if isinstance(streams, str) else streams
    named = checked_list("streams", given, f"names of streams ({', '.join(OUTPUT_STREAMS)})")
    names = [checked_stream_id(name, OUTPUT_STREAMS) for name in named]
    shell = get_ipython()
    if getattr(shell, "kernel", None) is None:
        raise RuntimeError(
            "show() draws in a cell of a notebook, and this is not one; follow() and attach() work everywhere"
        )
    live = live_widget() if widget is not False else None
    if widget and live is None:
        raise ImportError("widget=True needs anywidget: pip install anywidget", name="anywidget")
    others = (view for view in _views if view.instance.id == instance.id)
    _close(others, "another view of it was made")
    first = {"text/plain": f"instance {instance.id}", **({} if live is None else view_of(live))}
    handle = display(first, raw=True, display_id=True)

    def draw(state: ViewState) -> None:
        if live is not None and not state.ended:
            live.state = as_parts(state)
            return
        # Notebooks save no widgets, so draw the last picture as HTML, which they save.
        closed = () if live is None else live.closed
        handle.update({"text/html": as_html(state, closed), "text/plain": as_text(state)}, raw=True)
        if live is not None:
            live.close()

    view = LiveView(instance, draw, streams=names, lines=lines, interval=interval)
    _end_with_cells(shell)
    _views[view] = _cell(shell)
    return view


def _cell(shell: Any) -> str | None:
    """Return the id of the running cell, if the frontend gives it one."""
    parent = shell.kernel.get_parent()
    found: str | None = (parent.get("metadata") or {}).get("cellId")
    return found


def _close(views: Iterable[LiveView], why: str) -> None:
    for view in list(views):
        view.end(why)
        _views.pop(view, None)


def _end_with_cells(shell: Any) -> None:
    """Make views end with their cells, at an interrupt and with the kernel."""
    if _before_cell in shell.events.callbacks["pre_run_cell"]:
        return
    shell.events.register("pre_run_cell", _before_cell)
    shell.events.register("post_run_cell", _after_cell)
    atexit.register(lambda: _close(_views, "the kernel has ended"))


def _before_cell(info: Any) -> None:
    cell = getattr(info, "cell_id", None)
    if cell is not None:
        _close((view for view, at in _views.items() if at == cell), "its cell was run again")


def _after_cell(result: Any) -> None:
    if isinstance(result.error_in_exec, (KeyboardInterrupt, asyncio.CancelledError)):
        _close(_views, "a cell was interrupted")


class TransferBar(Closing):
    """A tqdm bar for one transfer: a hook for `progress=`, and a wrapper of a stream.

    In a notebook with ipywidgets it is a widget, and without them text. In a terminal it is text on stderr.

    Args:
        label: Text before the bar.
        total: Bytes in all, if known; a hook learns them from the upload.
        **options: Further options of `tqdm`.
    """

    def __init__(self, label: str = "", *, total: int | None = None, **options: Any) -> None:
        given = {"unit": "B", "unit_scale": True, **options}
        if getattr(get_ipython(), "kernel", None) is not None:
            # Notebooks draw stderr as a pink box. The widget is not affected.
            given.setdefault("file", sys.stdout)
        self._bar = tqdm(desc=label or None, total=total, **given)

    def __call__(self, sent: int, total: int | None) -> None:
        """Show how many bytes have been sent; `progress=` calls this."""
        if total is not None:
            self._bar.total = total
        self._bar.update(sent - self._bar.n)

    def wrap(self, stream: io.BufferedIOBase) -> io.BufferedReader:
        """Return a binary file that gives the data of `stream` and moves the bar; closing it closes both."""
        return io.BufferedReader(_Counted(stream, self._bar), READ_SIZE)

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()


class _Counted(io.RawIOBase):
    """A stream's data, counted by a bar."""

    def __init__(self, stream: io.BufferedIOBase, bar: Any) -> None:
        self._stream = stream
        self._bar = bar

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._stream.readinto1(buffer)
        self._bar.update(count)
        return count

    def close(self) -> None:
        self._stream.close()
        self._bar.close()
        super().close()
