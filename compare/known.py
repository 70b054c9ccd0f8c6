"""Differences with a reason; each stands in docs/protocol.md, "LocalHub"."""

from __future__ import annotations

import json
import re
from typing import Any

import attrs


@attrs.frozen
class Known:
    """One known difference: which case and fact, and what either hub has there.

    Each is a pattern for the whole text, so that it matches nothing but this difference.
    """

    case: str
    fact: str
    hub: str
    local: str
    reason: str

    def matches(self, case: str, fact: str, hub: Any, local: Any) -> bool:
        """Return whether a difference is this one; a value that is no text counts as its JSON."""
        return all(
            re.fullmatch(pattern, text, re.DOTALL)
            for pattern, text in (
                (self.case, re.sub(r"^(request \d+|program): ", "", case)),
                (self.fact, fact),
                (self.hub, _text(hub)),
                (self.local, _text(local)),
            )
        )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


ABSENT = "-"
"""Stands for a value where a hub has none."""

_CONFIG = (
    "cpm|customName|debug|description|docker prerunner|docker runner (hostIp|image)|docker runnerImages|"
    "exitWithLastInstance|host (federationControl|infoFilePath|instancesServerPort)|identifyExisting|"
    "kubernetes|logColors|startupConfig|tags|telemetry"
)
_NO_STREAM = "an answer of run() that no runner can use is named in a sentence here"
_ITEMS = "an item that no runner can use is named in a sentence here"
_ALWAYS_213 = "every end of a Python program is 213 there"
_STOPPED = r"health check|no stop handler|stop handler"
_GOOD = (
    "async generator|coroutine that returns a Stream|coroutine that returns None|Stream|"
    "mapped Stream of the input|None|provides at the module|ndjson at the module|provides at the result|"
    "requires at the module|prints|logs|output of non-ASCII|big lines|text input|stdin|"
    "arguments and configuration|events"
)
_RUN_FAILS = (
    "sync generator|coroutine that returns a generator|str|list|dict|raises before the first item|"
    "missing argument"
)
_LOAD_FAILS = "raises while it is loaded|has no run|needs a module that is not there"
_GENERATOR_FAILS = (
    "async generator of bytes|async generator of numbers|"
    "generator that raises (before|after) the first item"
)
_BAD_STOP = "stop handler that (is no coroutine|raises)"


def _ends(programs: str, code: str, reason: str) -> list[Known]:
    return [
        Known(programs, "said exitcode", "213", code, _ALWAYS_213),
        Known(programs, "said reason", "Runner failed", reason, _ALWAYS_213),
    ]


def _lives_on(programs: str, code: int, reason: str, why: str) -> list[Known]:
    said = re.escape(json.dumps({"exitcode": code, "reason": reason}))
    return [
        Known(programs, "end", "lives on", "ended", why),
        Known(programs, "said", f"{ABSENT}|null", said, why),
    ]


KNOWN = [
    Known("GET version", "body build", ".*", ".*LocalHub.*", "the version is the hub's own"),
    Known(
        "GET config",
        f"body ({_CONFIG})",
        ".*",
        ABSENT,
        "LocalHub says what clients use, and has neither containers nor a platform",
    ),
    Known("GET config", "body host port", r"\d+", r"\d+", "each hub has a port of its own"),
    Known(
        "GET config",
        "body timings instanceLifetimeExtensionDelay",
        r"\d+",
        "195000",
        "LocalHub's lifetime counts the first 15 seconds, too",
    ),
    Known(
        "GET load-check",
        "body fsSize",
        r'\[\{"available": .*',
        r'\[\{"available": "<number>", "fs": "[^"]+", "size": "<number>", "use": "<number>", "used": "<number>"\}\]',
        "LocalHub names only the file system that it uses",
    ),
    Known(
        "GET load-check",
        "body fsSize 0 fs",
        "/.*",
        "/.*local-hub.*",
        "each hub uses a folder of its own",
    ),
    Known(
        r"GET (instances|entities|instance/\{inst\})",
        r"body (\d+ |instances \d+ )?created",
        "null",
        "<time>",
        "created of a Python instance is null there",
    ),
    *(
        Known(
            r"POST sequence/\{seq\}/start \| \[\] \| Content-Type: application/json",
            fact,
            hub,
            local,
            "a start whose body is a list takes the defaults, where a real Python runner dies",
        )
        for fact, hub, local in (
            ("status", "400 Bad Request", "200 OK"),
            ("body error", "Runner failed", ABSENT),
            ("body id", ABSENT, "<id>"),
            ("body message", ABSENT, "Sequence <id> starting"),
        )
    ),
    *_ends(_GOOD, "-1", "Instance completed"),
    *_ends(_STOPPED, "138", "Instance stopped"),
    *_ends(_LOAD_FAILS, "22", "Sequence failed on start"),
    *_ends(_RUN_FAILS, "23", "Sequence failed during execution"),
    Known(r"(sys\.exit|os\._exit)\(3\)", "said exitcode", "213", "3", _ALWAYS_213),
    *_lives_on(
        _GENERATOR_FAILS,
        23,
        "Sequence failed during execution",
        "an instance whose generator raises lives on there",
    ),
    *_lives_on(
        _BAD_STOP,
        138,
        "Instance stopped",
        "an instance whose stop handler fails stays there for ever",
    ),
    Known(
        "sync generator",
        "stderr",
        "TypeError: object generator can't be used in 'await' expression",
        r"run\(\) returned generator, which is not a stream: .*",
        _NO_STREAM,
    ),
    Known(
        "coroutine that returns a generator|str|list|dict",
        "stderr",
        r"AttributeError: '(async_generator|str|list|dict)' object has no attribute 'map'",
        r"run\(\) returned (async_generator|str|list|dict), which is not a stream: .*",
        _NO_STREAM,
    ),
    Known(
        "async generator of (bytes|numbers)",
        "stderr",
        r"AttributeError: '(bytes|int)' object has no attribute 'encode'",
        "TypeError: the output is text/plain, so its items must be str, not (bytes|int); .*",
        _ITEMS,
    ),
    Known(
        "has no run",
        "stderr",
        "AttributeError: module 'sequence' has no attribute 'run'",
        r"the main module has no function `run\(context, input, \*args\)`",
        _NO_STREAM,
    ),
    Known(
        "requires at the module",
        "stderr",
        r"Arguments: \(\)",
        "",
        "the real runner fails to log that its input was cut off",
    ),
    Known(
        _STOPPED,
        "stderr",
        "SystemExit: 1",
        "",
        "the real runner's own way to end a stopped program shows there",
    ),
    Known(
        _BAD_STOP,
        "stderr",
        "TypeError: Object of type (TypeError|ValueError) is not JSON serializable",
        "",
        "the real runner can't report that a stop handler has failed",
    ),
    Known(
        "arguments and configuration",
        "log",
        r'\["INFO Got configuration: .*"\]',
        r"\[\]",
        "the real runner logs what it is told, word for word",
    ),
    Known(
        "events",
        "log",
        r'\["DEBUG Control message received: 5001 .*"\]',
        r"\[\]",
        "the real runner logs what it is told, word for word",
    ),
]
