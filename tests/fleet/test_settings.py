"""The platform that the environment, or a profile of si, names."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from scramjet_client import ConfigurationError, HostClient, MiddlewareClient
from tests.fleet.conftest import TOKEN
from tests.support.fleet import Platform


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory of this test, and an environment that says nothing."""
    for name in list(os.environ):
        if name.startswith(("SCRAMJET_", "SI_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    return tmp_path


def write(path: Path, **value: Any) -> None:
    """Write a JSON file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def profile(home: Path, name: str, platform: str) -> None:
    """Write a profile of si for a platform."""
    write(
        home / f".si/profiles/{name}.json",
        configVersion=1,
        apiUrl="http://127.0.0.1:8000/api/v1",
        middlewareApiUrl=platform,
        env="production",
        scope="",
        token=TOKEN,
        log={"debug": False, "format": "pretty"},
    )


def test_from_profile(home: Path, platform: Platform):
    """A profile names the platform and its token."""
    profile(home, "cloud", platform.url)

    with MiddlewareClient.from_profile("cloud") as middleware:
        hubs = middleware.get_manager_client("one").get_hosts()

    assert {each.id for each in hubs} == {"left", "right", "old"}
    assert TOKEN not in repr(middleware)


def test_from_env(home: Path, platform: Platform, monkeypatch: pytest.MonkeyPatch):
    """Variables go before the profile that si uses."""
    profile(home, "default", "http://127.0.0.1:1/api/v1")
    monkeypatch.setenv("SCRAMJET_MIDDLEWARE_URL", platform.url)
    monkeypatch.setenv("SCRAMJET_TOKEN", TOKEN)

    with MiddlewareClient.from_env() as middleware:
        assert [each.id for each in middleware.get_managers()] == ["one", "two"]


def test_profile_without_a_platform(home: Path):
    """A profile that names none is a sentence with its file."""
    profile(home, "default", "")
    path = home / ".si/profiles/default.json"
    path.write_text(path.read_text().replace("production", "development"))

    with pytest.raises(ConfigurationError, match=r"default\.json: middlewareApiUrl"):
        MiddlewareClient.from_env()


def test_no_platform_anywhere(home: Path):
    """Nothing that names a platform is an error: there is no default."""
    with pytest.raises(ConfigurationError, match="no such file"):
        MiddlewareClient.from_env()


def test_token_of_a_profile_goes_to_its_own_platform_alone(
    home: Path, platform: Platform, monkeypatch: pytest.MonkeyPatch
):
    """An address from elsewhere does not get the profile's token."""
    profile(home, "default", "http://127.0.0.1:1/api/v1")
    monkeypatch.setenv("SCRAMJET_MIDDLEWARE_URL", platform.url)

    with MiddlewareClient.from_env() as middleware:
        assert not middleware.client.token.is_set


def test_hub_that_si_was_told_to_use(home: Path, platform: Platform):
    """A HostClient finds the hub behind a manager that si uses in this shell session."""
    profile(home, "default", platform.url)
    session = home / "tmp/.si-tmp" / str(os.getsid(0)) / "session-config.json"
    write(session, lastSpaceId="one", lastHubId="old")

    with HostClient.from_env() as host:
        assert host.get_version().version == "0.18.7"
