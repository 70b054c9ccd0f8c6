"""Deploy a function with all that it uses: a constant, a class and imports.

python examples/deploy_function.py [URL]
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

from _common import open_host

SPREAD = 3  # standard deviations that a value may be away from the mean


class Window:
    """The last values of a series."""

    def __init__(self, size: int) -> None:
        self.values: deque[float] = deque(maxlen=size)

    def is_unusual(self, value: float) -> bool:
        """Say whether a value is far from those before, and take it in if it is not."""
        full = len(self.values) == self.values.maxlen
        if full and abs(value - statistics.mean(self.values)) > SPREAD * statistics.stdev(
            self.values
        ):
            return True
        self.values.append(value)
        return False


async def find_outliers(context: Any, input: Any, size: int) -> AsyncIterator[dict[str, float]]:
    """Give the values that are far from the last `size` before them, and where they were."""
    window, text = Window(size), "".join([chunk async for chunk in input])
    for at, value in enumerate(map(float, text.split())):
        if window.is_unusual(value):
            yield {"at": at, "value": value}


with open_host() as host:
    series = [20 + n % 5 / 10 for n in range(1000)]
    series[400], series[777] = 35.5, 4.25
    sequence = host.deploy(find_outliers)
    completed = sequence.run(" ".join(map(str, series)), type="text/plain", args=[50], timeout=120)
    print(completed.output.decode(), end="")
