"""Paths and URLs that were meant otherwise; each command is a process of its own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from scramjet_client.hub import LocalHub
from tests.cli.conftest import run
from tests.cli.terminal import environment
from tests.support.cases import mostly_long
from tests.support.wheels import make_wheel

PROGRAM = """
def run(context, input):
    import helper_of_tests
    yield "found\\n"
"""

MANIFEST = {"name": "prog", "version": "1.0.0", "main": "main.py", "engines": {"python3": ">=3.9"}}


@pytest.fixture
def prog(tmp_path: Path) -> Path:
    """A folder with a sequence that needs a module; its requirements are in it."""
    folder = tmp_path / "prog"
    folder.mkdir()
    (folder / "main.py").write_text(PROGRAM)
    (folder / "package.json").write_text(json.dumps(MANIFEST))
    wheel = make_wheel(tmp_path, "helper_of_tests", "")
    (folder / "requirements.txt").write_text(f"{wheel}\n")
    return folder


@pytest.mark.parametrize(
    ("where", "path", "requirements"),
    mostly_long(
        [
            (".", "./prog", "prog/requirements.txt"),
            (".", "./prog", "./prog/requirements.txt"),
            (".", "./prog", "requirements.txt"),
            (".", "prog/main.py", "prog/requirements.txt"),
            (".", "prog/main.py", "requirements.txt"),
            ("prog", ".", "requirements.txt"),
            ("other", "../prog", "../prog/requirements.txt"),
            ("other", "../prog", "requirements.txt"),
        ],
        but=[
            (".", "prog/main.py", "prog/requirements.txt"),
            ("other", "../prog", "requirements.txt"),
        ],
    ),
)
def test_requirements_are_found(
    prog: Path, env: dict[str, str], where: str, path: str, requirements: str
):
    """`-r` is relative to the current folder, or else to that of the sequence."""
    (prog.parent / "other").mkdir()
    given = ["seq", "run", path, "-r", requirements]

    done = run(given, env, cwd=prog.parent / where, stdin=subprocess.DEVNULL)

    assert (done.code, done.out, done.err) == (0, b"found\n", "")


@pytest.mark.parametrize("verb", mostly_long(["pack", "send", "start"], but=["start"]))
def test_every_verb_finds_them(prog: Path, env: dict[str, str], verb: str):
    """So do the other verbs that pack."""
    done = run(["seq", verb, "./prog", "-r", "prog/requirements.txt"], env, cwd=prog.parent)

    assert done.code == 0, done.err


def test_the_current_folder_goes_first(prog: Path, env: dict[str, str]):
    """If both have such a file, that of the current folder is used."""
    (prog.parent / "requirements.txt").write_text("./no-such-wheel-1.0-py3-none-any.whl\n")

    done = run(["seq", "pack", "./prog", "-r", "requirements.txt"], env, cwd=prog.parent)

    assert done.code == 2
    assert "no-such-wheel" in done.err


@pytest.mark.parametrize(
    ("sequence", "requirements", "said"),
    [
        ("./prog", "nothing.txt", "'nothing.txt' does not exist, neither here nor in 'prog'"),
        # They are for a package that is not sent yet, and are not ignored.
        ("prog", "prog/requirements.txt", "on the hub already"),
    ],
)
def test_requirements_that_are_refused(
    prog: Path, env: dict[str, str], sequence: str, requirements: str, said: str
):
    """Requirements that can't be taken are a wrong use, which says why."""
    done = run(["seq", "run", sequence, "-r", requirements], env, cwd=prog.parent)

    assert done.code == 2
    assert said in done.err


def test_a_path_without_its_dot(prog: Path, env: dict[str, str]):
    """A word that no sequence has, and a folder here has, is likely that folder."""
    for verb in (["seq", "start"], ["seq", "run"]):
        done = run([*verb, "prog"], env, cwd=prog.parent)
        assert done.code == 66
        assert "did you mean ./prog?" in done.err


@pytest.mark.parametrize("verb", [["seq", "pack"], ["seq", "send"], ["seq", "run"]], ids=" ".join)
def test_folder_without_its_manifest(prog: Path, env: dict[str, str], verb: list[str]):
    """The package.json that it says to put in is one with which the folder is a sequence."""
    (prog / "package.json").unlink()
    (prog / "main.py").write_text("def run(context, input): yield 'works'\n")

    refused = run([*verb, "./prog"], env, cwd=prog.parent, stdin=subprocess.DEVNULL)

    assert refused.code == 2
    (prog / "package.json").write_text(refused.err.partition("put one in: ")[2])
    done = run([*verb, "./prog"], env, cwd=prog.parent, stdin=subprocess.DEVNULL)
    assert done.code == 0, done.err


def test_python_without_its_engine(prog: Path, env: dict[str, str]):
    """Nothing is sent, and the line to put in is said."""
    (prog / "package.json").write_text(json.dumps({**MANIFEST, "engines": {}}))

    done = run(["seq", "run", "./prog"], env, cwd=prog.parent, stdin=subprocess.DEVNULL)

    assert done.code == 2
    assert '"engines": {"python3": ">=3.9"}' in done.err
    assert run(["seq", "list", "-q"], env).text == ""


@pytest.mark.parametrize(
    "path",
    mostly_long(
        ["", "/api", "/api/v2", "/foo", "/v1", "/api/v1/sequences"], but=["", "/api/v1/sequences"]
    ),
)
def test_url_with_another_path(home: Path, path: str):
    """The URL that doctor and every other command name is one that answers."""
    with LocalHub() as hub:
        url, origin = hub.url, hub.url[: -len("/api/v1")]
        env = environment(home, None, SCRAMJET_TOKEN=str(hub.token))
        told = run(["hub", "doctor", "--url", f"{origin}{path}"], env).text
        failed = run(["--url", f"{origin}{path}", "seq", "list"], env)
        followed = run(["--url", url, "seq", "list", "-q"], env)

    assert f"a hub's API answers at {url}; use this URL (wrong-path)" in told
    assert f"a hub's API answers at {url}" in failed.err
    assert failed.code != 0
    for text in (told, failed.err):
        others = text.replace(f"{origin}{path}/", "").replace(url, "")
        assert "/api/v1" not in others
    assert (followed.code, followed.err) == (0, "")


def test_doctor_names_options(hub: LocalHub, env: dict[str, str]):
    """The report of the command speaks of its options, as text and as JSON."""
    for option in ([], ["--json"]):
        told = run(["--url", hub.url, "--token", "bad", "hub", "doctor", *option], env).text
        assert "option --url" in told
        assert "option --token" in told
        assert "argument" not in told
        assert "token=" not in told
