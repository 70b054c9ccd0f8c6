"""A folder or a file -> a package, and what stays at home."""

from __future__ import annotations

import io
import json
import os
import random
import re
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scramjet_client import (
    HostClient,
    Package,
    PackageWarning,
    SecretWarning,
    UnprocessableEntityError,
)
from scramjet_client.packages.package import pack
from scramjet_client.packages.requirements import _VERSIONS, _latest, checked
from tests.support.cases import mostly_long
from tests.support.waiting import BUILD_LIMIT, LIMIT
from tests.support.wheels import make_wheel
from tests.support.wire import Conn, RawServer

ROOT = Path(__file__).resolve().parents[2]

RUN = "def run(context, input): pass\n"
PYTHON = {"name": "seq", "main": "main.py", "engines": {"python3": ">=3.9"}}

needs_pipes = pytest.mark.skipif(
    not hasattr(os, "mkfifo"), reason="this system has no pipes with names"
)


def folder(root: Path, package: object = None, **files: str) -> Path:
    """Make a folder of a sequence; `files` are further ones by their names."""
    (root / "lib").mkdir(parents=True)
    (root / "package.json").write_text(json.dumps(package or PYTHON))
    (root / "main.py").write_text(RUN)
    (root / "lib" / "ą.txt").write_text("x")
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def names(root: Path) -> list[str]:
    """Return the names in the package of a folder."""
    return [each.name for each in Package(root).entries]


def unpacked(data: bytes) -> dict[str, bytes]:
    """Return the files of a package."""
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        opened = {each.name: archive.extractfile(each) for each in archive if each.isreg()}
        return {name: file.read() for name, file in opened.items() if file is not None}


# -- bytes ------------------------------------------------------------------------------------------


def test_names_and_contents(tmp_path: Path):
    """package.json is at the root; caches are left out."""
    root = folder(tmp_path / "seq", **{"__pycache__/main.pyc": "x", "lib/old.pyc": "x"})

    with tarfile.open(fileobj=io.BytesIO(pack(root)), mode="r:gz") as archive:
        assert archive.getnames() == ["lib/ą.txt", "main.py", "package.json"]
    assert unpacked(pack(root))["main.py"] == RUN.encode()


def test_same_files_give_the_same_bytes(tmp_path: Path):
    """Times, owners, order and permissions beyond the owner's do not show."""
    first = folder(tmp_path / "a", **{"z.txt": "1", "b.txt": "2"})
    umask = os.umask(0o077)
    try:
        second = folder(tmp_path / "b", **{"b.txt": "2", "z.txt": "1"})
    finally:
        os.umask(umask)
    for each in ("main.py", "lib", "z.txt"):
        os.utime(first / each, (1, 1))

    assert pack(first) == pack(second)
    assert pack(first)[4:8] == b"\0\0\0\0"  # gzip's own time


def test_saved_package_has_the_same_bytes(tmp_path: Path):
    """The name of the file that it is written to does not show either."""
    package = Package(folder(tmp_path / "seq"))
    package.save(tmp_path / "one.tar.gz")

    assert (tmp_path / "one.tar.gz").read_bytes() == package.to_bytes()


def test_programs_stay_executable_and_empty_folders_stay(tmp_path: Path):
    """The owner's x is kept; so is a folder with nothing in it."""
    root = folder(tmp_path / "seq", tool="#!/bin/sh\n")
    (root / "tool").chmod(0o740)
    (root / "tmp" / "deep").mkdir(parents=True)

    with tarfile.open(fileobj=io.BytesIO(pack(root)), mode="r:gz") as archive:
        modes = {each.name: (each.mode, each.isdir()) for each in archive}
    assert modes["tool"] == (0o755, False)
    assert modes["main.py"] == (0o644, False)
    assert modes["tmp/deep"] == (0o755, True)


def test_file_that_is_gone_when_it_is_packed(tmp_path: Path):
    """What can't be read any more is an error, and no package."""
    root = folder(tmp_path / "seq")
    (root / "lib" / "gone.txt").write_text("x")
    package = Package(root)
    (root / "lib" / "gone.txt").unlink()

    with pytest.raises(FileNotFoundError):
        package.to_bytes()


# -- what is listed ---------------------------------------------------------------------------------


def test_package_is_listed(tmp_path: Path):
    """Entries, sizes, name and warnings are there before anything is sent."""
    root = folder(tmp_path / "seq", **{".env": "TOKEN=1"})

    package = Package(root)

    assert package.name == "seq"
    assert [(each.name, each.size) for each in package.entries if each.name != "package.json"] == [
        ("lib/ą.txt", 1),
        ("main.py", len(RUN)),
    ]
    assert package.size == 1 + len(RUN) + (root / "package.json").stat().st_size
    assert ".env" in package.warnings[0]
    assert "main.py\n" in str(package)
    assert str(package).splitlines()[-1] == f"warning: {package.warnings[0]}"


