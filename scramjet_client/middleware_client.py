"""MiddlewareClient: the platform — its spaces, each with a manager of hubs, and their access keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scramjet_client._durations import Duration
from scramjet_client._manager_answers import access_keys_from, revoked_from
from scramjet_client._settings import TimeoutLike, route
from scramjet_client.config import resolve_platform
from scramjet_client.errors import ManagerNotFoundError
from scramjet_client.manager_client import ManagerClient
from scramjet_client.manager_models import (
    AccessKey,
    CreateAccessKeyResponse,
    RevokeAccessKeysResponse,
)
from scramjet_client.multi_manager_client import ManyManagers
from scramjet_client.streams import OutputStream


class MiddlewareClient(ManyManagers):
    """The platform in front of managers; each of them is a space. Safe to use from any number of threads.

    A platform wants a token. The arguments are those of `HostClient`, but `api_base` has no default.
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

        Read are SCRAMJET_MIDDLEWARE_URL, SCRAMJET_TOKEN, SCRAMJET_CA_BUNDLE, SCRAMJET_TIMEOUT (seconds), then the
        profile that `si` would use here, whose token goes to its own platform alone.

        Args:
            profile: Name of a profile of `si`, to be used before the environment's address.
            token, headers, timeout, verify, cert, proxies, retries: As of the class.

        Raises:
            ConfigurationError: A variable or the profile can't be used, or none names a platform.
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
        """Return a client of the platform of a profile of `si`, with its token; see `from_env`."""
        return cls.from_env(profile=name)

    def get_manager_client(self, id: str, manager_api_base: str = "/api/v1") -> ManagerClient:
        """Return a client for the manager of a space; nothing is asked.

        An unknown id is a `ManagerNotFoundError` at any call.

        Args:
            id: The space's id.
            manager_api_base: Path of the manager's own API.

        Wire: everything below /space/{id}/api/v1.
        """
        return self._manager(id, manager_api_base)

    def get_audit_stream(self, *, idle_timeout: Duration | None = None) -> OutputStream:
        """Open the platform's audit, one JSON object a line. Wire: GET /audit."""
        return self._client.get_stream(
            "audit", name="audit of the platform", idle_timeout=idle_timeout
        )

    # -- access keys, by which hubs connect to a space --------------------------------------------

    def list_access_keys(self, space: str) -> list[AccessKey]:
        """Return what is known of a space's access keys, not the keys. Wire: GET /space/{id}/apikey."""
        return access_keys_from(self._keys("GET", space))

    def create_access_key(self, space: str, *, description: str) -> CreateAccessKeyResponse:
        """Make an access key for a space; the answer alone holds it, in `raw`.

        Args:
            space: The space's id.
            description: What the key is for; spaces around it are left out.

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
