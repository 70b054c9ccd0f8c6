"""MultiManagerClient: a process that runs managers, and what is the same wherever several managers are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scramjet_client._answers import id_from, load_from, version_from
from scramjet_client._api import ApiClient, Below, instead
from scramjet_client._calls import JsonAnswer
from scramjet_client._durations import Duration
from scramjet_client._manager_answers import info_from, managers_from
from scramjet_client._settings import route
from scramjet_client.errors import (
    HubResponseError,
    ManagerNotFoundError,
    NotFoundError,
    ScramjetError,
)
from scramjet_client.fleet import Fleet
from scramjet_client.host_client import HostClient
from scramjet_client.http_client import HttpClient
from scramjet_client.manager_client import ManagerClient
from scramjet_client.manager_models import GetInfoResponse, ManagerInfo
from scramjet_client.models import GetVersionResponse, LoadCheckResponse
from scramjet_client.streams import OutputStream


class ManyManagers(ApiClient):
    """What a multi-manager and the platform's middleware share: managers, by id."""

    _list_path: str
    _manager_path: str

    def _use(self, client: HttpClient) -> None:
        super()._use(client)
        self._managers: dict[str, ManagerClient] = {}

    def get_version(self) -> GetVersionResponse:
        """Return the version of this API. Wire: GET /version (docs/protocol.md, "Managers")."""
        return version_from(self._get("version"))

    def get_managers(self) -> list[ManagerInfo]:
        """Return the managers, or spaces (docs/protocol.md, "Managers")."""
        return managers_from(self._get(self._list_path))

    def fleet(self) -> Fleet:
        """Return all hubs of all managers as one; their ids are "manager/hub"."""
        return Fleet(self._members)

    def _members(self) -> dict[str, HostClient | ScramjetError]:
        members: dict[str, HostClient | ScramjetError] = {}
        for each in self.get_managers():
            try:
                found = self._manager(each.id).get_members()
            except ScramjetError as error:
                members[each.id] = error
            else:
                members.update({f"{each.id}/{hub}": member for hub, member in found.items()})
        return members

    def _manager(self, id: str, base: str = "/api/v1") -> ManagerClient:
        path = route(self._manager_path, id, *base.strip("/").split("/"))

        def explain(error: NotFoundError) -> HubResponseError:
            try:
                known = {each.id for each in self.get_managers()}
            except ScramjetError:
                return error
            if id in known:
                return error
            return instead(
                error, ManagerNotFoundError, f"there is no manager {id!r} at {self.api_base}"
            )

        # setdefault is atomic: two threads that ask first get the same client.
        return self._managers.setdefault(
            path, ManagerClient.over(Below(self._client, path, explain))
        )

    def _get(self, path: str) -> JsonAnswer:
        return self._client.request("GET", path, subject=f"{type(self).__name__} API")


class MultiManagerClient(ManyManagers):
    """A process that runs managers. Safe to use from any number of threads.

    The arguments are those of `HostClient`, but `api_base` has no default.
    """

    _list_path = "list"
    _manager_path = "cpm"

    def get_manager_client(self, id: str, manager_api_base: str = "/api/v1") -> ManagerClient:
        """Return a client for a manager; nothing is asked. An unknown id is a `ManagerNotFoundError` at any call.

        Args:
            id: The manager's id.
            manager_api_base: Path of the manager's own API.

        Wire: everything below /cpm/{id}/api/v1.
        """
        return self._manager(id, manager_api_base)

    def start_manager(self, config: Mapping[str, Any]) -> ManagerClient:
        """Start a manager, and return its client.

        Args:
            config: Its configuration, by the manager's own names.

        Wire: POST /start.
        """
        answer = self._client.request("POST", "start", {"manager": dict(config)})
        return self.get_manager_client(id_from(answer, "start"))

    def get_load(self) -> LoadCheckResponse:
        """Return the load of the machine. Wire: GET /load."""
        return load_from(self._get("load"))

    def get_info(self) -> GetInfoResponse:
        """Return what the process says of itself. Wire: GET /info."""
        return info_from(self._get("info"))

    def get_log_stream(self, *, idle_timeout: Duration | None = None) -> OutputStream:
        """Open the log of the process, one JSON object a line. Wire: GET /log."""
        return self._client.get_stream(
            "log", name="log of the multi-manager", idle_timeout=idle_timeout
        )
