"""Fields that all answers have."""

from __future__ import annotations

from typing import Any

import attrs


def raw_field() -> Any:
    """Return the field for the hub's own JSON, which is neither shown nor compared."""
    return attrs.field(default=None, repr=False, eq=False)


def extra_field() -> Any:
    """Return the field for an object of the hub's, which is neither shown nor compared."""
    return attrs.field(factory=dict, repr=False, eq=False)
