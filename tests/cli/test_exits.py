"""Exit codes and the sentence that comes with each; in processes of their own where the end of one matters."""

from __future__ import annotations

import configparser
import gzip
import importlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from scramjet_client.hub import LocalHub
from tests.cli.conftest import Command, Started, run, spawned
from tests.cli.terminal import LIMIT, ROOT, environment
from tests.support.signals import hearing
from tests.support.waiting import eventually
from tests.support.wire import RawServer

NOWHERE = "00000000-0000-0000-0000-000000000000"


def only_line(text: str) -> str:
    """Return the one line that a text has."""
    (line,) = text.splitlines()
    return line


@pytest.mark.parametrize(
    "arguments",
    [
        ["inst", "info", NOWHERE],
        ["inst", "info", "nothing"],
        ["inst", "output", NOWHERE, "-o", "never-made"],
        ["inst", "input", NOWHERE],
        ["inst", "stop", NOWHERE],
        ["inst", "attach", NOWHERE],
        ["inst", "events", NOWHERE, "name"],
        ["seq", "start", "nothing"],
        ["seq", "run", NOWHERE],
        ["seq", "rm", NOWHERE],
        ["topic", "rm", "nothing"],
    ],
    ids=" ".join,
)
def test_not_found(scramjet: Command, arguments: list[str]):
    """What is not on the hub is 66, and one sentence that names it; no file has been made."""
    said = only_line(scramjet(*arguments, code=66, stdin=b"x").err)

    assert said.startswith("Error: ")
    assert NOWHERE in said or "nothing" in said
    assert not Path("never-made").exists()


def test_unreachable(scramjet: Command, closed_port: int):
    """A hub that is not there is 69, and one sentence with its address."""
    url = f"http://127.0.0.1:{closed_port}/api/v1"

    assert url in only_line(scramjet("-u", url, "inst", "list", code=69).err)
    assert "PROBLEM" in scramjet("-u", url, "hub", "doctor", code=69).text


def test_timeout(scramjet: Command, start: Started):
    """A limit that was too short is 124, of the hub's answers and of waits."""
    id = start("idle").id
    with RawServer(lambda conn: conn.wait_closed(LIMIT)) as silent:
        said = scramjet("-u", silent.url, "--timeout", "0.3", "seq", "list", code=124).err

    assert only_line(said).startswith("Error: ")
    scramjet("inst", "wait", id, "--limit", 0.2, code=124)
    scramjet("inst", "event", "wait", id, "never", "--limit", 0.2, code=124)


def test_stop_that_kills(scramjet: Command, start: Started):
    """An instance that had to be killed is 124 of `inst stop`."""
    instance = start("deaf")
    with instance.get_stream("output") as output:
        assert output.readline() == b"running\n"

    assert "was killed" in scramjet("inst", "stop", instance.id, "-t", 0.3, code=124).err


def test_refused(scramjet: Command, hub: LocalHub, start: Started):
    """A refusal is 77, with the hub's reason; what could be done was done."""
    instance = start("idle")
    busy = instance.get_info().sequence
    free = start.sequence("echo")

    done = scramjet("seq", "rm", busy, free, code=77)

    assert done.text == f"{free}\n"
    assert busy in only_line(done.err)
    with LocalHub(token="right") as other:
        scramjet("-u", other.url, "--token", "wrong", "seq", "list", code=77)
        scramjet("-u", other.url, "--token", "right", "seq", "list")


@pytest.mark.parametrize(
    "arguments",
    [
        ["nothing"],
        ["seq", "lst"],
        ["seq", "list", "--nothing"],
        ["inst", "info"],
        ["inst", "info", ""],
        ["seq", "start", "x", "--args", "{}"],
        ["seq", "start", "x", "--config", "["],
        ["seq", "start", "x", "word", "--args", "[1]"],
        ["seq", "run", "x", "--stdin", "-t", "text/plain"],
        ["inst", "input", NOWHERE, "no-such-file"],
        ["inst", "events", NOWHERE, "no/name"],
        ["topic", "create", "no/name"],
        ["-u", "http://a", "-p", "b", "seq", "list"],
        ["-u", "nothing", "seq", "list"],
        ["--timeout", "0", "seq", "list"],
    ],
    ids=" ".join,
)
def test_usage(scramjet: Command, arguments: list[str]):
    """What can't be meant is 2, says why last, and asks nothing of a hub."""
    done = scramjet(*arguments, code=2)

    assert done.err.splitlines()[-1].startswith("Error: ")
    assert done.out == b""


