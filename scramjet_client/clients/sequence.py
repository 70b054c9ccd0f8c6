"""SequenceClient: a sequence on a hub, which you start as instances."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from scramjet_client._base import public, quoted
from scramjet_client._common.checks import checked
from scramjet_client._common.names import guessed, refused
from scramjet_client.api.answers import id_from, ids_from, sequence_from
from scramjet_client.api.generations import generation_of
from scramjet_client.api.handles import Handle
from scramjet_client.api.http_client import HttpClient
from scramjet_client.clients.topics import checked_topic
from scramjet_client.errors import (
    BadParametersError,
    HubResponseError,
    InsufficientResourcesError,
    NotFoundError,
    SequenceNotFoundError,
    ServerError,
)
from scramjet_client.http.answers import JsonAnswer, json_in
from scramjet_client.http.durations import Duration, duration
from scramjet_client.http.json_body import json_bytes
from scramjet_client.instances.cause import cured
from scramjet_client.instances.client import InstanceClient
from scramjet_client.instances.run import CompletedInstance, refuse_check, run_new
from scramjet_client.models import DeleteSequenceResponse, GetSequenceResponse
from scramjet_client.packages.package import PackageLike, opened
from scramjet_client.packages.requirements import Requirements
from scramjet_client.streams.targets import TargetLike, target
from scramjet_client.uploads.options import check_hook, check_source, check_stdin, plan
from scramjet_client.uploads.sources import ProgressHook, SourceLike

_CONFLICT = 409

_IN_USE = (
    "; it has instances, and a hub counts one for 15 s after its end: delete it then, or with force"
)

# A hub checks only the length, and an instance whose id would need encoding can't be requested again.
_INSTANCE_ID = re.compile(r"[A-Za-z0-9\-._~]{36}")


@public
class SequenceClient(Handle):
    """One sequence on a hub. Safe to use from any number of threads; creating one sends no request.

    Args:
        id: The sequence's id.
        host: The object whose `.client` talks to the hub, normally a `HostClient`.
    """

    _guesses: ClassVar[Mapping[str, str]] = guessed(
        {
            "run(input=...)": "apply ask call execute invoke process remote run_sequence",
            "run(input=...) on the threads of a concurrent.futures.ThreadPoolExecutor": (
                "amap gather imap map parallel pool run_all run_batch run_many run_parallel starmap"
            ),
            "start(), and then show() or follow(output=True) of the instance": "display follow live show view watch",
            "get_info().config": "config",
            "start()": (
                "create_instance deploy launch popen run_instance spawn start_instance start_sequence submit"
            ),
            "get_instance(id)": "get get_instance_client",
            "list_instances()": "containers get_instances instances ps",
            "get_info().name": "get_name name",
            'start().get_stream("output")': "get_stream",
            "get_info()": "attrs info refresh reload status",
            "get_instance(id).kill()": "kill",
            "delete(force=True)": "prune",
            "delete()": "close destroy remove rm",
            "overwrite(package)": "replace update upload",
            "start().send_input(source)": "send send_input",
            "get_instance(id).stop()": "stop",
            "run(input=...), on a LocalHub to run it on this machine": "local",
            "start(), whose result has get_log_stream()": "get_log_stream get_logs log logs",
            "start(), whose result has get_health()": "stats top",
            "run(input=...), or start().wait()": "wait",
        }
    )

    if not TYPE_CHECKING:  # for type checkers they are not there
        __iter__ = refused("can't be iterated; list_instances() gives the ids of its instances")
        __enter__ = __exit__ = refused("needs no with block; delete() removes it from the hub")

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
        instance_id: str | None = None,
        timeout: Duration | None = None,
    ) -> InstanceClient:
        """Start an instance; return when its runner has connected, which is before the program runs.

        Args:
            app_config: The program's `context.config`.
            args: Further arguments of the program, JSON values.
            input_topic: Topic that feeds its input (1.x).
            output_topic: Topic that its output goes to (1.x).
            limits: `{"memory": megabytes, "gpu": bool}`, for hubs that run containers (1.x).
            instance_id: The instance's id: a UUID, or 36 other letters, digits and `- . _ ~` (1.x). None lets the
                hub choose one.
            timeout: Seconds; a 0.x hub never answers for a package that can't run.

        Raises:
            SequenceNotFoundError: The hub has no such sequence.
            InsufficientResourcesError: The hub is too busy.
            BadParametersError: The program could not run; the message is the runner's.
            HubResponseError: An instance with this id exists already (status 409).
            UnsupportedByHubError: You gave topics, limits or an id for a 0.x hub.

        Wire: POST /sequence/{id}/start (docs/protocol.md, "Start").
        """
        _check_values(app_config, args)
        limit = duration("timeout", timeout)
        if limits is not None and not isinstance(limits, Mapping):
            raise TypeError(f"limits must be a mapping, not {type(limits).__name__}")
        if limits is not None and isinstance(limits.get("memory"), bool):
            raise TypeError("limits['memory'] must be a number of megabytes, not bool")
        for name, topic in (("input_topic", input_topic), ("output_topic", output_topic)):
            if topic is not None:
                checked_topic(topic, name)
        if instance_id is not None:
            _check_instance_id(instance_id)
        further = {
            "inputTopic": input_topic,
            "outputTopic": output_topic,
            "limits": limits,
            "instanceId": instance_id,
        }
        body = generation_of(self._client).start_body(app_config, args, further)
        try:
            answer = self._request("POST", "start", value=body, timeout=limit)
        except (BadParametersError, InsufficientResourcesError) as error:
            cured(error)
            raise
        return InstanceClient(id_from(answer, "start"), self)

    def run(
        self,
        input: SourceLike | None = None,
        stdin: SourceLike | None = None,
        *,
        type: str | None = None,
        json: bool | None = None,
        output: TargetLike = None,
        progress: ProgressHook | None = None,
        timeout: Duration | None = None,
        check: bool = False,
        app_config: Mapping[str, Any] | None = None,
        args: list[Any] | tuple[Any, ...] | None = None,
        input_topic: str | None = None,
        output_topic: str | None = None,
        limits: Mapping[str, Any] | None = None,
        instance_id: str | None = None,
    ) -> CompletedInstance:
        """Start an instance, feed it, collect all its output, and wait for its end.

        If the end of the instance is not seen, because of a timeout, an error or Ctrl-C, the instance is killed.

        Args:
            input: Data for the program's input, which then ends: text, bytes, a file, a `Path` or an iterable. `b""`
                ends it at once. With None nothing is sent, and a program that waits for input goes on waiting.
            stdin: The same for its stdin.
            type: Content type of the input; None means that of what you give.
            json: Whether `input` gives values to be sent as JSON lines.
            output: Where its output goes instead of memory: a path, a file or a callable.
            progress: Called with the bytes of `input` sent so far, and in all (None if unknown).
            timeout: Seconds for all of it; None waits without limit.
            check: Whether a bad end raises, as in `CompletedInstance.check_returncode`.
            app_config, args, input_topic, output_topic, limits, instance_id: As in `start`.

        Raises:
            RunTimeoutError: The instance had not ended in time; the error has the data collected so far.
            ScramjetError: As in `start` and in `InstanceClient.run`.

        Wire: POST /sequence/{id}/start (docs/protocol.md, "Start"), then as for `InstanceClient.run`.
        """
        limit = duration("timeout", timeout)
        chosen = plan("input", type=type, json=json, progress=progress)
        # Here, and not on the thread that starts it, the traceback is short.
        _check_values(app_config, args)
        json_bytes({"appConfig": dict(app_config or {}), "args": args})
        if checked("check", check, bool):
            refuse_check(self._client)
        # The answer to the start gives the id, which a kill needs, so it is not given up when the time is over.
        usual = self._client.timeouts.read
        patience = None if limit is None or usual is None else max(limit, usual)
        # Before the start: an instance whose output can't be kept, or that has no input, should not begin.
        elsewhere = target(output, "output")

        def start() -> InstanceClient:
            return self.start(
                app_config=app_config,
                args=args,
                input_topic=input_topic,
                output_topic=output_topic,
                limits=limits,
                instance_id=instance_id,
                timeout=patience,
            )

        def run_it(instance: InstanceClient, left: float | None) -> CompletedInstance:
            return instance.run(
                input,
                stdin,
                type=type,
                json=json,
                output=elsewhere,
                progress=progress,
                timeout=left,
                check=check,
            )

        try:
            if input is not None:
                check_source(input, json=chosen.json)
            if stdin is not None:
                check_stdin(stdin)
            return run_new(start, run_it, limit)
        finally:
            if elsewhere is not None:
                elsewhere.close()

    def get_info(self) -> GetSequenceResponse:
        """Return the hub's info on the sequence. Wire: GET /sequence/{id}."""
        return sequence_from(self._request("GET"))

    def list_instances(self) -> list[str]:
        """Return the ids of its instances. Wire: GET /sequence/{id}/instances."""
        try:
            return ids_from(self._request("GET", "instances"))
        except ServerError:
            # The answer of 0.x for a sequence that it does not know.
            self.get_info()
            raise

    def overwrite(
        self,
        package: PackageLike,
        *,
        requirements: Requirements = None,
        progress: ProgressHook | None = None,
    ) -> None:
        """Replace the package (1.x); the sequence keeps its id.

        Args:
            package, requirements, progress: As in `HostClient.send_sequence`.

        Raises:
            SequenceNotFoundError: The hub has no such sequence.
            HubResponseError: It has instances, including ended ones that are still listed (status 409).
            UnprocessableEntityError: The hub could not unpack or read the package; the message is the hub's.
            UnsupportedByHubError: The hub is 0.x.

        Wire: PUT /sequence/{id} (docs/protocol.md, "Sequences").
        """
        text = send_package(
            self._client,
            self._route(),
            package,
            requirements=requirements,
            progress=progress,
            method="PUT",
            needs="replacing the package of a sequence",
            **self._error_context,
        )
        package_id(text)

    def delete(
        self, *, force: bool = False, timeout: Duration | None = None
    ) -> DeleteSequenceResponse:
        """Delete the sequence.

        Args:
            force: Whether to kill its instances first (1.x); the hub then takes 15 to 31 s to answer.
            timeout: Seconds to wait for the answer. A deletion that has begun goes on.

        Raises:
            SequenceNotFoundError: The hub has no such sequence.
            HubResponseError: It has instances (status 409); a hub counts an instance for 15 s after its end.
            UnsupportedByHubError: You gave `force` for a 0.x hub, which would ignore it.

        Wire: DELETE /sequence/{id} (docs/protocol.md, "Sequences").
        """
        if checked("force", force, bool):
            generation_of(self._client).require("deleting a sequence by force")
        headers = {"x-seq-kill-inst": "true"} if force else None
        try:
            answer = self._request("DELETE", headers=headers, timeout=timeout)
        except HubResponseError as error:
            if error.status == _CONFLICT and not force:
                error.message += _IN_USE
            raise
        return DeleteSequenceResponse(id=id_from(answer, "a deletion"), raw=answer.value)

    def get_instance(self, id: str) -> InstanceClient:
        """Return a client for an instance; sends no request."""
        return InstanceClient(id, self)

    def _request(self, method: str, *rest: str, **options: Any) -> JsonAnswer:
        return self._client.request(method, self._route(*rest), **self._error_context, **options)


