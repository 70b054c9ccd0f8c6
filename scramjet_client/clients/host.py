"""HostClient: a hub, with its sequences, instances and topics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from scramjet_client._base import Rows, public
from scramjet_client.api.answers import (
    config_from,
    entities_from,
    instances_from,
    load_from,
    sequences_from,
    status_from,
    version_from,
)
from scramjet_client.api.generations import generation_of
from scramjet_client.api.handles import ApiClient
from scramjet_client.clients.topics import Topics
from scramjet_client.config import resolve
from scramjet_client.errors import SequenceNotFoundError
from scramjet_client.http.durations import Duration
from scramjet_client.http.settings import DEFAULT_API_BASE, TimeoutLike
from scramjet_client.models import (
    DeleteSequenceResponse,
    GetConfigResponse,
    GetEntitiesResponse,
    GetInstanceResponse,
    GetSequenceResponse,
    GetStatusResponse,
    GetVersionResponse,
    LoadCheckResponse,
)
from scramjet_client.streams.output import OutputStream

if TYPE_CHECKING:
    from scramjet_client.clients.doctor import DoctorReport
    from scramjet_client.clients.manager import ManagerClient
    from scramjet_client.clients.sequence import SequenceClient
    from scramjet_client.instances.client import InstanceClient
    from scramjet_client.packages.package import PackageLike
    from scramjet_client.packages.requirements import Requirements
    from scramjet_client.uploads.sources import ProgressHook


@public
class HostClient(Topics, ApiClient):
    """A Transform Hub. Safe to use from any number of threads; one for each process is enough.

    Creating one sends no request and reads nothing from the environment. `from_env` makes one that reads the
    environment and the profile of `si`.

    Args:
        api_base: URL of the hub's API; None means "http://127.0.0.1:8000/api/v1".
        token: Sent as `Authorization: Bearer`; never shown.
        headers: Sent with each request.
        timeout: `Timeouts`, or seconds for the whole answer of a JSON call.
        verify: True, False or the path of a CA bundle.
        cert: Path of a client certificate, or (certificate, key).
        proxies: As in requests; None means the environment's, except for loopback hosts.
        retries: How often a JSON GET, or a request that was never sent, is tried again.
    """

    _guesses: ClassVar[Mapping[str, str]] = {
        "add_sequence": "send_sequence(package)",
        "alive": "doctor(), or get_version()",
        "apply": "deploy(function).run(), or get_sequence_client(id).run()",
        "base_url": "api_base",
        "call": "deploy(function).run(), or get_sequence_client(id).run()",
        "check": "doctor(), or get_version()",
        "config": "get_config()",
        "connect": "doctor(): a client connects by itself",
        "connected": "doctor(), or get_version()",
        "create_instance": "get_sequence_client(id).start()",
        "create_sequence": "send_sequence(package)",
        "delete_instance": "get_instance_client(id).kill(remove_immediately=True)",
        "deploy_function": "deploy(function)",
        "deploy_sequence": "send_sequence(package), or deploy(function)",
        "diagnose": "doctor()",
        "execute": "deploy(function).run(), or get_sequence_client(id).run()",
        "follow": "get_log_stream()",
        "follow_log": "get_log_stream()",
        "get_entities": "list_entities()",
        "get_health": "doctor(), or get_version()",
        "get_hub": "get_version() and get_config()",
        "get_info": "get_version(), get_status() or get_config()",
        "get_instance": "get_instance_client(id), or get_instance_info(id) for what the hub knows of it",
        "get_instances": "list_instances()",
        "get_load": "get_load_check()",
        "get_log": "get_log_stream()",
        "get_logs": "get_log_stream()",
        "get_sequence_by_name": "get_sequence_id(name)",
        "get_sequence_info": "get_sequence(id)",
        "get_sequences": "list_sequences()",
        "health": "get_load_check()",
        "health_check": "doctor(), or get_version()",
        "healthcheck": "doctor(), or get_version()",
        "info": "get_version(), get_status() or get_config()",
        "install": "send_sequence(package)",
        "instance": "get_instance_client(id)",
        "instances": "list_instances()",
        "is_alive": "doctor(), or get_version()",
        "is_connected": "doctor(), or get_version()",
        "is_healthy": "doctor(), or get_version()",
        "is_up": "doctor(), or get_version()",
        "kill": "get_instance_client(id).kill()",
        "kill_instance": "get_instance_client(id).kill()",
        "list_topics": "get_topics()",
        "load": "get_load_check()",
        "load_sequence": "send_sequence(package)",
        "log": "get_log_stream()",
        "logs": "get_log_stream()",
        "map": "deploy(function).run(), or get_sequence_client(id).run()",
        "overwrite_sequence": "update_sequence(id, package)",
        "ping": "get_version(), or doctor()",
        "publish": "send_topic(topic, source)",
        "push": "send_sequence(package)",
        "read_log": "get_log_stream()",
        "remove_sequence": "delete_sequence(id)",
        "run": "deploy(function).run(), or get_sequence_client(id).run()",
        "run_function": "deploy(function).run(), or get_sequence_client(id).run()",
        "run_sequence": "get_sequence_client(id).run()",
        "send_function": "deploy(function)",
        "send_package": "send_sequence(package)",
        "sequence": "get_sequence_client(id)",
        "sequences": "list_sequences()",
        "start": "get_sequence_client(id).start()",
        "start_instance": "get_sequence_client(id).start()",
        "start_sequence": "get_sequence_client(id).start()",
        "status": "get_status()",
        "stop": "get_instance_client(id).stop()",
        "stop_instance": "get_instance_client(id).stop()",
        "stream_log": "get_log_stream()",
        "stream_logs": "get_log_stream()",
        "submit": "deploy(function).run(), or get_sequence_client(id).run()",
        "subscribe": "get_topic(topic)",
        "tail": "get_log_stream()",
        "tail_log": "get_log_stream()",
        "test": "doctor(), or get_version()",
        "topic": "get_topic(topic)",
        "topics": "get_topics()",
        "upload": "send_sequence(package)",
        "upload_package": "send_sequence(package)",
        "upload_sequence": "send_sequence(package)",
        "url": "api_base",
        "version": "get_version().version",
        "wait": "get_instance_client(id).wait()",
    }

    _sources: Mapping[str, str] | None = None

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
        super().__init__(
            DEFAULT_API_BASE if api_base is None else api_base,
            token=token,
            headers=headers,
            timeout=timeout,
            verify=verify,
            cert=cert,
            proxies=proxies,
            retries=retries,
        )
        self._sources = {"api_base": "the default"} if api_base is None else {}

    @classmethod
    def from_env(
        cls,
        *,
        profile: str | None = None,
        api_base: str | None = None,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: TimeoutLike = None,
        verify: bool | str | None = None,
        cert: str | tuple[str, str] | None = None,
        proxies: Mapping[str, str] | None = None,
        retries: int = 2,
    ) -> HostClient:
        """Return a client of the hub that arguments, environment or the profile of `si` name, in that order.

        The variables are SCRAMJET_API_URL, SCRAMJET_TOKEN, SCRAMJET_CA_BUNDLE and SCRAMJET_TIMEOUT (seconds). Then
        comes the profile that `si` would use here. Without any of them you get the default. `doctor()` says what was
        used.

        Args:
            profile: Name of a profile of `si`, which takes precedence over the environment's address.
            api_base, token, headers, timeout, verify, cert, proxies, retries: As in the class.

        Raises:
            ConfigurationError: A variable or the profile can't be used; the message says which, and the line.
        """
        found = resolve(
            api_base=api_base, token=token, verify=verify, timeout=timeout, profile=profile
        )
        host = cls(
            found.api_base,
            token=found.token,
            headers=headers,
            timeout=found.timeout,
            verify=found.verify,
            cert=cert,
            proxies=proxies,
            retries=retries,
        )
        host._sources = found.sources
        return host

    def doctor(self, *, timeout: float = 10.0) -> DoctorReport:
        """Report the settings of this client, where they come from, and whether the hub can be reached.

        Args:
            timeout: Seconds that the hub gets to answer.

        Returns:
            A report for printing; `as_dict()` gives its parts, `problems` the problems. You also get it for
            a hub that is down. It holds no token.

        Wire: GET /version.
        """
        from scramjet_client.clients.doctor import examine  # noqa: PLC0415 - not for who only asks

        return examine(self._client, self._sources, timeout)

    # -- the hub itself ---------------------------------------------------------------------------

    def get_version(self) -> GetVersionResponse:
        """Return the hub's version. Wire: GET /version."""
        return version_from(self._client.request("GET", "version"))

    def get_status(self) -> GetStatusResponse:
        """Return the hub's connection to its manager (1.x). Wire: GET /status."""
        generation_of(self._client).require("status")
        return status_from(self._client.request("GET", "status"))

    def get_config(self) -> GetConfigResponse:
        """Return the hub's configuration (1.x); `raw`, which is not shown, may hold secrets.

        Wire: GET /config.
        """
        generation_of(self._client).require("config")
        return config_from(self._client.request("GET", "config"))

    def get_load_check(self) -> LoadCheckResponse:
        """Return the load of the hub's machine. Wire: GET /load-check."""
        return load_from(self._client.request("GET", "load-check"))

    def get_log_stream(
        self, *, timeout: Duration | None = None, idle_timeout: Duration | None = None
    ) -> OutputStream:
        """Open the hub's log: first the lines that the hub has kept, then live; one JSON object a line.

        Args:
            timeout: Seconds after which the stream ends for you; None means no limit.
            idle_timeout: Seconds without a byte after which reading raises `StreamIdleError`.

        Wire: GET /log.
        """
        return self._client.get_stream(
            "log", name="log of the hub", timeout=timeout, idle_timeout=idle_timeout
        )

    def get_audit_stream(
        self, *, timeout: Duration | None = None, idle_timeout: Duration | None = None
    ) -> OutputStream:
        """Open the hub's audit (1.x): history, then live; one JSON object a line.

        Args:
            timeout: Seconds after which the stream ends for you; None means no limit.
            idle_timeout: Seconds without a byte after which reading raises `StreamIdleError`.

        Wire: GET /audit.
        """
        generation_of(self._client).require("the audit")
        return self._client.get_stream(
            "audit", name="audit of the hub", timeout=timeout, idle_timeout=idle_timeout
        )

    # -- sequences --------------------------------------------------------------------------------

    def list_sequences(self) -> list[GetSequenceResponse]:
        """Return all sequences. Wire: GET /sequences."""
        return sequences_from(self._client.request("GET", "sequences"))

    def get_sequence(self, id: str) -> GetSequenceResponse:
        """Return one sequence. Wire: GET /sequence/{id}."""
        return self.get_sequence_client(id).get_info()

    def get_sequence_id(self, name: str) -> list[str]:
        """Return the ids of all sequences whose package has this name; each upload makes a separate sequence.

        Raises:
            SequenceNotFoundError: No sequence has it.

        Wire: GET /sequences.
        """
        found = Rows(each.id for each in self.list_sequences() if each.name == name)
        if not found:
            raise SequenceNotFoundError(f"there is no sequence of the name {name!r} on the hub")
        return found

    def send_sequence(
        self,
        package: PackageLike,
        *,
        requirements: Requirements = None,
        progress: ProgressHook | None = None,
    ) -> SequenceClient:
        """Upload a sequence package, as a new sequence.

        Args:
            package: A folder or a Python file (path as `Path` or str), which is checked and packed here; a
                `Package`; or a package that is packed already: the path of a file, bytes, an open binary file, or an
                iterable of bytes.
            requirements: What pip installs into the package of a path: a list of requirements, or the path
                of a requirements file, in the package's folder or from the present one.
            progress: As in `InstanceClient.send_stream`.

        Raises:
            ValueError: The path does not exist, it is not a sequence, or pip failed; nothing has been sent.
            UnprocessableEntityError: The hub could not unpack or read the package; the message is the hub's.

        Wire: POST /sequence (docs/protocol.md, "Sequences").
        """
        from scramjet_client.clients.sequence import send_package  # noqa: PLC0415 - as above

        id = send_package(self._client, package, requirements=requirements, progress=progress)
        return self.get_sequence_client(id)

    def deploy(
        self,
        function: Callable[..., Any],
        *,
        requirements: Requirements = None,
        name: str | None = None,
        source: str | None = None,
        include: Iterable[str | Path] = (),
        env: Iterable[str] = (),
        progress: ProgressHook | None = None,
    ) -> SequenceClient:
        """Make a sequence from a Python function of this script or notebook, and upload it.

        Its source is sent, together with the imports, constants, functions and classes of the script that it uses.
        docs/packages.md, "A function", says what can be sent, and what the function may give.

        Args:
            function: `function(context, input, *args)`: plain, `async def`, or a generator of either kind.
            requirements: What pip installs into the package: a list of requirements, or the path of a file.
            name: Name of the sequence; None means the function's.
            source: Text of its definition, for a function whose source Python does not know, such as one made by exec.
            include: Files, folders or patterns beside the script to send too, to the same place in the package.
            env: Names of the script's variables whose values are not sent. Instead, `app_config` of each start gives
                the values, or the environment of the program does.
            progress: As in `InstanceClient.send_stream`.

        Raises:
            TypeError: It is not a function, or does not take these arguments.
            ValueError: It uses something that can't be sent, such as an open file; the message names it and the
                line. Or pip failed. Nothing has been sent.
        """
        from scramjet_client.packages.package import Package  # noqa: PLC0415 - as above

        with Package.from_function(
            function, requirements=requirements, name=name, source=source, include=include, env=env
        ) as package:
            return self.send_sequence(package, progress=progress)

    def update_sequence(
        self,
        id: str,
        package: PackageLike,
        *,
        requirements: Requirements = None,
        progress: ProgressHook | None = None,
    ) -> SequenceClient:
        """Replace the package of a sequence, which keeps its id; see `SequenceClient.overwrite`."""
        sequence = self.get_sequence_client(id)
        sequence.overwrite(package, requirements=requirements, progress=progress)
        return sequence

    def delete_sequence(self, id: str, *, force: bool = False) -> DeleteSequenceResponse:
        """Delete a sequence; see `SequenceClient.delete`."""
        return self.get_sequence_client(id).delete(force=force)

    def get_sequence_client(self, id: str) -> SequenceClient:
        """Return a client for a sequence; sends no request."""
        from scramjet_client.clients.sequence import SequenceClient  # noqa: PLC0415 - as above

        return SequenceClient(id, self)

    # -- instances --------------------------------------------------------------------------------

    def list_instances(self) -> list[GetInstanceResponse]:
        """Return all instances; a 0.x hub gives only their ids and sequences. Wire: GET /instances."""
        return instances_from(self._client.request("GET", "instances"))

    def get_instance_info(self, id: str) -> GetInstanceResponse:
        """Return one instance. Wire: GET /instance/{id}."""
        return self.get_instance_client(id).get_info()

    def get_instance_client(self, id: str) -> InstanceClient:
        """Return a client for an instance; sends no request."""
        from scramjet_client.instances.client import InstanceClient  # noqa: PLC0415 - as above

        return InstanceClient(id, self)

    def list_entities(self) -> GetEntitiesResponse:
        """Return all sequences and instances; 0.x has no such route, so it takes two requests there.

        Wire: GET /entities, or GET /sequences and /instances.
        """
        if generation_of(self._client).modern:
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

    # -- its manager ------------------------------------------------------------------------------

    def get_manager_client(self, manager_api_base: str = "/api/v1") -> ManagerClient:
        """Return a client for the manager that the hub is connected to (1.x); its requests go through the hub.

        This sends no request. If the hub has no manager, any call raises `ManagerNotFoundError`; on a 0.x hub it raises
        `UnsupportedByHubError`.

        Args:
            manager_api_base: Path of the manager's own API.

        Wire: everything below /cpm/api/v1 (docs/protocol.md, "Managers").
        """
        # `manager` imports this module, so this import has to wait for the call.
        from scramjet_client.clients.manager import ManagerClient, manager_of  # noqa: PLC0415

        return ManagerClient.over(manager_of(self, manager_api_base))
