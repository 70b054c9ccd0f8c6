"""The live view as a widget, as far as a kernel goes; `test_browser` looks at it in JupyterLab."""

from __future__ import annotations

import asyncio

from scramjet_client import HostClient
from tests.notebook.kernel import Kernel


async def talk(context, input):
    """Give a line, and wait."""
    yield "<b>first</b>\n"
    await asyncio.Event().wait()


def test_widget_is_replaced_by_a_picture_at_its_end(host: HostClient, kernel: Kernel):
    """A notebook keeps no widgets: when the view is closed there is HTML in its place."""
    started = host.deploy(talk).start()
    started.wait_for("running", timeout=60)
    shown = kernel.run(f"view = host.get_instance_client({started.id!r}).show()").shown
    kernel.run("view.close()")
    last = kernel.drawn(shown[0], lambda page: "closed" in page)
    started.kill()

    assert "application/vnd.jupyter.widget-view+json" in shown[0]["data"]
    assert "text/plain" in shown[0]["data"]
    assert "&lt;b&gt;first&lt;/b&gt;" in last


def test_without_anywidget(kernel: Kernel, host: HostClient):
    """A widget that is asked for and can't be had is an error that says how to get it; unasked, it is HTML."""
    started = host.deploy(talk).start()
    started.wait_for("running", timeout=60)
    hide = (
        f"import sys; sys.modules['anywidget'] = None; i = host.get_instance_client({started.id!r})"
    )
    kernel.run(hide)
    asked = kernel.run("i.show(widget=True)")
    unasked = kernel.run("view = i.show()").shown[0]
    kernel.drawn(unasked, lambda page: "first" in page)
    kernel.run("view.close(); del sys.modules['anywidget']")
    started.kill()

    assert asked.error == "ImportError"
    assert "pip install anywidget" in asked.traceback
    assert "application/vnd.jupyter.widget-view+json" not in unasked["data"]
