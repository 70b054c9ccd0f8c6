"""Messages of errors: one table of all of them, each row provoked, and one form for all."""

from __future__ import annotations

import ast
import contextlib
import functools
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

import scramjet_client
from scramjet_client import (
    BroadcastResponse,
    CompletedInstance,
    Fleet,
    FleetAnswer,
    HostClient,
    InstanceClient,
    InstanceNotFoundError,
    ManagerClient,
    Multiplexer,
    Reconnect,
    ScramjetError,
    Timeouts,
    Tuning,
    errors,
)
from scramjet_client._common.kept_tokens import keep_token
from scramjet_client.hub import LocalHub
from scramjet_client.uploads.options import plan
from scramjet_client.uploads.upload import Upload
from tests.support.certs import Certificates
from tests.support.functions import deaf, echo, fails, stubborn
from tests.support.waiting import LIMIT
from tests.support.wire import Conn, RawServer, Request

PACKAGE = Path(scramjet_client.__file__).parent
PAGE = Path(__file__).parent.parent / "docs" / "errors.md"

Route = Callable[[Conn, Request], object]


def _rows() -> dict[str, str]:
    """Return the code of each message of the table."""
    rows = {}
    for line in PAGE.read_text("utf-8").partition("## Messages")[2].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if len(cells) == 4 and cells[0] != "message":
            rows[cells[0]] = cells[1].strip("`")
    return rows


ROWS = _rows()


def _pattern(row: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, row.split("…"))), re.DOTALL)


# -- a world in which everything goes wrong ------------------------------------------------------------


def _answer(status: str, body: bytes = b"", *headers: str) -> Route:
    def route(conn: Conn, request: Request) -> None:
        lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""]
        conn.send("\r\n".join(lines).encode() + body)

    return route


def _stream(
    *chunks: bytes, then: Callable[[Conn], object] = lambda conn: conn.wait_closed(LIMIT)
) -> Route:
    """Answer with a stream, and then do something to the connection."""

    def route(conn: Conn, request: Request) -> None:
        conn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for chunk in chunks:
            conn.send_chunk(chunk)
        then(conn)

    return route


def _silent(conn: Conn, request: Request) -> None:
    conn.wait_closed(LIMIT)


_VERSION = '{"service":"host","apiVersion":"v1","version":"%s","build":"b"}'


class World:
    """Hubs, and what belongs to one test."""

    def __init__(
        self, stack: contextlib.ExitStack, tmp_path: Path, certificates: Certificates
    ) -> None:
        self.stack = stack
        self.tmp_path = tmp_path
        self.certificates = certificates

    @functools.cached_property
    def local(self) -> LocalHub:
        return self.stack.enter_context(LocalHub(token="right-token"))

    @functools.cached_property
    def host(self) -> HostClient:
        return self.stack.enter_context(self.local.client())

    def client(self, url: str, **options: Any) -> HostClient:
        return self.stack.enter_context(HostClient(url, **{"retries": 0, "proxies": {}, **options}))

    def kept(self, host: str = "127.0.0.1") -> HostClient:
        """Return a client of a hub whose token is kept, as by `scramjet hub start`; the client has no token."""
        folder = self.tmp_path / "runtime"
        folder.mkdir(mode=0o700)
        patch = self.stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("XDG_RUNTIME_DIR", str(folder))
        self.stack.enter_context(keep_token(self.local.url, "right-token"))
        return self.client(self.local.url.replace("127.0.0.1", host))

    def without_hubs(self) -> None:
        """Hide the hubs that somebody runs on this machine."""
        patch = self.stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr("scramjet_client._common.kept_tokens._bases", list)

    def start(self, program: Callable[..., Any]) -> InstanceClient:
        id = self.local.add_sequence(program.__name__, program)
        return self.host.get_sequence_client(id).start()

    def server(
        self, *, version: str = "1.0.1", version_route: Route | None = None, **routes: Route
    ) -> str:
        """Return the URL of a hub that answers by these routes, named by the last part of their path."""
        known = {"version": version_route or _ok(_VERSION % version), **routes}

        def serve(conn: Conn) -> None:
            # A route may have closed it.
            while conn.raw.fileno() >= 0 and (request := conn.read_request()) is not None:
                name = request.target.rpartition("/")[2].partition("?")[0]
                known.get(name, _answer("404 Not Found", b'{"error":"nothing here"}'))(
                    conn, request
                )

        return self.stack.enter_context(RawServer(serve)).url

    def hub(
        self,
        *,
        options: dict[str, Any] | None = None,
        version: str = "1.0.1",
        version_route: Route | None = None,
        **routes: Route,
    ) -> HostClient:
        url = self.server(version=version, version_route=version_route, **routes)
        return self.client(url, **(options or {}))

    def instance(self, **how: Any) -> InstanceClient:
        return self.hub(**how).get_instance_client("abc")


