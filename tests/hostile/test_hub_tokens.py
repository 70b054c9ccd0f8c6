"""Other users of the same machine: they reach every port of it, and must not find, guess or be given a token."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import stat
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from scramjet_client import AuthenticationError, ConfigurationError, HostClient
from scramjet_client.config import resolve
from scramjet_client.hub import LocalHub, OpenHubWarning
from tests.cli.terminal import COMMAND, environment
from tests.hub.wire import Wire, ask, run
from tests.support.hubs import open_hub
from tests.support.waiting import eventually

LIMIT = 60

STARTERS = {
    "command": [*COMMAND, "--quiet", "hub", "start", "--port", "0"],
    "module": [sys.executable, "-m", "scramjet_client.hub", "--port", "0"],
}
"""The commands that start a hub; the first line that they print is its URL."""


def bearer(hub: LocalHub) -> dict[str, str]:
    return {"Authorization": f"Bearer {hub.token}"}


@pytest.fixture
def env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of a user who has a home and a runtime directory; that of this process is the same."""
    found = environment(tmp_path, None)
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    for name in [each for each in os.environ if each.startswith(("SCRAMJET_", "SI_", "XDG_"))]:
        monkeypatch.delenv(name)
    for name, value in (("HOME", tmp_path), ("XDG_RUNTIME_DIR", runtime)):
        monkeypatch.setenv(name, str(value))
        found[name] = str(value)
    return found


