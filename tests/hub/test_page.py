"""The hub's page: what serves it, what it does in Chromium, and what nobody can do by it."""

from __future__ import annotations

import base64
import contextlib
import http.server
import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from scramjet_client import HostClient, InstanceClient
from scramjet_client.hub import LocalHub
from scramjet_client.hub._proxy import PageProxy
from tests.hub import programs
from tests.support.browser import BrowserUnavailable, Page, browser
from tests.support.hubs import open_hub
from tests.support.real_hub import RealHub
from tests.support.waiting import eventually

FILES = ["/", "/page.css", "/page.js"]
FOLDER = Path(__file__).parents[2] / "scramjet_client" / "hub" / "page"

COUNT = """
import sys
async def run(context, input):
    context.logger.info("counting")
    print("ready", file=sys.stderr)
    context.on("ask", lambda message: context.emit("told", {"heard": message}))
    number = 0
    async for text in input:
        for line in text.splitlines():
            number += 1
            if line == "boom":
                raise ValueError("no number in it")
            yield f"{number}: {line.upper()}\\n"
"""

HOSTILE = [
    "<script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked = 1'>",
    "<svg onload='window.hacked = 1'>",
    "</pre></div><iframe srcdoc='<script>parent.hacked=1</script>'></iframe>",
    "javascript:window.hacked=1",
    "\x1b]8;;javascript:window.hacked=1\x1b\\\\click\x1b]8;;\x1b\\\\",
    "\x1b[2J\x1b[31mred\x1b[0m",
    "user\u202etxt.exe",
    "a\u200bb\u2066c\u2069",
    "{{constructor.constructor('window.hacked=1')()}}",
]
"""What a program might write."""


def write(folder: Path, text: str, name: str = "counter.py") -> Path:
    """Write a program, and return its path."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


# -- what serves it -------------------------------------------------------------------------------


@pytest.fixture
def hub() -> Iterator[LocalHub]:
    """A hub with a page."""
    with LocalHub(page=True) as local:
        yield local
        local.check()


def root_of(hub: LocalHub) -> str:
    """Return the address of a hub without path."""
    return hub.url.removesuffix("/api/v1")


@pytest.mark.parametrize("path", FILES)
def test_files_have_a_policy(hub: LocalHub, path: str):
    """Each file comes without a token, with a policy that lets only the page's own script run, and to no other site."""
    answer = requests.get(root_of(hub) + path, timeout=60)

    assert answer.status_code == 200
    policy = dict(
        each.split(" ", 1) for each in answer.headers["Content-Security-Policy"].split("; ")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert (hub.token or "?") not in answer.text


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:1"]
)
def test_name_of_somebody_else(hub: LocalHub, host: str):
    """Under a name that leads to this machine, but is not its own, there is no page."""
    for path in FILES:
        answer = requests.get(root_of(hub) + path, headers={"Host": host}, timeout=60)

        assert answer.status_code == 403


@pytest.mark.parametrize("path", FILES)
def test_off_by_default(path: str):
    """A hub that nobody asked for a page has none."""
    with LocalHub() as local:
        answer = requests.get(root_of(local) + path, timeout=60)

        assert answer.status_code == 401
        assert local.page_url is None


def test_api_beside_the_page_needs_the_token(hub: LocalHub):
    """The page changes nothing about who may use the API; its answers are never taken for pages."""
    refused = requests.get(f"{hub.url}/instances", timeout=60)
    given = {"Authorization": f"Bearer {hub.token}"}
    answer = requests.get(f"{hub.url}/instances", headers=given, timeout=60)

    assert refused.status_code == 401
    assert answer.status_code == 200
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_other_methods_and_paths(hub: LocalHub):
    """Only GET and HEAD of the three files are of the page."""
    for method, path in (
        ("POST", "/"),
        ("GET", "/%2e%2e/page.js"),
        ("GET", "//"),
    ):
        answer = requests.request(method, root_of(hub) + path, timeout=60)

        assert answer.status_code == 401, (method, path)
    assert requests.head(root_of(hub) + "/", timeout=60).status_code == 200


