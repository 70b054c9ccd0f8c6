"""The reaper kills what is left, also if something keeps the end of its input from it."""

from __future__ import annotations

import os
import subprocess
import sys

from scramjet_client.hub._reaper import Reaper
from tests.support.waiting import LIMIT


def test_input_that_stays_open():
    """`close` returns, and no group lives on."""
    reaper = Reaper(None, limit=0.1)
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True
    ) as child:
        reaper.add(child.pid)
        assert reaper._process is not None
        assert reaper._process.stdin is not None
        held = os.dup(reaper._process.stdin.fileno())
        try:
            reaper.close()

            assert child.wait(LIMIT) == -9
        finally:
            os.close(held)
