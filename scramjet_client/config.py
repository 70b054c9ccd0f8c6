"""Where a hub's address and token come from: arguments, the environment, the profile of `si`, the default.

Each setting is taken from the first that has it:

1. an argument;
2. `SCRAMJET_API_URL`, `SCRAMJET_TOKEN`, `SCRAMJET_CA_BUNDLE`, `SCRAMJET_TIMEOUT` (seconds);
3. the profile that the `si` command uses, for the address; its token goes to no other address;
4. the default, "http://127.0.0.1:8000/api/v1".

A hub that `scramjet hub start` has started here, as the same user, has its token in a file; where nothing else gives a
token, that one goes to its address, and to no other.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs

from scramjet_client._kept_tokens import UnsafeTokenFile, find_token
from scramjet_client.errors import ConfigurationError
from scramjet_client.http.durations import duration
from scramjet_client.http.settings import (
    DEFAULT_API_BASE,
    TimeoutLike,
    Token,
    checked_base,
    route,
)

VARIABLES = ("SCRAMJET_API_URL", "SCRAMJET_TOKEN", "SCRAMJET_CA_BUNDLE", "SCRAMJET_TIMEOUT")
"""The variables that `resolve` reads; `resolve_platform` has SCRAMJET_MIDDLEWARE_URL for the first."""


@attrs.frozen(kw_only=True)
class Settings:
    """What a client is to be made with.

    Attributes:
        api_base: URL of the hub's API.
        token: The token, or None; never shown.
        verify: True, False, the path of a CA bundle, or None for the client's own rule.
        timeout: Seconds, `Timeouts`, or None for the client's defaults.
        sources: Where each of them came from, in words, by the names above.
    """

    api_base: str
    token: str | None = attrs.field(default=None, repr=False)
    verify: bool | str | None = None
    timeout: TimeoutLike = None
    sources: Mapping[str, str] = attrs.field(factory=dict, repr=False)


@attrs.frozen(kw_only=True)
class ProfileSettings:
    """A profile of the `si` command.

    Attributes:
        name: Its name, or the path of its file where that was named.
        path: Its file.
        production: Whether `si` goes to the platform with it; else to the hub at `api_base`, without a token.
        api_base: URL of a hub's API.
        middleware_base: URL of the platform's API, or None.
        token: The token for the platform, or None; never shown.
    """

    name: str
    path: str
    production: bool
    api_base: str
    middleware_base: str | None
    token: str | None = attrs.field(repr=False)


def resolve(
    *,
    api_base: str | None = None,
    token: str | None = None,
    verify: bool | str | None = None,
    timeout: TimeoutLike = None,
    profile: str | None = None,
) -> Settings:
    """Return the settings for a hub; the head of this module has the order.

    Args:
        api_base: URL of the hub's API.
        token: The token.
        verify: As of `HostClient`.
        timeout: As of `HostClient`.
        profile: Name of the profile to use, before the environment's address.

    Raises:
        ConfigurationError: A variable or the profile can't be used; says which, and the line.
        ValueError: Both `api_base` and `profile` are given.
    """
    place = _place("the hub", api_base, "SCRAMJET_API_URL", profile, _hub_of)
    found = _with_rest(place, token=token, verify=verify, timeout=timeout)
    return found if found.token is not None else _with_kept_token(found)


def resolve_platform(
    *,
    api_base: str | None = None,
    token: str | None = None,
    verify: bool | str | None = None,
    timeout: TimeoutLike = None,
    profile: str | None = None,
) -> Settings:
    """Return the settings for a platform's middleware: as for a hub, but its address has no default.

    The address is in `SCRAMJET_MIDDLEWARE_URL` or in `middlewareApiUrl` of the profile. The arguments are
    those of `resolve`.

    Raises:
        ConfigurationError: A variable or the profile can't be used, or nothing names a platform.
        ValueError: Both `api_base` and `profile` are given.
    """
    place = _place("the platform", api_base, "SCRAMJET_MIDDLEWARE_URL", profile, _platform_of)
    return _with_rest(place, token=token, verify=verify, timeout=timeout)


def profile_settings(name: str | None = None) -> ProfileSettings:
    """Return a profile of the `si` command.

    Args:
        name: Its name. None means the one that `si` would use: `SI_CONFIG_PATH` (a file), `SI_CONFIG`
            (a name), the one chosen by `si config profile use`, "default".

    Raises:
        ConfigurationError: There is none, or it can't be used; says which file, and the line.
    """
    path, shown = _chosen(name)
    return _profile(path, shown)


# -- the environment ------------------------------------------------------------------------------


def _variable(name: str) -> str:
    # Values that come out of files often end with a line end.
    return os.environ.get(name, "").strip()


def _read(name: str, read: Callable[[str], Any]) -> Any:
    try:
        return read(_variable(name))
    except ValueError as error:
        raise ConfigurationError(
            f"the environment variable {name} can't be used: {error}"
        ) from None


def _token(value: str) -> str:
    Token(value)
    return value


def _existing_path(value: str) -> str:
    if not Path(value).exists():
        raise ValueError(f"there is no file {value!r}")
    return value


def _seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        raise ValueError(f"it must be a number of seconds, not {value!r}") from None
    # Infinite is no limit, which None would not say here.
    duration("it", seconds)
    return seconds


@attrs.frozen(kw_only=True)
class _Place:
    """An address, where it came from, and the token that may go there and nowhere else."""

    api_base: str
    source: str
    token: str | None = attrs.field(default=None, repr=False)


def _place(
    what: str,
    api_base: str | None,
    variable: str,
    profile: str | None,
    of_profile: Callable[[str | None], _Place],
) -> _Place:
    """Return the address that an argument, a variable or else a profile names."""
    if api_base is not None and profile is not None:
        raise ValueError(f"api_base and profile both say where {what} is; give one of them")
    if api_base is not None:
        return _Place(api_base=api_base, source="argument api_base")
    if profile is None and _variable(variable):
        return _Place(api_base=_read(variable, checked_base), source=variable)
    return of_profile(profile)


def _with_rest(
    place: _Place,
    *,
    token: str | None,
    verify: bool | str | None,
    timeout: TimeoutLike,
) -> Settings:
    """Add what comes with an address: arguments, then variables, then the token of the address's profile."""
    sources = {"api_base": place.source}
    given: dict[str, Any] = {"token": token, "verify": verify, "timeout": timeout}
    for name, variable, read in (
        ("token", "SCRAMJET_TOKEN", _token),
        ("verify", "SCRAMJET_CA_BUNDLE", _existing_path),
        ("timeout", "SCRAMJET_TIMEOUT", _seconds),
    ):
        if given[name] is not None:
            sources[name] = f"argument {name}"
        elif _variable(variable):
            given[name] = _read(variable, read)
            sources[name] = variable
    if given["token"] is None and place.token is not None:
        given["token"] = place.token
        sources["token"] = place.source
    return Settings(api_base=place.api_base, sources=sources, **given)