@pytest.fixture
def world(tmp_path: Path, certificates: Certificates) -> Iterator[World]:
    with contextlib.ExitStack() as stack:
        yield World(stack, tmp_path, certificates)


_YOURS = "a token is needed…: … answered 401…; it is a hub of yours"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _gone(world: World) -> object:
    hub = LocalHub()
    with hub:
        instance = hub.client().get_instance_client("abc")
        with pytest.raises(InstanceNotFoundError):
            instance.get_info()
    return instance.get_info()


def _ok(body: str = "{}") -> Route:
    return _answer("200 OK", body.encode())


def _nobody(**options: Any) -> Callable[[World], object]:
    return lambda world: world.client(
        f"http://127.0.0.1:{_free_port()}/api/v1", **options
    ).get_version()


def _two_readers(world: World) -> None:
    stream = world.stack.enter_context(world.hub(log=_stream(b"x\n")).get_log_stream())
    stream.readline()
    reading = threading.Thread(target=_read, args=(stream,))
    reading.start()
    try:
        while not stream._turn.locked():
            pass
        stream.readline()
    finally:
        stream.close()
        reading.join(LIMIT)


def _read(stream: Any) -> None:
    with contextlib.suppress(ScramjetError, ValueError):
        stream.readline()


def _closed_elsewhere(world: World) -> None:
    stream = world.hub(log=_stream(b"x\n")).get_log_stream()
    loop = iter(stream)
    next(loop)
    stream.close()
    next(loop)


def _written_late(world: World) -> None:
    file = world.start(deaf).open_input()
    file.detach()
    file.write(b"x")


def _follow_too_short(world: World) -> None:
    with world.start(deaf).follow(output=print) as following:
        following.wait(0.2)


def _cancelled(world: World) -> None:
    upload = world.start(deaf).submit_input(iter([b"x"] * 10_000_000))
    upload.cancel()
    upload.result(LIMIT)


def _raising():
    yield b"x"
    raise KeyError("of mine")


def _reconnecting(world: World) -> None:
    calls: list[str] = []

    def log(conn: Conn, request: Request) -> None:
        calls.append(request.target)
        if len(calls) == 1:
            _stream(b"x\n", then=Conn.reset)(conn, request)
        else:
            conn.reset()

    instance = world.instance(log=log, abc=_ok('{"id":"abc","sequence":"s","status":"running"}'))
    policy = Reconnect(first_delay=0.01, give_up_after=0.05)
    with instance.get_reconnecting_stream("log", reconnect=policy, on_gap=print) as stream:
        list(stream)


def _interrupted(world: World) -> None:
    """Have a signal's handler raise in the thread that sends, and ask the upload afterwards."""
    uploads: list[Upload[Any]] = []

    def raises(number: int, frame: object) -> None:
        raise InterruptedError("enough")

    def source() -> Iterator[bytes]:
        yield b"x"
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        threading.Event().wait(1)

    previous = signal.signal(signal.SIGALRM, raises)
    destination = world.start(deaf)._to("input")
    uploads.append(destination.stage(plan("input"), source()))
    try:
        with contextlib.suppress(InterruptedError):
            uploads[0].run()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    uploads[0].result(LIMIT)


def _profile(text: str) -> Callable[[World], object]:
    def provoke(world: World) -> None:
        folder = world.tmp_path / ".si" / "profiles"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "mine.json").write_text(text)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HOME", str(world.tmp_path))
            patch.delenv("SCRAMJET_API_URL", raising=False)
            HostClient.from_env(profile="mine")

    return provoke