def test_ignore_file(tmp_path: Path):
    """.siignore leaves out and takes in, and does not travel itself."""
    files = {"a.log": "", "keep.log": "", "data/raw.csv": "", ".env": "public=1"}
    root = folder(tmp_path / "seq", **files, **{".siignore": "*.log\n!keep.log\n/data/\n!.env\n"})

    assert names(root) == [".env", "keep.log", "lib/ą.txt", "main.py", "package.json"]
    assert Package(root).warnings == ()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_ignore_file_as_windows_writes_it(tmp_path: Path, encoding: str):
    """The first rule of a .siignore holds, with the marks that Windows puts before it."""
    root = folder(tmp_path / "seq", **{"a.log": "", "b.csv": ""})
    mark = "\ufeff" if encoding in ("utf-16-le", "utf-16-be") else ""
    (root / ".siignore").write_bytes(f"{mark}*.log\r\n*.csv\r\n".encode(encoding))

    assert names(root) == ["lib/ą.txt", "main.py", "package.json"]


@pytest.mark.parametrize("data", [b"*.l\xe9g\n", b"\xff\xfe*"], ids=["latin-1", "half"])
def test_ignore_file_that_is_no_text(tmp_path: Path, data: bytes):
    """A .siignore that can't be read is refused: what it leaves out must not travel."""
    root = folder(tmp_path / "seq")
    (root / ".siignore").write_bytes(data)

    with pytest.raises(ValueError, match=r"siignore.* is not UTF-8: .* at byte \d"):
        Package(root)


def test_node_modules_travel_with_node_sequences_alone(tmp_path: Path):
    """Node finds its dependencies in the package; Python has no use for them."""
    files = {"node_modules/x/index.js": "", "index.js": ""}
    node = folder(tmp_path / "node", {"main": "index.js", "engines": {"node": ">=16"}}, **files)
    python = folder(tmp_path / "python", **files)

    assert "node_modules/x/index.js" in names(node)
    assert "node_modules/x/index.js" not in names(python)


def test_virtual_environments_stay(tmp_path: Path):
    """A virtual environment is left out under whatever name."""
    root = folder(tmp_path / "seq", **{"myenv/pyvenv.cfg": "", "myenv/lib/x.py": ""})

    assert names(root) == ["lib/ą.txt", "main.py", "package.json"]


# -- what is left out with a warning ----------------------------------------------------------------

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n"


def test_secrets_are_left_out_and_named(tmp_path: Path):
    """Files that hold secrets, by name or by content, stay, and the warning names them."""
    files = {
        ".env": "A=1",
        "conf/.npmrc": "",
        "id_rsa": "",
        "deploy_key": KEY,
        "tls/server.pem": KEY,
    }
    root = folder(tmp_path / "seq", **files, **{".ssh/config": ""})

    with pytest.warns(PackageWarning) as caught:
        data = pack(root)

    assert sorted(unpacked(data)) == ["lib/ą.txt", "main.py", "package.json"]
    (warning,) = caught
    for name in (*files, ".ssh/"):
        assert name in str(warning.message)
    assert warning.filename == __file__


@pytest.mark.parametrize(
    ("name", "files"),
    [
        # A CA bundle is not a secret, though it ends in .pem.
        ("ca.pem", {"ca.pem": "# CA\n-----BEGIN CERTIFICATE-----\nabc\n"}),
        # The user has named it.
        ("server.key", {"server.key": KEY, ".siignore": "!server.key\n"}),
    ],
)
def test_files_that_only_look_like_secrets(tmp_path: Path, name: str, files: dict[str, str]):
    """They travel, without a warning."""
    root = folder(tmp_path / "seq", **files)

    assert name in names(root)
    assert Package(root).warnings == ()


def test_links(tmp_path: Path):
    """Links inside are kept, relative; those that lead out or to nothing are left out and named."""
    (tmp_path / "outside.txt").write_text("secret")
    root = folder(tmp_path / "seq", **{".env": "A=1"})
    (root / "lib" / "up").symlink_to("../main.py")
    (root / "absolute").symlink_to(root / "lib")
    (root / "twice").symlink_to("lib/up")
    (root / "out").symlink_to("../outside.txt")
    (root / "sly").symlink_to(tmp_path / "seq" / ".." / "outside.txt")
    (root / "etc").symlink_to("/etc")
    (root / "broken").symlink_to("nowhere")
    (root / "loop").symlink_to("loop")
    (root / "to-secret").symlink_to(".env")
    (root / "self").symlink_to(".")
    (root / "lib" / "top").symlink_to("..")

    package = Package(root)

    links = {each.name: each.link for each in package.entries if each.link}
    assert links == {"lib/up": "../main.py", "absolute": "lib", "twice": "main.py"}
    told = "\n".join(package.warnings)
    assert "lead out of the folder: etc, out, sly" in told
    assert "lead to the folder itself: lib/top, self" in told
    assert "in the package: broken, loop, to-secret" in told
    assert b"secret" not in b"".join(unpacked(package.to_bytes()).values())


def test_manifest_with_a_byte_order_mark(tmp_path: Path):
    """A package.json of a Windows editor is taken, and travels without the mark, which hubs do not take."""
    root = folder(tmp_path / "seq")
    text = (root / "package.json").read_bytes()
    (root / "package.json").write_bytes(b"\xef\xbb\xbf" + text)

    package = Package(root)

    assert package.manifest == json.loads(text)
    assert json.loads(unpacked(package.to_bytes())["package.json"]) == json.loads(text)
    assert [each.name for each in package.entries].count("package.json") == 1


