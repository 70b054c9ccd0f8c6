"""Differences with a reason; each stands in docs/protocol.md, "LocalHub"."""

from __future__ import annotations

import re

_REASONS: dict[str, str] = {}

KNOWN = [(re.compile(pattern), reason) for pattern, reason in _REASONS.items()]