def test_sources_write_text_only():
    """The script never lets a browser parse text, and the page has no inline script or style."""
    script = (FOLDER / "page.js").read_text("utf-8")
    page = (FOLDER / "index.html").read_text("utf-8")

    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|srcdoc",
        script,
    )
    assert not re.search(r"https?://", script + (FOLDER / "page.css").read_text("utf-8") + page)
    assert not re.search(
        r"<style|style=|\son\w+=|<script(?! src=\"page.js\" defer></script>)", page
    )


# -- in a browser ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def window() -> Iterator[Page]:
    """A browser's window; without Chromium the test is skipped, with the reason."""
    with contextlib.ExitStack() as stack:
        try:
            made = stack.enter_context(browser())
        except BrowserUnavailable as error:
            pytest.skip(str(error))
        yield made


def shows(window: Page, address: str | None) -> None:
    """Open the page, as in a new tab."""
    assert address is not None
    # A file of the same place without a script: a page would read what is waiting there.
    window.open(address.partition("#")[0] + "page.css")
    window.run("sessionStorage.clear()")
    window.open(address)
    eventually(lambda: window.text("#state") == "live")


def lines(window: Page) -> list[str]:
    """Return the lines that the page shows, each with the name of its stream."""
    script = (
        "return [...document.querySelectorAll('#lines .line')]"
        ".map((each) => each.firstChild.textContent + ' ' + each.lastChild.textContent)"
    )
    found = window.run(script)
    assert isinstance(found, list)
    return [str(each) for each in found]


def chosen(window: Page) -> str:
    """Return the title of what is shown."""
    return str(window.run("return document.getElementById('title').textContent"))


def test_an_instance_live(window: Page, hub: LocalHub, host: HostClient, tmp_path: Path):
    """A user sees an instance, sends it input, reads its streams and events, and stops it."""
    instance = host.send_sequence(write(tmp_path, COUNT)).start()
    shows(window, hub.page_url)
    eventually(lambda: chosen(window) == "counter")
    eventually(lambda: "stderr ready" in lines(window))
    eventually(lambda: any(each.endswith("INFO counting") for each in lines(window)))

    window.type("#text", "hello Ada")
    window.click("#send-form button")
    eventually(lambda: "output 1: HELLO ADA" in lines(window))
    assert window.text("#said") == "input was sent"

    window.type("#listen", "told")
    window.click("#listen-form button")
    window.run(
        "document.getElementById('to').value = 'event';"
        "document.getElementById('to').dispatchEvent(new Event('input'))"
    )
    window.type("#name", "ask")
    window.type("#text", '{"a": 1}')

    def answered() -> bool:
        window.click("#send-form button")  # it may not listen yet
        return any('event told {"heard":{"a":1}}' in each for each in lines(window))

    eventually(answered)
    window.click("#stop")
    eventually(lambda: window.text("#badge") == "completed")
    assert instance.get_info().terminated is not None


def test_nothing_is_sent_to_an_ended_instance(
    window: Page, hub: LocalHub, host: HostClient, tmp_path: Path
):
    """An instance that has ended is sent nothing, and the box keeps its text."""
    instance = host.send_sequence(write(tmp_path, COUNT)).start()
    shows(window, hub.page_url)
    eventually(lambda: "stderr ready" in lines(window))
    window.type("#text", "too late")
    instance.kill()
    eventually(lambda: bool(window.run("return document.getElementById('send-button').disabled")))
    window.run("document.getElementById('send-form').requestSubmit()")  # as Ctrl+Enter does
    eventually(lambda: "has ended" in window.text("#said"))

    assert window.run("return document.getElementById('text').value") == "too late"


def test_the_error_of_a_program(window: Page, hub: LocalHub, host: HostClient, tmp_path: Path):
    """A program that fails shows its traceback."""
    instance = host.send_sequence(write(tmp_path, COUNT)).start()
    shows(window, hub.page_url)
    eventually(lambda: "stderr ready" in lines(window))
    instance.send_input("boom\n", end=False)
    eventually(lambda: window.text("#badge") == "errored")

    eventually(lambda: "ValueError: no number in it" in window.text("#error-text"))


