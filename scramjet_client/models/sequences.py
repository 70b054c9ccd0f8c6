"""What a hub knows of its sequences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from scramjet_client._base import Shown, public
from scramjet_client.models._fields import raw_field
from scramjet_client.models.instances import GetInstanceResponse


@public
@attrs.frozen(kw_only=True)
class GetSequenceResponse(Shown):
    """A sequence on the hub.

    Attributes:
        id: The sequence's id.
        name: The package's name, "" if it has none.
        config: The hub's information about the package.
        instances: Ids of its instances.
        location: Id of the hub that holds it, None on 0.x.
    """

    id: str
    name: str
    config: Mapping[str, Any]
    instances: tuple[str, ...] = ()
    location: str | None = None
    raw: Any = raw_field()


@public
@attrs.frozen(kw_only=True)
class DeleteSequenceResponse(Shown):
    """A deleted sequence."""

    id: str
    raw: Any = raw_field()


@public
@attrs.frozen(kw_only=True)
class GetEntitiesResponse(Shown):
    """All sequences and instances of a hub, in one answer."""

    sequences: tuple[GetSequenceResponse, ...]
    instances: tuple[GetInstanceResponse, ...]
    raw: Any = raw_field()
