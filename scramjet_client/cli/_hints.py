"""Advice about a program's error that names an option of the command."""

from __future__ import annotations

import re

from scramjet_client.cli import _say
from scramjet_client.cli._terms import in_options
from scramjet_client.models import TEXT, Cause

_COUNT = re.compile(
    r"\(\) (?:takes .{1,40} positional arguments? but \d+ (?:was|were) given|missing \d+ required positional)"
)
"""What Python says if a program is called with more or fewer arguments than it takes."""

_GAVE = "the program gave "
"""How the adapter begins an error about a program's output."""

_BYTES = re.compile(r"\bbytes\b|byte string")


def say_advice(cause: Cause, sent: str | None = None) -> None:
    """Print the cure that the library knows for an error of a program, and the hint, if there are."""
    for advice in (cause.cure, hint(cause, sent)):
        if advice is not None:
            _say.error(in_options(advice))


def hint(cause: Cause | None, sent: str | None = None) -> str | None:
    """Return advice for a program that got the wrong kind of input or number of arguments; None for other errors.

    `sent` is the type of its input, if the command knows it.
    """
    if cause is None or cause.type not in ("TypeError", "AttributeError"):
        return None
    if cause.file is None and _COUNT.search(cause.message):
        return (
            "the words behind the sequence are the program's arguments, which follow `context` and `input`;"
            " `seq run --input FILE` sends a file"
        )
    if cause.message.startswith(_GAVE):
        return None
    wants_other = _BYTES.search(cause.message) is not None
    if sent == TEXT:
        if wants_other or "'str' object has no attribute 'decode'" in cause.message:
            return "the program got text where it takes bytes: send its input with `-t application/octet-stream`"
        return None
    if wants_other:
        return f"the program got bytes where it takes text: send its input with `-t {TEXT}`"
    return None
