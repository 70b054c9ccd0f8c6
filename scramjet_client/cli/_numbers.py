"""The types of options that take numbers. The root command needs them for its help, and little else."""

from __future__ import annotations

import click


def seconds_type(*, min_open: bool = True) -> click.FloatRange:
    """Return the type of an option that takes seconds; without `min_open`, 0 is allowed."""
    kind = click.FloatRange(min=0, min_open=min_open)
    kind.name = "number of seconds"
    return kind


def count_type(least: int, most: int | None = None) -> click.IntRange:
    """Return the type of an option that takes a whole number."""
    kind = click.IntRange(least, most)
    kind.name = "whole number"
    return kind
