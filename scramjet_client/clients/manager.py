"""ManagerClient: a manager, or space, which presents its connected hubs as one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from scramjet_client._base import public
from scramjet_client._common.checks import checked
from scramjet_client._common.names import guessed
from scramjet_client.api.answers import (
    disconnected_from,
    hubs_from,
    instances_from,
    load_from,
    object_in,
    sequences_from,
    store_item_from,
    store_items_from,
    topics_from,
    version_from,
)
from scramjet_client.api.generations import generation_of
from scramjet_client.api.handles import ApiClient, ProxiedClient, more_specific, unless_listed
from scramjet_client.api.http_client import HttpClient
from scramjet_client.clients.fleet import Fleet
from scramjet_client.clients.host import HostClient
from scramjet_client.clients.sequence import send_package
from scramjet_client.clients.topics import TopicData
from scramjet_client.errors import (
    HubConnectionError,
    HubNotFoundError,
    HubResponseError,
    ManagerNotFoundError,
    NotFoundError,
    ScramjetError,
)
from scramjet_client.http.answers import JsonAnswer, json_in
from scramjet_client.http.durations import Duration
from scramjet_client.http.settings import route
from scramjet_client.models import (
    BINARY,
    ConnectedHub,
    DisconnectHubsResponse,
    GetInstanceResponse,
    GetSequenceResponse,
    GetVersionResponse,
    LoadCheckResponse,
    ManagerTopic,
    StoreItem,
)
from scramjet_client.packages.package import PackageLike
from scramjet_client.packages.requirements import Requirements
from scramjet_client.streams.output import OutputStream
from scramjet_client.uploads.sources import ProgressHook

_ABOUT: dict[str, Any] = {"subject": "manager", "not_found": ManagerNotFoundError}


@public
class ManagerClient(TopicData, ApiClient):
    """A manager of hubs: its knowledge of them, a client for each of them, and the topics that span them.

    Its answers about sequences and instances repeat what its hubs have told it; `fleet()` asks the hubs themselves.
    Safe to use from any number of threads. The arguments are those of `HostClient`.
    """

    _guesses: ClassVar[Mapping[str, str]] = guessed(
        {
            "get_host_client(id)": "get_host get_hub get_hub_client",
            "get_hosts()": "get_hubs hosts hubs list_hosts list_hubs",
            "get_load()": "get_load_check",
            "get_log_stream()": "get_logs",
            "get_instances()": "list_instances",
            "get_sequences()": "list_sequences",
            "get_topics()": "list_topics",
            "api_base": "url",
        }
    )

    _default_type = BINARY

    def _use(self, client: HttpClient) -> None:
        super()._use(client)
        # Keeps facts about a hub, such as its generation, for the next client of that hub.
        self._behind: dict[str, HttpClient] = {}

    # -- the manager itself -----------------------------------------------------------------------

    def get_version(self) -> GetVersionResponse:
        """Return the manager's version. Wire: GET /version (docs/protocol.md, "Managers")."""
        return version_from(self._get("version"))

    def get_load(self) -> LoadCheckResponse:
        """Return the load of the manager's machine. Wire: GET /load."""
        return load_from(self._get("load"))

    def get_config(self) -> dict[str, Any]:
        """Return the manager's unchanged configuration; it may hold secrets. Wire: GET /config."""
        return object_in(self._get("config"), "config")

    def get_log_stream(
        self, *, timeout: Duration | None = None, idle_timeout: Duration | None = None
    ) -> OutputStream:
        """Open the manager's log, one JSON object a line.

        The arguments are those of `HostClient.get_log_stream`. Wire: GET /log.
        """
        return self._client.get_stream(
            "log", name="log of the manager", timeout=timeout, idle_timeout=idle_timeout, **_ABOUT
        )

    def get_audit_stream(
        self, *, timeout: Duration | None = None, idle_timeout: Duration | None = None
    ) -> OutputStream:
        """Open the manager's audit, one JSON object a line.

        The arguments are those of `HostClient.get_log_stream`. Wire: GET /audit.
        """
        name = "audit of the manager"
        return self._client.get_stream(
            "audit", name=name, timeout=timeout, idle_timeout=idle_timeout, **_ABOUT
        )

    # -- its hubs ---------------------------------------------------------------------------------

    def get_hosts(self) -> list[ConnectedHub]:
        """Return the hubs that the manager knows, connected or not. Wire: GET /list."""
        return hubs_from(self._get("list"))

    def get_host_client(self, id: str, host_api_base: str = "/api/v1") -> HostClient:
        """Return a client for a hub, whose requests go through the manager; sends no request.

        It offers everything that a hub does. If the manager has no hub with that id, any call raises
        `HubNotFoundError`. `host_api_base` is the path of the hub's own API.

        Wire: everything below /sth/{id}/api/v1.
        """
        path = f"{route('sth', checked('id', id, str))}/{_inner('host_api_base', host_api_base)}"

        def explain(error: NotFoundError) -> HubResponseError:
            said = f"the manager at {self.api_base} has no hub {id!r}"
            return unless_listed(error, self.get_hosts, id, HubNotFoundError(said))

        # setdefault is atomic: two threads that ask at the same time get the same client.
        behind = self._behind.setdefault(path, ProxiedClient(self._client, path, explain))
        return HostClient.over(behind)

    def fleet(self) -> Fleet:
        """Return all hubs of the manager as one; each call on it asks the manager for its current hubs."""
        return Fleet(self.get_members)

    def get_members(self) -> dict[str, HostClient | ScramjetError]:
        """Return a client for each hub that is connected, and an error for each that is not."""
        return {
            each.id: self.get_host_client(each.id)
            if each.is_connection_active
            else HubConnectionError(
                f"hub {each.id!r} is not connected to its manager"
                + (f" ({each.disconnect_reason})" if each.disconnect_reason else ""),
                url=self.api_base,
            )
            for each in self.get_hosts()
        }

    def disconnect_hubs(
        self, *, id: str | None = None, limit: int | None = None, access_key: str | None = None
    ) -> DisconnectHubsResponse:
        """Have the manager disconnect hubs.

        Args:
            id: The id of one hub to disconnect.
            limit: The maximum number of hubs to disconnect.
            access_key: Disconnects the hubs that have connected with this key.

        Raises:
            ValueError: You gave none of them.

        Wire: POST /disconnect.
        """
        wanted = {"id": id, "limit": limit, "accessKey": access_key}
        for name, value, kind in (
            ("id", id, str),
            ("limit", limit, int),
            ("access_key", access_key, str),
        ):
            if value is not None:
                checked(name, value, kind)
        body = {name: value for name, value in wanted.items() if value is not None}
        if not body:
            raise ValueError("disconnect_hubs needs an id, a limit or an access_key")
        return disconnected_from(self._client.request("POST", "disconnect", body, **_ABOUT))

    def delete_hub(self, id: str, *, force: bool = False) -> None:
        """Have the manager forget a hub; with `force` even if it is connected.

        Raises:
            HubNotFoundError: The manager has no such hub.

        Wire: DELETE /sth/{id}, header x-force.
        """
        self._client.request(
            "DELETE",
            route("sth", checked("id", id, str)),
            headers={"x-force": "true" if checked("force", force, bool) else "false"},
            subject=f"hub {id!r}",
            not_found=HubNotFoundError,
        )

    # -- what is on them --------------------------------------------------------------------------

    def get_sequences(self) -> list[GetSequenceResponse]:
        """Return the sequences of the connected hubs; `location` is the hub. Wire: GET /sequences."""
        return sequences_from(self._get("sequences"))

    def get_all_sequences(self) -> list[GetSequenceResponse]:
        """Return all sequences that the manager knows. Wire: GET /all_sequences."""
        return sequences_from(self._get("all_sequences"))

    def get_instances(self) -> list[GetInstanceResponse]:
        """Return the instances of the connected hubs. Wire: GET /instances."""
        return instances_from(self._get("instances"))

    def get_topics(self) -> list[ManagerTopic]:
        """Return the topics, with the hubs and instances that write to and read from each. Wire: GET /topics."""
        return topics_from(self._get("topics"))

    # -- the store --------------------------------------------------------------------------------

    def get_store_items(self) -> list[StoreItem]:
        """Return the packages in the manager's store. Wire: GET /s3."""
        return store_items_from(self._get("s3"))

    def put_store_item(
        self,
        package: PackageLike,
        id: str = "",
        *,
        requirements: Requirements = None,
        progress: ProgressHook | None = None,
    ) -> StoreItem:
        """Put a sequence package into the manager's store.

        Args:
            package, requirements, progress: As in `HostClient.send_sequence`.
            id: The id for it; "" lets the manager choose.

        Wire: PUT /s3/{id}.
        """
        path = f"s3/{route(id)}" if checked("id", id, str) else "s3/"
        text = send_package(
            self._client, path, package, requirements=requirements, progress=progress, method="PUT"
        )
        return store_item_from(json_in(text, "a store item"))

    def delete_store_item(self, id: str) -> None:
        """Delete a package from the store. Wire: DELETE /s3/{id}."""
        self._client.request(
            "DELETE", route("s3", checked("id", id, str)), subject=f"store item {id!r}"
        )

    def clear_store(self) -> None:
        """Delete all packages from the store. Wire: DELETE /store."""
        self._client.request("DELETE", "store", **_ABOUT)

    def _get(self, path: str) -> JsonAnswer:
        return self._client.request("GET", path, **_ABOUT)


def _inner(name: str, base: str) -> str:
    """Return the path of an API that is reached through another one."""
    return route(*checked(name, base, str).strip("/").split("/"))


def manager_of(host: HostClient, base: str) -> HttpClient:
    """Return a client that asks a hub's manager through the hub; see `HostClient.get_manager_client`."""

    def explain(error: NotFoundError) -> HubResponseError:
        generation_of(host.client).require("the way to its manager")
        if host.get_status().cpm:
            return error
        return more_specific(
            error, ManagerNotFoundError(f"the hub at {host.api_base} is not connected to a manager")
        )

    path = f"cpm/{_inner('manager_api_base', base)}"
    return ProxiedClient(host.client, path, explain)
