"""Keeps a client's secrets out of errors: hubs and proxies may repeat a request in their answers."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from itertools import takewhile
from urllib.parse import quote, quote_plus

_HIDDEN = "***"

_SHORTEST = 8
"""Fewest characters of a secret that is searched within other text and within base64, which may contain a shorter
one by chance."""

_SHORTEST_WORD = 3
"""Fewest characters of a secret that is searched as a word. A shorter one looks like any other word, and is hidden
only after text that introduces a secret."""

_BEGINNING = 16
"""Fewest first characters of a secret that are searched: a server may repeat a secret and cut it off."""

_INTRODUCED_BEGINNING = 4
"""The same, after text that introduces a secret."""

_BEGINS = r"(?:(?<![a-z0-9])|(?<=%[0-9a-f]{2})|(?<=\\[nrtbf]))"
_ENDS = r"(?![a-z0-9])"
"""The beginning and end of a word; an escape sequence before a word is not part of it."""

_INTRODUCED = r"((?:bearer|basic|authorization|cookie|token|key|secret|password)(?:[\s:=\"'\\]|%[0-9a-f]{2})+)"


class Secrets:
    """Hides secrets in text, in all their usual spellings."""

    def __init__(self, values: Iterable[str]) -> None:
        forms = {(form, len(value)) for value in values if value for form in _forms(value)}
        # Long forms come first, because one form may be part of another.
        ordered = sorted(forms, key=lambda each: len(each[0]), reverse=True)
        either = "|".join(_pattern(*each) for each in ordered)
        self._pattern = re.compile(either, re.IGNORECASE) if either else None
        self._cut_off = [
            (form, form[:_INTRODUCED_BEGINNING].lower())
            for form, length in ordered
            if length >= _SHORTEST
        ]

    def hidden_in(self, text: str) -> str:
        """Return a text without the secrets."""
        if self._pattern is None:
            return text
        shown = self._pattern.sub(
            lambda found: (found[found.lastindex] if found.lastindex else "") + _HIDDEN, text
        )
        lowered = shown.lower()
        for form, beginning in self._cut_off:
            # Nearly no answer has it, and a search for letters costs nothing beside a search for a pattern.
            if beginning in lowered:
                shown = _without_beginnings(shown, form)
        return shown


def _without_beginnings(text: str, form: str) -> str:
    """Return a text without the places where it has the beginning of a form, however much of it is there."""
    short, long = re.escape(form[:_INTRODUCED_BEGINNING]), re.escape(form[:_BEGINNING])
    beginning = re.compile(f"{_INTRODUCED}{short}|{long}", re.IGNORECASE)
    pieces: list[str] = []
    end = 0
    while (found := beginning.search(text, end)) is not None:
        start = found.end(1) if found.lastindex else found.start()
        pieces += [text[end:start], _HIDDEN]
        pairs = zip(text[start : start + len(form)], form)
        alike = takewhile(lambda pair: pair[0].lower() == pair[1].lower(), pairs)
        end = max(found.end(), start + sum(1 for _ in alike))
    return "".join([*pieces, text[end:]])


def _pattern(form: str, length: int) -> str:
    """Return a pattern for a form of a secret with this length, so that a short one does not hide words."""
    if length >= _SHORTEST:
        return re.escape(form)
    before = _BEGINS if length >= _SHORTEST_WORD else _INTRODUCED
    # An edge that is not a letter or digit is not a word boundary.
    begins = before if form[0].isalnum() or length < _SHORTEST_WORD else ""
    return begins + re.escape(form) + (_ENDS if form[-1].isalnum() else "")


def _forms(value: str) -> Iterator[str]:
    import html  # noqa: PLC0415 - as in `_base`

    yield value
    yield quote(value, safe="")
    yield quote(value)
    yield quote_plus(value)
    yield html.escape(value)
    escaped = json.dumps(value)[1:-1]
    yield escaped
    yield escaped.replace("/", "\\/")
    if len(value) >= _SHORTEST:
        # In Basic credentials the secret follows a user's name, so it may start at any of three places in a group.
        for before in range(3):
            data = base64.b64encode(bytes(before) + value.encode() + bytes(3)).decode()
            first = -(-before * 8 // 6)
            inside = data[first : (before + len(value)) * 8 // 6]
            yield inside
            yield inside.replace("+", "-").replace("/", "_")
