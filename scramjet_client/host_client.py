"""HostClient: a hub — what is on it, what it says of itself, and how things get there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scramjet_client._dialect import (
    dialect_of,
    entities_from,
    id_from,
    instance_from,
    instances_from,
    load_from,
    sequence_from,
    sequences_from,
    version_from,
)
from scramjet_client._handle import Closing
from scramjet_client._settings import DEFAULT_API_BASE, TimeoutLike, route
from scramjet_client._sources import SourceLike
from scramjet_client.errors import (
    InstanceNotFoundError,
    InvalidResponseError,
    NotFoundError,
    SequenceNotFoundError,
)
from scramjet_client.http_client import HttpClient
from scramjet_client.instance_client import InstanceClient
from scramjet_client.models import (
    DeleteSequenceResponse,
    GetEntitiesResponse,
    GetInstanceResponse,
    GetSequenceResponse,
    GetStatusResponse,
    GetVersionResponse,
    LoadCheckResponse,
)
from scramjet_client.packages import pack
from scramjet_client.sequence_client import SequenceClient
from scramjet_client.streams import OutputStream


class HostClient(Closing):
    """A Transform Hub. Safe to use from any number of threads; one for each process is enough.

    Nothing is asked of the hub until a method is called.

    Args:
        api_base: URL of the hub's API; None means "http://127.0.0.1:8000/api/v1".
        token: Sent as `Authorization: Bearer`; never shown.
        headers: Sent with each request.
        timeout: `Timeouts`, or seconds for the whole answer of a JSON call.
        verify: True, False or the path of a CA bundle.
        cert: Path of a client certificate, or (certificate, key).
        proxies: As in requests; None means the environment's, except for loopback hosts.
        retries: How often a JSON GET, or a request that never left, is tried again.
    """

    def __init__(
        self,
        api_base: str | None = None,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: TimeoutLike = None,
        verify: bool | str | None = None,
        cert: str | tuple[str, str] | None = None,
        proxies: Mapping[str, str] | None = None,
        retries: int = 2,
    ) -> None:
        self._client = HttpClient(
            DEFAULT_API_BASE if api_base is None else api_base,
            token=token,
            headers=headers,
            timeout=timeout,
            verify=verify,
            cert=cert,
            proxies=proxies,
            retries=retries,
        )

    def __repr__(self) -> str:
        return f"<HostClient {self.api_base}>"

    def close(self) -> None:
        """Close idle connections."""
        self._client.close()

    @property
    def api_base(self) -> str:
        """URL of the hub's API."""
        return self._client.api_base

    @property
    def client(self) -> HttpClient:
        """The HTTP client it sends with."""
        return self._client

    # -- the hub itself ---------------------------------------------------------------------------

    def get_version(self) -> GetVersionResponse:
        """Return the hub's version. Wire: GET /version."""
        return version_from(self._client.request("GET", "version"))

    def get_status(self) -> GetStatusResponse:
        """Return the hub's connection to its manager (1.x). Wire: GET /status."""
        value = self._modern_get("status")
        return GetStatusResponse(cpm=value.get("cpm") or {}, raw=value)

    def get_config(self) -> dict[str, Any]:
        """Return the hub's configuration as it gives it (1.x); it may hold secrets. Wire: GET /config."""
        return self._modern_get("config")

    def get_load_check(self) -> LoadCheckResponse:
        """Return the load of the hub's machine. Wire: GET /load-check."""
        return load_from(self._client.request("GET", "load-check"))

    def get_log_stream(self, *, idle_timeout: float | None = None) -> OutputStream:
        """Open the hub's log: what it has kept, then live; one JSON object a line. Wire: GET /log."""
        return self._client.get_stream("log", name="log of the hub", idle_timeout=idle_timeout)

    def get_audit_stream(self, *, idle_timeout: float | None = None) -> OutputStream:
        """Open the hub's audit (1.x): history, then live; one JSON object a line. Wire: GET /audit."""
        self._modern("the audit")
        return self._client.get_stream("audit", name="audit of the hub", idle_timeout=idle_timeout)

    # -- sequences --------------------------------------------------------------------------------

    def list_sequences(self) -> list[GetSequenceResponse]:
        """Return all sequences. Wire: GET /sequences."""
        return sequences_from(self._client.request("GET", "sequences"))

    def get_sequence(self, id: str) -> GetSequenceResponse:
        """Return one sequence. Wire: GET /sequence/{id}."""
        return sequence_from(
            self._client.request(
                "GET",
                route("sequence", id),
                subject=f"sequence {id!r}",
                not_found=SequenceNotFoundError,
            )
        )

    def send_sequence(self, package: SourceLike) -> SequenceClient:
        """Upload a sequence package.

        Args:
            package: A folder (path as `Path` or str), which is packed here; or a package that is packed
                already: the path of a file, bytes, an open binary file, or an iterable of bytes.

        Raises:
            ValueError: There is no such path, or the folder is no sequence.
            UnprocessableEntityError: The hub could not unpack or read it; the message is the hub's.

        Wire: POST /sequence (docs/protocol.md, "Sequences").
        """
        if isinstance(package, (str, Path)):
            path = Path(package)
            if not path.exists():
                raise ValueError(f"there is no sequence package at {str(path)!r}")
            package = pack(path) if path.is_dir() else path
        text = self._client.send_stream("sequence", package, subject="the sequence package")
        try:
            answer = json.loads(text)
        except ValueError as error:
            raise InvalidResponseError(
                f"the hub's answer to a package is not JSON: {error}", body=text
            ) from error
        return SequenceClient(id_from(answer, "a package"), self)

    def delete_sequence(self, id: str, *, force: bool = False) -> DeleteSequenceResponse:
        """Delete a sequence.

        Args:
            id: Its id.
            force: Kill its instances first (1.x); the hub then takes 15 to 31 s to answer.

        Raises:
            SequenceNotFoundError: The hub has no such sequence.
            HubResponseError: It has instances (status 409).
            UnsupportedByHubError: `force` on a 0.x hub, which would ignore it.

        Wire: DELETE /sequence/{id} (docs/protocol.md, "Sequences").
        """
        if force:
            self._modern("deleting a sequence by force")
        answer = self._client.request(
            "DELETE",
            route("sequence", id),
            headers={"x-seq-kill-inst": "true"} if force else None,
            subject=f"sequence {id!r}",
            not_found=SequenceNotFoundError,
        )
        return DeleteSequenceResponse(id=id_from(answer, "a deletion"), raw=answer.value)

    def get_sequence_client(self, id: str) -> SequenceClient:
        """Return a client for a sequence; nothing is asked of the hub."""
        return SequenceClient(id, self)

    # -- instances --------------------------------------------------------------------------------

    def list_instances(self) -> list[GetInstanceResponse]:
        """Return all instances; a 0.x hub gives their ids and sequences alone. Wire: GET /instances."""
        return instances_from(self._client.request("GET", "instances"))

    def get_instance_info(self, id: str) -> GetInstanceResponse:
        """Return one instance. Wire: GET /instance/{id}."""
        return instance_from(
            self._client.request(
                "GET",
                route("instance", id),
                subject=f"instance {id!r}",
                not_found=InstanceNotFoundError,
            )
        )

    def get_instance_client(self, id: str) -> InstanceClient:
        """Return a client for an instance; nothing is asked of the hub."""
        return InstanceClient(id, self)

    def list_entities(self) -> GetEntitiesResponse:
        """Return all sequences and instances; on 0.x, which has no such route, by two requests.

        Wire: GET /entities, or GET /sequences and /instances.
        """
        if dialect_of(self._client).modern:
            return entities_from(self._client.request("GET", "entities"))
        sequences, instances = self.list_sequences(), self.list_instances()
        return GetEntitiesResponse(
            sequences=tuple(sequences),
            instances=tuple(instances),
            raw={
                "sequences": [each.raw for each in sequences],
                "instances": [each.raw for each in instances],
            },
        )

    # -- shared -----------------------------------------------------------------------------------

    def _modern(self, what: str) -> None:
        dialect = dialect_of(self._client)
        if not dialect.modern:
            raise dialect.unsupported(what)

    def _modern_get(self, path: str) -> dict[str, Any]:
        self._modern(path)
        value = self._client.request("GET", path, not_found=NotFoundError).value
        if not isinstance(value, dict):
            raise InvalidResponseError(f"the hub's answer for {path} is not an object")
        return value