def _environment(name: str, value: str, **options: Any) -> Callable[[World], object]:
    def provoke(world: World) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(name, value)
            HostClient.from_env(**options)

    return provoke


def _tls(world: World) -> str:
    handler = _ok(_VERSION % "1.0.1")

    def serve(conn: Conn) -> None:
        while (request := conn.read_request()) is not None:
            handler(conn, request)

    server = RawServer(serve, ssl_context=world.certificates.server_context())
    return world.stack.enter_context(server).url


_ROUTE = "… refused: … answered …"

_running = _ok('{"id":"abc","sequence":"s","status":"running","provides":""}')


def _raw(data: bytes) -> Route:
    return lambda conn, request: conn.send(data)


def _taken(body: str) -> Route:
    """Answer when the whole body has come."""

    def route(conn: Conn, request: Request) -> None:
        conn.read_body(request)
        _ok(body)(conn, request)

    return route


def _cut(conn: Conn, request: Request) -> None:
    conn.read_chunk()
    conn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    conn.read_chunk()
    conn.reset()


def _waits() -> Iterator[bytes]:
    yield b"x"
    time.sleep(1)
    yield b"y"


def _no_room(world: World) -> None:
    """Connect where the queue of connections is full."""
    listener = world.stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
    for _ in range(4):
        waiting = world.stack.enter_context(socket.socket())
        waiting.setblocking(False)
        waiting.connect_ex(listener.getsockname())
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/api/v1"
    world.client(url, timeout=Timeouts(connect=0.3)).get_version()


def _stalled(world: World) -> None:
    id = world.start(deaf).id
    host = world.client(world.local.url, token="right-token", timeout=Timeouts(write=0.5))
    host.get_instance_client(id).send_input([b"x" * 65536] * 1000)


def _gone_at_stop(world: World) -> None:
    looks: list[str] = []

    def abc(conn: Conn, request: Request) -> None:
        looks.append(request.target)
        (_running if len(looks) == 1 else _silent)(conn, request)

    instance = world.instance(abc=abc, _stop=_taken("{}"))
    instance.client.tuning = Tuning(look=0.2, stop_settle=0.2)
    instance.stop(100)


def _iterated_twice(world: World) -> None:
    multiplexer = world.stack.enter_context(Multiplexer())
    multiplexer.add(world.hub(log=_stream(b"x\n")).get_log_stream())
    loop = iter(multiplexer)
    next(loop)
    next(iter(multiplexer))


def _not_connected(world: World) -> None:
    url = world.server(list=_ok('[{"id":"h","isConnectionActive":false}]'))
    manager = world.stack.enter_context(ManagerClient(url))
    error = manager.get_members()["h"]
    assert isinstance(error, ScramjetError)
    raise error


def _proxied(proxy: str) -> Callable[[World], object]:
    return lambda world: world.client("http://hub.invalid", proxies={"http": proxy}).get_version()