def test_links_survive_unpacking(tmp_path: Path):
    """tar makes of the package what the folder was."""
    root = folder(tmp_path / "seq")
    (root / "lib" / "up").symlink_to("../main.py")
    (tmp_path / "there").mkdir()
    Package(root).save(tmp_path / "p.tar.gz")
    command = ["tar", "xzf", str(tmp_path / "p.tar.gz"), "-C", str(tmp_path / "there")]
    subprocess.run(command, check=True, timeout=LIMIT)

    assert (tmp_path / "there" / "lib" / "up").read_text() == RUN


@needs_pipes
def test_sockets_and_pipes_are_left_out_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What is no file, folder or link stays, and does not hold the packing."""
    root = folder(tmp_path / "seq")
    os.mkfifo(root / "pipe")
    monkeypatch.chdir(root)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("sock")

        package = Package(root)

    assert "pipe, sock" in package.warnings[0]
    assert {"pipe", "sock"}.isdisjoint(each.name for each in package.entries)


def test_every_warning_of_secrets_has_its_class(tmp_path: Path):
    """What stays and what is taken though it looks like a secret are a `SecretWarning` each, with all names."""
    left_out = {
        ".Env": "A=1",
        "terraform.tfstate": "{}",
        "home/.config/gcloud/x.json": "{}",
        "sa.json": '{"type": "service_account", "private_key": "-----BEGIN PRIVATE KEY-----\\nMII"}',
        "notes.txt": "\ufeff# from the server\n" + KEY,
        "store.bin": "SQLite format 3\0 and more",
        "secrets/of-the-team.txt": "x",
    }
    taken = {
        "settings.py": "AWS = 'AKIAIOSFODNN7EXAMPLE'\n",
        "secrets.py": "import os\n",
        "conf/db.yaml": "url: postgres://me:hunter22@db.example/x\n",
        "my_password_list.csv": "a\n",
        "tls.py": f'KEY = """\n{KEY}"""\n',
        "secrets_code/secrets/of-production.txt": "x",
        "conf/app.ini": "[db]\npassword = hunter2hunter2\n",
    }
    harmless = {
        "secrets_code/__init__.py": "",
        "secrets_code/secrets/__init__.py": "",
        "conf/x.yaml": "a: 1\n",
        "key.md": "A key is a key.\n",
    }
    root = folder(tmp_path / "seq", **left_out, **taken, **harmless)

    with pytest.warns(SecretWarning) as caught:
        data = pack(root)

    stays, goes = sorted(str(each.message) for each in caught)
    assert stays.startswith("left out of")
    assert goes.startswith("taken from")
    for name in left_out:
        assert (
            name.replace("gcloud/x.json", "gcloud/").replace("secrets/of-the-team.txt", "secrets/")
            in stays
        )
    for name in taken:
        assert name in goes
    there = set(unpacked(data))
    assert there >= {*taken, *harmless}
    assert there.isdisjoint(left_out)


def test_key_in_an_example_stays(tmp_path: Path):
    """A template of a file with secrets travels, unless it holds one."""
    root = folder(tmp_path / "seq", **{".env.example": "TOKEN=\n", "conf/.env.sample": KEY})

    assert ".env.example" in names(root)
    assert "conf/.env.sample" in Package(root).warnings[0]


@needs_pipes
def test_preview_shows_what_goes_and_what_stays(tmp_path: Path):
    """A preview is a table of all files, with those that stay and why, as text and as HTML."""
    files = {".env": "A=1", "old.log": "", "<b>.txt": "x", ".siignore": "*.log\n"}
    root = folder(tmp_path / "seq", **files)
    (root / "up").symlink_to("main.py")
    os.mkfifo(root / "pipe")

    preview = Package(root).preview()

    rows = {each.name: (each.size, each.note) for each in preview}
    assert rows["main.py"] == (len(RUN), "")
    assert rows["up"] == (0, "-> main.py")
    assert rows[".env"] == (None, "as these may hold secrets")
    assert rows["old.log"] == (None, "by .siignore")
    assert rows["pipe"][0] is None
    assert len(preview) == len(rows) == 8
    assert repr(preview).splitlines()[0].startswith("seq: 5 entries, ")
    assert "left out  .env" in repr(preview)
    assert "&lt;b&gt;.txt" in preview._repr_html_()
    assert "warning: left out of" in preview._repr_html_()


# -- not a sequence ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "no package.json"),
        ("{", "not JSON: line 1, column 2"),
        ('{\n  "main": ,\n}', "not JSON: line 2, column 11"),
        ('{"main": NaN}', "not JSON: NaN"),
        ('\ufeff{"main": "main.py"}', "names no engine"),
        ('\ufeff\ufeff{"main": "main.py"}', "not JSON"),
        ("[]", "names no main"),
        ("{}", "names no main"),
        ('{"main": ""}', "names no main"),
        (
            None,
            r'put one in: {"name": ".*", "version": "1.0.0", "main": "main.py", "engines": {"python3": ">=3.9"}}',
        ),
        ("{}", 'put in "main": "main.py"'),
        ('{"main": "main.py"}', 'names no engine.* "engines": {"python3": ">=3.9"}'),
        ('{"main": "main.py", "engines": {}}', 'names no engine.* "engines": {"python3": ">=3.9"}'),
        (
            '{"main": "main.py", "engines": {"node": ">=16"}}',
            "names the engine 'node'.* \"engines\": ",
        ),
        (
            '{"main": "main.py", "engines": {"python": "3"}}',
            "names the engine 'python'.* \"engines\": ",
        ),
        ('{"main": "nowhere.js"}', "is not there: 'nowhere.js'"),
        ('{"main": "../x.js"}', "outside of its folder"),
        ('{"main": "/x.js"}', "outside of its folder"),
        ('{"main": "a.log"}', "left out of the package: 'a.log'"),
        ('{"main": "main.py", "engines": "python3"}', "must be an object of strings"),
        ('{"main": "main.py", "engines": {"python3": 3}}', "must be an object of strings"),
        ('{"main": "x.js", "engines": {"node": "1", "npm": "2"}}', "node, npm"),
        ('{"main": "a.txt", "engines": {"python3": ""}}', r"must end in .py"),
    ],
)
def test_what_is_no_sequence(tmp_path: Path, text: str | None, words: str):
    """A folder that no hub could use is refused before anything is sent."""
    for name in ("x.js", "main.py", "a.log", "a.txt"):
        (tmp_path / name).write_text("")
    (tmp_path / ".siignore").write_text("*.log\n")
    if text is not None:
        (tmp_path / "package.json").write_text(text, "utf-8")

    with pytest.raises(ValueError, match=words):
        pack(tmp_path)


def test_main_file_of_node_without_its_ending(tmp_path: Path):
    """Node's runner adds .js, so a main file may lack it."""
    root = folder(tmp_path / "seq", {"main": "./dist/index"}, **{"dist/index.js": ""})

    assert "dist/index.js" in names(root)


