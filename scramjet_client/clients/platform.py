"""MultiManagerClient and MiddlewareClient: APIs in front of several managers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scramjet_client._base import public
from scramjet_client.api.answers import (
    access_keys_from,
    id_from,
    info_from,
    load_from,
    managers_from,
    revoked_from,
    version_from,
)
from scramjet_client.api.handles import ApiClient, ProxiedClient, unless_listed
from scramjet_client.api.http_client import HttpClient
from scramjet_client.clients.fleet import Fleet
from scramjet_client.clients.host import HostClient
from scramjet_client.clients.manager import ManagerClient
from scramjet_client.config import resolve_platform
from scramjet_client.errors import (
    HubResponseError,
    ManagerNotFoundError,
    NotFoundError,
    ScramjetError,
)
from scramjet_client.http.answers import JsonAnswer
from scramjet_client.http.durations import Duration
from scramjet_client.http.settings import TimeoutLike, route
from scramjet_client.models import (
    AccessKey,
    CreateAccessKeyResponse,
    GetInfoResponse,
    GetVersionResponse,
    LoadCheckResponse,
    ManagerInfo,
    RevokeAccessKeysResponse,
)
from scramjet_client.streams.output import OutputStream


class ManyManagers(ApiClient):
    """The common part of a multi-manager and the platform's middleware: managers, by id."""

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
                found = self.get_manager_client(each.id).get_members()
            except ScramjetError as error:
                members[each.id] = error
            else:
                members.update({f"{each.id}/{hub}": member for hub, member in found.items()})
        return members

    def get_manager_client(self, id: str, manager_api_base: str = "/api/v1") -> ManagerClient:
        """Return a client for a manager, or space; sends no request.

        With an unknown id, any call raises `ManagerNotFoundError`. `manager_api_base` is the path of the manager's own
        API.

        Wire: everything below /cpm/{id}/api/v1 or /space/{id}/api/v1.
        """
        path = route(self._manager_path, id, *manager_api_base.strip("/").split("/"))

        def explain(error: NotFoundError) -> HubResponseError:
            said = f"there is no manager {id!r} at {self.api_base}"
            return unless_listed(error, self.get_managers, id, ManagerNotFoundError(said))

        # setdefault is atomic: two threads that ask at the same time get the same client.
        return self._managers.setdefault(
            path, ManagerClient.over(ProxiedClient(self._client, path, explain))
        )

    def _get(self, path: str) -> JsonAnswer:
        return self._client.request("GET", path, subject=f"{type(self).__name__} API")


@public
class MultiManagerClient(ManyManagers):
    """A process that runs managers. Safe to use from any number of threads.

    The arguments are those of `HostClient`, but `api_base` has no default.
    """

    _list_path = "list"
    _manager_path = "cpm"

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
        """Return the process's information about itself. Wire: GET /info."""
        return info_from(self._get("info"))

    def get_log_stream(
        self, *, timeout: Duration | None = None, idle_timeout: Duration | None = None
    ) -> OutputStream:
        """Open the log of the process, one JSON object a line.

        The arguments are those of `HostClient.get_log_stream`. Wire: GET /log.
        """
        return self._client.get_stream(
            "log", name="log of the multi-manager", timeout=timeout, idle_timeout=idle_timeout
        )


@public
class MiddlewareClient(ManyManagers):
    """The platform in front of managers; each manager is a space. Safe to use from any number of threads.

    A platform requires a token. The arguments are those of `HostClient`, but `api_base` has no default.
    """

    _list_path = "spaces"
    _manager_path = "space"

    @classmethod
    def from_env(
        cls,
        *,
        profile: str | None = None,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: TimeoutLike = None,
        verify: bool | str | None = None,
        cert: str | tuple[str, str] | None = None,
        proxies: Mapping[str, str] | None = None,
        retries: int = 2,
    ) -> MiddlewareClient:
        """Return a client of the platform that the environment names, or else the profile of `si`.

        The variables are SCRAMJET_MIDDLEWARE_URL, SCRAMJET_TOKEN, SCRAMJET_CA_BUNDLE and SCRAMJET_TIMEOUT (seconds).
        Then comes the profile that `si` would use here. A profile's token is only sent to the profile's own platform.

        Args:
            profile: Name of a profile of `si`, which takes precedence over the environment's address.
            token, headers, timeout, verify, cert, proxies, retries: As in the class.

        Raises:
            ConfigurationError: A variable or the profile can't be used, or neither names a platform.
        """
        found = resolve_platform(token=token, verify=verify, timeout=timeout, profile=profile)
        return cls(
            found.api_base,
            token=found.token,
            headers=headers,
            timeout=found.timeout,
            verify=found.verify,
            cert=cert,
            proxies=proxies,
            retries=retries,
        )

    @classmethod
    def from_profile(cls, name: str) -> MiddlewareClient:
        """Return a client of the platform that a profile of `si` names, with its token; see `from_env`."""
        return cls.from_env(profile=name)

    def get_audit_stream(
        self, *, timeout: Duration | None = None, idle_timeout: Duration | None = None
    ) -> OutputStream:
        """Open the platform's audit, one JSON object a line.

        The arguments are those of `HostClient.get_log_stream`. Wire: GET /audit.
        """
        return self._client.get_stream(
            "audit", name="audit of the platform", timeout=timeout, idle_timeout=idle_timeout
        )

    # -- access keys, with which hubs connect to a space ------------------------------------------

    def list_access_keys(self, space: str) -> list[AccessKey]:
        """Return the details of a space's access keys, without the keys. Wire: GET /space/{id}/apikey."""
        return access_keys_from(self._keys("GET", space))

    def create_access_key(self, space: str, *, description: str) -> CreateAccessKeyResponse:
        """Make an access key for a space; only this answer holds the key, in `raw`.

        Args:
            space: The space's id.
            description: The purpose of the key; spaces around it are stripped.

        Wire: POST /space/{id}/apikey.
        """
        text = description.strip()
        answer = self._keys("POST", space, value={"description": text})
        return CreateAccessKeyResponse(description=text, raw=answer.value)

    def revoke_access_key(self, space: str, key: str) -> RevokeAccessKeysResponse:
        """Make an access key invalid. Wire: DELETE /space/{id}/apikey, header x-revoke."""
        return revoked_from(self._keys("DELETE", space, headers={"x-revoke": key}))

    def revoke_all_access_keys(self, space: str) -> RevokeAccessKeysResponse:
        """Make all access keys of a space invalid. Wire: DELETE /space/{id}/apikey, header x-revoke-all."""
        return revoked_from(self._keys("DELETE", space, headers={"x-revoke-all": "true"}))

    def _keys(self, method: str, space: str, **options: Any) -> Any:
        return self._client.request(
            method,
            route("space", space, "apikey"),
            subject=f"space {space!r}",
            not_found=ManagerNotFoundError,
            **options,
        )
