"""LocalHub as an object: starting, stopping, what it offers to tests."""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import socket
import ssl
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from scramjet_client.errors import BadParametersError
from scramjet_client.hub import LocalHub, _reaper
from tests.hub.wire import ask, ended, info, opened, run, start
from tests.support.certs import Certificates
from tests.support.hubs import open_hub
from tests.support.waiting import LIMIT, eventually
from tests.surroundings.programs import environment

GREETING = "hello "


def greet(context, input, name):
    """Give one line (found by its name)."""

    async def lines():
        yield GREETING + name + "\n"

    return lines()


async def consume(context, input):
    """Give the topic's data back."""
    async for chunk in input:
        yield chunk.upper()


consume.requires = {"requires": "t", "contentType": "text/plain"}  # type: ignore[attr-defined]


def test_start_and_stop():
    """It may be stopped twice, and started again as an empty hub on another port."""
    hub = open_hub()
    with pytest.raises(RuntimeError, match="not started"):
        _ = hub.url
    hub.start()
    first = hub.url
    run(first, "def run(context, input): pass")
    with pytest.raises(RuntimeError, match="started already"):
        hub.start()
    hub.stop()
    hub.stop()
    assert repr(hub) == "<LocalHub stopped>"

    with hub:
        assert ask(hub.url, "GET", "sequences").json == []


def test_port_that_is_taken():
    """The error is the caller's, and the hub can be started later."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        hub = open_hub(port=taken.getsockname()[1])
        with pytest.raises(
            OSError, match=r"127\.0\.0\.1:\d+ is in use already; port=0 takes"
        ) as caught:
            hub.start()
    assert caught.value.errno == errno.EADDRINUSE
    with hub:
        assert ask(hub.url, "GET", "version").status == 200


@pytest.mark.parametrize(
    ("options", "kind", "said"),
    [
        ({"max_connections": "5"}, TypeError, "max_connections must be an int, not str"),
        ({"max_connections": 0}, ValueError, "max_connections must be 1 or more, not 0"),
        ({"max_json_size": 1e6}, TypeError, "max_json_size must be an int, not float"),
        ({"max_package_files": True}, TypeError, "max_package_files must be an int, not bool"),
        ({"max_package_size": -1}, ValueError, "max_package_size must be 1 or more, not -1"),
        ({"max_unpacked_size": None}, TypeError, "max_unpacked_size must be an int, not NoneType"),
        ({"record": 5}, TypeError, "record must be a path or a callable, not int"),
        ({"record": b"trace"}, TypeError, "record must be a path or a callable, not bytes"),
        ({"storage": 5}, TypeError, "storage must be a path, not int"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, Any], kind: type[Exception], said: str):
    """What a hub can't use is refused before it starts."""
    with pytest.raises(kind, match=f"^{said}$"):
        LocalHub(**options)


def test_a_start_that_fails_leaves_nothing(tmp_path: Path):
    """The port is free again, and the trace is closed."""
    trace = tmp_path / "hub.jsonl"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    hub = LocalHub(port=port, storage=tmp_path / "missing", record=trace)
    with pytest.raises(FileNotFoundError, match="missing"):
        hub.start()
    (tmp_path / "missing").mkdir()
    with hub:
        assert hub.url.startswith(f"http://127.0.0.1:{port}/")
    assert os.listdir(tmp_path / "missing") == []


def test_client_of_the_hub():
    """client() is a HostClient with the hub's token."""
    with LocalHub(token="t") as hub, hub.client() as host:
        assert host.get_version().service == "@scramjet/host"


def test_requests_and_clear(hub: LocalHub):
    """The requests are noted, without their tokens, and forgotten by clear() with all else."""
    run(hub.url, "from scramjet.streams import Stream\ndef run(context, input): return Stream()")
    ask(hub.url, "GET", "version?x=1", headers={"X-Test": "y", "Authorization": "Bearer z"})
    last = hub.requests[-1]

    assert (last.method, last.path) == ("GET", "/api/v1/version?x=1")
    assert last.headers["x-test"] == "y"
    assert "authorization" not in last.headers
    hub.clear()
    assert hub.requests == []
    assert ask(hub.url, "GET", "entities").json == {"sequences": [], "instances": []}


def test_check_raises_what_the_hub_did_wrong(monkeypatch: pytest.MonkeyPatch):
    """A defect of the hub is a 500 for its client, and raised by check()."""
    with open_hub() as hub:
        hub.check()
        monkeypatch.setattr(hub._state, "describe", lambda sequence: 1 / 0)
        hub.add_sequence("greet", greet)
        assert ask(hub.url, "GET", "sequences").status == 500
        with pytest.raises(ZeroDivisionError):
            hub.check()


