"""JSON calls: the parsed answer, and the rule of what may be sent twice."""

from __future__ import annotations

import json
import logging
import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

import attrs
import requests
import urllib3

from scramjet_client.errors import HubConnectionError, InvalidResponseError, ScramjetError

_R = TypeVar("_R")

logger = logging.getLogger("scramjet_client")

_BACK_OFF = 0.1
"""Seconds before the first retry; doubled for each further one, with jitter."""


@attrs.frozen(kw_only=True)
class JsonAnswer:
    """A parsed answer: its status, reason phrase, value (None for an empty body) and the text as it came."""

    status: int
    reason: str
    value: Any
    text: str


def parsed(response: requests.Response) -> JsonAnswer:
    """Read an answer to its end and return its JSON; hubs do not always say that it is JSON.

    Raises:
        InvalidResponseError: It is not.
    """
    text = response.content.decode("utf-8", "replace")
    try:
        value = json.loads(text) if text.strip() else None
    except ValueError as error:
        raise InvalidResponseError(
            f"{response.request.method} {response.url} answered {response.status_code} with what is"
            f" not JSON: {error}",
            status=response.status_code,
            url=response.url,
            body=text,
        ) from error
    return JsonAnswer(
        status=response.status_code, reason=response.reason or "", value=value, text=text
    )


def tried(attempt: Callable[[], _R], retries: int, *, again: bool) -> _R:
    """Run an attempt, and again after a broken connection if nothing left or a repetition is harmless."""
    for number in range(retries):
        try:
            return attempt()
        except HubConnectionError as error:
            if not again and not _never_left(error):
                raise
            pause = _BACK_OFF * 2**number * random.uniform(0.5, 1.0)
            logger.info("%s; trying again in %.2f s", error, pause)
            time.sleep(pause)
    return attempt()


def _never_left(error: ScramjetError) -> bool:
    """Say whether a failed request can't have reached the hub: no connection came about."""
    cause: BaseException | None = error.__cause__
    while cause is not None:
        inner = cause.args[0] if cause.args else None
        reason = getattr(inner, "reason", inner)
        if isinstance(
            reason,
            (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError),
        ):
            return True
        cause = cause.__cause__
    return False
