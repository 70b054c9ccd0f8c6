"""What the pytest plugin does once a test asks for it: the hub, its clearing, and instances with their words."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Union

import attrs
import pytest

from scramjet_client._base import Closing
from scramjet_client.clients.host import HostClient
from scramjet_client.clients.sequence import SequenceClient
from scramjet_client.config import resolve
from scramjet_client.errors import (
    BadParametersError,
    InstanceNotFoundError,
    ScramjetError,
    SequenceNotFoundError,
    StreamIdleError,
    TopicNotFoundError,
    UnsupportedByHubError,
)
from scramjet_client.instances.client import InstanceClient
from scramjet_client.models import CreateTopicResponse
from scramjet_client.packages.package import PackageLike
from scramjet_client.packages.requirements import Requirements
from scramjet_client.uploads.sources import ProgressHook

if TYPE_CHECKING:
    from scramjet_client.hub import LocalHub

VARIABLE = "SCRAMJET_TEST_HUB_URL"

Program = Union[Callable[..., Any], PackageLike, SequenceClient]

_SILENCE = 0.3
"""Seconds without a byte after which a stream that has not ended has given all."""

_READ_LIMIT = 5.0
"""Seconds for what a failed test's instances have to say, however much they go on saying."""

_SHOWN = 16384
"""Bytes of a stream that a report shows: the last ones."""

_END_LIMIT = 20.0
"""Seconds that a killed instance gets to be gone."""


@attrs.frozen
class GivenHub:
    """A hub that was there before the tests; only what the tests bring to it is removed.

    Attributes:
        url: URL of its API.
    """

    url: str
    _left: list[SequenceClient] = attrs.field(init=False, factory=list, repr=False)

    @property
    def token(self) -> str | None:
        """What clients must send, if the environment has it: that of `client()`."""
        return resolve(api_base=self.url).token

    def client(self, **options: Any) -> HostClient:
        """Return a new client, with the token of the environment; the options are those of `HostClient`."""
        return _Recording.from_env(api_base=self.url, **options)

    def clear(self, host: HostClient) -> None:
        """Remove what came to the hub by this client of it; some sequences only at the end of the run.

        A hub lists an ended instance for a while (1.x: 195 s), and keeps the sequence until then.
        """
        if isinstance(host, _Recording):
            self._left.extend(host.remove_all())

    def close(self) -> None:
        """Delete the sequences that are left; a hub takes up to 31 s for it."""
        if not self._left:
            return
        with ThreadPoolExecutor(len(self._left), "scramjet-deletion") as threads:
            list(threads.map(_delete_by_force, self._left))
        self._left.clear()


@contextlib.contextmanager
def hub_for(config: pytest.Config) -> Iterator[LocalHub | GivenHub]:
    """Give the hub that the option, the variable or the ini file names, in this order, or start a LocalHub."""
    url = (
        config.getoption("--scramjet-hub-url")
        or os.environ.get(VARIABLE, "").strip()
        or str(config.getini("scramjet_hub_url"))
    )
    if url:
        given = GivenHub(url)
        try:
            yield given
        finally:
            given.close()
        return
    try:
        # Needs an extra, which tests on a given hub can do without.
        from scramjet_client.hub import LocalHub  # noqa: PLC0415
    except ImportError as error:
        pytest.fail(f"{error}, or name a hub by --scramjet-hub-url", pytrace=False)
    with LocalHub() as hub:
        yield hub
        # What was a defect of the hub itself must not pass for one of the last test.
        hub.check()


@contextlib.contextmanager
def host_of(hub: LocalHub | GivenHub) -> Iterator[HostClient]:
    """Give a client, and afterwards remove what came to the hub: all of a LocalHub, else what this client sent."""
    with hub.client() as host:
        try:
            yield host
        finally:
            if isinstance(hub, GivenHub):
                hub.clear(host)
            else:
                hub.clear()