PROVOKED: dict[str, Callable[[World], object]] = {
    "no hub at …: connection refused; `scramjet hub start` starts one here": lambda world: (
        world.without_hubs(),
        _nobody()(world),
    ),
    "no hub at …: connection refused; a hub of yours runs at …": lambda world: (
        world.kept(),
        _nobody()(world),
    ),
    "the hub at … no longer answers: … (…)": _gone,
    "no hub at …: …; check the host and the port": lambda world: world.client(
        "http://no-such-host.invalid/api/v1"
    ).get_version(),
    "the proxy does not lead to …: …; doctor() says which proxy is used": _nobody(
        proxies={"http": "http://127.0.0.1:1"}
    ),
    "the URL of the proxy for … is malformed; …": _proxied("http://127.0.0.1:99999"),
    "the proxy … is of no known kind: …": _proxied("ftp://127.0.0.1:1"),
    "the login of the proxy … has characters beyond Latin-1, which can't be sent": _proxied(
        "http://me:\u017c@127.0.0.1:1"
    ),
    "the certificate of … is not trusted: …; verify= names its CA": lambda world: world.client(
        _tls(world), verify=True
    ).get_version(),
    "… does not speak TLS; its address may begin with http://": lambda world: world.client(
        world.local.url.replace("http:", "https:")
    ).get_version(),
    "… failed: …": lambda world: world.hub(config=lambda conn, request: conn.reset()).get_config(),
    "… was not answered within …": lambda world: world.hub(
        options={"timeout": 0.2}, sequences=_silent
    ).list_sequences(),
    "the token was refused…: … answered 401…; it may have expired, or be another hub's": lambda world: (
        world.client(world.local.url, token="wrong").get_version()
    ),
    "a token is needed…: … answered 401…; token= gives one, or SCRAMJET_TOKEN and from_env()…": lambda world: (
        world.client(world.local.url).get_version()
    ),
    _YOURS + ", and HostClient.from_env() finds its token": lambda world: (
        world.kept().get_version()
    ),
    _YOURS
    + ", whose token from_env() and `scramjet` send only to …: use this address": lambda world: (
        world.kept("localhost").get_version()
    ),
    "the token does not allow this…: … answered 403…": lambda world: world.hub(
        options={"token": "a-small-token"}, sequences=_answer("403 Forbidden")
    ).list_sequences(),
    "no such path: … answered 404…": lambda world: world.client(
        world.local.url.removesuffix("/api/v1"), token="right-token"
    ).list_sequences(),
    "instance … not found: … answered 404…": lambda world: world.host.get_instance_info("nope"),
    "sequence … not found: … answered 404…": lambda world: world.host.get_sequence("nope"),
    "there is no sequence of the name … on the hub": lambda world: world.host.get_sequence_id(
        "nope"
    ),
    "topic … not found: … answered 404…": lambda world: world.host.delete_topic("nope"),
    _ROUTE: lambda world: world.host.send_sequence(b"no package"),
    "… answered … with something that is not JSON: …": lambda world: world.hub(
        sequences=_ok("nothing")
    ).list_sequences(),
    "… answered … with a web page (…), not …; a login page or a proxy may be there: doctor() says more": lambda world: (
        world.hub(sequences=_ok("<html><title>Sign in</title></html>")).list_sequences()
    ),
    "the hub's answer for … is not an object but …": lambda world: world.hub(
        config=_ok("[]")
    ).get_config(),
    "the hub's answer for … is not a list but …": lambda world: world.hub(
        sequences=_ok()
    ).list_sequences(),
    "the hub's answer for topics is not a list": lambda world: world.hub(topics=_ok()).get_topics(),
    "the hub's answer for … holds no id": lambda world: (
        world.hub(start=_ok()).get_sequence_client("s").start()
    ),
    "the answer for version names no version": lambda world: world.client(
        _versionless(world)
    ).get_version(),
    "there is no Transform Hub at …: …": lambda world: world.hub(
        version_route=_answer("404 Not Found")
    ).get_config(),
    "the answer of … has more than … bytes": lambda world: _small_answers(world).list_sequences(),
    "… answered in the coding …, which was not asked for": lambda world: world.hub(
        sequences=_answer("200 OK", b"x", "Content-Encoding: br")
    ).list_sequences(),
    "… is not supported by this hub (version …)": lambda world: world.hub(
        version="0.18.7"
    ).get_config(),
    "… carries only UTF-8 and would change the bytes … at offset …: …": lambda world: world.start(
        deaf
    ).send_stdin(b"\xff"),
    "the environment variable … can't be used: …": _environment("SCRAMJET_TIMEOUT", "soon"),
    "the settings of si can't be used: …": _profile("{nothing"),
    "there is no profile … of si: …; …": lambda world: HostClient.from_env(profile="nowhere"),
    "… is not the name of a profile of si": lambda world: HostClient.from_env(profile="a\0b"),
    "instance … ended while …": lambda world: _ended(world).wait_for("starting", LIMIT),
    "instance … failed…": lambda world: world.start(fails).run(b"", check=True, timeout=LIMIT),
    "instance … had not ended after …; …": lambda world: world.start(deaf).run(timeout=0.3),
    "instance … was still … after … s, when … was awaited…": lambda world: world.start(deaf).wait(
        0.2
    ),
    "event … of instance … did not come within …": lambda world: world.start(deaf).get_next_event(
        "x", timeout=0.2
    ),
    "instance … did not stop within … and was killed…": lambda world: world.start(stubborn).stop(
        200
    ),
    "… did not end within … s…": _follow_too_short,
    "… was closed…": _closed_elsewhere,
    "the writer to … is closed": _written_late,
    "… was cut after … bytes: …": lambda world: (
        world.hub(log=_stream(b"x\n", then=Conn.reset)).get_log_stream().read()
    ),
    "…; and it could not be opened again in …: …": _reconnecting,
    "… was silent for …, after … bytes; this stream is over, and a new one gives what comes next": lambda world: (
        world.hub(log=_stream(b"x\n")).get_log_stream(idle_timeout=0.2).read()
    ),
    "… is being read already, and one may read at a time": _two_readers,
    "a line of … has more than … bytes": lambda world: list(
        world.hub(log=_stream(b"x" * 100 + b"\n")).get_log_stream().lines(10)
    ),
    "a line of … is not JSON: …": lambda world: list(
        world.hub(log=_stream(b"x\n")).get_log_stream().records()
    ),
    "upload to … failed: its … raised …, after … bytes": lambda world: world.start(deaf).send_input(
        _raising()
    ),
    "upload to … was cancelled, after … bytes": _cancelled,
    "no hub at …: no connection within …; check the host and the port": _no_room,
    "upload to … was cut: the hub took nothing for … (Timeouts.write), after … bytes": _stalled,
    "no hub of the fleet has a sequence …": lambda world: Fleet(lambda: {"a": world.host}).start(
        "nope"
    ),
    "the hub's answer to … is not JSON: …": lambda world: world.instance(
        input=_taken("nope")
    ).send_input(b"x", parse_response="json"),
    "how instance … ended is not known…": lambda world: CompletedInstance(
        info=attrs.evolve(_ended(world).get_info(), terminated=None),
        returncode=None,
        output=b"",
        stdout=b"",
        stderr=b"",
        log=b"",
    ).check_returncode(),
    "instance … did not stop within … and still runs": lambda world: world.instance(
        abc=_running, _stop=_taken("{}")
    ).stop(100),
    "instance … did not stop within …, or the hub does not say that it has: …": _gone_at_stop,
    "this multiplexer is being iterated already": _iterated_twice,
    "upload to … was cut: …, after … bytes": lambda world: world.instance(
        abc=_running, input=_cut
    ).send_input(_waits()),
    "upload to … was answered before it had been taken, after … bytes": lambda world: (
        world.instance(
            version="0.18.7",
            abc=_running,
            input=lambda conn, request: conn.read_chunk() and _ok()(conn, request),
        ).send_input(_waits())
    ),
    "hub … is not connected to its manager…": _not_connected,
    "upload to … was ended by …, after … bytes": _interrupted,
    "the event reached … of … instances, and … hubs failed: …": lambda world: BroadcastResponse(
        sent={}, failed={("a", "i"): errors.HubConnectionError("hub 'a' is away")}, errors={}
    ).check(),
    "… of … hubs failed: …": lambda world: FleetAnswer(
        {"a": 1}, {"b": errors.HubConnectionError("hub 'b' is away")}
    ).check(),
}
"""What provokes each message, by its row."""


