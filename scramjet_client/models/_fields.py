"""What all answers have."""

from __future__ import annotations

from typing import Any

import attrs

from scramjet_client._base import Shown


def extra_field() -> Any:
    """Return the field for an object of the hub's, which is neither shown nor compared."""
    return attrs.field(factory=dict, repr=False, eq=False)


@attrs.frozen(kw_only=True)
class Answer(Shown):
    """What a hub or a manager has answered.

    Attributes:
        raw: Its JSON, unchanged, which is neither shown nor compared.
    """

    raw: Any = attrs.field(default=None, repr=False, eq=False)