@pytest.mark.parametrize("wrong", ["", "./x.py", "nosuch"])
def test_one_wrong_name_of_several(scramjet: Command, start: Started, wrong: str):
    """What can be done is done, also behind a name that can be none."""
    sequence = start.sequence("idle")

    assert scramjet.any_end("seq", "rm", wrong, sequence).out == f"{sequence}\n".encode()
    assert start.host.list_sequences() == []


def test_an_id_that_may_be_several(scramjet: Command, start: Started):
    """The beginning of several ids is 2 and lists them."""
    # Of seventeen, two begin alike.
    ids = [start.sequence("echo") for _ in range(17)]
    letter = next(each for each in "0123456789abcdef" if sum(id[0] == each for id in ids) > 1)

    said = scramjet("seq", "info", letter, code=2).err

    assert all(id in said for id in ids if id[0] == letter)


def test_a_name_that_may_be_several(scramjet: Command, start: Started):
    """The name of several sequences means the newest."""
    ids = [start.sequence("echo") for _ in range(3)]

    assert json.loads(scramjet("seq", "info", "echo", "--json").text)["id"] == ids[-1]


def test_settings(scramjet: Command, monkeypatch: pytest.MonkeyPatch):
    """A variable or profile that can't be used is 78, and named."""
    monkeypatch.setenv("SCRAMJET_API_URL", "ftp://x")

    assert "SCRAMJET_API_URL" in only_line(scramjet("seq", "list", code=78).err)
    assert "nothing.json" in only_line(scramjet("-p", "nothing", "seq", "list", code=78).err)


def test_failed(scramjet: Command, folders: Path, tmp_path: Path):
    """What fails here is 1 or 2, and named: no place to write to, a sequence that is none."""
    nowhere = tmp_path / "none" / "a.tar.gz"
    (tmp_path / "bad").mkdir()

    assert str(nowhere) in only_line(
        scramjet("seq", "pack", folders / "echo.py", "-o", nowhere, code=1).err
    )
    assert "package.json" in scramjet("seq", "send", tmp_path / "bad", code=2).err


def test_code_of_the_instance(scramjet: Command, start: Started, folders: Path):
    """`seq run`, `inst output` and `inst wait` end with the exit code of the instance."""
    assert scramjet("seq", "run", folders / "fails.py", code=1).out == b"before\n"
    instance = start("fails")
    assert scramjet("inst", "output", instance.id, code=1).out == b"before\n"
    scramjet("inst", "wait", instance.id, code=1)


def test_debug_shows_where(scramjet: Command):
    """`--debug` adds the requests and the traceback; without it there is none."""
    said = scramjet("--debug", "inst", "info", NOWHERE, code=66).err

    assert "Traceback" in said
    assert f"/instance/{NOWHERE}" in said.partition("Traceback")[0]


def test_codes_of_a_process(env: dict[str, str], folders: Path, start: Started):
    """The process itself ends with these codes, and its stderr is the sentence alone."""
    found = run(["inst", "info", NOWHERE], env)
    failed = run(["seq", "run", folders / "fails.py"], env, stdin=subprocess.DEVNULL)

    assert (found.code, found.out) == (66, b"")
    assert only_line(found.err).startswith("Error: ")
    assert (failed.code, failed.out) == (1, b"before\n")
    assert failed.err.splitlines()[-1] == "RuntimeError: after that"


@pytest.mark.parametrize(
    ("arguments", "asked", "number"),
    [
        (["inst", "output"], "/output", signal.SIGINT),
        (["inst", "log", "-f"], "/log", signal.SIGINT),
        (["inst", "wait"], "", signal.SIGINT),
        (["inst", "wait"], "", signal.SIGTERM),
        (["inst", "input"], "/input", signal.SIGINT),
        (["inst", "inout"], "/output", signal.SIGINT),
        (["inst", "inout"], "/output", signal.SIGHUP),
    ],
    ids=lambda value: value[1] if isinstance(value, list) else getattr(value, "name", ""),
)
def test_interrupted(
    env: dict[str, str],
    hub: LocalHub,
    start: Started,
    arguments: list[str],
    asked: str,
    number: signal.Signals,
):
    """A signal ends what waits at once with its own code and without a word; the instance goes on."""
    instance = start("echo")
    instance.wait_for("running")
    before = len(hub.requests)
    heard = hearing("SIGHUP")
    with spawned([*arguments, instance.id], env, stdin=subprocess.PIPE, before=heard) as process:
        eventually(
            lambda: any(
                each.path.endswith(f"{instance.id}{asked}") for each in hub.requests[before:]
            ),
            LIMIT,
        )
        process.send_signal(number)
        # First, as the end of its stdin would be the end of what it sends.
        process.wait(LIMIT)
        out, err = process.communicate()

    # The look at the instance stands in its log, as on a real hub.
    said = [line for line in out.splitlines() if b"Get info" not in line]
    assert (process.returncode, said) == (128 + number, [])
    assert err in (b"", b"\n")
    assert instance.get_info().status == "running"


