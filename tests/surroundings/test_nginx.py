"""A hub behind a real nginx: with the configuration of the guide, and with the one that it comes with."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import itertools
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scramjet_client import HostClient, InstanceClient, InstanceNotFoundError, ServerError, Upload
from scramjet_client.hub import LocalHub
from tests.support.input_requests import InputRequests
from tests.support.nginx import NGINX, nginx, of_the_guide
from tests.support.waiting import LIMIT, eventually

pytestmark = pytest.mark.skipif(
    NGINX is None, reason="nginx is not installed; `make test` installs it as root on Debian"
)

DEFAULT = "location / {\n    proxy_pass http://127.0.0.1:8000;\n}\n"

BINARY = "application/octet-stream"

UNKNOWN = "11111111-2222-3333-4444-555555555555"


async def echo(context: Any, input: Any) -> Any:
    """Give back what comes, and tell of it."""
    async for chunk in input:
        context.emit("came", len(chunk))
        yield chunk


async def late(context: Any, input: Any, stream: str) -> Any:
    """Take what comes when told to, and give the hash of it."""
    told = asyncio.Event()
    context.on("take", lambda _message: told.set())
    await told.wait()
    taken = hashlib.sha256()
    if stream == "stdin":
        while text := await sys.stdin.read():
            taken.update(text.encode())
    else:
        async for chunk in input:
            taken.update(chunk if isinstance(chunk, bytes) else chunk.encode())
    yield taken.hexdigest()


@pytest.fixture
def hub() -> Iterator[LocalHub]:
    with LocalHub() as hub:
        yield hub


@contextlib.contextmanager
def through(hub: LocalHub, folder: Path, location: str) -> Iterator[HostClient]:
    hub_port = int(hub.url.split(":")[2].split("/")[0])
    with nginx(folder, location, hub_port) as port:
        url = f"http://127.0.0.1:{port}/api/v1"
        with HostClient(url, token=getattr(hub, "token", None), retries=0) as host:
            yield host


def held_open(let_go: threading.Event) -> Iterator[bytes]:
    yield b"a\n"
    let_go.wait(100)


def test_everything_is_live_through_the_nginx_of_the_guide(hub: LocalHub, tmp_path: Path):
    """Refusals, conversations, outputs and events come at once, and doctor() has nothing to say."""
    let_go = threading.Event()
    with through(hub, tmp_path, of_the_guide()) as host:
        with pytest.raises(InstanceNotFoundError):
            host.get_instance_client(UNKNOWN).send_input(held_open(let_go))
        instance = host.deploy(echo).start()
        with (
            instance.get_event_stream("came") as events,
            instance.inout(held_open(let_go), end=False) as stream,
        ):
            assert stream.readline() == b"a\n"
            assert next(events).data == 2
            assert host.doctor().problems == ()
            let_go.set()
        instance.kill()
        instance.wait(60)


DATA = b"".join(b"%d: \xc5\xbc\xc3\xb3\xc5\x82\xc4\x87\n" % n for n in range(1_200_000))
"""20 MB: several times what everything on the way takes before the program does."""


def pieces(size: int) -> Iterator[bytes]:
    return (DATA[at : at + size] for at in range(0, len(DATA), size))


SENDS: dict[str, Callable[[InstanceClient], Upload[Any]]] = {
    "bytes": lambda to: to.submit_input(DATA, type=BINARY, end=True),
    "text": lambda to: to.submit_input(DATA.decode(), type="text/plain", end=True),
    "a file": lambda to: to.submit_input(io.BytesIO(DATA), end=True),
    "small pieces": lambda to: to.submit_input(pieces(1000), type=BINARY, end=True),
    "pieces as large as a request": lambda to: to.submit_input(pieces(65536), end=True),
    "large pieces": lambda to: to.submit_input(pieces(3_000_000), type=BINARY, end=True),
    "stdin": lambda to: to.submit_stdin(DATA, end=True),
}


def held_back(upload: Upload[Any]) -> Callable[[], bool]:
    """Return a probe of whether nothing more of an upload has been sent for a hundred looks."""
    seen: list[int] = []

    def look() -> bool:
        seen.append(upload.bytes_sent)
        return seen[-1] > 0 and seen[-100:].count(seen[-1]) == 100

    return look


@pytest.mark.parametrize("location", [of_the_guide(), DEFAULT], ids=["guide", "default"])
@pytest.mark.parametrize("send", SENDS.values(), ids=SENDS)
def test_input_that_the_program_holds_back_arrives(
    hub: LocalHub, tmp_path: Path, location: str, send: Callable[[InstanceClient], Upload[Any]]
):
    """nginx passes on no more of a body that was held back after its early answer, so several requests carry it."""
    with through(hub, tmp_path, location) as host:
        stream = "stdin" if send is SENDS["stdin"] else "input"
        instance = host.deploy(late).start(args=[stream])
        if stream == "stdin":
            # A Python program begins with its first input.
            instance.send_input(b"", type=BINARY, end=True)
        upload = send(instance)
        eventually(held_back(upload))
        assert not upload.done()
        instance.send_event("take")

        assert upload.result(LIMIT).bytes_written == len(DATA)
        with instance.get_stream("output") as output:
            assert output.read() == hashlib.sha256(DATA).hexdigest().encode()


def test_conversation_that_the_reader_holds_back_arrives(hub: LocalHub, tmp_path: Path):
    """A conversation that goes on is an upload as any other behind nginx."""
    with through(hub, tmp_path, of_the_guide()) as host:
        instance = host.deploy(echo).start()
        # The output takes as much as the input again.
        source = itertools.chain.from_iterable(pieces(100_000) for _ in range(3))
        with instance.inout(source, type=BINARY, end=False) as stream:
            eventually(held_back(stream.upload))
            assert not stream.upload.done()

            for _ in range(3):
                assert stream.read(len(DATA)) == DATA
            assert stream.upload.result(LIMIT).bytes_written == 3 * len(DATA)
        instance.kill()


def test_small_input_is_one_request(hub: LocalHub, tmp_path: Path):
    """What gets through in any case needs no second request, also where it ends the input."""
    with through(hub, tmp_path, of_the_guide()) as host:
        instance = host.deploy(echo).start()
        host.get_version()
        inputs = InputRequests()
        instance.client.add_logger(inputs)

        with instance.get_stream("output") as output:
            instance.send_input(b"a" * 65536, type=BINARY, end=True)
            assert output.read() == b"a" * 65536

    assert inputs.count == 1


def test_an_nginx_that_collects_is_told_the_truth_of(hub: LocalHub, tmp_path: Path):
    """An upload to an instance that never was is refused as such, and doctor() names what stands between."""
    let_go = threading.Event()
    with through(hub, tmp_path, DEFAULT) as host:
        with pytest.raises(InstanceNotFoundError, match=r"no such instance.*hold uploads back"):
            host.get_instance_client(UNKNOWN).send_input(held_open(let_go))
        let_go.set()
        problems = host.doctor().problems

    assert [each for each in problems if "nginx" in each and "proxy_buffering off" in each]


def test_a_page_of_nginx_is_one_line(hub: LocalHub, tmp_path: Path, closed_port: int):
    """The page that nginx answers with where no hub runs is its title."""
    with nginx(tmp_path, DEFAULT, closed_port) as port:
        with HostClient(f"http://127.0.0.1:{port}/api/v1", retries=0) as host:
            with pytest.raises(ServerError) as caught:
                host.get_version()

    assert str(caught.value).endswith("answered 502 (502 Bad Gateway)")