def test_what_only_new_hubs_refuse_is_a_warning(tmp_path: Path):
    """An author object goes to 0.x hubs, with a warning."""
    root = folder(tmp_path / "seq", {**PYTHON, "author": {"name": "x"}})

    assert "'author'" in Package(root).warnings[0]


def test_single_file(tmp_path: Path):
    """A Python file becomes a package of that file and a package.json."""
    file = tmp_path / "my_program.py"
    file.write_text("from os import getcwd as run\n")

    package = Package(file)

    assert [each.name for each in package.entries] == ["my_program.py", "package.json"]
    manifest = json.loads(unpacked(package.to_bytes())["package.json"])
    assert manifest["main"] == "my_program.py"
    assert manifest["name"] == "my_program"
    assert list(manifest["engines"]) == ["python3"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def walk(): pass\n", "no function run"),
        ("x = 1\ndef run(:\n", "line 2 is not Python"),
        ("def run(input): pass\n", r"must take \(context, input, \*args\), .* not \(input\)"),
        ("async def run(): yield 1\n", r"must take \(context, input"),
        ("def run(context, input, *, mode): pass\n", r"not \(context, input, \*, mode\)"),
    ],
)
def test_single_file_that_is_no_program(tmp_path: Path, text: str, words: str):
    """A file without a function `run`, or with an error, is refused; the line is named."""
    (tmp_path / "x.py").write_text(text)

    with pytest.raises(ValueError, match=words):
        Package(tmp_path / "x.py")


ADAPTER = {"scramjet_adapter.py", "scramjet_program.py"}


@pytest.mark.parametrize(
    ("run", "adapted"),
    [
        ("def run(context, input): return input", False),
        ("def run(context, input): return input.map(str.upper).filter(bool)", "alone"),
        ("def run(context, input): return Stream.read_from([1])", "alone"),
        ("def run(context, input): pass", False),
        ("def run(context, input): return None", False),
        ("def run(context, *args): return args[0]", True),
        ("def run(context, input): yield 1", True),
        ("def run(context, input):\n  for x in input: print(x)", True),
        ("def run(context, input): return 'text'", True),
        ("def run(context, input): return [1]", True),
        ("def run(context, input): return helper(input)", True),
        ("async def run(context, input): yield 1", True),
        ("async def run(context, input): return helper()", True),
        ("async def run(context, input): return input.map(str)", "alone"),
        ("run = lambda context, input: [1]", True),
        ("if True:\n  def run(context, input): yield 1", True),
        ("def run(context, input):\n  def inner():\n    yield 1\n  print(1)", False),
    ],
)
def test_programs_that_not_every_hub_takes_get_an_adapter(
    tmp_path: Path, run: str, adapted: bool | str
):
    """Any other shape than a stream or nothing takes along what makes an output of it.

    A folder's stream goes as it is. One file that makes a stream takes along what ends the program when it fails.
    """
    root = folder(tmp_path / "seq")
    (root / "main.py").write_text(run + "\n")
    (tmp_path / "alone.py").write_text(run + "\n")

    for package, main, expected in (
        (Package(root), "main.py", adapted is True),
        (Package(tmp_path / "alone.py"), "alone.py", bool(adapted)),
    ):
        there = {each.name for each in package.entries}
        assert (there >= ADAPTER, ADAPTER.isdisjoint(there)) == (expected, not expected)
        assert main in there
        assert package.manifest["main"] == ("scramjet_program.py" if expected else main)
        manifest = json.loads(unpacked(package.to_bytes())["package.json"])
        assert manifest == package.manifest