def _versionless(world: World) -> str:
    def serve(conn: Conn) -> None:
        while (request := conn.read_request()) is not None:
            _ok('{"name":"another service"}')(conn, request)

    return world.stack.enter_context(RawServer(serve)).url


def _small_answers(world: World) -> HostClient:
    host = world.hub(sequences=_ok("[" + "0," * 1000 + "0]"))
    host.get_version()
    host.client.answer_limit = 100
    return host


def _ended(world: World) -> InstanceClient:
    instance = world.start(echo)
    instance.send_input(b"", end=True)
    instance.wait(LIMIT)
    return instance


ELSEWHERE = {
    "a SOCKS proxy needs PySocks: pip install 'requests[socks]'": "surroundings/test_environment.py",
    "… was answered with a bad head: …": "hostile/test_answers.py",
    "the token of the hub here can't be used: …; remove it, and start the hub again": "test_config.py",
    "the profiles of si can't be found: this user has no home folder; set HOME": "test_config.py",
    "si profile … is for a platform, and no hub of it is chosen in this shell session; …": "test_config.py",
    "instance … is gone, and how it ended is not known: …": "contract: a hub that is started anew",
    "upload to … timed out after … bytes": "surroundings/test_mocks.py: only a mock answers without the body",
    "upload to …: the hub has no such instance, and has said nothing to the upload; …": "surroundings/test_nginx.py",
    "… can't be followed: …": "fleet: a stream that can't be polled",
    "… needs a thread of its own, and this process can start none (…): …; …": "http/test_threads.py",
}
"""Rows that other tests provoke, and which."""


