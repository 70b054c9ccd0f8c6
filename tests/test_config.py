"""Where settings come from: arguments, the environment, the profile of si, the default."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from scramjet_client import ConfigurationError, HostClient
from scramjet_client.config import profile_settings, resolve
from tests.support.waiting import LIMIT
from tests.support.wire import Conn, RawServer

TOKEN = "a-very-secret-token"
DEFAULT = "http://127.0.0.1:8000/api/v1"

PROFILE = {
    "configVersion": 1,
    "apiUrl": "http://10.1.2.3:9000/api/v1",
    "middlewareApiUrl": "",
    "env": "development",
    "scope": "",
    "token": "",
    "log": {"debug": False, "format": "pretty"},
}
PLATFORM = {
    **PROFILE,
    "env": "production",
    "middlewareApiUrl": "https://platform.example/api/v1",
    "token": TOKEN,
}


class Home:
    """A home directory with the files of si."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def profile(self, name: str, value: Any) -> Path:
        """Write a profile: an object, or text as it is."""
        return self.write(f".si/profiles/{name}.json", value)

    def write(self, name: str, value: Any) -> Path:
        """Write a file below the home directory."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value if isinstance(value, str) else json.dumps(value, indent=2))
        return path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home directory of this test, and an environment that says nothing."""
    for name in list(os.environ):
        if name.startswith(("SCRAMJET_", "SI_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    return Home(tmp_path)


def test_default_without_anything(home: Home):
    """Where nothing is set and si was never used, it is the default, without a token."""
    found = resolve()

    assert (found.api_base, found.token, found.verify, found.timeout) == (DEFAULT, None, None, None)
    assert found.sources == {"api_base": "the default"}


def test_order(home: Home, monkeypatch: pytest.MonkeyPatch):
    """An argument goes before the environment, that before the profile, that before the default."""
    seen = [resolve().api_base]
    home.profile("default", PROFILE)
    seen.append(resolve().api_base)
    monkeypatch.setenv("SCRAMJET_API_URL", "http://10.9.9.9/api/v1/")
    seen.append(resolve().api_base)
    seen.append(resolve(api_base="http://10.8.8.8/api/v1").api_base)

    assert seen == [
        DEFAULT,
        "http://10.1.2.3:9000/api/v1",
        "http://10.9.9.9/api/v1",
        "http://10.8.8.8/api/v1",
    ]


def test_every_variable(home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Address, token, CAs and time limit come from the environment, and say so."""
    bundle = home.write("ca.pem", "")
    monkeypatch.setenv("SCRAMJET_API_URL", "https://hub.example/api/v1")
    monkeypatch.setenv("SCRAMJET_TOKEN", f"{TOKEN}\n")
    monkeypatch.setenv("SCRAMJET_CA_BUNDLE", str(bundle))
    monkeypatch.setenv("SCRAMJET_TIMEOUT", "2.5")

    found = resolve()

    assert (found.api_base, found.token) == ("https://hub.example/api/v1", TOKEN)
    assert (found.verify, found.timeout) == (str(bundle), 2.5)
    assert found.sources == {
        "api_base": "SCRAMJET_API_URL",
        "token": "SCRAMJET_TOKEN",
        "verify": "SCRAMJET_CA_BUNDLE",
        "timeout": "SCRAMJET_TIMEOUT",
    }
    assert resolve(token="other", timeout=1).timeout == 1
    assert resolve(token="other").token == "other"


def test_client_from_the_environment(home: Home, monkeypatch: pytest.MonkeyPatch):
    """`from_env` sends to the address and with the token that the environment names; a plain client does not."""

    def handle(conn: Conn) -> None:
        while (request := conn.read_request()) is not None:
            seen.append(request.headers.get("authorization"))
            conn.send_json("200 OK", {"version": "1.0.1", "apiVersion": "v1"})

    seen: list[str | None] = []
    with RawServer(handle) as server:
        monkeypatch.setenv("SCRAMJET_API_URL", server.url)
        monkeypatch.setenv("SCRAMJET_TOKEN", TOKEN)
        with HostClient.from_env(timeout=LIMIT) as host, HostClient(server.url) as plain:
            host.get_version()
            plain.get_version()
            shown = repr(host)

    assert seen == [f"Bearer {TOKEN}", None]
    assert TOKEN not in shown
    with HostClient() as host:
        assert host.api_base == DEFAULT


def test_profile_that_si_would_use(home: Home, monkeypatch: pytest.MonkeyPatch):
    """A file named by SI_CONFIG_PATH goes before a name in SI_CONFIG, that before the one chosen by si."""
    for number, name in enumerate(("default", "chosen", "named"), 1):
        home.profile(name, {**PROFILE, "apiUrl": f"http://10.0.0.{number}:1/api/v1"})
    file = home.write("own.json", {**PROFILE, "apiUrl": "http://10.0.0.4:1/api/v1"})

    seen = [resolve().api_base]
    home.write(".si/si-config.json", {"profile": "chosen"})
    seen.append(resolve().api_base)
    monkeypatch.setenv("SI_CONFIG", "named")
    seen.append(resolve().api_base)
    monkeypatch.setenv("SI_CONFIG_PATH", str(file))
    seen.append(resolve().api_base)
    seen.append(resolve(profile="chosen").api_base)

    assert seen == [f"http://10.0.0.{number}:1/api/v1" for number in (1, 2, 3, 4, 2)]


def test_token_of_a_profile_goes_to_its_address_alone(home: Home, monkeypatch: pytest.MonkeyPatch):
    """An address from elsewhere does not get the profile's token, nor does a hub in development."""
    home.profile("default", {**PLATFORM, "env": "development"})
    home.profile("platform", PLATFORM)
    monkeypatch.setenv("SI_CONFIG", "platform")

    assert resolve(api_base="http://10.8.8.8/api/v1").token is None
    monkeypatch.setenv("SCRAMJET_API_URL", "http://10.9.9.9/api/v1")
    assert resolve().token is None
    assert resolve(profile="default").token is None


def test_hub_of_a_platform(home: Home):
    """A profile for a platform leads to the hub that si was told to use in this shell session, with its token."""
    home.profile("default", PLATFORM)
    with pytest.raises(ConfigurationError, match=r"platform.*MiddlewareClient\.from_profile"):
        resolve()

    session = {"lastSpaceId": "org/a", "lastHubId": "hub-1", "lastInstanceId": ""}
    home.write(f"tmp/.si-tmp/{os.getsid(0)}/session-config.json", session)
    found = resolve()

    assert found.api_base == "https://platform.example/api/v1/space/org%2Fa/api/v1/sth/hub-1/api/v1"
    assert found.token == TOKEN


def test_settings_of_a_profile(home: Home):
    """A profile is read as it is, for those who know what to do with it."""
    path = home.profile("work", PLATFORM)

    found = profile_settings("work")

    assert (found.name, found.path, found.production) == ("work", str(path), True)
    assert (found.middleware_base, found.token) == ("https://platform.example/api/v1", TOKEN)
    assert found.api_base == "http://10.1.2.3:9000/api/v1"
    assert TOKEN not in repr(found)


LINES = json.dumps(PLATFORM, indent=2).splitlines()


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("\n".join([*LINES[:3], f'  "token": "{TOKEN}" "env"', *LINES[3:]]), 4, "delimiter"),
        ("", 1, "Expecting value"),
        ("[]", 1, "must be an object"),
        (json.dumps({**PLATFORM, "apiUrl": 8000}, indent=2), 3, "apiUrl must be a text, not int"),
        (json.dumps({**PLATFORM, "apiUrl": "hub:8000"}, indent=2), 3, "apiUrl must be an http"),
        (json.dumps({**PLATFORM, "env": "prod"}, indent=2), 5, "not 'prod'"),
        (json.dumps({**PLATFORM, "middlewareApiUrl": ""}, indent=2), 4, "is missing"),
        (json.dumps({**PLATFORM, "token": f"{TOKEN}\nx"}, indent=2), 7, "token must be ASCII"),
        ('{"apiUrl": "http://user:secret-word@10.0.0.1/api"}', 1, "user or password"),
    ],
)
def test_broken_profile(home: Home, text: str, line: int, words: str):
    """What is wrong with a profile is a sentence with its file and line, and no secret in it."""
    path = home.profile("default", text)

    with pytest.raises(ConfigurationError, match=words) as caught:
        resolve()

    assert (caught.value.path, caught.value.line) == (str(path), line)
    assert f"{path}, line {line}: " in str(caught.value)
    assert "secret" not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert pickle.loads(pickle.dumps(caught.value)).line == line


def test_profile_that_is_not_there(home: Home):
    """A profile that was named must exist, and a name is not a path."""
    with pytest.raises(ConfigurationError, match="no such file") as caught:
        resolve(profile="nope")
    with pytest.raises(ConfigurationError, match="not the name"):
        resolve(profile="../default")
    with pytest.raises(ValueError, match="give one of them"):
        resolve(profile="nope", api_base=DEFAULT)

    assert caught.value.path == str(home.root / ".si" / "profiles" / "nope.json")
    assert caught.value.line is None


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SCRAMJET_API_URL", "hub:8000", "http:// or https://"),
        ("SCRAMJET_API_URL", "ftp://user:secret-word@hub", "user or password"),
        ("SCRAMJET_TOKEN", "secret\nX-Injected: yes", "token must be ASCII"),
        ("SCRAMJET_TOKEN", "secret-ą", "token must be ASCII"),
        ("SCRAMJET_CA_BUNDLE", "/nowhere/ca.pem", "no file '/nowhere/ca.pem'"),
        ("SCRAMJET_TIMEOUT", "soon", "number of seconds"),
        ("SCRAMJET_TIMEOUT", "-1", "more than 0"),
    ],
)
def test_broken_variable(
    home: Home, monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
):
    """A variable that can't be used is named, and its secret is not shown."""
    monkeypatch.setenv(name, value)

    with pytest.raises(ConfigurationError, match=words) as caught:
        HostClient.from_env()

    assert name in str(caught.value)
    assert "secret" not in repr(caught.value)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("token", ["", "a b", "a\nX-Injected: yes", "a\r\n", "ą", "\x00"])
def test_token_that_no_header_can_hold(token: str):
    """A token that would break its header is refused without being shown."""
    with pytest.raises(ValueError, match="token must be") as caught:
        HostClient(token=token)

    assert "Injected" not in str(caught.value)
