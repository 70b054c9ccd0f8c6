"""What may be sent again after a failure, and when."""

from __future__ import annotations

import itertools
import random
import ssl
import time
from collections.abc import Callable
from typing import TypeVar

import urllib3
from urllib3.util.ssl_match_hostname import CertificateError

from scramjet_client._base import logger
from scramjet_client.errors import (
    HubConnectionError,
    HubResponseError,
    ScramjetError,
)
from scramjet_client.http.interrupts import causes

_R = TypeVar("_R")

_BACK_OFF = 0.1
_LONGEST = 5.0
"""Seconds before the first retry; doubled for each further one, up to the longest, and then shortened by up to
a half by chance, so that clients that were cut off together do not come back together."""

_PATIENCE = 60.0
"""Seconds of a hub's `Retry-After` beyond which its refusal is raised instead."""

_NOT_TRUSTED = (ssl.SSLCertVerificationError, CertificateError)
"""A certificate that is refused, by OpenSSL or, for another name and by urllib3 1.26, in Python."""

_PASSING = (429, 502, 503, 504)
"""Refusals that may pass: too many requests, and a gateway whose hub is away."""


def tried(
    attempt: Callable[[], _R],
    retries: int,
    *,
    again: bool,
    deadline: float | None,
    sleep: Callable[[float], object],
    given_up: Callable[[], bool] = lambda: False,
) -> _R:
    """Run an attempt, and again after a failure that may pass, if that can't do anything twice.

    Args:
        attempt: Sends a request; raises errors of this package.
        retries: How often it may be tried again.
        again: Whether a repetition is harmless; what never left is tried again in any case.
        deadline: `time.monotonic()` beyond which nothing is tried, or None.
        sleep: Waits between two attempts.
        given_up: Asked before each retry whether nobody wants it any more.
    """
    for number in itertools.count():
        try:
            return attempt()
        except ScramjetError as error:
            pause = _pause(error, number, again=again) if number < retries else None
            late = deadline is not None and time.monotonic() + (pause or 0) >= deadline
            if pause is None or late or given_up():
                # Where it came from is ours alone; its cause says the rest.
                raise error.with_traceback(None)  # noqa: B904 - it is its own
            logger.warning("%s; trying again in %.2f s", error, pause)
        # Not inside the handler: the next failure is not a consequence of this one.
        sleep(pause)
    raise AssertionError("unreachable")


def _pause(error: ScramjetError, number: int, *, again: bool) -> float | None:
    """Return how many seconds to wait after the failed attempt of this number; None forbids another one."""
    back_off = min(_BACK_OFF * 2.0**number, _LONGEST) * random.uniform(0.5, 1.0)
    if _has_cause(error, urllib3.exceptions.NewConnectionError):
        return back_off
    if not again:
        return None
    if isinstance(error, HubConnectionError):
        # A certificate does not get better.
        return None if _has_cause(error, _NOT_TRUSTED) else back_off
    if isinstance(error, HubResponseError) and error.status in _PASSING:
        asked: float = error.retry_after or 0.0
        return max(asked, back_off) if asked <= _PATIENCE else None
    return None


def _has_cause(
    error: ScramjetError, kind: type[BaseException] | tuple[type[BaseException], ...]
) -> bool:
    """Tell whether an error comes from one of a kind: a request that did leave must not pass for one that did not."""
    return any(isinstance(cause, kind) for cause in causes(error))
