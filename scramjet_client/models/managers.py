"""What managers and platforms say."""

from __future__ import annotations

from typing import Any

import attrs

from scramjet_client._base import Shown, public
from scramjet_client.models._fields import Answer


@public
@attrs.frozen(kw_only=True)
class ConnectedHub(Answer):
    """A hub that a manager knows.

    Attributes:
        id: The hub's id.
        healthy: Whether the manager considers it healthy.
        self_hosted: Whether it runs outside of the platform.
        is_connection_active: Whether it is connected to the manager now.
        created: ISO 8601 time, or None.
        last_connected: ISO 8601 time, or None.
        last_disconnected: ISO 8601 time, or None.
        description: Its owner's description, or None.
        tags: Its owner's tags.
        disconnect_reason: Why it is not connected, or None.
    """

    id: str
    healthy: bool
    self_hosted: bool
    is_connection_active: bool
    created: str | None = None
    last_connected: str | None = None
    last_disconnected: str | None = None
    description: str | None = None
    tags: tuple[str, ...] = ()
    disconnect_reason: str | None = None


@public
@attrs.frozen(kw_only=True)
class TopicActor(Answer):
    """A writer or reader of a topic; `role` and `type` are the manager's words."""

    host_id: str | None
    role: str
    type: str
    stream: bool
    retired: bool


@public
@attrs.frozen(kw_only=True)
class ManagerTopic(Answer):
    """A topic that spans the hubs of a manager."""

    name: str
    content_type: str
    actors: tuple[TopicActor, ...] = ()


@public
@attrs.frozen(kw_only=True)
class StoreItem(Answer):
    """A sequence package in a manager's store.

    Attributes:
        id: Its id.
        name: The package's name, "" if it has none.
        version: The package's version, or None.
    """

    id: str
    name: str
    version: str | None = None


@public
@attrs.frozen(kw_only=True)
class DisconnectedHub(Shown):
    """A hub that its manager has disconnected, and the reason in the manager's words."""

    hub_id: str
    reason: str


@public
@attrs.frozen(kw_only=True)
class DisconnectHubsResponse(Answer):
    """The hubs that a manager has disconnected."""

    manager_id: str
    disconnected: tuple[DisconnectedHub, ...] = ()


@public
@attrs.frozen(kw_only=True)
class ManagerInfo(Answer):
    """A manager, or space; only its id is known here."""

    id: str


@public
@attrs.frozen(kw_only=True)
class GetInfoResponse(Answer):
    """A multi-manager's information about itself."""

    id: str
    api_base: str
    api_port: int | None
    managers_count: int


@public
@attrs.frozen(kw_only=True)
class AccessKey(Answer):
    """An access key of a space: its time of creation, as the platform gives it, and its purpose."""

    created: Any
    description: str


@public
@attrs.frozen(kw_only=True)
class CreateAccessKeyResponse(Answer):
    """A new access key; `raw`, which is not shown, is the platform's answer with the key in it."""

    description: str


@public
@attrs.frozen(kw_only=True)
class RevokeAccessKeysResponse(Answer):
    """Revoked access keys; `keys_revoked` is None if the platform gives no number."""

    message: str
    keys_revoked: int | None = None
