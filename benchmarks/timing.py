"""Timing several ways of doing one thing, side by side."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def seconds(action: Callable[[], object], runs: int) -> list[float]:
    """Return how long each run of `action` took."""
    taken = []
    for _ in range(runs):
        began = time.perf_counter()
        action()
        taken.append(time.perf_counter() - began)
    return taken


def interleaved(actions: Mapping[str, Callable[[], object]], runs: int) -> dict[str, list[float]]:
    """Return the seconds of each action; they take turns, so that a busy moment hits all of them."""
    taken: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(runs):
        for name, action in actions.items():
            taken[name] += seconds(action, 1)
    return taken


def spread(values: list[float], unit: str = "", scale: float = 1.0) -> str:
    """Return median, minimum and maximum as text."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle * scale:.1f}{unit} ({low * scale:.1f}-{high * scale:.1f})"