def _with_kept_token(settings: Settings) -> Settings:
    """Add the token of the hub that a command of this user runs at the address, if there is one."""
    try:
        found = find_token(settings.api_base)
    except UnsafeTokenFile as error:
        raise ConfigurationError(
            f"the token of the hub here can't be used: {error}; remove it, and start the hub again"
        ) from None
    if found is None:
        return settings
    token, path = found
    sources = {**settings.sources, "token": f"the hub that runs here ({path})"}
    return attrs.evolve(settings, token=token, sources=sources)


# -- the profile ----------------------------------------------------------------------------------


def _hub_of(name: str | None) -> _Place:
    """Return the hub of a profile, or the default where `si` was never used."""
    path, shown = _chosen(name)
    if name is None and shown == "default" and not path.exists():
        return _Place(api_base=DEFAULT_API_BASE, source="the default")
    profile = _profile(path, shown)
    source = f"si profile {shown!r} ({path})"
    if not profile.production:
        return _Place(api_base=profile.api_base, source=source)
    return _Place(api_base=_hub_of_session(profile), source=source, token=profile.token)


def _platform_of(name: str | None) -> _Place:
    """Return the platform of a profile."""
    profile = profile_settings(name)
    if profile.middleware_base is None:
        raise _broken(Path(profile.path), None, "middlewareApiUrl, of a platform, is missing")
    source = f"si profile {profile.name!r} ({profile.path})"
    return _Place(api_base=profile.middleware_base, source=source, token=profile.token)


