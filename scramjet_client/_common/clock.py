"""The system's clock for time limits, which goes on if a test has frozen the time."""

from __future__ import annotations

import importlib.util
from importlib.machinery import BuiltinImporter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from time import monotonic
else:
    # Libraries that freeze the time, such as freezegun, put their own functions into `time` and into each module that
    # has one of its functions. A limit that waits for such a clock never ends. They don't find those of another copy.
    _spec = BuiltinImporter.find_spec("time")
    _time = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(_time)
    monotonic = _time.monotonic

__all__ = ["monotonic"]
