"""From the JSON of managers, multi-managers and the platform to `manager_models`; what is missing is harmless."""

from __future__ import annotations

from typing import Any

from scramjet_client.api.answers import list_in, object_in
from scramjet_client.http.calls import JsonAnswer
from scramjet_client.http.untrusted import as_text
from scramjet_client.manager_models import (
    AccessKey,
    ConnectedHub,
    DisconnectedHub,
    DisconnectHubsResponse,
    GetInfoResponse,
    ManagerInfo,
    ManagerTopic,
    RevokeAccessKeysResponse,
    StoreItem,
    TopicActor,
)


def hubs_from(answer: JsonAnswer) -> list[ConnectedHub]:
    """Return the hubs of a manager."""
    return [_hub(object_in(each, "a hub")) for each in list_in(answer, "hubs")]


def _hub(value: dict[str, Any]) -> ConnectedHub:
    info = value.get("info")
    info = info if isinstance(info, dict) else {}
    return ConnectedHub(
        id=str(value.get("id", "")),
        healthy=bool(value.get("healthy", False)),
        self_hosted=bool(value.get("selfHosted", False)),
        is_connection_active=bool(value.get("isConnectionActive", False)),
        created=as_text(info.get("created")),
        last_connected=as_text(info.get("lastConnected")),
        last_disconnected=as_text(info.get("lastDisconnected")),
        description=as_text(value.get("description")),
        tags=tuple(str(each) for each in value.get("tags") or ()),
        disconnect_reason=as_text(value.get("disconnectReason")),
        raw=value,
    )


def topics_from(answer: JsonAnswer) -> list[ManagerTopic]:
    """Return the topics of a manager."""
    return [_topic(object_in(each, "a topic")) for each in list_in(answer, "topics")]


def _topic(value: dict[str, Any]) -> ManagerTopic:
    return ManagerTopic(
        name=str(value.get("name", "")),
        content_type=str(value.get("contentType", "")),
        actors=tuple(_actor(object_in(each, "an actor")) for each in value.get("actors") or ()),
        raw=value,
    )


def _actor(value: dict[str, Any]) -> TopicActor:
    return TopicActor(
        host_id=as_text(value.get("hostId")),
        role=str(value.get("role", "")),
        type=str(value.get("type", "")),
        stream=bool(value.get("stream", False)),
        retired=bool(value.get("retired", False)),
        raw=value,
    )


def store_items_from(answer: JsonAnswer) -> list[StoreItem]:
    """Return the packages in a manager's store."""
    return [store_item_from(each) for each in list_in(answer, "store items")]


def store_item_from(answer: JsonAnswer | Any) -> StoreItem:
    """Return one package of a manager's store."""
    value = object_in(answer, "a store item")
    return StoreItem(
        id=str(value.get("id", "")),
        name=as_text(value.get("name")) or "",
        version=as_text(value.get("version")),
        raw=value,
    )


def disconnected_from(answer: JsonAnswer) -> DisconnectHubsResponse:
    """Return the hubs that a manager has disconnected."""
    value = object_in(answer, "disconnect")
    hubs = [object_in(each, "a hub") for each in value.get("disconnected") or ()]
    return DisconnectHubsResponse(
        manager_id=str(value.get("managerId", "")),
        disconnected=tuple(
            DisconnectedHub(hub_id=str(each.get("sthId", "")), reason=str(each.get("reason", "")))
            for each in hubs
        ),
        raw=value,
    )


def managers_from(answer: JsonAnswer) -> list[ManagerInfo]:
    """Return managers, or spaces."""
    values = [object_in(each, "a manager") for each in list_in(answer, "managers")]
    return [ManagerInfo(id=str(each.get("id", "")), raw=each) for each in values]


def info_from(answer: JsonAnswer) -> GetInfoResponse:
    """Return what a multi-manager says of itself."""
    value = object_in(answer, "info")
    port = value.get("apiPort")
    return GetInfoResponse(
        id=str(value.get("id", "")),
        api_base=str(value.get("apiBase", "")),
        api_port=port if isinstance(port, int) else None,
        managers_count=int(value.get("managersCount") or 0),
        raw=value,
    )


def access_keys_from(answer: JsonAnswer) -> list[AccessKey]:
    """Return the access keys of a space."""
    values = list_in(object_in(answer, "access keys").get("accessKeys"), "access keys")
    return [
        AccessKey(
            created=each.get("created"), description=str(each.get("description", "")), raw=each
        )
        for each in (object_in(value, "an access key") for value in values)
    ]


def revoked_from(answer: JsonAnswer) -> RevokeAccessKeysResponse:
    """Return what became of access keys."""
    value = object_in(answer, "revoking") if answer.value is not None else {}
    count = value.get("keysRevoked")
    return RevokeAccessKeysResponse(
        message=as_text(value.get("message")) or answer.reason,
        keys_revoked=count if isinstance(count, int) else None,
        raw=answer.value,
    )
