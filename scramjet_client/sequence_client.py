"""SequenceClient: a sequence on a hub, to be started as instances."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scramjet_client._calls import JsonAnswer
from scramjet_client._dialect import dialect_of, id_from, ids_from, sequence_from
from scramjet_client._handle import Handle
from scramjet_client.errors import SequenceNotFoundError
from scramjet_client.instance_client import InstanceClient
from scramjet_client.models import GetSequenceResponse


class SequenceClient(Handle):
    """One sequence on a hub. Safe to use from any number of threads; nothing is asked when one is made.

    Args:
        id: The sequence's id.
        host: Whose `.client` talks to the hub; a `HostClient`, normally.
    """

    _kind = "sequence"
    _not_found = SequenceNotFoundError

    def start(
        self,
        *,
        app_config: Mapping[str, Any] | None = None,
        args: list[Any] | tuple[Any, ...] | None = None,
        input_topic: str | None = None,
        output_topic: str | None = None,
        limits: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> InstanceClient:
        """Start an instance; returns when its runner has connected, which is before the program runs.

        Args:
            app_config: The program's `context.config`.
            args: Further arguments of the program, JSON values.
            input_topic: Topic that feeds its input (1.x).
            output_topic: Topic that its output goes to (1.x).
            limits: `{"memory": megabytes, "gpu": bool}`, for hubs that run containers (1.x).
            timeout: Seconds; a 0.x hub never answers for a package that can't run.

        Raises:
            SequenceNotFoundError: The hub has no such sequence.
            InsufficientResourcesError: The hub is too busy.
            BadParametersError: The program could not be run; the message is the runner's.
            UnsupportedByHubError: Topics or limits on a 0.x hub.

        Wire: POST /sequence/{id}/start (docs/protocol.md, "Start").
        """
        if args is not None and not isinstance(args, (list, tuple)):
            raise TypeError(f"args must be a list or tuple, not {type(args).__name__}")
        if app_config is not None and not isinstance(app_config, Mapping):
            raise TypeError(f"app_config must be a mapping, not {type(app_config).__name__}")
        body = dialect_of(self._client).start_body(
            app_config, args, input_topic, output_topic, limits
        )
        answer = self._request("POST", "start", value=body, timeout=timeout)
        return InstanceClient(id_from(answer, "start"), self)

    def get_info(self) -> GetSequenceResponse:
        """Return what the hub knows of the sequence. Wire: GET /sequence/{id}."""
        return sequence_from(self._request("GET"))

    def list_instances(self) -> list[str]:
        """Return the ids of its instances. Wire: GET /sequence/{id}/instances."""
        return ids_from(self._request("GET", "instances"))

    def get_instance(self, id: str) -> InstanceClient:
        """Return a client for an instance; nothing is asked of the hub."""
        return InstanceClient(id, self)

    def _request(self, method: str, *rest: str, **options: Any) -> JsonAnswer:
        return self._client.request(method, self._route(*rest), **self._about, **options)
