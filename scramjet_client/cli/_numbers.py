"""The types of options that take numbers. The root command needs them for its help, and little else."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import click

_SECONDS: Mapping[str, float] = {
    "ms": 0.001,
    "s": 1,
    "sec": 1,
    "m": 60,
    "min": 60,
    "h": 3600,
    "d": 86400,
}
_MEGABYTES: Mapping[str, float] = {
    "m": 1,
    "mb": 1,
    "mib": 1,
    "mi": 1,
    "g": 1024,
    "gb": 1024,
    "gib": 1024,
    "gi": 1024,
}


class _Number:
    """A number that other tools take with a unit; `units` are these, and their sizes in that of the option."""

    units: Mapping[str, float]

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number; say how one with a unit is written."""
        try:
            found = super().convert(value, param, ctx)  # type: ignore[misc]
        except click.BadParameter as error:
            written = self._without_unit(str(value))
            if written is None:
                raise
            said = f"{error.message.rstrip('.')}; write {written:g}"
            raise click.BadParameter(said, ctx, param) from None
        if not math.isfinite(found):
            self.fail(f"{value!r} is not a valid {self.name}", param, ctx)  # type: ignore[attr-defined]
        return found

    def _without_unit(self, text: str) -> float | None:
        number = text.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
        size = self.units.get(text[len(number) :].lower())
        try:
            return None if size is None else float(number) * size
        except ValueError:
            return None


class _Seconds(_Number, click.FloatRange):
    name = "number of seconds"
    units = _SECONDS


class _Count(_Number, click.IntRange):
    name = "whole number"
    units: Mapping[str, float] = {}


class _Megabytes(_Count):
    units = _MEGABYTES


def seconds_type(*, min_open: bool = True) -> click.FloatRange:
    """Return the type of an option that takes seconds; without `min_open`, 0 is allowed."""
    return _Seconds(min=0, min_open=min_open)


def count_type(least: int, most: int | None = None) -> click.IntRange:
    """Return the type of an option that takes a whole number."""
    return _Count(least, most)


def megabytes_type() -> click.IntRange:
    """Return the type of an option that takes megabytes."""
    return _Megabytes(1)