def test_sequences_and_topics(window: Page, hub: LocalHub, host: HostClient, tmp_path: Path):
    """A user starts a sequence, and sends to a topic that the page reads."""
    host.send_sequence(write(tmp_path, COUNT))
    host.create_topic("names", "text/plain")
    shows(window, hub.page_url)
    window.run("document.getElementById('newest').click()")
    window.click("#topics button")
    eventually(lambda: chosen(window) == "names")
    window.type("#text", "Grace")
    window.click("#send-form button")
    eventually(lambda: "topic Grace" in lines(window))

    window.click("#sequences button")
    window.type("#start-args", "[]")
    window.click("#start-form button")
    eventually(host.list_instances)
    eventually(lambda: "stderr ready" in lines(window))


def test_token_leaves_the_address(window: Page, hub: LocalHub):
    """The token is in the address only until the page has it, and a reload keeps it."""
    shows(window, hub.page_url)

    assert (hub.token or "?") not in window.url
    assert (hub.token or "?") not in window.run("return document.documentElement.outerHTML")
    window.open(window.url)
    eventually(lambda: window.text("#state") == "live")


def test_page_without_a_token_asks_for_it(window: Page, hub: LocalHub):
    """Without the token the page shows nothing of the hub, and takes one that is typed."""
    shows(window, hub.page_url)
    window.run("sessionStorage.clear()")
    window.open("about:blank")
    window.open(root_of(hub) + "/")
    eventually(lambda: "wants a token" in window.text("#banner"))
    window.type("#token", hub.token or "")
    window.click("#token-form button")

    eventually(lambda: window.text("#state") == "live")


@pytest.mark.parametrize("stream", ["output", "stdout", "stderr", "log", "event"])
def test_nothing_that_a_program_writes_can_run(
    window: Page, hub: LocalHub, host: HostClient, tmp_path: Path, stream: str
):
    """Markup, escape sequences and marks of direction are text that a user sees."""
    text = (
        "import asyncio, json, sys\n"
        f"LINES = {HOSTILE!r}\n"
        "async def run(context, input, *args):\n"
        "    async for _ in input:\n"
        "        for line in LINES:\n"
        "            out = {'stdout': sys.stdout, 'stderr': sys.stderr}\n"
        f"            if {stream!r} == 'output': yield line + '\\n'\n"
        f"            elif {stream!r} == 'log': context.logger.error(line)\n"
        f"            elif {stream!r} == 'event': context.emit('evil', line)\n"
        f"            else: print(line, file=out[{stream!r}], flush=True)\n"
        "    raise ValueError(LINES[0])\n"
    )
    name = "<img src=x onerror=hacked=1>"
    folder = tmp_path / "program"
    folder.mkdir()
    write(folder, text, "main.py")
    manifest = {
        "name": name,
        "main": "main.py",
        "engines": {"python3": "3"},
        "description": HOSTILE[0],
    }
    write(folder, json.dumps(manifest), "package.json")
    instance = host.send_sequence(folder).start(args=[HOSTILE[1]], app_config={"a": HOSTILE[0]})
    shows(window, hub.page_url)
    eventually(lambda: chosen(window) == name)
    if stream == "event":
        window.type("#listen", "evil")
        window.click("#listen-form button")
    sent = iter(range(1000))

    def seen() -> str:
        if next(sent) % 20 == 0:  # an event may come before the page listens
            instance.send_input("go\n", end=False)
        found = "\n".join(lines(window))
        return found if "constructor" in found else ""

    text = eventually(seen)

    assert "<script>window.hacked = 1</script>" in text
    assert not [each for each in text if each in "\x1b\u202e\u200b\u2066\u2069"]
    assert "userU+202Etxt.exe" in text
    assert "red" in text
    window.run("document.getElementById('copies').open = true")
    instance.send_input("end\n", end=True)
    eventually(lambda: window.text("#badge") != "running")
    assert window.run("return window.hacked === undefined")
    assert (
        window.run(
            "return document.querySelectorAll('#chosen img, #chosen iframe, #chosen script').length"
        )
        == 0
    )


