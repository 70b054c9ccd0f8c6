"""Where settings come from: arguments, the environment, the profile of si, the default."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scramjet_client import ConfigurationError, HostClient
from scramjet_client.config import profile_settings, resolve
from scramjet_client.hub import LocalHub
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


@pytest.mark.parametrize(
    "token", ["", "a b", "a\nX-Injected: yes", "a\r", "a\n\n", "\n", "ą", "\x00"]
)
def test_token_that_no_header_can_hold(token: str):
    """A token that would break its header is refused without being shown."""
    with pytest.raises(ValueError, match="token must be") as caught:
        HostClient(token=token)

    assert "Injected" not in str(caught.value)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_token_with_the_line_end_of_its_file(end: str):
    """A token that was read from a file works with the line end of the file."""
    assert resolve(api_base="http://127.0.0.1:8000", token=f"abc{end}").token == "abc"
    with LocalHub(token=f"abc{end}") as hub, HostClient(hub.url, token=f"abc{end}") as host:
        assert host.get_version().version


# -- files that are no settings, or not ours ------------------------------------------------------


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _link_to(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def _holding(data: bytes) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.write_bytes(data)

    return make


BAD_FILES: list[tuple[str, Callable[[Path], object], str]] = [
    ("a FIFO", _fifo, "FIFO"),
    ("/dev/zero", _link_to("/dev/zero"), "device"),
    ("/dev/null", _link_to("/dev/null"), "device"),
    ("a folder", Path.mkdir, "folder"),
    ("itself", lambda path: path.symlink_to(path), "symbolic links"),
    ("huge", _holding(b'{"a": "' + b"x" * 5_000_000 + b'"}'), "larger"),
    ("deep", _holding(b'{"a": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"), "deeply"),
    ("a long number", _holding(b'{"a": ' + b"9" * 5_000 + b"}"), "5000 digits"),
    ("a negative one", _holding(b'{"a": -' + b"9" * 5_000 + b"}"), "5001 digits"),
    ("twice", _holding(b'{"apiUrl": "http://a",\n"apiUrl": "http://b"}'), "line 2: .*twice"),
    ("twice inside", _holding(b'{"a": {"b": 1, "b": 2}}'), "twice"),
    ("NaN", _holding(b'{"a": NaN}'), "NaN"),
    ("no UTF-8", _holding(b'{"a": "\xff"}'), "UTF-8"),
    ("UTF-16", _holding('{"a": 1}'.encode("utf-16")), "UTF-8"),
    ("NULs", _holding(b"\0" * 100), "Expecting value"),
    ("half a character", _holding(b'{"apiUrl": "http://\\ud800"}'), "apiUrl|can't be used"),
]


@pytest.mark.parametrize("place", ["profile", "path", "chosen"])
@pytest.mark.parametrize(
    ("make", "words"), [each[1:] for each in BAD_FILES], ids=[each[0] for each in BAD_FILES]
)
def test_files_that_are_no_settings(
    home: Home,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[Path], object],
    words: str,
    place: str,
):
    """Whatever is in the place of a file of settings is a ConfigurationError, and holds nobody up."""
    path = (
        home.root
        / ".si"
        / {"profile": "profiles/bad.json", "path": "x", "chosen": "si-config.json"}[place]
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    make(path)
    if place == "path":
        monkeypatch.setenv("SI_CONFIG_PATH", str(path))
    if place == "chosen" and "apiUrl" in words:
        pytest.skip("no address is in it")

    with pytest.raises(ConfigurationError, match=words) as caught:
        resolve(profile="bad" if place == "profile" else None)

    assert caught.value.path == str(path)


def test_a_mark_of_the_encoding(home: Home):
    """A file that an editor of Windows has written is read."""
    path = home.profile("default", {"apiUrl": "http://10.0.0.1"})
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())

    assert resolve().api_base == "http://10.0.0.1"


def test_no_home(monkeypatch: pytest.MonkeyPatch, home: Home):
    """A user without a home, as a service may be, has the default, and is told where a profile was named."""

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)

    assert resolve().api_base == DEFAULT
    with pytest.raises(ConfigurationError, match="HOME"):
        resolve(profile="lab")


def _session(home: Home) -> list[Path]:
    """Choose a hub as si does; return the shared folder, its folder there, that of the session, and the file."""
    home.profile("default", PLATFORM)
    value = {"lastSpaceId": "space", "lastHubId": "hub"}
    file = home.write(f"tmp/.si-tmp/{os.getsid(0)}/session-config.json", value)
    return [file.parent.parent.parent, file.parent.parent, file.parent, file]


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o777])
@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_session_that_others_can_write(home: Home, number: int, mode: int):
    """A file or folder of the session that others can write to is refused, with what ends that."""
    path = _session(home)[number]
    path.chmod(mode)

    with pytest.raises(ConfigurationError, match="others can write to it; `chmod go-w") as caught:
        resolve()

    assert caught.value.path == str(path)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_session_of_another_user(home: Home, monkeypatch: pytest.MonkeyPatch, number: int):
    """What belongs to another user is refused, whatever its mode."""
    path = _session(home)[number]
    if os.getuid() != 0:
        pytest.skip("only root can give a file away")
    os.chown(path, 12345, 12345)

    with pytest.raises(ConfigurationError, match="another user") as caught:
        resolve()

    assert caught.value.path == str(path)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_session_by_a_link(home: Home, number: int):
    """A symbolic link in the place of a folder or the file is refused, wherever it leads."""
    path = _session(home)[number]
    path.rename(home.root / "elsewhere")
    path.symlink_to(home.root / "elsewhere")

    with pytest.raises(ConfigurationError, match="symbolic link"):
        resolve()


@pytest.mark.parametrize(
    ("make", "words"), [each[1:] for each in BAD_FILES[:3]], ids=[each[0] for each in BAD_FILES[:3]]
)
def test_session_that_is_no_file(home: Home, make: Callable[[Path], object], words: str):
    """A FIFO or device in the place of the session's file is refused, and holds nobody up."""
    path = _session(home)[3]
    path.unlink()
    make(path)

    with pytest.raises(ConfigurationError, match=f"{words}|symbolic link"):
        resolve()


def test_session_in_a_shared_folder(home: Home):
    """The temporary folder itself is everybody's, if its sticky bit keeps what is theirs."""
    shared = _session(home)[0]
    shared.chmod(0o1777)

    assert resolve().api_base.endswith("/space/space/api/v1/sth/hub/api/v1")


@pytest.mark.parametrize("name", ["..", ".", "../../evil", "\x00"])
@pytest.mark.parametrize("key", ["lastSpaceId", "lastHubId"])
def test_session_with_an_id_that_leads_elsewhere(home: Home, key: str, name: str):
    """An id of a session is one part of a path: what no route can hold is an error that names the file."""
    file = _session(home)[3]
    file.write_text(json.dumps({"lastSpaceId": "space", "lastHubId": "hub", key: name}))

    try:
        base = resolve().api_base
    except ConfigurationError as error:
        told = error
    else:
        told = None
        assert base.count("/") == PLATFORM["middlewareApiUrl"].count("/") + 8

    assert (told is not None and told.path == str(file)) == (name in ("..", "."))