def test_functions_as_sequences(hub: LocalHub):
    """Functions of modules, lambdas and functions within functions run in a process of their own."""
    prefix = "local "

    async def nested(context, input, name):
        yield prefix + GREETING + name + "\n"

    for function, expected in ((greet, b"hello x\n"), (nested, b"local hello x\n")):
        instance = start(hub.url, hub.add_sequence("f", function), args=["x"])
        with opened(hub.url, f"instance/{instance}/output") as output:
            assert output.read(100) == expected
        assert ended(hub.url, instance)["terminated"]["exitcode"] == -1
    assert info(hub.url, instance)["sequence"]["config"]["name"] == "f"


def gives_text(context, input):
    return "text"


def gives_items(context, input):
    yield "te"
    yield b"xt"


async def gives_later(context, input):
    return ["te", "xt"]


@pytest.mark.parametrize("function", [gives_text, gives_items, gives_later, lambda *_: ["text"]])
def test_functions_of_every_shape(hub: LocalHub, function: Any):
    """A function that hubs do not take themselves is run by the adapter, as one that is deployed."""
    instance = start(hub.url, hub.add_sequence("f", function))

    with opened(hub.url, f"instance/{instance}/output") as output:
        assert output.read(100) == b"text"


def test_function_with_a_topic(hub: LocalHub):
    """Attributes of a function say its topics and types."""
    instance = start(hub.url, hub.add_sequence("c", consume))
    with opened(hub.url, f"instance/{instance}/output") as output:
        ask(hub.url, "POST", "topic/t", raw=b"abc", headers={"Content-Type": "text/plain"})
        assert output.read(3) == b"ABC"


def test_function_that_cannot_be_copied(hub: LocalHub):
    """What cannot go to another process is named."""
    lock = threading.Lock()

    async def locked(context, input):
        with lock:
            yield "x"

    with pytest.raises(TypeError, match="'lock'"):
        hub.add_sequence("f", locked)


def test_folder_as_a_sequence(hub: LocalHub, tmp_path):
    """A folder with a package.json is copied."""
    (tmp_path / "package.json").write_text('{"main": "m.py", "engines": {"python3": "3"}}')
    (tmp_path / "m.py").write_text("async def run(context, input):\n    yield 'x'\n")
    instance = start(hub.url, hub.add_sequence("folder", tmp_path))

    with opened(hub.url, f"instance/{instance}/output") as output:
        assert output.read(10) == b"x"


def test_tls(certificates: Certificates):
    """With a context the hub speaks TLS."""
    with open_hub(ssl_context=certificates.server_context()) as hub:
        assert hub.url.startswith("https://")
        trusted = ssl.create_default_context(cafile=str(certificates.ca_path))
        with urllib.request.urlopen(f"{hub.url}/status", context=trusted, timeout=60) as answer:
            assert answer.read() == b'{"cpm":{}}'


def test_command_says_why_it_does_not_start():
    """An address that cannot be had is one sentence and exit code 1."""
    command = [sys.executable, "-m", "scramjet_client.hub", "--host", "0.0.0.0", "--no-token"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 1
    assert "needs a token" in done.stderr
    assert "Traceback" not in done.stderr


def test_missing_package_names_the_extra():
    """Without aiohttp the error says what to install."""
    code = "import sys; sys.modules['aiohttp'] = None; import scramjet_client.hub"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )

    assert "pip install 'scramjet_client[hub]'" in done.stderr
    assert "ImportError" in done.stderr


def test_hub_in_a_forked_process(hub: LocalHub):
    """What a fork has inherited is not its to stop, and a method says so instead of waiting for ever."""
    pid = os.fork()
    if not pid:
        code = 1
        try:
            hub.clear()
        except RuntimeError:
            hub.stop()
            code = 0
        finally:
            os._exit(code)

    assert os.waitpid(pid, 0)[1] == 0
    assert hub.requests == []


