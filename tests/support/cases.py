"""Tables of cases, of which `make test` runs a part and `make test-long` all."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import TypeVar

import pytest

_T = TypeVar("_T")


def mostly_long(cases: Iterable[_T], *, but: Container[_T]) -> list[object]:
    """Return the cases for `parametrize`; those that are not in `but` are marked as `long`.

    A tuple is the values of several arguments.
    """
    return [case if case in but else _long(case) for case in cases]


def _long(case: object) -> object:
    values = case if isinstance(case, tuple) else (case,)
    return pytest.param(*values, marks=pytest.mark.long)