@pytest.mark.parametrize("row", sorted(PROVOKED))
def test_each_message_of_the_table_is_provoked(row: str, world: World):
    """A real program meets each message, with the code that the table says."""
    with pytest.raises(ScramjetError) as caught:
        PROVOKED[row](world)

    assert _pattern(row).fullmatch(str(caught.value)), str(caught.value)
    assert ROWS[row] in (caught.value.code, "by status")


# -- all of them ---------------------------------------------------------------------------------------


def _text(node: ast.AST) -> str:
    """Return the text of a message, with `…` for what differs."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(map(_text, node.values))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _text(node.left) + _text(node.right)
    return "…"


@functools.cache
def _meet(one: str, other: str) -> bool:
    """Return whether some text is what both templates may become."""
    if not one or not other:
        return not (one + other).replace("…", "")
    if one[0] == "…":
        return _meet(one[1:], other) or _meet(one, other[1:])
    if other[0] == "…":
        return _meet(one, other[1:]) or _meet(one[1:], other)
    return one[0] == other[0] and _meet(one[1:], other[1:])


_NOT_FOR_USERS = {"hub", "testing", "cli"}
"""Rooms whose errors are answers of LocalHub, of tests, or of the command, which has words of its own."""


def _raised() -> list[tuple[str, str, str]]:
    """Return where an error is made in the package, its class and its message."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        place = path.relative_to(PACKAGE)
        if place.parts[0] in _NOT_FOR_USERS:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
                name = node.func.id
                if name.endswith("Error") and _text(node.args[0]).strip("…: "):
                    found.append((f"{place.as_posix()}:{node.lineno}", name, _text(node.args[0])))
    return found


RAISED = _raised()

OURS = [each for each in RAISED if each[1] in errors.__all__]


@pytest.mark.parametrize(("where", "name", "message"), OURS, ids=[each[0] for each in OURS])
def test_every_message_is_in_the_table(where: str, name: str, message: str):
    """No error of this package has a message that the table does not explain, under its code."""
    code = getattr(errors, name).code

    assert [row for row, of in ROWS.items() if of in (code, "by status") and _meet(row, message)], (
        message
    )


_FORM = {
    "it begins as the middle of a sentence does": re.compile(
        r"(?![A-Z](?!ocalHub|CRAMJET|ython|RG))"
    ),
    "it has no end of a sentence": re.compile(r".*[^.!\s]\Z", re.DOTALL),
    "it is one line": re.compile(r"[^\n]*\Z"),
    "it names nothing private": re.compile(r"(?!.*(?:\b_[a-z]|\w+Error\())", re.DOTALL),
    "it says what is, not that something is invalid": re.compile(
        r"(?!.*\b(?:invalid|illegal|unable|failed to|unexpected|please|sorry)\b)", re.DOTALL | re.I
    ),
}


@pytest.mark.parametrize("rule", _FORM)
def test_messages_have_one_form(rule: str):
    """Every message that is written in the package keeps each rule of the form."""
    wrong = [
        f"{where}: {message}" for where, _, message in RAISED if not _FORM[rule].match(message)
    ]

    assert wrong == []


def test_the_table_keeps_the_form():
    """So does every row of the table."""
    assert [row for row in ROWS for form in _FORM.values() if not form.match(row)] == []


def test_each_row_is_provoked():
    """A row without a program that meets it is listed, with the reason; there is no program for another row."""
    assert set(PROVOKED) - set(ROWS) == set()
    assert set(ROWS) - set(PROVOKED) == set(ELSEWHERE)


def test_each_row_has_a_code():
    """Each row names an error of this package, with a cause and a cure."""
    codes = {getattr(errors, name).code for name in errors.__all__} | {"by status"}

    assert len(ROWS) > 60
    assert set(ROWS.values()) <= codes
