"""JupyterLab, driven in a browser: a notebook whose cells are run, looked at and kept as a picture."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

from tests.support.waiting import eventually

_LIMIT = 120.0
"""Seconds for a page, which only a failure uses up."""

_IDLE = """
const context = window.jupyterapp?.shell.currentWidget?.sessionContext;
return context?.isReady && context.session?.kernel?.status === 'idle'
    && !document.querySelector('.jp-Dialog')
    && ![...document.querySelectorAll('.jp-InputPrompt')].some((each) => each.innerText.includes('*'))"""

THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}


class Lab:
    """A JupyterLab and a browser that shows one notebook of it; use it in a `with` block."""

    def __init__(self, folder: Path, cells: list[str]) -> None:
        self.path = folder / "shown.ipynb"
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        book.metadata.kernelspec = {
            "name": "python3",
            "display_name": "Python 3",
            "language": "python",
        }
        nbformat.write(book, self.path)
        self._folder = folder

    def __enter__(self) -> Lab:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        state = self._folder / "state"
        settings = state / "config" / "labconfig" / "page_config.json"
        settings.parent.mkdir(parents=True)
        # A question that would cover the pictures.
        news = "@jupyterlab/apputils-extension:announcements"
        settings.write_text(json.dumps({"disabledExtensions": {news: True}}))
        environ = {
            **os.environ,
            "JUPYTER_CONFIG_DIR": str(state / "config"),
            "JUPYTER_DATA_DIR": str(state / "data"),
            "JUPYTER_RUNTIME_DIR": str(state / "runtime"),
            "IPYTHONDIR": str(state / "ipython"),
        }
        options = [
            "--no-browser", "--allow-root", "--expose-app-in-browser", "--ServerApp.port_retries=0",
            f"--ServerApp.port={port}", "--IdentityProvider.token=", f"--notebook-dir={self._folder}",
        ]  # fmt: skip
        self._log = (self._folder / "lab.log").open("wb")
        self._lab = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options],
            env=environ,
            stdout=self._log,
            stderr=self._log,
        )
        self.url = f"http://127.0.0.1:{port}/lab"
        eventually(self._answers)
        self.page = self._browser()
        self.open()
        return self

    def __exit__(self, *_error: object) -> None:
        self.page.quit()
        self._lab.terminate()
        self._lab.wait(_LIMIT)
        self._log.close()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.url.replace("/lab", "/api"), timeout=_LIMIT):
                return True
        except OSError:
            return False

    @staticmethod
    def _browser() -> Chrome:
        options = ChromeOptions()
        for each in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=900,1500"):
            options.add_argument(each)
        options.binary_location = "/usr/bin/chromium"
        return Chrome(options=options, service=Service("/usr/bin/chromedriver"))

    def open(self) -> None:
        """Open the notebook, or open it again."""
        self.page.get(f"{self.url}/tree/{self.path.name}?reset")
        self.until("return !!document.querySelector('.jp-Notebook .jp-Cell')")
        self.until(_IDLE)
        if self.ask("return document.querySelector('#jp-left-stack').offsetParent !== null"):
            self.do("application:toggle-left-area")

    def do(self, command: str, **arguments: Any) -> Any:
        """Run a command of JupyterLab, and wait until it is done."""
        self.page.set_script_timeout(_LIMIT)
        return self.page.execute_async_script(
            "const [name, args, done] = arguments;"
            "window.jupyterapp.commands.execute(name, args).then(() => done(), (e) => done(String(e)))",
            command,
            arguments,
        )

    def run_next(self) -> None:
        """Run the cell that is selected, to its end, and select the one after it."""
        self.ask("window.jupyterapp.commands.execute('notebook:run-cell-and-select-next')")
        self.until(_IDLE)

    def ask(self, script: str, *arguments: Any) -> Any:
        """Return what a piece of JavaScript returns."""
        return self.page.execute_script(script, *arguments)

    def until(self, script: str, *arguments: Any) -> Any:
        """Wait until a piece of JavaScript returns something true, and return it."""
        return WebDriverWait(self.page, _LIMIT).until(
            lambda page: page.execute_script(script, *arguments)
        )

    def text(self) -> str:
        """Return the text of all outputs that can be seen."""
        found: str = self.ask(
            "return [...document.querySelectorAll('.jp-OutputArea-output')]"
            ".map((each) => each.innerText).join('\\n')"
        )
        return found

    def shows(self, seen: Callable[[str], object]) -> str:
        """Wait until the outputs are as they should be."""
        eventually(lambda: seen(self.text()))
        return self.text()

    def theme(self, name: str) -> None:
        """Choose a theme: light or dark."""
        self.do("apputils:change-theme", theme=THEMES[name])
        self.until("return !document.querySelector('#jupyterlab-splash')")

    def picture(self, path: Path, cell: int) -> None:
        """Keep a picture of one cell."""
        self.page.find_elements("css selector", ".jp-Cell")[cell].screenshot(str(path))

    def saved(self) -> dict[str, Any]:
        """Save the notebook, and return it."""
        self.do("docmanager:save")
        found: dict[str, Any] = json.loads(self.path.read_text())
        return found
