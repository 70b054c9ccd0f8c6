"""The pytest plugin's work once a test asks for it: the hub, its cleanup, and instances with their output."""

from __future__ import annotations

import contextlib
import os
import re
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Union
from urllib.parse import unquote

import attrs
import pytest

from scramjet_client._base import Closing
from scramjet_client._common.clock import monotonic
from scramjet_client._common.log_records import LogRecord, record_of
from scramjet_client.api.answers import has_ended, shown_status
from scramjet_client.api.http_client import stream_listeners
from scramjet_client.clients.host import HostClient
from scramjet_client.clients.sequence import SequenceClient
from scramjet_client.config import resolve
from scramjet_client.errors import (
    BadParametersError,
    InstanceNotFoundError,
    ScramjetError,
    SequenceNotFoundError,
    TopicNotFoundError,
    UnsupportedByHubError,
)
from scramjet_client.instances.cause import Evidence, evidence, settled
from scramjet_client.instances.client import InstanceClient
from scramjet_client.models import CreateTopicResponse, GetInstanceResponse, InstanceOutputStream
from scramjet_client.packages.package import PackageLike
from scramjet_client.packages.requirements import Requirements
from scramjet_client.streams.output import OutputStream, overhear
from scramjet_client.streams.tail import Tail

if TYPE_CHECKING:
    from scramjet_client.hub import LocalHub

VARIABLE = "SCRAMJET_TEST_HUB_URL"

Program = Union[Callable[..., Any], PackageLike, SequenceClient]

_SILENCE = 0.3
"""Seconds without a byte after which an open stream counts as read."""

_READ_LIMIT = 5.0
"""Seconds for reading from a failed test's instances, however much they go on writing."""

_SHOWN = 16384
"""How many of the last characters of a stream a report shows."""

_KEPT = 1 << 20
"""Bytes kept from the end of each stream while a test runs. Reports leave out most of a hub's log."""

_STREAMS: tuple[InstanceOutputStream, ...] = ("stdout", "stderr", "log")
"""The streams in a report."""

_PATH = re.compile(rf"instance/([^/]+)/({'|'.join(_STREAMS)})")

_END_LIMIT = 20.0
"""Seconds within which a killed instance must be gone."""


@attrs.frozen
class GivenHub:
    """A hub that existed before the tests. Cleanup removes only what the tests have sent to it.

    Attributes:
        url: URL of its API.
    """

    url: str
    _left: list[SequenceClient] = attrs.field(init=False, factory=list, repr=False)

    @property
    def token(self) -> str | None:
        """The token that clients must send, if the environment has one; `client()` sends it."""
        return resolve(api_base=self.url).token

    def client(self, **options: Any) -> HostClient:
        """Return a new client, with the token of the environment; the options are those of `HostClient`."""
        return _Recording.from_env(api_base=self.url, **options)

    def clear(self, host: HostClient) -> None:
        """Remove what this client has sent to the hub; some sequences stay until the end of the run.

        A hub lists an ended instance for a while (1.x: 195 s), and keeps its sequence until then.
        """
        if isinstance(host, _Recording):
            self._left.extend(host.remove_all())

    def close(self) -> None:
        """Delete the remaining sequences; a hub takes up to 31 s for that."""
        if not self._left:
            return
        with ThreadPoolExecutor(len(self._left), "scramjet-deletion") as threads:
            list(threads.map(_delete_by_force, self._left))
        self._left.clear()


def given_url(config: pytest.Config) -> str:
    """Return the URL that the option, the variable or the ini file names, in this order, or ""."""
    return str(
        config.getoption("--scramjet-hub-url")
        or os.environ.get(VARIABLE, "").strip()
        or config.getini("scramjet_hub_url")
    )


@contextlib.contextmanager
def hub_for(config: pytest.Config) -> Iterator[LocalHub | GivenHub]:
    """Give the hub that the option, the variable or the ini file names, in this order, or start a LocalHub."""
    url = given_url(config)
    if url:
        given = GivenHub(url)
        try:
            yield given
        finally:
            given.close()
        return
    try:
        # It needs an extra that tests on a given hub do not need.
        from scramjet_client.hub import LocalHub  # noqa: PLC0415
    except ImportError as error:
        pytest.fail(f"{error}, or name a hub by --scramjet-hub-url", pytrace=False)
    with LocalHub() as hub:
        yield hub
        # Otherwise a defect of the hub itself would be blamed on the last test.
        hub.check()


@contextlib.contextmanager
def host_of(hub: LocalHub | GivenHub) -> Iterator[tuple[HostClient, Witness]]:
    """Give a client and the witness of its instances. Then clean up; on a given hub, only what the client sent."""
    with hub.client() as host:
        try:
            remembered = None if isinstance(hub, GivenHub) else hub._last_words
            with Witness(host, partial(_instances_of, host), remembered) as witness:
                yield host, witness
        finally:
            if isinstance(hub, GivenHub):
                hub.clear(host)
            else:
                hub.clear()


