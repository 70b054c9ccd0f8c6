"""Differences with a reason; each stands in docs/protocol.md, "LocalHub"."""

from __future__ import annotations

import re

_REASONS = {
    r"GET version # body build": "the version is the hub's own",
    r"GET config # body": "LocalHub says what clients use, and has neither containers nor a platform",
    r"GET load-check # body fsSize": "LocalHub names the file system that it uses alone",
    r"GET (instances|entities|instance/\S+) # body (created|instances)?$": "created of a Python instance is null there",
    r"start \| \[\] .* # ": "a start whose body is a list takes the defaults, where a real Python runner dies",
    r"^program: .* # (said|end)": "every end of a Python program is 213 there, and a generator that raises never ends",
    r"^program: .* # stderr": "LocalHub says in a sentence what is wrong, and does not show the runner's own failures",
    r"^program: .* # log": "the real runner logs what it is told, word for word",
}

KNOWN = [(re.compile(pattern), reason) for pattern, reason in _REASONS.items()]