def test_interrupted_while_a_package_comes(env: dict[str, str], hub: LocalHub):
    """Ctrl-C in `seq send -` ends it, although a thread waits for stdin, and no sequence is there."""
    heard = hearing("SIGINT")
    with spawned(["seq", "send", "-"], env, stdin=subprocess.PIPE, before=heard) as process:
        assert process.stdin is not None
        process.stdin.write(gzip.compress(b"")[:10])
        process.stdin.flush()
        eventually(lambda: any(each.path.endswith("/sequence") for each in hub.requests), LIMIT)
        process.send_signal(signal.SIGINT)
        process.wait(LIMIT)
        _, err = process.communicate()

    assert (process.returncode, err.strip()) == (130, b"")


@pytest.mark.parametrize("sent", [b"", b"hello", b"x"])
def test_no_package_in_a_pipe(env: dict[str, str], hub: LocalHub, sent: bytes):
    """What comes from a pipe and can be no package is refused here."""
    before = len(hub.requests)

    assert run(["seq", "send", "-"], env, input=sent).code == 2
    assert hub.requests[before:] == []


def test_the_extra_is_missing(tmp_path: Path):
    """Without click the command is a sentence that names the pip command."""
    block = "import sys; sys.modules['click'] = None; sys.argv = ['scramjet', 'seq', 'list'];"
    code = block + "from scramjet_client.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(tmp_path, None), capture_output=True, text=True, timeout=LIMIT, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert only_line(done.stderr).endswith("pip install 'scramjet_client[cli]'")


def test_console_script():
    """The console script of the package is this command."""
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    scripts = dict(
        line.split(" = ")
        for line in settings["options.entry_points"]["console_scripts"].strip().splitlines()
    )

    module, _, attribute = scripts["scramjet"].partition(":")
    assert (
        getattr(importlib.import_module(module), attribute)
        is importlib.import_module("scramjet_client.cli").main
    )


def test_help_imports_little(tmp_path: Path):
    """Help and completion of words load neither an HTTP library nor rich, which take longer than all else."""
    code = (
        "import sys; from scramjet_client.cli import main;"
        "main(['inst', '--help']); main(['--version']); main(['seq', 'run', '--help']);"
        "main(['profile', '--help']); main(['hub', '--help']); main(['dev', '--help']);"
        "print(sorted({'requests', 'urllib3', 'rich', 'aiohttp', 'asyncio'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(tmp_path, None), capture_output=True, text=True, timeout=LIMIT, check=True,
    )  # fmt: skip

    assert done.stdout.splitlines()[-1] == "[]"


def test_hub_start(tmp_path: Path):
    """`hub start` prints its URL, runs what is sent, and Ctrl-C or SIGTERM ends it with 0."""
    env = environment(tmp_path, None)
    for number in (signal.SIGINT, signal.SIGTERM):
        with spawned(["hub", "start", "--port", 0, "--json"], env) as process:
            assert process.stdout is not None
            url = json.loads(process.stdout.readline())["url"]
            asked = run(["hub", "info", "--json"], {**env, "SCRAMJET_API_URL": url})
            process.send_signal(number)
            assert process.wait(LIMIT) == 0

        assert json.loads(asked.out)["url"] == url


def test_hub_start_on_a_port_in_use(scramjet: Command, hub: LocalHub):
    """A port that is taken is 1, and named."""
    port = hub.url.split(":")[2].split("/")[0]

    assert f":{port}" in only_line(scramjet("hub", "start", "--port", port, code=1).err)


def test_hub_start_needs_a_token_elsewhere(scramjet: Command):
    """An address that others reach needs a token."""
    start = ("hub", "start", "--host", "0.0.0.0", "--port", 0, "--no-token")
    assert "token" in scramjet(*start, code=2).err


def test_signals_are_as_before(scramjet: Command, hub: LocalHub):
    """A command that is called from Python leaves the handlers of signals as they were."""
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    scramjet("hub", "start", "--port", hub.url.split(":")[2].split("/")[0], code=1)

    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before
    assert os.environ["SCRAMJET_API_URL"] == hub.url
