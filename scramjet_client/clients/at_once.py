"""Calls at the same time, each with its own outcome."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from scramjet_client.errors import ScramjetError

_K = TypeVar("_K")
_T = TypeVar("_T")

_AT_ONCE = 8
"""Requests at a time: behind a manager they share one pool, of 10 connections (requests' default)."""


def at_once(calls: Mapping[_K, Callable[[], _T]]) -> tuple[dict[_K, _T], dict[_K, ScramjetError]]:
    """Make calls on several threads, and return what they returned and the errors of this package."""
    values: dict[_K, _T] = {}
    errors: dict[_K, ScramjetError] = {}
    # The threads end with this call; each request has time limits of its own.
    pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="scramjet-fleet")
    try:
        futures = {key: pool.submit(call) for key, call in calls.items()}
        for key, future in futures.items():
            try:
                values[key] = future.result()
            except ScramjetError as error:
                errors[key] = error
    finally:
        pool.shutdown(cancel_futures=True)
    return values, errors