GENERATOR = "def run(context, input):\n  for each in input: yield each\n"
LOOP = "def run(context, input): return ''.join(input)\n"
DECORATED = f"import functools\n@functools.cache\n{GENERATOR}"


@pytest.mark.parametrize(
    ("files", "adapted", "blocking"),
    [
        ({"main.py": "from other import run", "other.py": GENERATOR}, True, False),
        ({"main.py": "from other import run", "other.py": DECORATED}, True, False),
        ({"main.py": "from other import *", "other.py": GENERATOR}, True, False),
        ({"main.py": "from other import run", "other.py": LOOP}, True, True),
        ({"main.py": "from other import go as run", "other.py": LOOP.replace("run", "go")}, True, True),
        ({"main.py": "import other\nrun = other.run", "other.py": LOOP}, True, True),
        ({"main.py": LOOP.replace("run", "go") + "run = go"}, True, True),
        (
            {"main.py": "from pkg import run", "pkg/__init__.py": "from .core import *", "pkg/core.py": LOOP},
            True,
            True,
        ),
        ({"main.py": "from one import *", "one.py": "from two import *", "two.py": f"import one\n{LOOP}"}, True, True),
        ({"main.py": "from one import run", "one.py": "from main import run"}, True, False),
        ({"main.py": "from elsewhere import run"}, True, False),
        ({"main.py": "from json import loads as run"}, False, False),
        ({"main.py": "from other import run", "other.py": "def run(context, input): return input"}, False, False),
        ({"main.py": "from other import run", "other.py": "def run(context, input:"}, True, False),
    ],
)  # fmt: skip
def test_run_of_another_module(
    tmp_path: Path, files: dict[str, str], adapted: bool, blocking: bool
):
    """A `run` that the main file imports is judged by its definition, as far as the program has it."""
    package = Package(folder(tmp_path / "seq", **files))

    there = {each.name for each in package.entries}
    assert (there >= ADAPTER) == adapted
    main = unpacked(package.to_bytes())[package.manifest["main"]].decode()
    assert ("blocking=True" in main) == blocking


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def go(context, input): pass\n", r"main\.py' has no function run\(.*name go so"),
        ("x = 1\n", "has no function run"),
        ("def run(input): pass\n", r"must take \(context, input, \*args\)"),
        ("def run(:\n", "line 1 is not Python"),
    ],
)
def test_folder_that_is_no_program(tmp_path: Path, text: str, words: str):
    """A folder whose main file has no `run` that a hub can call is refused, like such a file."""
    root = folder(tmp_path / "seq", **{"main.py": text})

    with pytest.raises(ValueError, match=words):
        Package(root)


@pytest.mark.parametrize(
    "text",
    [
        "globals()['run'] = print\n",
        "exec('def run(context, input): pass')\n",
        "def __getattr__(name): ...\n",
        "from elsewhere import *\n",
        "class run: ...\n",
        "try:\n  from fast import run\nexcept ImportError:\n  from slow import run\n",
    ],
)
def test_folder_that_may_be_a_program(tmp_path: Path, text: str):
    """Where only a run could tell whether there is a `run`, the hub tells."""
    assert Package(folder(tmp_path / "seq", **{"main.py": text})).entries


def test_modules_beside_a_file_travel(tmp_path: Path):
    """A program of one file takes along what it imports from beside it, and nothing else."""
    (tmp_path / "alone.py").write_text(f"import json, near\nfrom pkg import part\n{RUN}")
    (tmp_path / "near.py").write_text("def f():\n    import further\n")
    (tmp_path / "further.py").write_text("")
    (tmp_path / "unused.py").write_text("")
    (tmp_path / "json.py").write_text("")
    (tmp_path / "pkg").mkdir()
    for name in ("__init__.py", "part.py", "data.txt", ".env"):
        (tmp_path / "pkg" / name).write_text("")

    package = Package(tmp_path / "alone.py")

    assert {each.name for each in package.entries} == {
        "alone.py", "near.py", "further.py", "pkg/__init__.py", "pkg/part.py", "package.json",
    }  # fmt: skip
    assert "pkg/.env" in package.warnings[0]


def test_missing_path_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A path that does not exist is refused as such, with a similar name or the folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "counter.py").write_text("def run(context, input): pass")
    (tmp_path / "notes.txt").write_text("x")

    for path, words in (
        ("countr.py", "it does not exist; did you mean 'counter.py'?"),
        ("other", f"it does not exist in {str(tmp_path)!r}"),
        ("/no/such/place.py", "it does not exist"),
        ("notes.txt", "it is neither a folder nor a Python file"),
    ):
        with pytest.raises(
            ValueError, match=re.escape(f"there is no sequence at {path!r}: {words}")
        ):
            Package(path)


