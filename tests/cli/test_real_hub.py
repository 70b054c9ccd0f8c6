"""The command on the real hub from npm, which is of the generation 0.x."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from scramjet_client import HostClient, InstanceClient, InstanceNotFoundError
from tests.cli.conftest import Command, run, spawned
from tests.cli.terminal import LIMIT, environment, terminal
from tests.support.real_hub import RealHub
from tests.support.waiting import eventually

SEQUENCES = Path(__file__).resolve().parent.parent / "sequences"

TEXT = "".join(f"line {number} ąść\n" for number in range(100_000)).encode()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A real hub."""
    with RealHub() as hub:
        yield hub.url


@pytest.fixture
def host(url: str) -> Iterator[HostClient]:
    """A client of it; what a test has started is killed."""
    with HostClient(url) as client:
        yield client
        for each in client.list_instances():
            with contextlib.suppress(InstanceNotFoundError):
                client.get_instance_client(each.id).kill()


@pytest.fixture
def scramjet(host: HostClient, url: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command, for it."""
    monkeypatch.setenv("SCRAMJET_API_URL", url)
    return Command(monkeypatch)


@pytest.fixture
def env(host: HostClient, url: str, home: Path) -> dict[str, str]:
    """The environment of a command in a process of its own."""
    return environment(home, url)


def started(host: HostClient, name: str, *args: object) -> InstanceClient:
    """Send and start one of tests/sequences."""
    instance = host.send_sequence(SEQUENCES / name).start(args=list(args), timeout=60)
    instance.get_health()
    return instance


def test_hub(scramjet: Command):
    """`hub info`, `load`, `log` and `doctor` work, and say what there is."""
    assert json.loads(scramjet("hub", "info", "--json").text)["version"] == "0.18.7"
    assert json.loads(scramjet("hub", "load", "--json").text)["mem_free"] > 0
    assert scramjet("hub", "log", "-n", 1).text != ""
    assert "generation 0.x" in scramjet("hub", "doctor").text


def test_sequence_from_send_to_rm(scramjet: Command):
    """A package is sent, listed, started, its instance shown, stopped, and all removed."""
    id = scramjet("seq", "send", SEQUENCES / "py-stop-fast").text.strip()
    instance = scramjet("seq", "start", id).text.strip()

    assert "py-stop-fast" in scramjet("seq", "list").text
    assert scramjet("inst", "list", "-q").text == f"{instance}\n"
    assert scramjet("inst", "health", instance).text.split()[1] == "healthy"
    assert "running" in scramjet("inst", "info", instance[:6]).text
    assert scramjet("seq", "rm", id, code=77).text == ""
    assert scramjet("inst", "stop", instance).text == f"{instance}\n"
    scramjet("inst", "info", instance, code=66)
    eventually(lambda: not json.loads(scramjet("inst", "list", "--json").text))
    assert scramjet("seq", "rm", id).text == f"{id}\n"


def test_pipes(env: dict[str, str], host: HostClient, tmp_path: Path):
    """Megabytes of text go through `inst input` and `inst output` as they were."""
    # 0.5 s that it lives on after its input has ended.
    id = started(host, "py-echo", 0.5).id
    first, rest = TEXT.splitlines(keepends=True)[0], TEXT.split(b"\n", 1)[1]
    with (
        (tmp_path / "got").open("wb") as file,
        spawned(["inst", "output", id], env, stdout=file) as reading,
    ):
        # 0.x forgets the instance at its end: the command that reads has to be there before.
        sent = run(["inst", "input", id, "-"], env, input=first)
        eventually(lambda: (tmp_path / "got").read_bytes() == first)
        rest_sent = run(["inst", "input", id, "-", "--end"], env, input=rest)
        _, said = reading.communicate(timeout=LIMIT)
    got = (tmp_path / "got").read_bytes()

    assert (sent.code, sent.err, rest_sent.code, rest_sent.err) == (0, "", 0, "")
    assert (reading.returncode, said) == (0, b"")
    assert hashlib.sha256(got).hexdigest() == hashlib.sha256(TEXT).hexdigest()


def test_bytes_that_it_would_change(scramjet: Command, host: HostClient):
    """Bytes that are not UTF-8 are refused with a sentence; 0.x would change them."""
    said = scramjet("inst", "input", started(host, "py-echo").id, stdin=b"a\xff", code=1).err

    assert "offset 1" in said


def test_run(scramjet: Command):
    """`seq run` shows the output; 79 says that how it ended is not known, which 0.x does not tell."""
    done = scramjet(
        "seq", "run", SEQUENCES / "py-echo", "0.5", "-t", "text/plain", stdin=b"one\n", code=79
    )

    assert done.out == b"one\n"
    assert "is not known" in done.err


def test_events_and_log(scramjet: Command, host: HostClient):
    """Events go both ways, and the log is read."""
    id = started(host, "py-events").id

    pong = scramjet("inst", "event", "send", id, "ping", "hello", "--wait", "pong", "--limit", 60)
    assert json.loads(pong.text) == {"echo": "hello"}
    assert 'ping "hello"' in scramjet("inst", "log", id).text


def test_attach_and_kill(env: dict[str, str], scramjet: Command, host: HostClient):
    """`inst attach` shows what is typed, Ctrl-C detaches, and `inst kill` ends it."""
    instance = started(host, "py-stdin")
    with terminal(["inst", "attach", instance.id], env) as screen:
        screen.until("attached")
        screen.type("hello\n")
        screen.until("err:hello\n")
        screen.type("\x03")
        assert screen.end() == 0
    assert scramjet("inst", "kill", instance.id).text == f"{instance.id}\n"
    eventually(lambda: not json.loads(scramjet("inst", "list", "--json").text))


def test_topics(scramjet: Command):
    """Topics are written and read; what 0.x does not have is 1, and says so."""
    scramjet("topic", "send", "names", stdin=b'{"a": 1}\n')

    assert scramjet("topic", "get", "names", "-n", 1).text == '{"a": 1}\n'
    assert "0.18.7" in scramjet("topic", "list", code=1).err
