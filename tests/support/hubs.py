"""Hubs without a token, for clients that know of none: raw sockets, other languages, scripts of the documents."""

from __future__ import annotations

import warnings
from typing import Any

from scramjet_client.hub import LocalHub, OpenHubWarning


def open_hub(**options: Any) -> LocalHub:
    """Return a LocalHub that lets in everybody of this machine."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OpenHubWarning)
        return LocalHub(token=None, **options)