# -- requirements -----------------------------------------------------------------------------------


def test_requirements_are_installed_into_the_package(tmp_path: Path):
    """pip installs what a requirements file names, and an entry that finds it runs in place of main."""
    wheel = make_wheel(tmp_path, "tiny_thing", 'VALUE = "from the wheel"\n', script=True)
    files = {"requirements.txt": f"./{wheel.name}\n", "src/main.py": RUN}
    root = folder(tmp_path / "seq", {**PYTHON, "main": "src/main.py"}, **files)
    wheel.rename(root / wheel.name)

    with Package(root, requirements="requirements.txt") as package:
        first = package.to_bytes()
    with Package(root, requirements="requirements.txt") as package:
        second = package.to_bytes()

    found = unpacked(first)
    assert b"from the wheel" in found["__pypackages__/tiny_thing/__init__.py"]
    assert json.loads(found["package.json"])["main"] == "src/_scramjet_entry.py"
    assert not [
        each for each in found if "/bin/" in each or each.endswith((".pyc", "direct_url.json"))
    ]
    assert str(tmp_path).encode() not in b"".join(found.values())
    assert first == second


def test_entry_runs_the_main_file_as_if_it_were_itself(tmp_path: Path):
    """Names, __file__ and imports of the main file are as without requirements."""
    main = "import tiny_thing\nhere = __file__\nfound = tiny_thing.VALUE, __name__\n\ndef run(context, input): ...\n"
    root = folder(tmp_path / "seq")
    (root / "main.py").write_text(main)
    wheel = make_wheel(tmp_path, "tiny_thing", "VALUE = 7\n")
    with Package(root, requirements=[str(wheel)]) as package:
        package.save(tmp_path / "p.tar.gz")
    there = tmp_path / "there"
    there.mkdir()
    subprocess.run(
        ["tar", "xzf", str(tmp_path / "p.tar.gz"), "-C", str(there)], check=True, timeout=60
    )
    code = (
        "import importlib.util as u; s = u.spec_from_file_location('sequence', '_scramjet_entry.py');"
        "m = u.module_from_spec(s); s.loader.exec_module(m); print(m.found, m.run(0, 0), m.here)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=there,
        capture_output=True,
        text=True,
        check=True,
        timeout=LIMIT,
    )

    assert done.stdout.strip() == f"(7, 'sequence') None {there / 'main.py'}"


@pytest.mark.waits
@pytest.mark.parametrize(
    ("requirements", "words"),
    [
        (["./no-such-wheel-1.0-py3-none-any.whl"], "pip could not install .*no-such-wheel"),
        ("requirements.txt", "there is no requirements file"),
    ],
)
def test_requirements_that_cannot_be_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, requirements: Any, words: str
):
    """pip's own sentence is the error's, and nothing is left behind."""
    root, temporary = folder(tmp_path / "seq"), tmp_path / "temporary"
    temporary.mkdir()
    # A folder of its own: other tests use the common one at the same time.
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))

    with pytest.raises(ValueError, match=words):
        Package(root, requirements=requirements)

    assert list(temporary.glob("scramjet-package-*")) == []


@pytest.mark.parametrize(
    "line",
    [
        "attrs\n--index-url https://evil.example", "attrs\r-e .", "attrs\x0b-r x", "attrs\x0c", "attrs\x1c",
        "attrs\x85-e .",
        "attrs\u2028--index-url https://evil.example", "attrs\u2029", "attrs\0", "attrs\x1b[2J", "attrs\\", "attrs\t",
        "--index-url https://evil.example", "--index-url=https://evil.example", "-r /etc/passwd", "-r/etc/passwd",
        "-e .",
        " -e .", "--extra-index-url x", "-i x", "-f x", "--find-links x", "-c x", "--pre",
        "--trusted-host evil.example",
        "attrs --index-url https://evil.example", "attrs --global-option=x", "attrs --config-settings x=y",
        "attrs -e .",
        "attrs; python_version > '3' --global-option=x",
    ],
)  # fmt: skip
def test_requirement_is_one_package(tmp_path: Path, line: str):
    """A requirement that would be more than one line of a requirements file, or an option, is refused before pip."""
    root = folder(tmp_path / "seq")

    with pytest.raises(ValueError, match="a requirement must be"):
        Package(root, requirements=["attrs", line])


def test_requirements_of_a_frozen_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A program that is no Python can't run pip, and does not start itself instead."""
    root = folder(tmp_path / "seq")
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr("subprocess.run", None)

    with pytest.raises(ValueError, match="has no Python to run pip with"):
        Package(root, requirements=["attrs"])


@pytest.mark.parametrize(
    "line",
    ["attrs", "attrs>=22,<99", "attrs ; python_version < '4'", "attrs[x]==1.0", "a @ file:///x-y.whl", "a-b", "# x",
     "attrs==1 --hash=sha256:aa", "https://h.example:8080/a.whl", "git+ssh://git@h.example/r@v1#egg=a", ""],
)  # fmt: skip
def test_requirements_that_are_packages(line: str):
    """What pip takes for a package passes."""
    assert checked([line]) == [line]


