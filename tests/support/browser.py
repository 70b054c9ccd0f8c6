"""Chromium without a window, driven by ChromeDriver's HTTP protocol (WebDriver).

The two are Debian's packages `chromium` and `chromium-driver`, installed on first use where apt-get may do so.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests

from tests.support.locked import hold
from tests.support.waiting import LIMIT

_FLAGS = [
    "--headless",
    "--no-sandbox",  # Chromium refuses to run as root with one
    "--disable-gpu",
    # Nothing but the page's own connections.
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",  # which is small in containers
]
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""The key of an element's id, as the WebDriver standard says."""

_START_LIMIT = 60.0  # seconds
_INSTALL_LIMIT = 400.0  # seconds


class BrowserUnavailable(Exception):
    """Say why there is no browser here."""


def find() -> tuple[str, str]:
    """Return the paths of Chromium and ChromeDriver, installing them where this process may.

    Raises:
        BrowserUnavailable: They are missing, and this is not root on a Debian; or apt-get failed.
    """
    found = shutil.which("chromium"), shutil.which("chromedriver")
    if not all(found):
        _install()
        found = shutil.which("chromium"), shutil.which("chromedriver")
    chromium, driver = found
    if chromium is None or driver is None:
        raise BrowserUnavailable("the packages chromium and chromium-driver have no commands")
    return chromium, driver


def _install() -> None:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise BrowserUnavailable(
            "Chromium is missing: apt-get install chromium chromium-driver (only root can, so tests do not)"
        )
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    packages = ["install", "-y", "--no-install-recommends", "chromium", "chromium-driver"]
    with (Path(tempfile.gettempdir()) / "scramjet-tests-apt.lock").open("w") as lock:
        hold(lock)
        if shutil.which("chromedriver"):
            return
        for arguments in (["update"], packages):
            done = subprocess.run(
                ["apt-get", "-q", *arguments],
                env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                check=False, timeout=_INSTALL_LIMIT,
            )  # fmt: skip
            if done.returncode:
                tail = (done.stdout + done.stderr)[-1000:]
                raise BrowserUnavailable(f"apt-get {arguments[0]} failed: {tail}")


class Page:
    """One browser window.

    Args:
        session: URL of its WebDriver session.
    """

    def __init__(self, session: str) -> None:
        self._session = session
        # A click that leads to another page returns before that one is there.
        self._post("timeouts", implicit=20_000)

    def open(self, url: str) -> None:
        """Go to an address, and wait until the page has loaded."""
        self._post("url", url=url)

    @property
    def url(self) -> str:
        """The address of the page."""
        return str(self._ask("GET", "url"))

    def click(self, selector: str) -> None:
        """Click on what a CSS selector finds first."""
        self._post(f"element/{self._find(selector)}/click")

    def type(self, selector: str, text: str) -> None:
        """Type into what a CSS selector finds first."""
        self._post(f"element/{self._find(selector)}/value", text=text)

    def text(self, selector: str) -> str:
        """Return the visible text of what a CSS selector finds first."""
        return str(self._ask("GET", f"element/{self._find(selector)}/text"))

    def run(self, script: str) -> Any:
        """Run JavaScript in the page and return its value."""
        return self._post("execute/sync", script=script, args=[])

    def picture(self) -> bytes:
        """Return the page as a PNG, in base64."""
        return str(self._ask("GET", "screenshot")).encode()

    def _find(self, selector: str) -> str:
        found = self._post("element", using="css selector", value=selector)
        return str(found[_ELEMENT])

    def _post(self, path: str, **body: Any) -> Any:
        return self._ask("POST", path, body)

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = _request(method, f"{self._session}/{path}", body)
        value = answer.json()["value"]
        assert answer.ok, f"{path}: {value}"
        return value


@contextlib.contextmanager
def browser() -> Iterator[Page]:
    """Start ChromeDriver and Chromium, with an empty profile, and end both after the block.

    Raises:
        BrowserUnavailable: See `find`.
    """
    chromium, driver = find()
    with contextlib.ExitStack() as stack:
        folder = tempfile.mkdtemp(prefix="scramjet-browser-")
        # Chromium's last processes may still write into it.
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        process = subprocess.Popen(
            [driver, "--port=0"],
            env={**os.environ, "HOME": folder},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        stack.callback(_end, process)
        base = f"http://127.0.0.1:{_port(process)}/session"
        wanted = {
            "binary": chromium,
            "args": [*_FLAGS, f"--user-data-dir={folder}/profile"],
        }
        capabilities = {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": wanted}}
        answer = _request("POST", base, {"capabilities": capabilities})
        value = answer.json()["value"]
        if not answer.ok:
            raise BrowserUnavailable(f"Chromium does not start: {value['message'][:1000]}")
        session = f"{base}/{value['sessionId']}"
        # Without it Chromium would outlive its driver.
        stack.callback(_request, "DELETE", session)
        yield Page(session)


def _request(method: str, url: str, body: Any = None) -> requests.Response:
    """Ask ChromeDriver something, past any proxy, and leave no connection open between tests."""
    with requests.Session() as http:
        http.trust_env = False
        return http.request(method, url, json=body, timeout=_START_LIMIT)


def _port(process: subprocess.Popen[str]) -> int:
    deadline = time.monotonic() + _START_LIMIT
    assert process.stdout is not None
    for line in process.stdout:
        found = re.search(r"started successfully on port (\d+)", line)
        if found:
            return int(found.group(1))
        if time.monotonic() > deadline:
            break
    raise BrowserUnavailable("ChromeDriver did not start")


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    process.wait(LIMIT)
    if process.stdout is not None:
        process.stdout.close()
