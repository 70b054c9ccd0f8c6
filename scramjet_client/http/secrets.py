"""What a client sends in confidence, kept out of errors: hubs and proxies may repeat a request in what they answer."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

_HIDDEN = "***"

_SHORTEST = 8
"""Characters from which on a secret is looked for within other text, and within base64, where a shorter one may
be found by chance."""

_SHORTEST_WORD = 3
"""Characters from which on a secret is looked for as a word. A shorter one is a word like any other, and hidden
only behind what introduces a secret."""

_BEGINS = r"(?:(?<![a-z0-9])|(?<=%[0-9a-f]{2})|(?<=\\[nrtbf]))"
_ENDS = r"(?![a-z0-9])"
"""Where a word begins and ends; what escapes a character before it is no part of it."""

_INTRODUCED = r"((?:bearer|basic|authorization|cookie|token|key|secret|password)(?:[\s:=\"'\\]|%[0-9a-f]{2})+)"


class Secrets:
    """Hides secrets in text, in every way in which one is usually written.

    Args:
        values: The secrets.
    """

    def __init__(self, values: Iterable[str]) -> None:
        forms = {(form, len(value)) for value in values if value for form in _forms(value)}
        # Long ones first: one form may be part of another.
        ordered = sorted(forms, key=lambda each: len(each[0]), reverse=True)
        self._pattern = re.compile(
            "|".join(_pattern(*each) for each in ordered) or "(?!)", re.IGNORECASE
        )

    def hidden_in(self, text: str) -> str:
        """Return a text without them."""
        return self._pattern.sub(
            lambda found: (found[found.lastindex] if found.lastindex else "") + _HIDDEN, text
        )


def _pattern(form: str, length: int) -> str:
    """Return what finds a form of a secret of a length, so that a short one does not hide words."""
    if length >= _SHORTEST:
        return re.escape(form)
    before = _BEGINS if length >= _SHORTEST_WORD else _INTRODUCED
    # Other than a letter or digit at its own edge, it is no word there.
    begins = before if form[0].isalnum() or length < _SHORTEST_WORD else ""
    return begins + re.escape(form) + (_ENDS if form[-1].isalnum() else "")


def _forms(value: str) -> Iterator[str]:
    yield value
    yield quote(value, safe="")
    yield quote(value)
    yield quote_plus(value)
    yield html.escape(value)
    escaped = json.dumps(value)[1:-1]
    yield escaped
    yield escaped.replace("/", "\\/")
    if len(value) >= _SHORTEST:
        # In Basic credentials it stands behind a user's name, so at any of three places in a group.
        for before in range(3):
            data = base64.b64encode(bytes(before) + value.encode() + bytes(3)).decode()
            first = -(-before * 8 // 6)
            inside = data[first : (before + len(value)) * 8 // 6]
            yield inside
            yield inside.replace("+", "-").replace("/", "_")