@pytest.mark.waits
@pytest.mark.parametrize(
    "line",
    mostly_long(
        [
            "https://me:hunter2@127.0.0.1:9/x.whl",
            "x @ https://hunter2@127.0.0.1:9/x.whl",
            "https://me:hunter2@t@127.0.0.1:9/x.whl",
            "https://:hunter2@127.0.0.1:9/x.whl",
            "https://me:hunter2/7@127.0.0.1:9/x.whl",
            "git+https://me:hunter2@127.0.0.1:9/x.git",
            "https://me:hunter2@127.0.0.1:9/x.whl\n",
            "--index-url=https://me:hunter2@127.0.0.1:9/simple",
        ],
        but=[
            "x @ https://hunter2@127.0.0.1:9/x.whl",
            "https://me:hunter2@t@127.0.0.1:9/x.whl",
            "git+https://me:hunter2@127.0.0.1:9/x.git",
            "--index-url=https://me:hunter2@127.0.0.1:9/simple",
        ],
    ),
)
def test_passwords_of_an_index_are_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
):
    """An address with a password is an error without it, whoever words the error."""
    monkeypatch.setenv("PIP_RETRIES", "0")
    root = folder(tmp_path / "seq")

    with pytest.raises(ValueError, match=r"\*\*\*\*@|pip could not") as caught:
        Package(root, requirements=[line])

    told = "".join(traceback.format_exception(type(caught.value), caught.value, None))
    assert "hunter2" not in told
    assert "hunter2" not in repr(caught.value)


@pytest.mark.waits
def test_password_of_the_index_setting_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The same holds for the index that pip's own settings name."""
    monkeypatch.setenv("PIP_INDEX_URL", "http://me:hunter2@127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_NO_INDEX", "0")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)

    with pytest.raises(ValueError, match="pip could not install no-such-package") as caught:
        Package(folder(tmp_path / "seq"), requirements=["no-such-package"])

    assert "hunter2" not in str(caught.value)


@pytest.mark.waits  # for pip
def test_requirements_file_from_the_present_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The path of a requirements file may begin at the present folder, as in the command."""
    folder(tmp_path / "seq", **{"requirements.txt": ""})
    monkeypatch.chdir(tmp_path)

    with Package("seq", requirements="seq/requirements.txt") as package:
        assert package.name


def test_versions_in_pips_error_are_few():
    """Of all versions that pip lists, an error repeats the latest three."""
    listed = "no match for x==9 (from versions: 0.1, 0.2, 0.3, 1.0, 2.0)"

    assert (
        _VERSIONS.sub(_latest, listed)
        == "no match for x==9 (latest versions: 0.3, 1.0, 2.0; 2 older ones)"
    )
    assert _VERSIONS.sub(_latest, "x (from versions: none)") == "x (from versions: none)"


def test_requirements_are_for_python(tmp_path: Path):
    """Requirements of a Node sequence are refused."""
    root = folder(tmp_path / "seq", {"main": "main.py"})

    with pytest.raises(ValueError, match="python3"):
        Package(root, requirements=["x"])


# -- sending ----------------------------------------------------------------------------------------


def test_what_cannot_be_sent(tmp_path: Path):
    """A path of nothing, and a file that is no package, are refused before a connection is made."""
    (tmp_path / "x.tar.gz").write_bytes(b"plain text")
    with HostClient("http://127.0.0.1:9/api/v1") as host:
        with pytest.raises(ValueError, match="there is no sequence at"):
            host.send_sequence(tmp_path / "nowhere")
        with pytest.raises(ValueError, match="not gzip"):
            host.send_sequence(tmp_path / "x.tar.gz")
        (tmp_path / "y.tar.gz").write_bytes(b"\x1f\x8b")
        with pytest.raises(ValueError, match="packed already"):
            host.send_sequence(tmp_path / "y.tar.gz", requirements=["x"])
        with pytest.raises(ValueError, match="for the path of"):
            host.send_sequence(b"", requirements=["x"])


def _spent() -> io.BytesIO:
    file = io.BytesIO()
    file.write(b"\x1f\x8b packed")
    return file


NO_PACKAGES: dict[str, tuple[Callable[[Path], Any], type[Exception], str]] = {
    "open text file": (lambda at: (at / "x.py").open(), ValueError, r"x\.py' gives text.*give its path"),
    "open file": (lambda at: (at / "x.py").open("rb"), ValueError, r"give its path: send_sequence\('.*x\.py'\)"),
    "bytes of a program": (lambda at: (at / "x.py").read_bytes(), ValueError, "Python code; give the path"),
    "bytes of a zip": (lambda at: b"PK\x03\x04...", ValueError, "a zip file; unpack it"),
    "BytesIO": (lambda at: io.BytesIO(b"text"), ValueError, "not gzip-compressed; give the path"),
    "BytesIO at its end": (lambda at: _spent(), ValueError, "stands at its end.*seek"),
    "StringIO": (lambda at: io.StringIO("x"), ValueError, "gives text"),
    "list": (lambda at: ["x.py"], TypeError, "not a list of str; give one path"),
    "tuple of paths": (lambda at: (at / "x.py",), TypeError, "give one path"),
    "list of dicts": (lambda at: [{"a": 1}], TypeError, "not a list of dict"),
    "None": (lambda at: None, TypeError, "not None"),
    "number": (lambda at: 5, TypeError, "not int"),
    "dict": (lambda at: {"main": "x.py"}, TypeError, "not dict"),
    "module": (lambda at: json, TypeError, "not the module 'json'"),
    "function": (lambda at: print, TypeError, r"HostClient\.deploy\(\) sends a function"),
    "package.json": (lambda at: at / "package.json", ValueError, "give the folder with its package.json"),
    "Node.js program": (lambda at: str(at / "prog.js"), ValueError, "give the folder with its package.json"),
    "notebook": (lambda at: at / "n.ipynb", ValueError, "deploy.* a function of a notebook"),
}  # fmt: skip


@pytest.mark.parametrize("kind", NO_PACKAGES)
def test_what_certainly_is_no_package(tmp_path: Path, kind: str):
    """It is refused before a connection is made, with what to give instead."""
    (tmp_path / "x.py").write_text(RUN)
    for name in ("package.json", "prog.js", "n.ipynb"):
        (tmp_path / name).write_text("{}")
    make, error, words = NO_PACKAGES[kind]
    given = make(tmp_path)

    with HostClient("http://127.0.0.1:9/api/v1") as host:
        with pytest.raises(error, match=words):
            host.send_sequence(given)
    if hasattr(given, "close"):
        given.close()


def test_warning_is_shown_where_the_sdk_was_called(tmp_path: Path):
    """What was left out is told at the line that sends the package."""
    root = folder(tmp_path / "seq", **{".env": "A=1"})

    def serve(conn: Conn) -> None:
        request = conn.read_request()
        assert request is not None
        conn.read_body(request)
        conn.send_json("200 OK", {"id": "seq-1"})

    with RawServer(serve) as server, HostClient(server.url) as host:
        with pytest.warns(PackageWarning, match=r"\.env") as caught:
            host.send_sequence(root)
        server.check()

    assert [each.filename for each in caught] == [__file__]


def random_file(path: Path, size: int) -> None:
    """Write bytes that do not get smaller by compression."""
    block = random.Random(1).randbytes(1_000_000)
    with path.open("wb") as file:
        for _ in range(size // len(block)):
            file.write(block)


_SEND = """
import resource, sys
from scramjet_client import HostClient

