"""The settings of a hub."""

from __future__ import annotations

import numbers
import threading
from datetime import timedelta
from typing import Any

import attrs

EXIT_DELAY = 15.0
"""Seconds after its end in which an instance counts as in use (docs/protocol.md, "Lifetimes")."""

INSTANCE_LIFETIME = 195.0
MAX_PACKAGE_SIZE = 256 * 2**20
MAX_UNPACKED_SIZE = 1024 * 2**20
MAX_PACKAGE_FILES = 20_000
MAX_JSON_SIZE = 2**20
"""A real hub has no limit, and dies of it."""

MAX_CONNECTIONS = 4096
HEAD_TIMEOUT = 30.0


def seconds(name: str, value: Any, *, least: float) -> float:
    """Return seconds, given as a number or a timedelta; None means for ever."""
    if isinstance(value, timedelta):
        value = value.total_seconds()
    found: Any = value
    if value is None:
        return threading.TIMEOUT_MAX
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(
            f"{name} must be a number of seconds or a timedelta, not {type(value).__name__}"
        )
    if not found >= least:
        raise ValueError(f"{name} must be {least} seconds or more, not {value!r}")
    return float(min(found, threading.TIMEOUT_MAX))


def _count(_: object, field: attrs.Attribute[int], value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{field.name} must be an int, not {type(value).__name__}")
    if value < 1:
        raise ValueError(f"{field.name} must be 1 or more, not {value!r}")


@attrs.frozen(kw_only=True)
class HubSettings:
    """Limits and times, as `LocalHub` describes them, and the token that every route needs.

    Without a token, the hub refuses requests of foreign web pages. While it parses JSON, it serves nobody else.
    """

    instance_lifetime: float = INSTANCE_LIFETIME
    max_package_size: int = attrs.field(default=MAX_PACKAGE_SIZE, validator=_count)
    max_unpacked_size: int = attrs.field(default=MAX_UNPACKED_SIZE, validator=_count)
    max_package_files: int = attrs.field(default=MAX_PACKAGE_FILES, validator=_count)
    max_connections: int = attrs.field(default=MAX_CONNECTIONS, validator=_count)
    head_timeout: float = HEAD_TIMEOUT
    max_json_size: int = attrs.field(default=MAX_JSON_SIZE, validator=_count)
    token: str | None = attrs.field(default=None, repr=False)

    @property
    def exit_delay(self) -> float:
        """Seconds after its end in which an instance keeps its sequence from deletion."""
        return min(EXIT_DELAY, self.instance_lifetime)
