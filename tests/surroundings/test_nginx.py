"""A hub behind a real nginx: with the configuration of the guide, and with the one that it comes with."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scramjet_client import HostClient, InstanceNotFoundError, ServerError
from scramjet_client.hub import LocalHub
from tests.support.nginx import NGINX, nginx, of_the_guide

pytestmark = pytest.mark.skipif(
    NGINX is None, reason="nginx is not installed; `make test` installs it as root on Debian"
)

DEFAULT = "location / {\n    proxy_pass http://127.0.0.1:8000;\n}\n"

UNKNOWN = "11111111-2222-3333-4444-555555555555"


async def echo(context: Any, input: Any) -> Any:
    """Give back what comes, and tell of it."""
    async for chunk in input:
        context.emit("came", len(chunk))
        yield chunk


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
