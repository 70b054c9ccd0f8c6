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
"""Characters from which on a secret is looked for within base64, where a shorter one may be found by chance."""


class Secrets:
    """Hides secrets in text, in every way in which one is usually written.

    Args:
        values: The secrets.
    """

    def __init__(self, values: Iterable[str]) -> None:
        forms = {form for value in values if value for form in _forms(value)}
        # Long ones first: one form may be part of another.
        self._pattern = re.compile(
            "|".join(map(re.escape, sorted(forms, key=len, reverse=True))) or "(?!)", re.IGNORECASE
        )

    def hidden_in(self, text: str) -> str:
        """Return a text without them."""
        return self._pattern.sub(_HIDDEN, text)


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
