"""LocalHub: a hub in its own thread."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import errno
import ipaddress
import os
import re
import secrets
import socket
import ssl
import tempfile
import threading
import warnings
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn, TypeVar
from urllib.parse import quote

import attrs

from scramjet_client._common.names import Guided, advised, guessed
from scramjet_client._common.trace import Taker, TraceWriter
from scramjet_client.hub import _settings as defaults
from scramjet_client.hub._app import BASE, App
from scramjet_client.hub._callables import write_package
from scramjet_client.hub._door import Door
from scramjet_client.hub._packages import remove
from scramjet_client.hub._page import Page
from scramjet_client.hub._python import Runs, interpreter, runner
from scramjet_client.hub._reaper import Reaper
from scramjet_client.hub._sequence import copy_folder
from scramjet_client.hub._settings import HubSettings, seconds
from scramjet_client.hub._state import RecordedRequest, State
from scramjet_client.hub._thread import LoopThread, serving

if TYPE_CHECKING:
    from scramjet_client.clients.host import HostClient

with contextlib.suppress(ImportError):  # this is not a POSIX system, so no hub runs on it
    import resource

_T = TypeVar("_T")

_BACKLOG = 512

_NOT_STARTED = (
    "the hub is not started; use it in a block, `with LocalHub() as hub:`, or call start() first"
)

_LAST_PORT = 65535
_TOKEN_BYTES = 32
"""Random bytes in a random token, as `secrets` advises."""


class OpenHubWarning(UserWarning):
    """A hub was asked to accept requests without a token from anybody who reaches its port.

    If you turn warnings into errors, `ignore::scramjet_client.hub.OpenHubWarning` lets this one pass.
    """


class _Token(enum.Enum):
    RANDOM = "a random one"


@advised
class LocalHub(Guided):
    """A hub for one machine and for tests: it runs Python sequences as processes of this machine.

    It speaks the 1.0 dialect of a Transform Hub (docs/protocol.md). Use it in a `with` block, or call `start()`
    and `stop()`. You may start a stopped hub again; it is then new and empty. It is safe to use from any thread.

    No instance outlives the hub or the process that the hub is in, however that process ends.

    Args:
        host: Address to listen on. An address other than loopback needs a token.
        port: 0 takes a free one.
        token: The token that every request needs: `Authorization: Bearer TOKEN`. By default it is random; the
            attribute `token` returns it and `client()` sends it. With None, requests need no token, and the hub
            warns: every user of this machine can then run programs as you.
        ssl_context: A server's context, to speak TLS.
        storage: Folder in which the hub makes a folder for its sequences, and removes that one at the end. None means
            the system's folder for temporary files.
        instance_lifetime: Seconds for which an ended instance stays listed; a real hub's are about 195. None means
            for ever.
        max_package_size: Largest uploaded package, in bytes.
        max_unpacked_size: Largest content of a package, in bytes.
        max_package_files: Maximum number of files and folders in a package.
        max_json_size: Largest JSON body, in bytes.
        max_connections: Maximum number of connections at a time; fewer where the process may not open that many files.
        head_timeout: Seconds in which a new connection must send its first request and show the token. None means
            no limit.
        page: Whether the hub shows a page about itself at its root (docs/dev.md). `page_url` is its address.
        record: A file for a trace of all that instances are sent and give, with times (docs/dev.md); each start of the
            hub makes it anew. Or a callable that gets each record as a dict, on the hub's thread: it must not wait.
        python: The Python that runs programs, for a process that has none: a frozen program, or one that embeds
            Python. It must be of the same version, and have scramjet-client[hub]. None means that of this process.

    Raises:
        TypeError, ValueError: `host` or `port` can't be an address.
        ValueError: The hub would be open to other machines without a token, or no header can carry the token.
        OSError: This is not a POSIX system.

    Warns:
        OpenHubWarning: The hub needs no token.
    """

    _guesses: ClassVar[Mapping[str, str]] = guessed(
        {
            "url": "address api_base base_url host port",
            "stop()": "close shutdown",
            "client().deploy(function)": "deploy",
            "client()": "get_client connect host_client",
            "start()": "run",
            "client().send_sequence(package)": "send_sequence",
        }
    )

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        token: str | Literal[_Token.RANDOM] | None = _Token.RANDOM,
        ssl_context: ssl.SSLContext | None = None,
        storage: str | Path | None = None,
        instance_lifetime: float | timedelta | None = defaults.INSTANCE_LIFETIME,
        max_package_size: int = defaults.MAX_PACKAGE_SIZE,
        max_unpacked_size: int = defaults.MAX_UNPACKED_SIZE,
        max_package_files: int = defaults.MAX_PACKAGE_FILES,
        max_json_size: int = defaults.MAX_JSON_SIZE,
        max_connections: int = defaults.MAX_CONNECTIONS,
        head_timeout: float | timedelta | None = defaults.HEAD_TIMEOUT,
        page: bool = False,
        record: Taker | None = None,
        python: str | Path | None = None,
    ) -> None:
        if not hasattr(os, "fork"):
            raise OSError("LocalHub needs a POSIX system (Linux, macOS, WSL)")
        _check_address(host, port)
        if isinstance(token, _Token):
            token = secrets.token_urlsafe(_TOKEN_BYTES)
        elif token is None:
            _warn_of_an_open_hub(host)
        else:
            token = _checked_token(token)
        self._host, self._port = host, port
        self._tls = ssl_context
        self._parent = _path("storage must be a path", storage)
        self._python = _path("python must be a path", python)
        self._page = page
        self._record = (
            record if callable(record) else _path("record must be a path or a callable", record)
        )
        self._trace: TraceWriter | None = None
        settings = HubSettings(
            instance_lifetime=seconds("instance_lifetime", instance_lifetime, least=0),
            max_package_size=max_package_size,
            max_unpacked_size=max_unpacked_size,
            max_package_files=max_package_files,
            max_connections=max_connections,
            head_timeout=seconds("head_timeout", head_timeout, least=0.001),
            max_json_size=max_json_size,
            token=token,
        )
        self._settings = attrs.evolve(settings, max_connections=_affordable(max_connections))
        # Guards starting and stopping.
        self._lock = threading.RLock()
        self._server = LoopThread("scramjet-local-hub")
        self._url = ""
        self._state: State

    def __repr__(self) -> str:
        return f"<LocalHub {self._url or 'stopped'}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        # A copy would share the thread, and stop it twice.
        raise TypeError(
            "this LocalHub can't be pickled or copied: make another one where it is needed, or give its url and token"
        )

    def __enter__(self) -> LocalHub:
        return self.start()

    def __exit__(self, *_error: object) -> None:
        self.stop()

    # -- start and stop -------------------------------------------------------------------------------

    def start(self) -> LocalHub:
        """Start the hub, and return it when it listens.

        Raises:
            RuntimeError: The hub is already running.
            OSError: The hub cannot listen on the address, or the system has no more processes or files for it, or
                there is no Python to run programs with.
        """
        with self._lock, contextlib.ExitStack() as undo:
            if self._server.is_started:
                raise RuntimeError("the hub is started already")
            python = interpreter(self._python)
            self._trace = None if self._record is None else TraceWriter(self._record)
            if self._trace is not None:
                undo.callback(self._trace.close)
            listener = undo.enter_context(self._listen())
            storage = Path(
                tempfile.mkdtemp(prefix="scramjet-local-hub-", dir=self._parent)
            ).resolve()
            undo.callback(remove, storage)
            runs = Runs(python, runner(storage))
            reaper = Reaper(storage)
            # From here on, the thread releases all of it.
            undo.pop_all()
            self._server.start(
                partial(self._serve, listener, storage, reaper, runs),
                self._around(listener, storage, reaper),
            )
            self._url = self._address(listener.getsockname()[1])
            return self

    def stop(self) -> None:
        """Kill all instances, close all connections, and remove all files. Safe to call twice."""
        with self._lock:
            self._url = ""
            self._server.stop()

    def _listen(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        place = self._host, self._port
        try:
            return socket.create_server(place, family=family, backlog=_BACKLOG)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise OSError(
                    errno.EADDRINUSE,
                    f"{self._host}:{self._port} is in use already; port=0 takes a free port",
                ) from None
            absent = isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL
            if not absent or family == socket.AF_INET6 or not socket.has_ipv6:
                raise
            # A name of a machine that has IPv6 only. An address of IPv4 has none in IPv6.
            with contextlib.suppress(OSError):
                return socket.create_server(place, family=socket.AF_INET6, backlog=_BACKLOG)
            raise

    def _address(self, port: int) -> str:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(self._host, self._host)
        scheme = "http" if self._tls is None else "https"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}{BASE}"

    @contextlib.contextmanager
    def _around(self, listener: socket.socket, storage: Path, reaper: Reaper) -> Iterator[None]:
        """Have the reaper watch while the loop runs: it kills the instances and removes the files in every case."""
        try:
            reaper.start()
            yield
        finally:
            reaper.close()
            listener.close()
            remove(storage)
            if self._trace is not None:
                self._trace.close()

    @contextlib.asynccontextmanager
    async def _serve(
        self, listener: socket.socket, storage: Path, reaper: Reaper, runs: Runs
    ) -> AsyncIterator[None]:
        state = self._state = State(storage, self._settings, reaper, runs, self._trace)
        state.port = listener.getsockname()[1]
        door = Door(state.settings)
        page = Page(loopback=_is_loopback(self._host)) if self._page else None
        beating = asyncio.ensure_future(state.heartbeat())
        try:
            async with serving(
                App(state, door, page).application(),
                door,
                listener,
                clear=state.clear,
                ssl=self._tls,
                ssl_handshake_timeout=None if self._tls is None else self._settings.head_timeout,
                backlog=_BACKLOG,
            ):
                state.log.note("INFO", "LocalHub is listening", self._address(state.port))
                yield
        finally:
            beating.cancel()

    # -- public attributes and methods ----------------------------------------------------------------

    @property
    def token(self) -> str | None:
        """The token that clients must send: `Authorization: Bearer TOKEN`. None if the hub needs no token.

        It stays the same each time you start the hub.
        """
        return self._settings.token

    @property
    def url(self) -> str:
        """Base URL of the API, e.g. "http://127.0.0.1:41234/api/v1"."""
        if not self._url:
            raise RuntimeError(_NOT_STARTED)
        return self._url

    @property
    def page_url(self) -> str | None:
        """Address of the hub's page, to open in a browser; None if the hub shows none.

        It contains the token, behind the "#", which no browser sends anywhere.
        """
        if not self._page:
            return None
        root = self.url[: -len(BASE)] + "/"
        return root if self.token is None else f"{root}#token={quote(self.token, safe='')}"

    def client(self, **options: Any) -> HostClient:
        """Return a new client of this hub, with its token. The options are those of `HostClient`."""
        # The hub itself does not depend on the client; they meet only on the socket.
        from scramjet_client.clients.host import HostClient  # noqa: PLC0415

        return HostClient(self.url, token=self._settings.token, **options)

    @property
    def requests(self) -> list[RecordedRequest]:
        """The last requests that arrived, oldest first."""
        return self._call(lambda: list(self._state.requests))

    def check(self) -> None:
        """Raise the first exception that came from a defect of the hub itself, if any."""
        failures = self._call(lambda: list(self._state.failures))
        if failures:
            raise failures[0]

    def _last_words(self, instance_id: str) -> dict[str, bytes] | None:
        """Return the last bytes of an instance's stdout, stderr and log, even if somebody has read them.

        This takes nothing from other readers. It returns None if the hub does not know the instance (any more).
        """

        def last() -> dict[str, bytes] | None:
            instance = self._state.instances.get(instance_id)
            process = getattr(instance, "process", None)
            if process is None:
                return None
            return {name: getattr(process, name).last for name in ("stdout", "stderr", "log")}

        return self._call(last)

    def clear(self) -> None:
        """End all instances, and forget all instances, sequences, topics, and requests."""
        self._await(self._state.clear)

    def add_sequence(self, name: str, program: Callable[..., Any] | str | Path) -> str:
        """Add a sequence without a package, for tests, and return its id.

        Args:
            name: Its name in lists.
            program: The function `run(context, input, *args)`, which runs in its own process, on a copy of
                everything it refers to; or a folder with a package.json, which the hub copies.

        Raises:
            TypeError: The function cannot be copied to another process.
        """

        async def add() -> str:
            if callable(program):
                with tempfile.TemporaryDirectory(dir=self._state.storage) as folder:
                    write_package(Path(folder), name, program)
                    sequence = copy_folder(Path(folder), self._state.storage)
            else:
                sequence = copy_folder(Path(program), self._state.storage)
                sequence.manifest["name"] = name
            self._state.add(sequence)
            return sequence.id

        return self._await(add)

    def _call(self, function: Callable[[], _T]) -> _T:
        async def call() -> _T:
            return function()

        return self._await(call)

    def _await(self, function: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        if not self._server.is_started:
            raise RuntimeError(_NOT_STARTED)
        if self._server.pid != os.getpid():
            raise RuntimeError(
                "the hub runs in the process that has forked this one: a client of its URL can be used here"
            )
        return asyncio.run_coroutine_threadsafe(function(), self._server.loop).result()


def _path(rule: str, value: Any) -> str | os.PathLike[str] | None:
    if value is not None and not isinstance(value, (str, os.PathLike)):
        raise TypeError(f"{rule}, not {type(value).__name__}")
    return value


def _affordable(connections: int) -> int:
    """Return how many connections are possible: half of the open files, as instances and the rest need files too."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed == resource.RLIM_INFINITY:
        return connections
    return min(connections, max(1, allowed // 2))


def _check_address(host: Any, port: Any) -> None:
    if isinstance(host, int) and not isinstance(host, bool):
        raise TypeError(
            f"host must be a str such as '127.0.0.1', not int; LocalHub(port={host!r}) names the port"
        )
    if not isinstance(host, str):
        raise TypeError(f"host must be a str such as '127.0.0.1', not {type(host).__name__}")
    if "/" in host:
        raise ValueError(
            f"host must be an address without scheme, port or path, not {host!r}; HostClient is the client of a hub "
            "that runs already"
        )
    if isinstance(port, bool) or not isinstance(port, int):
        raise TypeError(f"port must be an int, not {type(port).__name__}")
    if not 0 <= port <= _LAST_PORT:
        raise ValueError(
            f"port must be from 0, which takes a free one, to {_LAST_PORT}, not {port}"
        )


def _checked_token(token: str) -> str:
    if not isinstance(token, str):
        raise TypeError(f"token must be a str or None, not {type(token).__name__}")
    token = re.sub(r"\r?\n\Z", "", token)  # that of the file that it was read from
    if not token:
        raise ValueError("token is empty; None means that the hub needs none")
    if not token.isprintable() or any(each.isspace() for each in token):
        raise ValueError("token holds a space or a control character, which no client can send")
    return token


def _warn_of_an_open_hub(host: str) -> None:
    if not _is_loopback(host):
        raise ValueError(
            f"host {host!r} would open the hub, which runs what it is sent, to other machines: "
            "that needs a token"
        )
    warnings.warn(
        "a LocalHub without a token runs what any user of this machine sends to it, as you; "
        "leave token= out to have a random one",
        OpenHubWarning,
        stacklevel=4,  # past `advised`, which wraps the constructor
    )


def _is_loopback(host: str) -> bool:
    """Return whether an address, or every address of a name, belongs to this machine only."""
    if not host:
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, None)
    except OSError:
        return False
    return all(ipaddress.ip_address(each[4][0]).is_loopback for each in found)