@contextlib.contextmanager
def started(
    how: str, env: dict[str, str], *options: str
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Start a hub by a command while the block runs; give its URL and the process."""
    with subprocess.Popen(
        [*STARTERS[how], *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=env,
    ) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip(), process
        finally:
            process.kill()


def kept(env: dict[str, str]) -> Path:
    """Return the one file with a token."""
    (path,) = Path(env["XDG_RUNTIME_DIR"], "scramjet").iterdir()
    return path


# -- a random one, everywhere -------------------------------------------------------------------------


def test_every_hub_has_a_token_of_its_own():
    """A hub that was told nothing has a long random token, keeps it, and takes nobody without it."""
    with LocalHub() as one, LocalHub() as other:
        assert one.token
        assert len(one.token) >= 32
        assert one.token != other.token
        for headers in ({}, bearer(other)):
            assert ask(one.url, "GET", "version", headers=headers).status == 401
        with one.client() as host:
            assert host.get_version().api_version == "v1"
        with HostClient(one.url) as stranger, pytest.raises(AuthenticationError):
            stranger.list_sequences()
        before = one.token
        one.stop()
        one.start()
        assert one.token == before


def test_no_token_has_to_be_said():
    """Only `token=None` opens a hub, and warns, at the place that says it."""
    with pytest.warns(OpenHubWarning, match="any user of this machine") as told:
        hub = LocalHub(token=None)
    assert told[0].filename == __file__
    assert hub.token is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(OpenHubWarning):
            LocalHub(token=None)
    assert issubclass(OpenHubWarning, UserWarning)


@pytest.mark.parametrize("token", ["", " ", "a b", "a\nb", "\x00", "a\u2028b"])
def test_tokens_that_nobody_can_send(token: str):
    """A token that is empty, or that no header can carry, is refused."""
    with pytest.raises(ValueError, match="token"):
        LocalHub(token=token)


@pytest.mark.parametrize("how", STARTERS)
@pytest.mark.parametrize("value", ["", " ", "\n"])
def test_empty_variable_is_refused(how: str, value: str, env: dict[str, str]):
    """Who sets SCRAMJET_HUB_TOKEN to nothing believes in a token; no command starts a hub then."""
    env["SCRAMJET_HUB_TOKEN"] = value
    command = STARTERS[how]
    done = subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=LIMIT, check=False
    )

    assert done.returncode != 0
    assert done.stdout == ""
    assert "SCRAMJET_HUB_TOKEN is set but empty" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("how", STARTERS)
def test_no_token_and_a_token(how: str, env: dict[str, str]):
    """Both at once is a mistake."""
    env["SCRAMJET_HUB_TOKEN"] = "secret"
    done = subprocess.run(
        [*STARTERS[how], "--no-token"],
        env=env,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )

    assert done.returncode != 0
    assert "SCRAMJET_HUB_TOKEN" in done.stderr


@pytest.mark.parametrize("how", STARTERS)
def test_without_a_token_a_command_warns(how: str, env: dict[str, str]):
    """A hub that was to have no token has none, keeps no file, and says what that means."""
    with started(how, env, "--no-token") as (url, process):
        assert ask(url, "GET", "version").status == 200
        assert not Path(env["XDG_RUNTIME_DIR"], "scramjet").exists()
        process.send_signal(signal.SIGTERM)
        assert "every user of this machine" in process.communicate(timeout=LIMIT)[1]


# -- the file -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", STARTERS)
def test_the_token_of_a_command_is_found(how: str, env: dict[str, str]):
    """The token is in a file of the user's alone, which his clients and commands find; it goes with the hub."""
    with started(how, env) as (url, process):
        assert ask(url, "GET", "version").status == 401
        path = kept(env)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        header = {"Authorization": f"Bearer {path.read_text()}"}
        assert ask(url, "GET", "version", headers=header).status == 200
        with HostClient.from_env(api_base=url) as host:
            assert host.get_version().api_version == "v1"
        done = subprocess.run(
            [*COMMAND, "--json", "-u", url, "hub", "info"],
            env=env, capture_output=True, text=True, timeout=LIMIT, check=True,
        )  # fmt: skip
        assert json.loads(done.stdout)["url"] == url
        process.send_signal(signal.SIGTERM)
        told = process.communicate(timeout=LIMIT)
        assert header["Authorization"].partition(" ")[2] not in told[0] + told[1]
    assert list(path.parent.iterdir()) == []


def test_a_hub_on_localhost_is_found(env: dict[str, str]):
    """The name is that of one address, whose token is kept."""
    with started("command", env, "--host", "localhost") as (url, _):
        assert url.startswith("http://127.0.0.1:")
        with HostClient.from_env(api_base=url) as host:
            host.get_version()


def test_a_given_token_is_kept_too(env: dict[str, str]):
    """The token of SCRAMJET_HUB_TOKEN is found in the same way."""
    env["SCRAMJET_HUB_TOKEN"] = "given"
    with started("command", env) as (url, _):
        assert kept(env).read_text() == "given"
        with HostClient.from_env(api_base=url) as host:
            host.get_version()


def test_a_client_without_the_kept_token_is_led_to_it(env: dict[str, str]):
    """`HostClient(url)` reads no files, and its error names what does; a name such as localhost gets no token."""
    with started("command", env) as (url, _):
        name = url.replace("127.0.0.1", "localhost")
        with HostClient(url) as host, pytest.raises(AuthenticationError) as plain:
            host.get_version()
        with (
            HostClient.from_env(api_base=name) as host,
            pytest.raises(AuthenticationError) as other,
        ):
            host.get_version()
        with HostClient(url, token="wrong") as host, pytest.raises(AuthenticationError) as wrong:
            host.get_version()
        origin = url.partition("/api/v1")[0]
        with HostClient(origin) as host, pytest.raises(AuthenticationError) as off:
            host.get_version()
        with HostClient(origin) as host:
            advice = host.doctor().advice or ""
    assert "HostClient.from_env() finds its token" in plain.value.message
    assert f"send only to {url}" in other.value.message
    assert "from_env" not in wrong.value.message
    for said in (off.value.message, advice):
        assert f"its API is not at this path, but at {url}: use this address" in said
        assert "from_env() finds its token" in said


def test_without_a_runtime_directory(
    env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The file is in the user's configuration directory, where there is no other of his own."""
    others = tmp_path / "others"
    others.mkdir()
    others.chmod(0o777)
    env["XDG_RUNTIME_DIR"] = str(others)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(others))
    with started("command", env) as (url, _):
        assert list(others.iterdir()) == []
        with HostClient.from_env(api_base=url) as host:
            assert host.get_version().api_version == "v1"


SPOILED = {
    "others may read it": lambda path: path.chmod(0o644),
    "its group may write it": lambda path: path.chmod(0o620),
    "a link": lambda path: (
        path.rename(path.with_suffix(".x")),
        path.symlink_to(path.with_suffix(".x")),
    ),
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path, 0o600)),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("how", SPOILED)
def test_a_file_that_others_had_their_hands_on(how: str, env: dict[str, str]):
    """A file that is not the user's alone, or none, is an error that names it, and no token is sent."""
    with started("command", env) as (url, _):
        path = kept(env)
        SPOILED[how](path)
        with pytest.raises(ConfigurationError, match=path.name):
            HostClient.from_env(api_base=url)


