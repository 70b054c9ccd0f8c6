"""HostClient: a hub, with its sequences, instances and topics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from scramjet_client import models
from scramjet_client._base import Rows, public
from scramjet_client._common.checks import checked
from scramjet_client._common.names import guessed, refused
from scramjet_client.api.answers import (
    config_from,
    entities_from,
    instances_from,
    load_from,
    sequences_from,
    status_from,
    version_from,
)
from scramjet_client.api.handles import ApiClient
from scramjet_client.clients.topics import Topics
from scramjet_client.errors import SequenceNotFoundError
from scramjet_client.http.durations import Duration
from scramjet_client.http.settings import DEFAULT_API_BASE, TimeoutLike

if TYPE_CHECKING:
    from scramjet_client.clients.doctor import DoctorReport
    from scramjet_client.clients.manager import ManagerClient
    from scramjet_client.clients.sequence import SequenceClient
    from scramjet_client.instances.client import InstanceClient
    from scramjet_client.packages.package import PackageLike
    from scramjet_client.packages.requirements import Requirements
    from scramjet_client.streams.output import OutputStream
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

    _guesses: ClassVar[Mapping[str, str]] = guessed(
        {
            "send_sequence(package)": (
                "add_sequence create_sequence install load_sequence push send_package upload "
                "upload_package upload_sequence"
            ),
            "doctor(), or get_version()": (
                "alive check connected get_health health_check healthcheck is_alive is_connected "
                "is_healthy is_up test"
            ),
            "deploy(function).run(), or get_sequence_client(id).run()": (
                "apply call execute invoke remote run run_function submit"
            ),
            "api_base": "base_url url",
            "get_config()": "config",
            "doctor(): a client connects by itself": "connect",
            "get_sequence_client(id).start()": "create_instance start start_instance start_sequence",
            "get_instance_client(id).kill(remove_immediately=True)": "delete_instance",
            "deploy(function)": "deploy_function send_function",
            "send_sequence(package), or deploy(function)": "deploy_sequence",
            "doctor()": "diagnose",
            "get_log_stream()": (
                "follow follow_log get_log get_logs log logs read_log stream_log stream_logs tail "
                "tail_log"
            ),
            "list_entities()": "get_entities",
            "get_version() and get_config()": "get_hub",
            "get_version(), get_status() or get_config()": "get_info info",
            "get_instance_client(id), or get_instance_info(id) for what the hub knows of it": (
                "get_instance"
            ),
            "list_instances()": "containers get_instances instances jobs processes ps",
            "get_load_check()": "get_load health load",
            "get_sequence_id(name)": "get_sequence_by_name",
            "get_sequence(id)": "get_sequence_info",
            "list_sequences()": "functions get_sequences images programs sequences",
            "get_instance_client(id)": "instance",
            "get_instance_client(id).show()": "display live show view",
            "deploy(function).run() on the threads of a concurrent.futures.ThreadPoolExecutor": (
                "gather imap map parallel pool run_all run_many run_parallel starmap"
            ),
            "get_instance_client(id).kill()": "kill kill_instance",
            "get_topics()": "list_topics topics",
            "update_sequence(id, package)": "overwrite_sequence",
            "get_version(), or doctor()": "ping",
            "send_topic(topic, source)": "publish",
            "delete_sequence(id)": "remove_sequence",
            "get_sequence_client(id).run()": "run_sequence",
            "get_sequence_client(id)": "function sequence",
            "get_sequence_client(id), or get_instance_client(id)": "get lookup",
            "deploy(function).start(), or get_sequence_client(id).start()": "spawn",
            "deploy(function).run(), with the client of a LocalHub": "local",
            "delete_sequence(id), or get_instance_client(id).kill(remove_immediately=True)": "delete remove rm",
            "get_instance_client(id).send_event(name, message): a hub runs no command in an instance": (
                "exec exec_run"
            ),
            "get_load_check(), or get_instance_client(id).get_health()": "stats top",
            "get_status()": "status",
            "get_instance_client(id).stop()": "stop stop_instance",
            "get_topic(topic)": "subscribe topic",
            "get_version().version": "version",
            "get_instance_client(id).wait()": "wait",
        }
    )

    if not TYPE_CHECKING:  # for type checkers it is not there
        __iter__ = refused(
            "can't be iterated; list_sequences() and list_instances() give what it has"
        )

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
        from scramjet_client.config import resolve  # noqa: PLC0415 - for who names no address

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

    def doctor(self, *, timeout: Duration = 10.0) -> DoctorReport:
        """Report the settings of this client, where they come from, and whether the hub can be reached.

        Args:
            timeout: Seconds that the hub gets to answer.

        Returns:
            A report for printing; `as_dict()` gives its parts, `problems` the problems. You also get it for
            a hub that is down. It holds no token.

        Wire: GET /version.
        """
        from scramjet_client.clients.doctor import examine  # noqa: PLC0415 - few callers need it

        return examine(self._client, self._sources, timeout)

    # -- the hub itself ---------------------------------------------------------------------------

    def get_version(self) -> models.GetVersionResponse:
        """Return the hub's version. Wire: GET /version."""
        return version_from(self._client.request("GET", "version"))

    def get_status(self) -> models.GetStatusResponse:
        """Return the hub's connection to its manager (1.x). Wire: GET /status."""
        self._generation().require("status")
        return status_from(self._client.request("GET", "status"))

    def get_config(self) -> models.GetConfigResponse:
        """Return the hub's configuration (1.x); `raw`, which is not shown, may hold secrets.

        Wire: GET /config.
        """
        self._generation().require("config")
        return config_from(self._client.request("GET", "config"))

    def get_load_check(self) -> models.LoadCheckResponse:
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

        The arguments are those of `get_log_stream`. Wire: GET /audit.
        """
        self._generation().require("the audit")
        return self._client.get_stream(
            "audit", name="audit of the hub", timeout=timeout, idle_timeout=idle_timeout
        )

    # -- sequences --------------------------------------------------------------------------------

    def list_sequences(self) -> list[models.GetSequenceResponse]:
        """Return all sequences. Wire: GET /sequences."""
        return sequences_from(self._client.request("GET", "sequences"))

    def get_sequence(self, id: str) -> models.GetSequenceResponse:
        """Return one sequence. Wire: GET /sequence/{id}."""
        return self.get_sequence_client(id).get_info()

    def get_sequence_id(self, name: str) -> list[str]:
        """Return the ids of all sequences whose package has this name; each upload makes a separate sequence.

        Raises:
            SequenceNotFoundError: No sequence has it.

        Wire: GET /sequences.
        """
        checked("name", name, str)
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
        from scramjet_client.clients.sequence import package_id, send_package  # noqa: PLC0415 - as above

        text = send_package(
            self._client, "sequence", package, requirements=requirements, progress=progress
        )
        return self.get_sequence_client(package_id(text))

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

    def delete_sequence(
        self, id: str, *, force: bool = False, timeout: Duration | None = None
    ) -> models.DeleteSequenceResponse:
        """Delete a sequence; see `SequenceClient.delete`."""
        return self.get_sequence_client(id).delete(force=force, timeout=timeout)

    def get_sequence_client(self, id: str) -> SequenceClient:
        """Return a client for a sequence; sends no request."""
        from scramjet_client.clients.sequence import SequenceClient  # noqa: PLC0415 - as above

        return SequenceClient(id, self)

    # -- instances --------------------------------------------------------------------------------

    def list_instances(self) -> list[models.GetInstanceResponse]:
        """Return all instances; a 0.x hub gives only their ids and sequences. Wire: GET /instances."""
        return instances_from(self._client.request("GET", "instances"))

    def get_instance_info(self, id: str) -> models.GetInstanceResponse:
        """Return one instance. Wire: GET /instance/{id}."""
        return self.get_instance_client(id).get_info()

    def get_instance_client(self, id: str) -> InstanceClient:
        """Return a client for an instance; sends no request."""
        from scramjet_client.instances.client import InstanceClient  # noqa: PLC0415 - as above

        return InstanceClient(id, self)

    def list_entities(self) -> models.GetEntitiesResponse:
        """Return all sequences and instances; 0.x has no such route, so it takes two requests there.

        Wire: GET /entities, or GET /sequences and /instances.
        """
        if self._generation().modern:
            return entities_from(self._client.request("GET", "entities"))
        sequences, instances = self.list_sequences(), self.list_instances()
        return models.GetEntitiesResponse(
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
        `UnsupportedByHubError`. `manager_api_base` is the path of the manager's own API.

        Wire: everything below /cpm/api/v1 (docs/protocol.md, "Managers").
        """
        # `manager` imports this module, so this import has to wait for the call.
        from scramjet_client.clients.manager import ManagerClient, manager_of  # noqa: PLC0415

        return ManagerClient.over(manager_of(self, manager_api_base))