def _instances_of(host: HostClient) -> list[str]:
    """Return the ids of all instances of a LocalHub; of another hub, those that this client has caused."""
    if isinstance(host, _Recording):
        return host.instances()
    return [each.id for each in host.list_instances()]


class _Recording(HostClient):
    """A client that records which sequences and topics it has created."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._sequences: list[SequenceClient] = []
        self._topics: list[str] = []

    def send_sequence(self, *args: Any, **options: Any) -> SequenceClient:
        sequence = super().send_sequence(*args, **options)
        self._sequences.append(sequence)
        return sequence

    def create_topic(self, topic: str, *args: Any, **options: Any) -> CreateTopicResponse:
        created = super().create_topic(topic, *args, **options)
        self._topics.append(topic)
        return created

    def instances(self) -> list[str]:
        """Return the ids of the instances of the sent sequences, as far as the hub knows them."""
        found: list[str] = []
        for sequence in self._sequences:
            with contextlib.suppress(SequenceNotFoundError):
                found += sequence.list_instances()
        return found

    def remove_all(self) -> list[SequenceClient]:
        """Kill the instances of what was sent, delete it and the topics; return the sequences that stay for now."""
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
        # A 1.x hub accepts no kill after a stop or after the end.
        with contextlib.suppress(BadParametersError):
            instance.kill(remove_immediately=True)
        instance.wait(_END_LIMIT)


def _deleted(sequence: SequenceClient) -> bool:
    try:
        sequence.delete()
    except ScramjetError as error:
        if error.status != HTTPStatus.CONFLICT:
            raise
        return False
    return True


def _delete_by_force(sequence: SequenceClient) -> None:
    with contextlib.suppress(SequenceNotFoundError):
        try:
            sequence.delete(force=True)
        except UnsupportedByHubError:
            # A 0.x hub, which forgets an instance as soon as it has ended.
            sequence.delete()


class InstanceFactory(Closing):
    """Starts programs as instances, and ends them all: the fixture `scramjet_instance`.

    Attributes:
        instances: The started instances, in order.
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
        if "args" in options:
            raise TypeError(
                "scramjet_instance(program, *args) takes the program's arguments one by one, without args="
            )
        if isinstance(program, SequenceClient):
            sequence = program
        elif callable(program):
            sequence = self._host.deploy(program, requirements=requirements)
        else:
            sequence = self._host.send_sequence(program, requirements=requirements)
        instance = sequence.start(args=args, **options)
        self.instances.append(instance)
        return instance

    def close(self) -> None:
        """Kill the instances that still run."""
        for instance in self.instances:
            end(instance)


class _Heard(Tail):
    """The last bytes of a stream, as its readers received them. A test may read it on several threads."""

    def __init__(self) -> None:
        super().__init__(_KEPT)
        self._reader: Callable[[], OutputStream | None] = lambda: None

    def hear(self, reader: weakref.ref[OutputStream], data: bytes) -> None:
        """Take a reader's bytes. Two readers at a time both get everything, so only one of them counts."""
        with self._lock:
            heard = self._reader()
            if heard is None or heard.closed:
                self._reader = reader
            if self._reader is reader:
                self._keep(data)


@attrs.define(eq=False, repr=False, slots=False)
class Witness(Closing):
    """Records the output of instances while a test runs, whoever reads it, for the test's report.

    A LocalHub records it itself. For another hub, this records what this process reads, with any client.

    `instances` returns the ids of the test's instances, and `remembered` a LocalHub's own record of one, by stream.
    """

    _host: HostClient
    _instances: Callable[[], Iterable[str]]
    _remembered: Callable[[str], Mapping[str, bytes] | None] | None
    _ends: dict[tuple[str, str], _Heard] = attrs.field(factory=dict, init=False)
    _closed: bool = attrs.field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        stream_listeners.append(self._opened)

    def _opened(self, path: str, stream: OutputStream) -> None:
        found = _PATH.fullmatch(path)
        if found is not None:
            end = self._ends.setdefault((unquote(found[1]), found[2]), _Heard())
            # The stream must not refer to itself: losing the last reference to it must close it.
            overhear(stream, partial(end.hear, weakref.ref(stream)))

    def sections(self) -> list[tuple[str, str]]:
        """Return titles and texts: the state of each instance, and each of its streams that is not empty.

        If the hub keeps no record, this reads all unread data now.
        """
        ids = self._ids()
        if not ids:
            return []
        with ThreadPoolExecutor(min(3 * len(ids), 12), "scramjet-report") as threads:
            if self._remembered is None and not self._closed:
                # Reading it records it.
                asked = [
                    (self._host.get_instance_client(id), name) for id in ids for name in _STREAMS
                ]
                list(threads.map(lambda what: _read_on(*what), asked))
            return [each for found in threads.map(self._of, ids) for each in found]

    def _ids(self) -> list[str]:
        ids = dict.fromkeys(id for id, _ in self._ends)
        with contextlib.suppress(ScramjetError):
            if not self._closed:
                ids = {**dict.fromkeys(self._instances()), **ids}
        return list(ids)

    def _of(self, id: str) -> list[tuple[str, str]]:
        said: dict[str, bytes] = {name: bytes(self._ends.get((id, name), b"")) for name in _STREAMS}
        info, state = None, "ended with the test"
        if not self._closed:
            said.update((self._remembered and self._remembered(id)) or {})
            info, state = self._look(id)
        found = evidence(said["stderr"], said["log"])
        if info is not None and has_ended(info):
            info = settled(info, found)
            state = _state(info)
        texts = {name: said[name].decode("utf-8", "replace") for name in _STREAMS}
        texts["log"] = readable_log(texts["log"])
        trace = "" if found.cause is None else found.cause.traceback.strip("\n")
        if trace and trace in texts["stderr"]:
            texts["log"] = texts["log"].replace(trace, "(the traceback that stderr has)")
        titled = [(f"scramjet instance {id} ({state})", _how(info, found, said["stdout"]))]
        titled += [
            (f"scramjet {name} of instance {id} ({state})", text.strip("\n")[-_SHOWN:])
            for name, text in texts.items()
        ]
        return [(title, text) for title, text in titled if text]

    def _look(self, id: str) -> tuple[GetInstanceResponse | None, str]:
        """Return the info of an instance, if available, and a text about its state."""
        try:
            info = self._host.get_instance_client(id).get_info()
        except InstanceNotFoundError:
            return None, "gone"
        except ScramjetError as error:
            return None, str(error)
        return info, _state(info)

    def close(self) -> None:
        """Stop recording, and send no more requests."""
        if not self._closed:
            self._closed = True
            stream_listeners.remove(self._opened)


