"""A real nginx in front of a hub."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.support.sockets import listens
from tests.support.waiting import eventually

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
"""The program, or None where it is not installed."""

GUIDE = Path(__file__).parent.parent.parent / "docs" / "guides" / "nginx.md"


def of_the_guide() -> str:
    """Return the configuration that the documents give."""
    found = re.search(r"```nginx\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    assert found is not None
    return found.group(1)


@contextlib.contextmanager
def nginx(folder: Path, location: str, hub_port: int) -> Iterator[int]:
    """Run nginx in the foreground, as one process."""
    assert NGINX is not None
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    temporary = "".join(
        f"    {name}_temp_path {folder}/{name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;\n" if os.getuid() == 0 else ""
    config = folder / "nginx.conf"
    config.write_text(
        f"daemon off;\nmaster_process off;\n{user}pid {folder}/pid;\nerror_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{\n    access_log off;\n{temporary}"
        f"    server {{\n        listen 127.0.0.1:{port};\n"
        f"{location.replace(':8000', f':{hub_port}')}    }}\n}}\n"
    )
    command = [NGINX, "-p", str(folder), "-e", f"{folder}/error.log", "-c", str(config)]
    with subprocess.Popen(command) as process:
        try:
            eventually(lambda: listens(port))
            yield port
        finally:
            process.terminate()


def below(prefix: str) -> str:
    """Return the configuration of the guide for a hub that is not at the root: its API is below `prefix`."""
    first, second = re.findall(r"```nginx\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)[:2]
    rest: str = first.partition("proxy_pass http://127.0.0.1:8000;\n")[2].removesuffix("}\n")
    config: str = second.replace("/hub", prefix)
    return config.replace("    # ...\n", rest)