def peak():  # bytes
    if sys.platform == "darwin":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux hands getrusage's figure down from the process that started this one.
    (line,) = [each for each in open("/proc/self/status") if each.startswith("VmHWM")]
    return int(line.split()[1]) * 1024

seen = []
with HostClient(sys.argv[1]) as host:
    host.send_sequence(sys.argv[2])
    before = peak()
    host.send_sequence(sys.argv[3], progress=lambda sent, total: seen.append((sent, total)))
    print(peak() - before, len(seen), *seen[-1], all(a[0] < b[0] for a, b in zip(seen, seen[1:])))
"""


def test_large_package_is_sent_in_flat_memory(tmp_path: Path):
    """A folder of 100 MB costs less than 30 MB of memory, and its progress is told up to its end."""
    small, large = folder(tmp_path / "small"), folder(tmp_path / "large")
    random_file(large / "lib" / "data.bin", 100_000_000)
    received: list[int] = []

    def serve(conn: Conn) -> None:
        while conn.read_request() is not None:
            received.append(sum(map(len, conn.chunks())))
            conn.send_json("200 OK", {"id": "seq-1"})

    with RawServer(serve) as server:
        done = subprocess.run(
            [sys.executable, "-c", _SEND, server.url, str(small), str(large)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=BUILD_LIMIT,
            check=False,
        )
        server.check()

    assert done.returncode == 0, done.stderr
    grown, told, sent, total, rising = done.stdout.split()
    assert int(grown) < 30_000_000
    assert int(told) > 100
    assert received[1] == int(sent) == int(total) > 100_000_000
    assert rising == "True"


def test_refused_package_stops_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A refusal after the first bytes is raised, the rest is not sent, and no file is left behind."""
    root = folder(tmp_path / "seq")
    random_file(root / "lib" / "data.bin", 40_000_000)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    told: list[tuple[int, int | None]] = []
    closed = threading.Event()

    def serve(conn: Conn) -> None:
        assert conn.read_request() is not None
        conn.read_chunk()
        conn.send_json("422 Unprocessable Entity", {"error": "no room"})
        if conn.wait_closed(LIMIT):
            closed.set()

    with RawServer(serve) as server, HostClient(server.url) as host:
        with pytest.raises(UnprocessableEntityError, match="no room"):
            host.send_sequence(root, progress=lambda sent, total: told.append((sent, total)))
        assert closed.wait(LIMIT)
        server.check()

    sent, total = told[-1]
    assert total is not None
    assert total > 40_000_000
    assert sent < 20_000_000
    assert list(scratch.iterdir()) == []
