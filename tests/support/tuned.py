"""Clients whose intervals and margins are not those of hubs."""

from __future__ import annotations

from typing import Any

from scramjet_client import HostClient, HttpClient, Tuning


def tuned(url: str, *, tuning: Tuning, **options: Any) -> HostClient:
    """Return a client of a hub that keeps other intervals and margins; options as of `HttpClient`."""
    return HostClient.over(HttpClient(url, tuning=tuning, **options))