class _Hostile(http.server.BaseHTTPRequestHandler):
    """A page of somebody else that tries all it can."""

    page = b""
    timeout = 2  # browsers open connections in advance

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(self.page)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.mark.parametrize("with_token", [True, False])
def test_hostile_page_can_do_nothing(window: Page, with_token: bool, tmp_path: Path):
    """A page of another place reads nothing of the hub or its page, frames it not, and changes nothing."""
    made = LocalHub(page=True) if with_token else open_hub(page=True)
    with made as hub, hub.client() as host:
        instance = host.send_sequence(write(tmp_path, programs.IDLE)).start()
        # The user's own page is open, and has the token.
        shows(window, hub.page_url)
        target = root_of(hub)
        kill = f"{target}/api/v1/instance/{instance.id}/_kill"
        ways = {
            "read": f"fetch('{target}/api/v1/instances').then((a) => a.ok ? a.text() : Promise.reject(a.status))",
            "page": f"fetch('{target}/').then((a) => a.text())",
            "script": f"fetch('{target}/page.js').then((a) => a.text())",
            "blind": f"fetch('{kill}', {{method: 'POST', mode: 'no-cors', body: '{{}}'}})"
            ".then((a) => a.type === 'opaque' ? Promise.reject('sent') : a.text())",
            "plain": f"fetch('{kill}', {{method: 'POST', body: '{{}}',"
            " headers: {'Content-Type': 'application/json'}}).then((a) => a.ok ? a.text() : Promise.reject(a.status))",
            "event": f"fetch('{target}/api/v1/topics', {{method: 'POST', mode: 'no-cors',"
            ' body: \'{"id":"evil","content-type":"text/plain"}\'}).then(() => Promise.reject(\'sent\'))',
        }
        body = f"<iframe id=f src='{target}/'></iframe><script src='{target}/page.js'></script>"
        handler = type("Handler", (_Hostile,), {"page": body.encode()})
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            for name in ("127.0.0.1", "localhost"):
                window.open(f"http://{name}:{server.server_address[1]}/")
                got = {}
                for way, code in ways.items():
                    window.run(
                        f"window.done = null; {code}.then((v) => {{window.done = 'got ' + v}},"
                        " (e) => {window.done = 'no ' + e})"
                    )
                    got[way] = eventually(lambda: window.run("return window.done"))
                framed = "try { return document.getElementById('f').contentDocument.title } catch { return 'closed' }"

                assert [each for each in got.values() if each.startswith("got")] == [], got
                assert window.run(framed) in ("closed", "")
                assert window.run("return typeof API") == "undefined"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

        assert instance.get_info().status == "running"
        assert [each.name for each in host.get_topics()] == []


def test_hub_restart_is_survived(window: Page, tmp_path: Path):
    """When the hub is back, the page goes on with what is there then; with another token it says what to do."""
    program = write(tmp_path, COUNT)
    first = LocalHub(page=True, token="stays-the-same")
    first.start()
    port = int(first.url.split(":")[2].split("/")[0])
    with first.client() as host:
        host.send_sequence(program).start()
        shows(window, first.page_url)
        eventually(lambda: "stderr ready" in lines(window))
    first.stop()
    eventually(
        lambda: window.run("return document.getElementById('state').dataset.state") == "away"
    )
    assert "does not answer" in window.text("#banner")
    with LocalHub(port=port, page=True, token="stays-the-same") as second, second.client() as host:
        instance = host.send_sequence(program).start()
        eventually(lambda: window.text("#state") == "live")
        eventually(lambda: instance.id in window.text("#facts"))
        eventually(lambda: "stderr ready" in lines(window))
    with LocalHub(port=port, page=True, token="another"):
        eventually(lambda: "refuses the token" in window.text("#banner"))


