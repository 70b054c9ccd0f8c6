"""The version of a hub, which clients ask for more often than for anything else."""

from __future__ import annotations

from typing import Any

from scramjet_client._base import public
from scramjet_client.models._values import Value, frozen, raw_field


@public
@frozen(kw_only=True)
class GetVersionResponse(Value):
    """The hub's version; `service`, `api_version` and `build` are None on 0.x."""

    version: str
    service: str | None = None
    api_version: str | None = None
    build: str | None = None
    raw: Any = raw_field()
