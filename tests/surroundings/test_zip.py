"""The package from a zip on the module path, as in a zipapp."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import scramjet_client
from tests.surroundings.programs import environment

LIMIT = 120.0

PROGRAM = """
import sys, urllib.request
import scramjet_client
from scramjet_client.hub import LocalHub
from shouting import shout

def greet(context, input):
    yield "hello"

def main():
    assert ".pyz" in scramjet_client.__file__, scramjet_client.__file__
    with LocalHub(page=True) as hub, hub.client() as host:
        assert urllib.request.urlopen(hub.page_url).read()
        done = host.deploy(shout).run("ab\\n", type="text/plain", timeout=90)
        assert done.output == b"AB!\\n", done
        sequence = hub.add_sequence("greet", greet)
        assert host.get_sequence_client(sequence).start().wait(90).status == "stopped"
        hub.check()
    print("whole")
"""

SHOUTING = """
MARK = "!"

def mark(text):
    return text.replace("\\n", f"{MARK}\\n")

def shout(context, input):
    for text in input:
        yield mark(text.upper())
"""


def test_zipapp(tmp_path: Path):
    """Deployed functions, a LocalHub, its programs and its page work where this package is in a zip."""
    package = Path(scramjet_client.__file__).parent
    app = tmp_path / "app.pyz"
    with zipfile.ZipFile(app, "w") as file:
        for path in sorted(package.rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                file.write(path, path.relative_to(package.parent))
        file.writestr("shouting.py", SHOUTING)
        file.writestr("program.py", PROGRAM)
        file.writestr("__main__.py", "import program\nprogram.main()\n")
    done = subprocess.run(
        [sys.executable, str(app)],
        cwd=tmp_path,
        env={key: value for key, value in environment().items() if key != "PYTHONPATH"},
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )

    assert (done.stdout, done.stderr, done.returncode) == ("whole\n", "", 0)