def test_controls_have_names(window: Page, hub: LocalHub, host: HostClient, tmp_path: Path):
    """Each control has a name that a screen reader says, and the keyboard reaches it."""
    host.send_sequence(write(tmp_path, COUNT)).start()
    shows(window, hub.page_url)
    eventually(lambda: chosen(window) == "counter")
    script = """
        return [...document.querySelectorAll('button, input, select, textarea, [role=log], nav, main, svg')]
            .filter((each) => each.offsetParent !== null || each.tagName === 'svg')
            .filter((each) => !(each.getAttribute('aria-label') || each.labels?.length || each.textContent.trim()
                || each.getAttribute('aria-labelledby') || each.tagName === 'MAIN'))
            .map((each) => each.outerHTML.slice(0, 100));
    """

    assert window.run(script) == []
    assert window.run(
        "return [...document.querySelectorAll('[tabindex]')].every((each) => each.tabIndex <= 0)"
    )
    window.run("document.querySelector('#instances button').focus()")
    window.run(
        "document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowDown', bubbles: true}))"
    )
    assert window.run("return document.activeElement.tagName") == "BUTTON"


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_window(
    window: Page, hub: LocalHub, host: HostClient, tmp_path: Path, width: int
):
    """Neither on a phone nor on a desk does the page scroll sideways, whatever a program writes."""
    instance = host.send_sequence(write(tmp_path, COUNT)).start()
    window._post(
        "goog/cdp/execute", cmd="Emulation.setDeviceMetricsOverride",
        params={"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500},
    )  # fmt: skip
    try:
        shows(window, hub.page_url)
        instance.send_input("x" * 3000 + "\n", end=False)
        eventually(lambda: any("XXX" in each for each in lines(window)))
        window.run("document.getElementById('copies').open = true")

        assert window.run("return document.documentElement.scrollWidth") <= width
    finally:
        window._post("goog/cdp/execute", cmd="Emulation.clearDeviceMetricsOverride", params={})


def test_python_lines_work(window: Page, hub: LocalHub, host: HostClient, tmp_path: Path):
    """The Python lines that the page shows are programs."""
    host.send_sequence(write(tmp_path, COUNT)).start()
    shows(window, hub.page_url)
    eventually(lambda: chosen(window) == "counter")
    window.type("#text", 'it\'s "quoted" \\ and żółw')
    script = (
        "return [...document.querySelectorAll('#snippets pre')].map((each) => each.textContent)"
    )
    found = window.run(script)
    given: dict[str, Any] = {}
    clients = contextlib.ExitStack()

    class Client:
        """Stands where HostClient would find the token by itself."""

        @staticmethod
        def from_env(api_base: str) -> HostClient:
            given["base"] = api_base
            return clients.enter_context(HostClient(api_base, token=hub.token))

    def run(word: str) -> None:
        (code,) = [
            each for each in found if each.startswith("from scramjet_client") and word in each
        ]
        exec(code.replace("from scramjet_client import HostClient\n", ""), {"HostClient": Client})

    with clients:
        run(".send_input(")
        eventually(lambda: any('IT\'S "QUOTED" \\ AND ŻÓŁW' in each for each in lines(window)))
        run(".stop(")

    assert given["base"] == hub.url
    eventually(lambda: window.text("#badge") == "completed")


def test_page_in_front_of_another_hub(window: Page, tmp_path: Path):
    """The proxy shows the page for a hub; the hub's token is nowhere in the browser."""
    with (
        LocalHub() as local,
        local.client() as host,
        PageProxy(local.url, token=local.token) as proxy,
    ):
        host.send_sequence(write(tmp_path, COUNT)).start()
        shows(window, proxy.page_url)
        eventually(lambda: chosen(window) == "counter")
        eventually(lambda: "stderr ready" in lines(window))
        window.type("#text", "hello")
        window.click("#send-form button")
        eventually(lambda: "output 1: HELLO" in lines(window))

        assert (local.token or "?") not in window.run(
            "return document.documentElement.outerHTML + JSON.stringify(sessionStorage) + location.href"
        )


@pytest.fixture(scope="module")
def real_hub() -> Iterator[RealHub]:
    """The hub from npm, of the generation 0.x."""
    with RealHub() as started:
        yield started


def test_page_in_front_of_a_real_hub(window: Page, real_hub: RealHub, tmp_path: Path):
    """The same page is in front of an older Transform Hub. It reads only the log until a user wants more."""
    with HostClient(real_hub.url) as host, PageProxy(real_hub.url) as proxy:
        host.send_sequence(write(tmp_path, COUNT)).start()
        shows(window, proxy.page_url)
        eventually(lambda: chosen(window) == "counter")
        eventually(lambda: any(each.endswith("INFO counting") for each in lines(window)))
        assert not any(each.startswith(("output", "stdout", "stderr")) for each in lines(window))
        assert window.text("#badge") == "running"
        boxes = "[...document.querySelectorAll('#toggles input')]"
        window.run(f"{boxes}.filter((each) => !each.checked).forEach((each) => each.click())")
        eventually(lambda: "stderr ready" in lines(window))
        window.type("#text", "hello")
        window.click("#send-form button")
        eventually(lambda: "output 1: HELLO" in lines(window))
        window.type("#listen", "told")
        window.click("#listen-form button")
        window.run(
            "document.getElementById('to').value = 'event';"
            "document.getElementById('to').dispatchEvent(new Event('input'))"
        )
        window.type("#name", "ask")

        def answered() -> bool:
            window.run("document.getElementById('text').value = 'plain'")
            window.click("#send-form button")
            return 'event told {"heard":"plain"}' in lines(window)

        eventually(answered)
        window.click("#stop")
        eventually(lambda: window.text("#badge") == "gone")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Bearer TOKEN", "Host": "evil.example"}, 403),
        ({"Authorization": "Bearer TOKEN", "Origin": "http://evil.example"}, 403),
        ({"Authorization": "Bearer TOKEN", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Authorization": "Bearer TOKEN"}, 200),
    ],
)
def test_proxy_checks_who_asks(hub: LocalHub, headers: dict[str, str], status: int):
    """The proxy passes on requests with its own token only, for this machine, from its own page."""
    with PageProxy(hub.url, token=hub.token) as proxy:
        given = {name: each.replace("TOKEN", proxy.token) for name, each in headers.items()}
        answer = requests.get(f"{proxy.url}/version", headers=given, timeout=60)

    assert answer.status_code == status
    assert (hub.token or "?") not in answer.text + str(answer.headers)


def test_proxy_of_a_hub_that_is_away():
    """A hub that does not answer is a 502 with a sentence, and the page goes on asking."""
    with PageProxy("http://127.0.0.1:1/api/v1") as proxy:
        given = {"Authorization": f"Bearer {proxy.token}"}
        answer = requests.get(f"{proxy.url}/version", headers=given, timeout=60)

    assert answer.status_code == 502
    assert "does not answer" in answer.json()["error"]


@pytest.mark.long
def test_fifty_instances_and_a_thousand_lines_a_second(
    window: Page, hub: LocalHub, host: HostClient, tmp_path: Path
):
    """For a minute the page shows 50 instances and reads 1,000 lines a second of one, and its memory stays bounded."""
    idle = host.send_sequence(write(tmp_path, programs.IDLE, "idle.py"))
    for _ in range(49):
        idle.start()
    ticker = host.send_sequence(write(tmp_path, TICKER, "ticker.py")).start()
    shows(window, hub.page_url)
    window.run(f"choose('instance', '{ticker.id}')")
    counted = "return Number(document.getElementById('rate').dataset.lines)"
    eventually(lambda: window.run(counted) > 0)

    def memory() -> int:
        window._post("goog/cdp/execute", cmd="HeapProfiler.collectGarbage", params={})
        found = window._post("goog/cdp/execute", cmd="Runtime.getHeapUsage", params={})
        return int(found["usedSize"])

    def number() -> int:
        """Return the number of the last line that is on the screen."""
        return max(
            [
                int(each.split()[-1])
                for each in lines(window)[-50:]
                if each.startswith("output tick")
            ],
            default=0,
        )

    sizes, behind = [], []
    for _ in range(12):
        time.sleep(5)
        asked = _ticks(ticker)
        behind.append(asked - number())
        sizes.append(memory())
    seen = window.run(counted)

    assert seen >= 55_000
    assert max(behind) < 2_000, behind  # two seconds
    assert max(sizes[2:]) < 2 * min(sizes[:2]) + 10_000_000, sizes
    assert window.run("return document.querySelectorAll('#lines .line').length") <= 2000
    assert window.run("return document.querySelectorAll('#instances li').length") == 50


TICKER = """
import asyncio, time
async def run(context, input):
    began, number = time.monotonic(), 0
    context.on("ask", lambda message: context.emit("number", {"id": message, "number": number}))
    while True:
        while number < (time.monotonic() - began) * 1000:
            number += 1
            yield f"tick {number}\\n"
        await asyncio.sleep(0.02)
"""


def _ticks(instance: InstanceClient) -> int:
    """Ask the program how far it is."""
    with instance.expect_event("number", timeout=60) as expected:
        instance.send_event("ask", "now")
    return int(expected.value.data["number"])


def test_picture_is_a_picture(window: Page, hub: LocalHub):
    """The browser draws the page."""
    shows(window, hub.page_url)

    assert base64.b64decode(window.picture()).startswith(b"\x89PNG")
