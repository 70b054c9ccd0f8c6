"""A proxy that breaks connections on purpose, for tests of programs that use a hub.

    from scramjet_client.testing import Cut, Delay, FaultProxy, Pass

    with FaultProxy(hub.url) as proxy, HostClient(proxy.url) as host:
        proxy.next(Cut(after=1000), Delay(0.2), Pass())

The first request loses its answer after 1,000 bytes. The second gets its answer 0.2 s late. All others pass.
"""

from typing import TYPE_CHECKING as _TYPE_CHECKING

from scramjet_client._common.names import elsewhere as _elsewhere
from scramjet_client.testing._faults import (
    Answer,
    CloseIdle,
    Corrupt,
    Cut,
    Delay,
    Drip,
    Drop,
    Reset,
    Restart,
    Stall,
    Truncate,
)
from scramjet_client.testing._flow import Fault, Flow, Pass, Point
from scramjet_client.testing._proxy import FaultProxy

__all__ = [
    "FaultProxy",
    # faults that a request may meet
    "Answer", "CloseIdle", "Corrupt", "Cut", "Delay", "Drip", "Drop", "Pass", "Reset", "Restart", "Stall", "Truncate",
    # for your own faults
    "Fault", "Flow", "Point",
]  # fmt: skip

if not _TYPE_CHECKING:
    __getattr__ = _elsewhere(__name__)