def _check_values(app_config: object, args: object) -> None:
    if args is not None and not isinstance(args, (list, tuple)):
        raise TypeError(f"args must be a list or tuple, not {type(args).__name__}")
    if app_config is not None and not isinstance(app_config, Mapping):
        raise TypeError(f"app_config must be a mapping, not {type(app_config).__name__}")


def _check_instance_id(instance_id: str) -> None:
    checked("instance_id", instance_id, str)
    if not _INSTANCE_ID.fullmatch(instance_id):
        raise ValueError(
            f"instance_id must be a UUID, or as long as one, not {quoted(instance_id)}"
        )


def send_package(
    client: HttpClient,
    path: str,
    package: PackageLike,
    *,
    requirements: Requirements = None,
    progress: ProgressHook | None = None,
    method: str = "POST",
    subject: str = "the sequence package",
    not_found: type[NotFoundError] = NotFoundError,
    needs: str = "",
) -> str:
    """Send a package to a hub or a manager, as in `HostClient.send_sequence`, and return the text of the answer.

    `subject` and `not_found` are for errors. `needs` names a feature that a hub must have; "" means any hub.
    """
    check_hook(progress)
    with opened(package, requirements) as source:
        if needs:
            generation_of(client).require(needs)
        return client.send_stream(
            path,
            source,
            method=method,
            subject=subject,
            not_found=not_found,
            progress=progress,
            answer_limit=client.timeouts.read,
        )


def package_id(text: str) -> str:
    """Return the id in the answer to a package; raises if there is none."""
    return id_from(json_in(text, "a package"), "a package")