def _read_on(instance: InstanceClient, name: InstanceOutputStream) -> None:
    """Read a stream's available data, even if the stream has not ended; never raises."""
    deadline = monotonic() + _READ_LIMIT
    with (
        contextlib.suppress(ScramjetError),
        instance.get_stream(name, idle_timeout=_SILENCE) as stream,
    ):
        for _ in stream.chunks():
            if monotonic() > deadline:
                break


_FOLDED = ("TRACE", "DEBUG")

_LONGEST = 200
"""The longest shown record of a hub's own, in characters. Some hold whole documents."""

_PROGRAMS = ("Sequence", "PythonRunner")
"""Writers whose records may be the program's own: Python programs and their runners share a name."""

_RUNNERS = re.compile(
    r"Connecting to \S+:\d+\.\.\.|Connected\.|Sent ID |Control message received: |Loading sequence from |"
    r"Sequence returned no output|Decoding input stream|Opening input in binary mode|Input stream forwarded|"
    r"Output type not set|Output stream will be |Output will be |"
    r"(?:server_host|server_port|instance_id|sequence_path): "
)
"""The beginnings of the runner's own records at DEBUG (hubs 0.18 and 1.0)."""


def readable_log(text: str) -> str:
    """Return a log as level, message and data, with the lines of tracebacks; platform details are only counted."""
    lines, folded = [], 0
    for line in text.splitlines():
        record = record_of(line)
        if record is None or not record.level:
            lines.append(line)
        elif record.level in _FOLDED and _is_of_the_platform(record):
            folded += 1
        else:
            said = " ".join(map(str, [record.level, record.message, *record.data]))
            if record.source not in _PROGRAMS and len(said) > _LONGEST:
                said = f"{said[:_LONGEST]}..."
            lines.append(said)
    if folded and lines:
        lines.insert(0, f"({folded} lines of the hub at TRACE and DEBUG are left out)")
    return "\n".join(lines)


def _is_of_the_platform(record: LogRecord) -> bool:
    return record.source not in _PROGRAMS or bool(
        record.source == "PythonRunner" and _RUNNERS.match(record.message)
    )


_DEBUGGERS = ("(Pdb) ", "(Pdb++) ", "ipdb> ")
"""The last text of a program that waits in a debugger."""


def _how(info: GetInstanceResponse | None, found: Evidence, stdout: bytes) -> str:
    """Return the program's error, else how the instance ended, else what it waits for."""
    error = "" if found.cause is None else found.cause.summary
    if found.cause is not None and found.cause.cure:
        error += f"\n({found.cause.cure})"
    if info is not None and not has_ended(info):
        if stdout.decode("utf-8", "replace").endswith(_DEBUGGERS):
            return (
                "the program waits in its debugger: run pytest with -s, and the test with instance.attach()"
                ' (docs/testing.md, "Debuggers")'
            )
        if error:
            return f"it has not ended; it has told of {error}"
        return (
            "it has not ended; if it waits for the end of its input, run(input=...) or send_input(..., end=True) "
            "gives that"
        )
    if error and found.exit_code != 0:
        return error
    if info is None or info.terminated is None:
        return "how it ended is not known"
    return info.terminated.reason


def _state(info: GetInstanceResponse) -> str:
    code = None if info.terminated is None else info.terminated.exit_code
    status = shown_status(info)
    return status if code is None else f"{status}, exit code {code}"
