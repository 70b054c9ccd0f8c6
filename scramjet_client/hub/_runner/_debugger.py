"""Stops in the program where it failed, for `scramjet dev --pdb`."""

from __future__ import annotations

import os
import pdb
import socket

VARIABLE = "SCRAMJET_DEV_DEBUGGER"
"""Path of a socket behind which somebody types. The hub of the command is the only one that has it."""


def stop_at(error: BaseException) -> None:
    """Let whoever listens look at the frames of an error, until they leave; do nothing if nobody listens."""
    path = os.environ.get(VARIABLE)
    trace = error.__traceback__
    if not path or trace is None or isinstance(error, (SystemExit, KeyboardInterrupt)):
        return
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(None)
            connection.connect(path)
            # Two files: one file for both drops what was typed ahead when it writes.
            with (
                connection.makefile("r", encoding="utf-8", errors="replace") as typed,
                connection.makefile("w", encoding="utf-8", errors="replace") as shown,
            ):
                debugger = pdb.Pdb(stdin=typed, stdout=shown, nosigint=True, readrc=False)
                debugger.reset()
                debugger.interaction(None, trace)
    except (OSError, SyntaxError):
        # Nobody is there any more.
        return
