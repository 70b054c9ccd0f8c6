"""What LocalHub and the page's proxy share: a server on a loop in its own thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NoReturn, Union

import pytest
import requests

from scramjet_client.hub import LocalHub
from scramjet_client.hub._proxy import PageProxy
from tests.support.waiting import LIMIT

Server = Union[LocalHub, PageProxy]


def refusing() -> NoReturn:
    raise OSError("too many open files")


@pytest.mark.parametrize(
    "make", [LocalHub, lambda: PageProxy("http://127.0.0.1:1/api/v1")], ids=["hub", "proxy"]
)
def test_a_loop_that_can_not_be_made(make: Callable[[], Server], monkeypatch: pytest.MonkeyPatch):
    """What keeps the loop from running is raised by `start`; then it may be stopped, and started again."""
    server = make()
    with monkeypatch.context() as patch:
        patch.setattr(asyncio, "SelectorEventLoop", refusing)
        with pytest.raises(OSError, match="too many open files"):
            server.start()
    server.stop()

    with server:
        assert requests.get(f"{server.url}/version", timeout=LIMIT).status_code == 401
