"""The version of a hub, which clients ask for more often than for anything else."""

from __future__ import annotations

import attrs

from scramjet_client._base import public
from scramjet_client.models._fields import Answer


@public
@attrs.frozen(kw_only=True)
class GetVersionResponse(Answer):
    """The hub's version; `service`, `api_version` and `build` are None on 0.x."""

    version: str
    service: str | None = None
    api_version: str | None = None
    build: str | None = None
