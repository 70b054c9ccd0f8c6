"""What a hub knows of its sequences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scramjet_client._base import public
from scramjet_client.models._values import Value, frozen, raw_field
from scramjet_client.models.instances import GetInstanceResponse


@public
@frozen(kw_only=True)
class GetSequenceResponse(Value):
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
@frozen(kw_only=True)
class DeleteSequenceResponse(Value):
    """A deleted sequence."""

    id: str
    raw: Any = raw_field()


@public
@frozen(kw_only=True)
class GetEntitiesResponse(Value):
    """All sequences and instances of a hub, in one answer."""

    sequences: tuple[GetSequenceResponse, ...]
    instances: tuple[GetInstanceResponse, ...]
    raw: Any = raw_field()
