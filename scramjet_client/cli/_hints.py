"""Advice about a program's error that names an option of the command."""

from __future__ import annotations

import re

from scramjet_client.models import Cause

_TEXT = "text/plain"

_BYTES = re.compile(r"\bbytes\b|byte string")


def hint(cause: Cause | None, sent: str | None = None) -> str | None:
    """Return advice for a program that got bytes where it takes text, or the reverse; None for any other error.

    Args:
        cause: The program's own error.
        sent: The type of its input, if the command knows it.
    """
    if cause is None or cause.type not in ("TypeError", "AttributeError"):
        return None
    if sent == _TEXT:
        if (
            _BYTES.search(cause.message)
            or "'str' object has no attribute 'decode'" in cause.message
        ):
            return "the program got text where it takes bytes: send its input with `-t application/octet-stream`"
        return None
    if _BYTES.search(cause.message):
        return f"the program got bytes where it takes text: send its input with `-t {_TEXT}`"
    return None
