"""What a hub knows of its sequences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from scramjet_client._base import public
from scramjet_client.models._fields import Answer
from scramjet_client.models.instances import GetInstanceResponse


@public
@attrs.frozen(kw_only=True)
class GetSequenceResponse(Answer):
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


@public
@attrs.frozen(kw_only=True)
class DeleteSequenceResponse(Answer):
    """A deleted sequence."""

    id: str


@public
@attrs.frozen(kw_only=True)
class GetEntitiesResponse(Answer):
    """All sequences and instances of a hub, in one answer."""

    sequences: tuple[GetSequenceResponse, ...]
    instances: tuple[GetInstanceResponse, ...]
