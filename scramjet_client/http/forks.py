"""Which process this is, cheap enough to be asked for each item of a body: `os.getpid` asks the system."""

from __future__ import annotations

import os

process: object = object()
"""One object in each process: a fork gets its own."""


def _begin_process() -> None:
    global process  # noqa: PLW0603 - the one place that sets it
    process = object()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_process)
