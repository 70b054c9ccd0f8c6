"""A real kernel of Jupyter, in a process of its own, that runs cells and is interrupted by a real SIGINT."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable
from typing import Any

import attrs
import zmq
from jupyter_client import KernelManager
from jupyter_client.blocking import BlockingKernelClient
from jupyter_core.utils import ensure_event_loop

_LIMIT = 60.0
"""Seconds for a cell, which only a failure uses up."""


@attrs.define
class Ran:
    """What came of a cell: texts of its streams, what it displayed, the name of its error, and its traceback."""

    text: str = ""
    error: str = ""
    traceback: str = ""
    shown: list[dict[str, Any]] = attrs.field(factory=list)


class Kernel:
    """A kernel; use it in a `with` block. Messages that no cell is waited for are kept."""

    def __init__(self) -> None:
        self._context = zmq.Context()
        self._manager = KernelManager(kernel_name="python3", context=self._context)
        self._drawn: dict[str, list[dict[str, Any]]] = {}
        self._client: BlockingKernelClient

    def __enter__(self) -> Kernel:
        self._manager.start_kernel()
        self._client = self._manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=_LIMIT)
        self._pid = int(self.run("import os; print(os.getpid())").text)
        return self

    def __exit__(self, *_error: object) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)
        self._context.destroy(linger=0)
        # Of this thread; jupyter_client leaves it open.
        ensure_event_loop().close()

    def begin(self, code: str, cell: str | None = None) -> str:
        """Have a cell run, and return the id of the request; `cell` is the cell's own, as a frontend gives it."""
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}}
        message = self._client.session.msg(
            "execute_request",
            {**content, "allow_stdin": False, "stop_on_error": True},
            metadata={} if cell is None else {"cellId": cell},
        )
        self._client.shell_channel.send(message)
        request: str = message["header"]["msg_id"]
        return request

    def end(self, request: str, *, on_text: Callable[[], object] | None = None) -> Ran:
        """Wait until a cell has ended; `on_text` is called when it has printed something for the first time."""
        ran = Ran()
        while True:
            message = self._next()
            content = message["content"]
            if message["parent_header"].get("msg_id") != request:
                continue
            if message["msg_type"] == "stream":
                ran.text += content["text"]
                if on_text is not None:
                    on_text()
                    on_text = None
            elif message["msg_type"] in ("display_data", "execute_result"):
                ran.shown.append(content)
            elif message["msg_type"] == "error":
                ran.error = content["ename"]
                ran.traceback = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(content["traceback"]))
            elif content.get("execution_state") == "idle":
                return ran

    def run(self, code: str, cell: str | None = None) -> Ran:
        """Run a cell to its end."""
        return self.end(self.begin(code, cell))

    def interrupt(self) -> None:
        """Send the kernel a SIGINT, as the button does."""
        os.kill(self._pid, signal.SIGINT)

    def drawn(self, display: dict[str, Any], until: Callable[[str], bool]) -> str:
        """Wait until a display has been drawn in a certain way; return its HTML."""
        display_id = display["transient"]["display_id"]
        deadline = time.monotonic() + _LIMIT
        while time.monotonic() < deadline:
            for data in self._drawn.pop(display_id, []):
                if until(data["text/html"]):
                    found: str = data["text/html"]
                    return found
            self._next()
        raise AssertionError("it was not drawn in that way")

    def _next(self) -> dict[str, Any]:
        message: dict[str, Any] = self._client.get_iopub_msg(timeout=_LIMIT)
        if message["msg_type"] == "update_display_data":
            content = message["content"]
            self._drawn.setdefault(content["transient"]["display_id"], []).append(content["data"])
        return message
