"""What a run was on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from datetime import datetime, timezone
from pathlib import Path

from benchmarks.server import Server

_LIBRARIES = ("requests", "urllib3", "httpx", "aiohttp", "pycurl")


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory() -> str:
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return "unknown"
    return f"{size / 1e9:.0f} GB"


def _version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _node() -> str:
    try:
        done = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "not installed"
    return done.stdout.strip()


def load() -> str:
    """Return how many processes wanted a processor, on average; this run's own are two at most."""
    try:
        return f"{os.getloadavg()[2]:.1f}"
    except (OSError, AttributeError):
        return "unknown"


def described(server: Server) -> dict[str, str]:
    """Return facts about this machine and its software."""
    libraries = ", ".join(f"{name} {_version(name)}" for name in _LIBRARIES)
    return {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        "processor": f"{_processor()}, {os.cpu_count()} cores, {_memory()} of memory",
        "system": f"{platform.system()} {platform.release()}, loopback",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "clients": f"scramjet_client {_version('scramjet_client')}, {libraries}, Node.js {_node()}",
        "server": f"a process of its own, in {server.language}",
    }