def test_runner_that_does_not_start(
    url: str, hub: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Why an instance's process did not come to run is in the refusal of its start."""
    (tmp_path / "sitecustomize.py").write_text("raise SystemExit('not on this machine')\n")
    sequence = hub.add_sequence("greet", greet)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    answer = ask(url, "POST", f"sequence/{sequence}/start", {})

    assert answer.status == 400
    assert answer.json["error"].startswith("Runner failed: ")
    assert answer.json["error"].endswith("not on this machine")

    with hub.client() as host, pytest.raises(BadParametersError) as caught:
        host.get_sequence_client(sequence).start()
    assert "not on this machine" in str(caught.value)
    # The known fault of other hubs' runners has nothing to do with it.
    assert "1051" not in str(caught.value)


def test_a_start_that_fails_says_why(monkeypatch: pytest.MonkeyPatch):
    """What keeps a hub from starting is raised by `start`, and the hub may be started again."""
    hub = LocalHub()
    with monkeypatch.context() as patch:
        patch.setattr(_reaper.subprocess, "Popen", refusing)
        with pytest.raises(BlockingIOError, match="no more processes"):
            hub.start()

    with hub, hub.client() as host:
        assert host.get_version().version


def refusing(*_: object, **__: object) -> None:
    raise BlockingIOError("no more processes")


WITH_HELPER = """
import helper
from scramjet_client.hub import LocalHub
with LocalHub() as hub, hub.client() as host:
    sequence = host.get_sequence_client(hub.add_sequence("s", helper.run))
    print(sequence.run(timeout=60).output)
"""

SPAWNING = """
import multiprocessing
from scramjet_client.hub import LocalHub

async def run(context, input):
    yield "from the program itself"

def use():
    with LocalHub() as hub, hub.client() as host:
        sequence = host.get_sequence_client(hub.add_sequence("s", run))
        print(sequence.run(timeout=60).output, flush=True)

if __name__ == "__main__":
    process = multiprocessing.get_context("spawn").Process(target=use)
    process.start()
    process.join()
"""


@pytest.mark.parametrize(
    ("options", "output"),
    [
        (["-c", WITH_HELPER], "b'from a module beside it'\n"),
        (["spawning.py"], "b'from the program itself'\n"),
    ],
)
def test_functions_of_programs(tmp_path: Path, options: list[str], output: str):
    """A function is found where the program has found it, or copied where it is the program's own."""
    (tmp_path / "helper.py").write_text(
        "async def run(context, input):\n    yield 'from a module beside it'\n"
    )
    (tmp_path / "spawning.py").write_text(SPAWNING)

    done = subprocess.run(
        [sys.executable, *options],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert (done.stdout, done.stderr) == (output, "")


@pytest.mark.parametrize(("seed", "different"), [("", 2), ("random.seed(7)", 1)])
@pytest.mark.parametrize("plain", [True, False])
def test_random_numbers(tmp_path: Path, seed: str, different: int, plain: bool):
    """Each run has random numbers of its own, at import and later; a seed of the program's own stays."""
    shape = "async def run(context, input)" if plain else "def run(context, input)"
    (tmp_path / "app.py").write_text(
        f"import random\nimport scramjet.streams\n{seed}\nFIRST = random.random()\n"
        f"{shape}:\n    yield f'{{FIRST}} {{random.random()}}'\n"
    )
    with open_hub() as hub, hub.client() as host:
        sequence = host.send_sequence(tmp_path / "app.py")
        found = [sequence.run().output.split() for _ in range(2)]

    assert len({first for first, _ in found}) == different
    assert len({later for _, later in found}) == different


def test_name_without_ipv4(monkeypatch: pytest.MonkeyPatch):
    """On a machine that has no IPv4, the hub listens on the IPv6 address of its name."""
    create = socket.create_server
    families: list[int] = []

    def create_server(address: tuple[str, int], *, family: int, **options: Any) -> socket.socket:
        families.append(family)
        if family == socket.AF_INET:
            raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
        # Not every machine that runs this test has IPv6.
        return create(address, family=socket.AF_INET, **options)

    monkeypatch.setattr(socket, "create_server", create_server)

    with LocalHub("localhost") as hub, hub.client() as host:
        assert host.get_version().version
    assert families == [socket.AF_INET, socket.AF_INET6]


def test_connection_of_the_last_moment_is_cut():
    """What comes in as the hub ends is cut like the rest; asyncio would forget it until garbage is collected."""
    kept: list[socket.socket] = []

    def knock(port: int) -> None:
        with contextlib.suppress(OSError):
            while len(kept) < 300:
                kept.append(socket.create_connection(("127.0.0.1", port)))

    for _ in range(5):
        with open_hub() as hub:
            port = urlsplit(hub.url).port
            assert port is not None
            threads = [threading.Thread(target=knock, args=[port]) for _ in range(3)]
            for each in threads:
                each.start()
            eventually(lambda: len(kept) > 3)
        for each in threads:
            each.join()
        gc.disable()
        try:
            for sock in kept:
                sock.settimeout(LIMIT)
                with sock, contextlib.suppress(ConnectionResetError):
                    assert sock.recv(1) == b""
        finally:
            gc.enable()
        kept.clear()