class _Recording(HostClient):
    """A client that knows which sequences and topics were made by it."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._sequences: list[SequenceClient] = []
        self._topics: list[str] = []

    def send_sequence(
        self,
        package: PackageLike,
        *,
        requirements: Requirements = None,
        progress: ProgressHook | None = None,
    ) -> SequenceClient:
        """As of `HostClient`."""
        sequence = super().send_sequence(package, requirements=requirements, progress=progress)
        self._sequences.append(sequence)
        return sequence

    def create_topic(self, topic: str, *args: Any, **options: Any) -> CreateTopicResponse:
        """As of `HostClient`."""
        created = super().create_topic(topic, *args, **options)
        self._topics.append(topic)
        return created

    def remove_all(self) -> list[SequenceClient]:
        """Kill the instances of the sequences that were sent, and delete those and the topics.

        Returns:
            The sequences that the hub keeps for now.
        """
        kept = []
        for sequence in self._sequences:
            with contextlib.suppress(SequenceNotFoundError):
                for id in sequence.list_instances():
                    end(self.get_instance_client(id))
                if not _deleted(sequence):
                    kept.append(sequence)
        for topic in self._topics:
            with contextlib.suppress(TopicNotFoundError):
                self.delete_topic(topic)
        self._sequences, self._topics = [], []
        return kept


def end(instance: InstanceClient) -> None:
    """Kill an instance, have the hub forget it, and wait until it has ended."""
    with contextlib.suppress(InstanceNotFoundError):
        # A 1.x hub takes no kill after a stop, or after the end.
        with contextlib.suppress(BadParametersError):
            instance.kill(remove_immediately=True)
        instance.wait(_END_LIMIT)


def _deleted(sequence: SequenceClient) -> bool:
    try:
        sequence.delete()
    except ScramjetError as error:
        if error.status != 409:
            raise
        return False
    return True


def _delete_by_force(sequence: SequenceClient) -> None:
    with contextlib.suppress(SequenceNotFoundError):
        try:
            sequence.delete(force=True)
        except UnsupportedByHubError:
            # An 0.x hub, which forgets an instance as soon as it has ended.
            sequence.delete()


class InstanceFactory(Closing):
    """Starts programs as instances, and ends them all: the fixture `scramjet_instance`.

    Attributes:
        instances: What was started, in order.
    """

    def __init__(self, host: HostClient) -> None:
        self._host = host
        self.instances: list[InstanceClient] = []

    def __call__(
        self, program: Program, *args: Any, requirements: Requirements = None, **options: Any
    ) -> InstanceClient:
        """Start a program and return its instance, once it runs.

        Args:
            program: A function, the path of a folder, Python file or package, a `Package`, or a sequence.
            args: Further arguments of the program.
            requirements: As in `HostClient.send_sequence`.
            options: As in `SequenceClient.start`.
        """
        if isinstance(program, SequenceClient):
            sequence = program
        elif callable(program):
            sequence = self._host.deploy(program, requirements=requirements)
        else:
            sequence = self._host.send_sequence(program, requirements=requirements)
        instance = sequence.start(args=args, **options)
        self.instances.append(instance)
        return instance

    def sections(self) -> list[tuple[str, str]]:
        """Return a title and a text for each of their streams that has something nobody has read."""
        if not self.instances:
            return []
        asked = [(each, name) for each in self.instances for name in ("stdout", "stderr", "log")]
        with ThreadPoolExecutor(min(len(asked), 12), "scramjet-report") as threads:
            texts = list(threads.map(lambda what: _last_words(*what), asked))
        states = {each.id: _state(each) for each in self.instances}
        return [
            (f"scramjet {name} of instance {instance.id} ({states[instance.id]})", text)
            for (instance, name), text in zip(asked, texts)
            if text
        ]

    def close(self) -> None:
        """Kill what still runs."""
        for instance in self.instances:
            end(instance)


def _last_words(instance: InstanceClient, name: Any) -> str:
    """Return the end of what a stream gives, which need not have ended; never raises."""
    said = b""
    deadline = time.monotonic() + _READ_LIMIT
    try:
        with instance.get_stream(name, idle_timeout=_SILENCE) as stream:
            for chunk in stream.chunks():
                said = (said + chunk)[-_SHOWN:]
                if time.monotonic() > deadline:
                    break
    except StreamIdleError:
        pass
    except ScramjetError as error:
        said += f"\n({name} could not be read: {error})".encode()
    text = said.decode("utf-8", "replace").strip("\n")
    return "\n".join(map(_readable, text.splitlines())) if name == "log" else text


def _readable(line: str) -> str:
    """Return a line of a log as level, message and data; a traceback then has its lines."""
    try:
        record = json.loads(line)
        words = [record["level"], record["msg"], *map(str, record.get("data") or [])]
        return " ".join(words)
    except (ValueError, TypeError, LookupError, AttributeError):
        return line


def _state(instance: InstanceClient) -> str:
    try:
        info = instance.get_info()
    except ScramjetError as error:
        return str(error)
    code = None if info.terminated is None else info.terminated.exit_code
    return info.status if code is None else f"{info.status}, exit code {code}"
