"""What LocalHub and the page's proxy share: a server on a loop in its own thread."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, Union

import pytest
import requests

from scramjet_client.hub import LocalHub
from scramjet_client.hub._proxy import PageProxy
from tests.support.waiting import LIMIT

Server = Union[LocalHub, PageProxy]


def no_more_files() -> NoReturn:
    raise OSError("too many open files")


def no_more_threads(thread: threading.Thread) -> NoReturn:
    raise RuntimeError("can't start new thread")


@pytest.mark.parametrize(
    "make", [LocalHub, lambda: PageProxy("http://127.0.0.1:1/api/v1")], ids=["hub", "proxy"]
)
@pytest.mark.parametrize(
    ("name", "refuses"),
    [("asyncio.SelectorEventLoop", no_more_files), ("threading.Thread.start", no_more_threads)],
)
def test_a_system_that_has_no_more(
    make: Callable[[], Server],
    name: str,
    refuses: Callable[..., NoReturn],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    """What keeps the loop from running is raised by `start`, which leaves nothing; then it may be started again."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    server = make()
    with monkeypatch.context() as patch:
        patch.setattr(name, refuses)
        with pytest.raises(OSError, match=r"too many open files|can't start"):
            server.start()
    assert list(tmp_path.iterdir()) == []
    server.stop()

    with server:
        assert requests.get(f"{server.url}/version", timeout=LIMIT).status_code == 401