@pytest.mark.parametrize("text", [b"", b"a b", b"a\r\nX-Evil: b", b"x" * 100_000, b"\xff\xfe"])
def test_a_file_with_something_else(text: bytes, env: dict[str, str]):
    """What can't be a token is an error."""
    with started("command", env) as (url, _):
        kept(env).write_bytes(text)
        with pytest.raises(ConfigurationError, match="not a token"):
            HostClient.from_env(api_base=url)


def test_a_folder_that_is_a_link(env: dict[str, str], tmp_path: Path):
    """A link in the place of the folder is not followed, neither to write nor to read."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    Path(env["XDG_RUNTIME_DIR"], "scramjet").symlink_to(elsewhere)
    with started("command", env) as (url, _):
        assert url
        assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("mode", [0o770, 0o2770, 0o777, 0o702, 0o720, 0o1777])
def test_a_folder_that_others_can_write_to(mode: int, env: dict[str, str]):
    """Somebody who can rename a token's file could have it sent to a port of his; such a folder is not used."""
    folder = Path(env["XDG_RUNTIME_DIR"], "scramjet")
    folder.mkdir()
    folder.chmod(mode)
    with started("module", env) as (url, _):
        assert url
        assert list(folder.iterdir()) == []
    folder.chmod(0o700)
    with started("module", env) as (url, _):
        path = kept(env)
        path.rename(path.with_name("127.0.0.1-9.token"))
        folder.chmod(mode)
        assert resolve(api_base="http://127.0.0.1:9/api/v1").token is None


def test_a_hub_that_was_killed_leaves_no_token_behind_for_another(env: dict[str, str]):
    """Who listens on the port of a hub that is gone is not sent its token, though the file is there."""
    env["SCRAMJET_HUB_TOKEN"] = "given"
    with started("command", env) as (url, process):
        path = kept(env)
        process.kill()
        process.wait(LIMIT)
    assert path.exists()
    assert resolve(api_base=url).token is None
    # A hub of the user's own on that address takes the file over.
    with started("command", env, "--port", url.split(":")[2].split("/")[0]) as (again, _):
        assert again == url
        with HostClient.from_env(api_base=url) as host:
            host.get_version()


@pytest.mark.parametrize(
    "other",
    ["http://localhost:{}/api/v1", "http://127.0.0.2:{}/api/v1", "http://[::1]:{}/api/v1", "https://127.0.0.1:{}/api/v1",
     "http://127.0.0.1.nip.io:{}/api/v1", "http://192.0.2.1:{}/api/v1", "http://127.0.0.1:1/api/v1"],
)  # fmt: skip
def test_the_token_goes_to_its_address_alone(other: str, env: dict[str, str]):
    """Another address, on which another user may listen, gets nothing; not even localhost, which may be [::1]."""
    with started("command", env) as (url, _):
        assert resolve(api_base=url).token
        assert resolve(api_base=other.format(url.split(":")[2].split("/")[0])).token is None


