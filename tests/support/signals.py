"""Signals as a program finds them that was started in a terminal, or in the background."""

from __future__ import annotations

import signal
import sys

_SETTING = """
import os, signal, sys
for name in sys.argv[1].split():
    signal.signal(getattr(signal, name), getattr(signal, "{}"))
os.execv(sys.argv[2], sys.argv[2:])
"""


def as_in_a_terminal() -> None:
    """Handle signals as a program does that was started in a terminal; programs that are started inherit it.

    A shell that starts something in the background has it ignore Ctrl-C, and a supervisor may ignore more.
    SIGHUP is left alone: `nohup` is there to keep the suite running.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if not hasattr(signal, "pthread_sigmask"):
        return  # not a POSIX system
    for each in (signal.SIGTERM, signal.SIGQUIT, signal.SIGCHLD):
        signal.signal(each, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # Python's own way; `subprocess` undoes it
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def ignoring(*names: str) -> list[str]:
    """Return the beginning of a command that runs the rest of it with signals ignored, as a shell's `&` does."""
    return [sys.executable, "-c", _SETTING.format("SIG_IGN"), " ".join(names)]


def hearing(*names: str) -> list[str]:
    """Return the beginning of a command that runs the rest of it with signals not ignored, also below `nohup`."""
    return [sys.executable, "-c", _SETTING.format("SIG_DFL"), " ".join(names)]
