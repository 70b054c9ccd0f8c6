"""Puts messages of the Python library into the words of the command: options instead of arguments."""

from __future__ import annotations

import functools
import re
from typing import Any

_TERMS: tuple[tuple[str, str], ...] = (
    # Whole phrases first.
    (
        r"token= gives one, or SCRAMJET_TOKEN and from_env\(\)(?:, or client\(\) of a LocalHub)?",
        "SCRAMJET_TOKEN or --token gives one",
    ),
    (r"`requirements=`", "`-r FILE`"),
    (r"requirements themselves are given as a list", "-r takes the path of a file"),
    (r", or use `host\.deploy`", ""),
    (r"\(`limits`\)", "(`--memory MB`)"),
    (
        r"send_input\(b'', end=True\) gives that",
        "`scramjet inst input ID --end < /dev/null` gives that",
    ),
    (
        r"follow\([a-z=., ]+\) reads them",
        "`scramjet inst output ID` and `scramjet inst stdout ID` read them",
    ),
    (r"this client does not read its", "this command does not read its"),
    (
        r"--ca FILE, SCRAMJET_CA_BUNDLE or verify= names it",
        "--ca FILE or SCRAMJET_CA_BUNDLE names it",
    ),
    (
        r"it wants a certificate of the client; give cert=",
        "it wants a certificate of the client, which this command can't give",
    ),
    (
        r"`(?:host\.|HostClient\.)?doctor\(\)`|\b(?:host\.|HostClient\.)?doctor\(\)",
        "`scramjet hub doctor`",
    ),
    (r"; see HostClient\.from_env", ""),
    (r"not what this client was made with", "not used here"),
    # Where a setting came from.
    (r"API_URL can't be used: api_base must", "API_URL can't be used: it must"),
    (r"\bargument api_base\b", "option --url"),
    (r"\bargument token\b", "option --token"),
    (r"\bargument verify\b", "option --ca or --insecure"),
    (r"\bargument timeout\b", "option --timeout"),
    (r"\bapi_base and profile\b", "--url and --profile"),
    (r"\bapi_base\b", "--url"),
    (r": verify was given\b", ": --ca or --insecure was given"),
    (r"\bor by verify\b", "or by --ca"),
    # Keyword arguments.
    (r"`?\btoken=(?![\w*])`?", "--token"),
    (r"`?\bverify=(?![\w*])`?", "--ca FILE"),
    (r"`?\brequirements=(?![\w*])`?", "-r FILE"),
    (r"`?\btimeout=(?![\w*])`?", "--timeout"),
    (r"`?\bargs=(?![\w*])`?", "--args"),
    (r"`?\bapp_config=(?![\w*])`?", "--config"),
    (r"(?<![-\w])`?\btype=(?![\w*])`?", "--type"),
    (r" \(Timeouts\.(?:read|connect)\)", " (--timeout)"),
    (r" \(timeout\)", " (--timeout)"),
    (r" \(Timeouts\.write\)", ""),
    (r"`?HostClient\.from_env\(\)`?", "this command"),
)
"""Patterns in messages of the library, and what the command says for them. The first match counts."""


@functools.cache
def _any() -> re.Pattern[str]:
    """Return a pattern for all of them, which takes 1 ms to compile: only what fails is put into other words."""
    return re.compile("|".join(f"({pattern})" for pattern, _ in _TERMS))


def in_options(text: str) -> str:
    """Return a message of the library that names options of the command, never arguments of Python."""
    return _any().sub(lambda found: _TERMS[(found.lastindex or 1) - 1][1], text)


def all_in_options(value: Any) -> Any:
    if isinstance(value, str):
        return in_options(value)
    if isinstance(value, dict):
        return {name: all_in_options(each) for name, each in value.items()}
    if isinstance(value, list):
        return [all_in_options(each) for each in value]
    return value
