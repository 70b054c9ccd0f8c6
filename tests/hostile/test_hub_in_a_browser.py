"""Pages of strangers in a real browser, beside a LocalHub without a token."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from scramjet_client.hub import LocalHub
from tests.hub.wire import ask
from tests.support.browser import BrowserUnavailable, Page, browser
from tests.support.hubs import open_hub
from tests.support.waiting import eventually

PAGE = """<!doctype html><title>evil</title><body><script>
const hub = {hub!r}, done = [];
const note = name => () => {{ done.push(name); document.title = done.join(" "); }};
const image = new Image(); image.onload = image.onerror = note("image"); image.src = hub + "/topic/image";
const script = document.createElement("script"); script.onload = script.onerror = note("script");
script.src = hub + "/topic/script"; document.body.append(script);
fetch(hub + "/topic/fetch", {{mode: "no-cors"}}).then(note("fetch"), note("fetch"));
fetch(hub + "/topic/head", {{mode: "no-cors", method: "HEAD", referrerPolicy: "no-referrer"}})
    .then(note("head"), note("head"));
fetch(hub + "/topic/post", {{mode: "no-cors", method: "POST", body: "x"}}).then(note("post"), note("post"));
</script>"""


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """A browser's window; without Chromium the test is skipped, with the reason."""
    try:
        with browser() as window:
            yield window
    except BrowserUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture
def hub() -> Iterator[LocalHub]:
    """A hub that needs no token."""
    with open_hub() as local:
        yield local
        local.check()


@pytest.mark.parametrize("site", ["127.0.0.1", "localhost"])
def test_a_page_of_a_stranger_changes_nothing(page: Page, hub: LocalHub, site: str):
    """Images, scripts and requests of a page, of another site or only another port, make no topic on the hub."""

    class Evil(BaseHTTPRequestHandler):
        # Browsers open connections that they do not use, and keep them.
        timeout = 5

        def do_GET(self) -> None:
            data = PAGE.format(hub=hub.url).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Evil) as server:
        serving = threading.Thread(target=server.serve_forever, name="test-evil-page")
        serving.start()
        try:
            page.open(f"http://{site}:{server.server_address[1]}/")
            # Streams that were let in would not end, and would never be noted by the page.
            eventually(lambda: len(page.run("return document.title").split()) == 5, 60)
        finally:
            server.shutdown()
            serving.join()

    assert hub.requests == []
    assert ask(hub.url, "GET", "topics").json == []