def test_a_token_that_is_given_goes_first(env: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    """An argument or SCRAMJET_TOKEN is what the user wants."""
    with started("command", env) as (url, _):
        assert resolve(api_base=url, token="mine").token == "mine"
        monkeypatch.setenv("SCRAMJET_TOKEN", "ours")
        assert resolve(api_base=url).token == "ours"


# -- what programs get --------------------------------------------------------------------------------

TELLS = """
import json, os
async def run(context, input):
    yield json.dumps({k: v for k, v in os.environ.items() if "SCRAMJET" in k or k == "KEPT"}) + "\\n"
"""


def test_programs_inherit_no_token(monkeypatch: pytest.MonkeyPatch):
    """The variables with tokens are not in a program's environment; others are."""
    for name in ("SCRAMJET_HUB_TOKEN", "SCRAMJET_TOKEN", "KEPT"):
        monkeypatch.setenv(name, "hunter2")
    with open_hub() as hub:
        identity = run(hub.url, TELLS)
        with Wire(hub.url) as wire:
            wire.request("GET", f"instance/{identity}/output")
            said = json.loads(wire.body(wire.head()))

    assert said == {"KEPT": "hunter2"}


def test_a_hub_that_is_killed_before_its_first_instance(env: dict[str, str], tmp_path: Path):
    """Its folder goes with it."""
    storage = tmp_path / "storage"
    storage.mkdir()
    with started("module", env, "--storage", str(storage)) as (_, process):
        assert len(list(storage.iterdir())) == 1
        process.kill()
        process.wait(LIMIT)
        eventually(lambda: list(storage.iterdir()) == [])


# -- requests that have no route -----------------------------------------------------------------------

HEADS = [
    *(
        "OPTIONS * HTTP/1.1",
        "CONNECT 127.0.0.1:80 HTTP/1.1",
        "GET http://127.0.0.1/api/v1/version HTTP/1.1",
    ),
    *(
        "TRACE /api/v1/version HTTP/1.1",
        "PROPFIND / HTTP/1.1",
        "GET / HTTP/1.0",
        "OPTIONS * HTTP/1.0",
    ),
]


@pytest.mark.parametrize("head", HEADS)
def test_whatever_is_asked_needs_the_token(head: str):
    """A request without a route is no way to learn anything; with the token it is answered."""
    with LocalHub() as hub:
        for given, expected in (
            ("", {401}),
            (f"Authorization: Bearer {hub.token}\r\n", {200, 404}),
        ):
            with Wire(hub.url) as wire:
                wire.sock.sendall(f"{head}\r\nHost: x\r\n{given}\r\n".encode())
                assert wire.head().status in expected
        hub.check()


def test_a_body_is_not_asked_for_without_the_token():
    """Who waits for "100 Continue" is told 401 and nothing else."""
    with LocalHub() as hub, Wire(hub.url) as wire:
        wire.sock.sendall(
            b"POST /api/v1/sequence HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n"
        )
        head = wire.head()
        assert head.status == 401
        wire.body(head)
        assert wire.closed()


MALFORMED = [
    "GET / HTTP/1.1\r\nAuthorization: Bearer hunter2\x01\r\n\r\n",
    "GET / HTTP/1.1\r\nAuthorization: Bearer hunter2\x1b[2J\r\n\r\n",
    "GET /?token=hunter2\x00 HTTP/1.1\r\n\r\n",
    "GET / HTTP/1.1\r\nAuthorization : Bearer hunter2\r\n\r\n",
    "GET / HTTP/1.1\r\nAuthorization: Bearer hunter2\n\r\n\r\n",
    "GET / HTTP/1.1\r\nX: y\r\n hunter2\r\n\r\n",
    "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\nX: hunter2\r\n\r\n",
    "GET / HTTP/hunter2\r\n\r\n",
    "hunter2\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nhunter2\r\n",
]


@pytest.mark.parametrize("request_", MALFORMED)
def test_nothing_is_said_of_what_is_no_request(
    request_: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
):
    """A stranger's malformed request, in which there may be a token, is in no log and on nobody's terminal."""
    with LocalHub() as hub:
        with Wire(hub.url) as wire:
            wire.sock.sendall(request_.encode())
            assert wire.head().status in (400, 401)
        hub.check()

    assert caplog.text == ""
    assert capfd.readouterr() == ("", "")