def _chosen(name: str | None) -> tuple[Path, str]:
    """Return the file of a profile, and its name."""
    folder = Path.home() / ".si"
    if name is None:
        if _variable("SI_CONFIG_PATH"):
            path = Path(_variable("SI_CONFIG_PATH"))
            return path, str(path)
        name = _variable("SI_CONFIG") or _current(folder / "si-config.json") or "default"
    if not name or Path(name).name != name:
        raise ConfigurationError(f"{name!r} is not the name of a profile of si")
    return folder / "profiles" / f"{name}.json", name


def _current(path: Path) -> str | None:
    """Return the name of the profile that `si` was told to use."""
    if not path.exists():
        return None
    text, value = _load(path)
    return _text(path, text, value, "profile") or None


def _profile(path: Path, name: str) -> ProfileSettings:
    if not path.exists():
        raise _broken(path, None, "there is no such file")
    text, value = _load(path)
    environment = _text(path, text, value, "env") or "development"
    if environment not in ("development", "production"):
        sentence = f"env must be development or production, not {environment!r}"
        raise _broken(path, _line_of(text, "env"), sentence)
    production = environment == "production"
    middleware = _url(path, text, value, "middlewareApiUrl")
    if production and middleware is None:
        raise _broken(path, _line_of(text, "middlewareApiUrl"), "middlewareApiUrl is missing")
    token = _text(path, text, value, "token").strip()
    if token:
        try:
            Token(token)
        except ValueError as error:
            raise _broken(path, _line_of(text, "token"), str(error)) from None
    return ProfileSettings(
        name=name,
        path=str(path),
        production=production,
        api_base=_url(path, text, value, "apiUrl") or DEFAULT_API_BASE,
        middleware_base=middleware,
        token=token or None,
    )


def _hub_of_session(profile: ProfileSettings) -> str:
    """Return the address of the hub that `si` was last told to use in this shell session."""
    session = os.getsid(0) if hasattr(os, "getsid") else ""
    path = Path(tempfile.gettempdir()) / ".si-tmp" / str(session) / "session-config.json"
    space = hub = ""
    if path.exists():
        text, value = _load(path)
        space = _text(path, text, value, "lastSpaceId")
        hub = _text(path, text, value, "lastHubId")
    if not space or not hub:
        raise ConfigurationError(
            f"si profile {profile.name!r} is for a platform, and no hub of it is chosen in this shell session;"
            " use MiddlewareClient.from_profile, or choose one by `si space use` and `si hub use`"
        )
    below = f"{route('space', space)}/api/v1/{route('sth', hub)}/api/v1"
    return f"{profile.middleware_base}/{below}"


def _load(path: Path) -> tuple[str, dict[str, Any]]:
    """Return the text and the object of a JSON file."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise _broken(path, None, f"{said}") from None
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        # Not chained: the error holds the text, and the text may hold a token.
        raise _broken(path, error.lineno, f"{error.msg}, column {error.colno}") from None
    if not isinstance(value, dict):
        raise _broken(path, 1, "it must be an object")
    return text, value


def _text(path: Path, text: str, value: dict[str, Any], key: str) -> str:
    found = value.get(key, "")
    if not isinstance(found, str):
        sentence = f"{key} must be a text, not {type(found).__name__}"
        raise _broken(path, _line_of(text, key), sentence)
    return found


def _url(path: Path, text: str, value: dict[str, Any], key: str) -> str | None:
    found = _text(path, text, value, key)
    try:
        return checked_base(found) if found else None
    except ValueError as error:
        sentence = str(error).replace("api_base", key)
        raise _broken(path, _line_of(text, key), sentence) from None


def _line_of(text: str, key: str) -> int | None:
    """Return the line on which a key of a JSON text stands."""
    found = re.search(rf'"{key}"\s*:', text)
    return None if found is None else text.count("\n", 0, found.start()) + 1


def _broken(path: Path, line: int | None, what: str) -> ConfigurationError:
    where = str(path) if line is None else f"{path}, line {line}"
    error = ConfigurationError(f"the settings of si can't be used: {where}: {what}")
    error.path, error.line = str(path), line
    return error
