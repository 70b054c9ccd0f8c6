"""The example application in headless Chromium, under each kind of Gunicorn's workers, on a LocalHub."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from scramjet_client.hub import LocalHub
from scramjet_client.testing import FaultProxy
from tests.flask.servers import WORKERS, gunicorn, release
from tests.support.browser import BrowserUnavailable, Page, browser
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """A browser's window; without Chromium the test is skipped, with the reason."""
    with contextlib.ExitStack() as stack:
        try:
            window = stack.enter_context(browser())
        except BrowserUnavailable as error:
            pytest.skip(str(error))
        yield window


@pytest.fixture(scope="module")
def hub() -> Iterator[LocalHub]:
    """The hub that the application talks to."""
    with LocalHub() as local:
        yield local


def state_of(page: Page, stream: str) -> str:
    """Return what the page knows of a stream: "open", "ended" or "failed"."""
    return str(page.run(f"return document.querySelector('#{stream}').dataset.state"))


def test_page_shows_a_live_log_and_sends_input(
    pair: tuple[str, str], page: Page, hub: LocalHub
) -> None:
    """A user starts a program, sees its log and output as they come, sends lines, leaves, comes back, and stops it."""
    worker, flask = pair
    with contextlib.ExitStack() as stack:
        proxy = stack.enter_context(FaultProxy(hub.url))
        host = stack.enter_context(hub.client())
        served = stack.enter_context(
            gunicorn(
                "examples.flask_app:create_app()",
                *WORKERS[worker],
                path=release(flask),
                SCRAMJET_API_URL=proxy.url,
                SCRAMJET_TOKEN=hub.token or "",
            )
        )
        page.open(served.url)
        page.click("#start")
        eventually(lambda: "waiting for lines" in page.text("#log"))
        for line in ("hello", "żółw"):
            page.type("#line", line)
            page.click("#send")
            eventually(lambda line=line: line.upper() in page.text("#output"))
        assert page.text("#output").split() == ["HELLO", "ŻÓŁW"]
        assert "a line of 5 characters" in page.text("#log")
        address = page.url
        instance = host.get_instance_client(address.rpartition("/")[2])

        followed = proxy.open_connections
        page.open(f"{served.url}/static/style.css")
        eventually(lambda: proxy.open_connections <= followed - 2)

        page.open(address)
        eventually(lambda: state_of(page, "output") == "open")
        page.click("#stop")
        eventually(lambda: state_of(page, "output") == "ended")
        assert instance.wait(60).terminated is not None
