"""Where the contestants come from: this environment, one of its own for the old client, npm, the C program."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import venv
from functools import cached_property
from pathlib import Path

from benchmarks.contestants import Job
from benchmarks.contestants.saving import nodemon
from benchmarks.model import Contestant
from benchmarks.server import Server
from tests.support import npm

ROOT = Path(__file__).resolve().parent.parent
NODE = ROOT / "benchmarks" / "node"
OLD = ROOT / ".venv" / "benchmarks-old-client"
OLD_CLIENT = "scramjet-api-client==1.1.1"

_LIBRARIES = {
    "with_requests": "requests",
    "with_urllib3": "urllib3",
    "with_httpx": "httpx",
    "with_aiohttp": "aiohttp",
    "with_pycurl": "pycurl",
}


_TRUST = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
"""The variables by which OpenSSL, requests and Node.js learn whom to trust."""


def _missing_of_saving(way: str) -> str:
    if way == "nodemon":
        return "" if nodemon() is not None else "not installed"
    module = {"dev": "watchfiles", "flask": "flask"}[way]
    return "" if importlib.util.find_spec(module) is not None else "not installed"


class Peers:
    """What is there to compare with; what is not there says why.

    Args:
        server: The server, whose program in C is a contestant too.
        folder: Where to start contestants: an empty folder, as Python looks there first for its modules.
        install: Whether to install the old client and the one on Node.js where they are not there yet.
    """

    def __init__(self, server: Server, folder: Path, *, install: bool = True) -> None:
        self.folder = folder
        self._server = server
        self._install = install

    def missing(self, contestant: Contestant) -> str:
        """Return why a contestant can't run here, or an empty string."""
        module = contestant.module
        if module == "server":
            return "" if self._server.program else "no C compiler"
        if module == "old_client":
            return self._old[1]
        if module == "node":
            return self._node[1]
        if module == "saving":
            return _missing_of_saving(contestant.way)
        library = _LIBRARIES.get(module)
        if library is not None and importlib.util.find_spec(library) is None:
            return "not installed"
        return ""

    def command(self, contestant: Contestant, job: Job) -> list[str]:
        """Return the command that does a job."""
        fields = json.dumps(job._asdict())
        if contestant.module == "server":
            return self._program(contestant.way, job)
        if contestant.module == "node":
            return [self._node[0], str(NODE / "ts_client.js"), contestant.way, fields]
        if contestant.module == "whole":
            script = ROOT / "benchmarks" / "contestants" / "whole.py"
            return [sys.executable, str(script), contestant.way, fields]
        python = self._old[0] if contestant.module == "old_client" else sys.executable
        return [python, "-m", "benchmarks.contestants", contestant.module, contestant.way, fields]

    def environment(self, contestant: Contestant, job: Job) -> dict[str, str]:
        """Return the environment of a contestant: without proxies, with what it imports, and whom it trusts."""
        kept = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        folders = [contestant.package, str(ROOT)] if contestant.package else [str(ROOT)]
        ca = job.options.get("ca")
        trust = dict.fromkeys(_TRUST, ca) if ca else {}
        return {**kept, **trust, "PYTHONPATH": os.pathsep.join(folders)}

    def _program(self, way: str, job: Job) -> list[str]:
        assert self._server.program is not None
        port, path = job.base.partition("//")[2].split(":")[1].split("/", 1)
        if way == "post":
            path = f"/{path}/instance/{job.instance}/input"
            return [self._server.program, way, port, path, str(job.size), str(job.times)]
        return [self._server.program, way, port, f"/{path}/instance/{job.instance}/output"]

    @cached_property
    def _old(self) -> tuple[str, str]:
        """The Python of the old client, and why there is none."""
        python = OLD / ("Scripts" if sys.platform == "win32" else "bin") / "python"
        done = OLD / ".done"
        if not done.exists():
            if not self._install:
                return "", "not installed"
            venv.create(OLD, clear=True, with_pip=True)
            command = [str(python), "-m", "pip", "install", "--quiet", OLD_CLIENT]
            tried = subprocess.run(command, capture_output=True, text=True, check=False)
            if tried.returncode != 0:
                return "", f"pip can't install it: {tried.stderr.strip().splitlines()[-1]}"
            done.touch()
        return str(python), ""

    @cached_property
    def _node(self) -> tuple[str, str]:
        """The path of node, and why there is none."""
        if not self._install and not (NODE / "node_modules").exists():
            return "", "not installed"
        try:
            return npm.install(NODE, "to run the client in TypeScript"), ""
        except npm.NodeUnavailable as error:
            return "", str(error).splitlines()[0]
