"""A hub's address and token: from arguments, the environment, the profile of `si`, or the default.

Each setting comes from the first of these that has it:

1. an argument;
2. `SCRAMJET_API_URL`, `SCRAMJET_TOKEN`, `SCRAMJET_CA_BUNDLE`, `SCRAMJET_TIMEOUT` (seconds);
3. for the address, the profile that the `si` command uses; its token goes to no other address;
4. the default, "http://127.0.0.1:8000/api/v1".

A hub that the same user has started here with `scramjet hub start` has its token in a file. Where nothing else gives a
token, the client sends that one to this hub's address, and to no other.
"""

from __future__ import annotations

import json
import os
import re
import stat
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs

from scramjet_client._common.checks import checked
from scramjet_client._common.kept_tokens import UnsafeTokenFile, find_token
from scramjet_client.errors import ConfigurationError
from scramjet_client.http.durations import duration
from scramjet_client.http.settings import (
    DEFAULT_API_BASE,
    TimeoutLike,
    Token,
    checked_base,
    route,
    without_line_end,
)

VARIABLES = ("SCRAMJET_API_URL", "SCRAMJET_TOKEN", "SCRAMJET_CA_BUNDLE", "SCRAMJET_TIMEOUT")
"""The variables that `resolve` reads; `resolve_platform` reads SCRAMJET_MIDDLEWARE_URL instead of the first."""

_LARGEST = 1_000_000
"""Most bytes of a settings file; those of `si` have some hundreds."""

_DIGITS = 100
"""Most digits of a number in a settings file."""


@attrs.frozen(kw_only=True)
class Settings:
    """The settings for a new client.

    Attributes:
        api_base: URL of the hub's API.
        token: The token, or None; never shown.
        verify: True, False, the path of a CA bundle, or None for the client's own rule.
        timeout: Seconds, `Timeouts`, or None for the client's defaults.
        sources: The source of each setting, in words, by the names above.
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
        name: Its name, or the path of its file if you named that.
        path: Its file.
        production: Whether `si` uses the platform with it; otherwise it uses the hub at `api_base`, without a token.
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
    """Return the settings for a hub; the module's docstring gives the order.

    Args:
        api_base: URL of the hub's API.
        token: The token.
        verify: As of `HostClient`.
        timeout: As of `HostClient`.
        profile: Name of the profile to use; it comes before the environment's address.

    Raises:
        ConfigurationError: A variable or the profile can't be used; the message says which, and the line.
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
    """Return the settings for a platform's middleware: as for a hub, but the address has no default.

    The address comes from `SCRAMJET_MIDDLEWARE_URL` or from `middlewareApiUrl` in the profile. The arguments are
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
        ConfigurationError: It is missing or can't be used; the message says which file, and the line.
    """
    path, shown = _chosen(name)
    found = _profile(path, shown)
    if found is None:
        raise _missing(path, name)
    return found


def profile_names() -> list[str]:
    """Return the names of the existing profiles, in order."""
    folder = _home()
    return (
        [] if folder is None else sorted(each.stem for each in (folder / "profiles").glob("*.json"))
    )


def profile_file(name: str) -> Path:
    """Return the file of a profile of `si`, which need not exist.

    Raises:
        ConfigurationError: The name can't be one, or this user has no home folder.
    """
    if not name or Path(name).name != name or "\0" in name:
        raise ConfigurationError(f"{name!r} is not the name of a profile of si")
    return si_folder() / "profiles" / f"{name}.json"


def si_folder() -> Path:
    """Return the folder of `si`.

    Raises:
        ConfigurationError: This user has no home folder.
    """
    folder = _home()
    if folder is None:
        raise ConfigurationError(
            "the profiles of si can't be found: this user has no home folder; set HOME"
        )
    return folder


def chosen_settings() -> dict[str, Any]:
    """Return the content of the file in which `si` keeps the chosen profile, or {} without such a file.

    Raises:
        ConfigurationError: It can't be used; the message says why.
    """
    folder = _home()
    file = None if folder is None else _load(folder / "si-config.json")
    return {} if file is None else file.value


# -- the environment ------------------------------------------------------------------------------


def _variable(name: str) -> str:
    # Values read from files often end with a newline.
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
    # An infinite timeout means no limit, which None would not mean here.
    duration("it", seconds)
    return seconds


def _place(
    what: str,
    api_base: str | None,
    variable: str,
    profile: str | None,
    of_profile: Callable[[str | None], Settings],
) -> Settings:
    """Return the address from an argument, a variable, or else a profile, with the token that may go only there."""
    for name, value in (("api_base", api_base), ("profile", profile)):
        if value is not None:
            checked(name, value, str)
    if api_base is not None and profile is not None:
        raise ValueError(f"api_base and profile both say where {what} is; give one of them")
    if api_base is not None:
        return _at(api_base, "argument api_base")
    if profile is None and _variable(variable):
        return _at(_read(variable, checked_base), variable)
    return of_profile(profile)


def _at(api_base: str, source: str, token: str | None = None) -> Settings:
    return Settings(api_base=api_base, token=token, sources={"api_base": source})


def _with_rest(
    place: Settings,
    *,
    token: str | None,
    verify: bool | str | None,
    timeout: TimeoutLike,
) -> Settings:
    """Add the other settings for an address: arguments, then variables, then the token of the address's profile."""
    sources = {**place.sources}
    given: dict[str, Any] = {"token": without_line_end(token), "verify": verify, "timeout": timeout}
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
        sources["token"] = sources["api_base"]
    return Settings(api_base=place.api_base, sources=sources, **given)


def _with_kept_token(settings: Settings) -> Settings:
    """Add the token of the hub that this user has started at the address, if there is one."""
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


def _hub_of(name: str | None) -> Settings:
    """Return the hub of a profile, or the default if `si` was never used."""
    default = _at(DEFAULT_API_BASE, "the default")
    named = name or _variable("SI_CONFIG_PATH") or _variable("SI_CONFIG")
    if name is None and not named and _home() is None:
        return default
    path, shown = _chosen(name)
    profile = _profile(path, shown)
    if profile is None:
        if name is None and shown == "default":
            return default
        raise _missing(path, name)
    source = f"si profile {shown!r} ({path})"
    if not profile.production:
        return _at(profile.api_base, source)
    return _at(_hub_of_session(profile), source, profile.token)


def _missing(path: Path, name: str | None) -> ConfigurationError:
    """Return the error for the file of a profile that does not exist, given the name that a caller has asked for."""
    if name is None:
        return _broken(path, "there is no such file")
    error = ConfigurationError(
        f"there is no profile {name!r} of si: no such file {str(path)!r}; `scramjet profile list` shows those that"
        " there are"
    )
    error.path = str(path)
    return error


def _platform_of(name: str | None) -> Settings:
    profile = profile_settings(name)
    if profile.middleware_base is None:
        raise _broken(Path(profile.path), "middlewareApiUrl, of a platform, is missing")
    source = f"si profile {profile.name!r} ({profile.path})"
    return _at(profile.middleware_base, source, profile.token)


def _chosen(name: str | None) -> tuple[Path, str]:
    """Return the file of a profile, and its name."""
    if name is None and _variable("SI_CONFIG_PATH"):
        path = Path(_variable("SI_CONFIG_PATH"))
        return path, str(path)
    if name is None:
        name = _variable("SI_CONFIG") or _current() or "default"
    return profile_file(name), name


def _home() -> Path | None:
    """Return the folder of `si`; None for a user without a home folder, as for some services."""
    try:
        return Path.home() / ".si"
    except RuntimeError:
        return None


def _current() -> str:
    """Return the name of the profile that `si` is set to use, or ""."""
    file = _load(si_folder() / "si-config.json")
    return "" if file is None else file.text_of("profile")


def _profile(path: Path, name: str) -> ProfileSettings | None:
    file = _load(path)
    if file is None:
        return None
    environment = file.text_of("env") or "development"
    if environment not in ("development", "production"):
        raise file.broken("env", f"env must be development or production, not {environment!r}")
    production = environment == "production"
    middleware = file.url_of("middlewareApiUrl")
    if production and middleware is None:
        raise file.broken("middlewareApiUrl", "middlewareApiUrl is missing")
    token = file.text_of("token").strip()
    if token:
        try:
            Token(token)
        except ValueError as error:
            raise file.broken("token", str(error)) from None
    return ProfileSettings(
        name=name,
        path=str(path),
        production=production,
        api_base=file.url_of("apiUrl") or DEFAULT_API_BASE,
        middleware_base=middleware,
        token=token or None,
    )


def _hub_of_session(profile: ProfileSettings) -> str:
    """Return the address of the hub that `si` last chose in this shell session."""
    session = os.getsid(0) if hasattr(os, "getsid") else ""
    # The temporary folder itself may be behind a link, as on macOS; no other user can make that link.
    shared = Path(os.path.realpath(tempfile.gettempdir()))
    folders = [shared, shared / ".si-tmp", shared / ".si-tmp" / str(session)]
    path = folders[-1] / "session-config.json"
    ours = all(_is_our_folder(each, shared=each is shared) for each in folders)
    file = _load(path, private=True) if ours else None
    space = "" if file is None else file.text_of("lastSpaceId")
    hub = "" if file is None else file.text_of("lastHubId")
    if not space or not hub:
        raise ConfigurationError(
            f"si profile {profile.name!r} is for a platform, and no hub of it is chosen in this shell session;"
            " use MiddlewareClient.from_profile, or choose one by `si space use` and `si hub use`"
        )
    try:
        below = f"{route('space', space)}/api/v1/{route('sth', hub)}/api/v1"
    except ValueError as error:
        raise _broken(path, str(error)) from None
    return f"{profile.middleware_base}/{below}"


# -- files ----------------------------------------------------------------------------------------


def _is_our_folder(path: Path, *, shared: bool) -> bool:
    """Return whether a folder exists; nobody else may be able to replace our files in it.

    Raises:
        ConfigurationError: Somebody else can, or it is not a folder.
    """
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise _broken(path, f"{error.strerror}") from None
    if not stat.S_ISDIR(found.st_mode):
        raise _broken(path, f"it is {_kind(found)}, where a folder must be")
    _check_owner(path, found, shared=shared)
    return True


def _check_owner(path: Path, found: os.stat_result, *, shared: bool = False) -> None:
    """Refuse a file or folder that another user of this machine may have made, or can change.

    Of a `shared` folder, such as that for temporary files, others may write to it if its sticky bit protects the files.
    """
    if not hasattr(os, "getuid"):
        # Windows has a separate temporary folder for each user.
        return
    if found.st_uid not in (os.getuid(), 0):
        raise _broken(
            path, f"it belongs to another user ({found.st_uid}), who may lead you to a hub of his"
        )
    others = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if others and not (shared and found.st_mode & stat.S_ISVTX):
        raise _broken(path, f"others can write to it; `chmod go-w {path}` ends that")


def _kind(found: os.stat_result) -> str:
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a FIFO",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
        stat.S_IFLNK: "a symbolic link",
        stat.S_IFREG: "a file",
    }
    return kinds.get(stat.S_IFMT(found.st_mode), "of another kind")


def _contents(path: Path, *, private: bool) -> bytes | None:
    """Return the content of a file, None if it is missing; reads only regular files of limited size.

    It refuses a `private` file that another user may have made.
    """
    # O_NONBLOCK, because opening a FIFO waits until somebody writes to it.
    names = ["O_NONBLOCK", "O_NOCTTY", "O_BINARY", *(["O_NOFOLLOW"] if private else [])]
    flags = sum((getattr(os, each, 0) for each in names), os.O_RDONLY)
    try:
        descriptor = os.open(path, flags)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        said = "it is a symbolic link" if private and path.is_symlink() else error.strerror
        raise _broken(path, f"{said}") from None
    try:
        # Check before Python makes a file object of it, which fails for a folder.
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise _broken(path, f"it is {_kind(found)}, where a file must be")
        if private:
            _check_owner(path, found)
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise _broken(path, f"{error.strerror}") from None
    finally:
        os.close(descriptor)
    if len(data) > _LARGEST:
        raise _broken(path, f"it is larger than {_LARGEST // 1000} kB, which no settings are")
    return data


@attrs.frozen
class _File:
    """A settings file, which is a JSON object."""

    path: Path
    text: str
    value: dict[str, Any]

    def text_of(self, key: str) -> str:
        """Return a text of it, "" if it is missing."""
        found = self.value.get(key, "")
        if not isinstance(found, str):
            raise self.broken(key, f"{key} must be a text, not {type(found).__name__}")
        if any("\ud800" <= each <= "\udfff" for each in found):
            raise self.broken(key, f"{key} can't be used: half a character is in it")
        return found

    def url_of(self, key: str) -> str | None:
        """Return a URL of it, None if it is missing."""
        found = self.text_of(key)
        try:
            return checked_base(found) if found else None
        except ValueError as error:
            raise self.broken(key, str(error).replace("api_base", key)) from None

    def broken(self, key: str, what: str) -> ConfigurationError:
        """Return the error for a key of it."""
        return _broken(self.path, what, _line_of(self.text, key))


def _load(path: Path, *, private: bool = False) -> _File | None:
    """Return a settings file, None if it is missing; `private` is as of `_contents`."""
    data = _contents(path, private=private)
    if data is None:
        return None
    try:
        # Windows editors put a byte order mark at the beginning of a file.
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _broken(path, "it is not UTF-8") from None
    try:
        value = json.loads(
            text, object_pairs_hook=_once, parse_int=_number, parse_constant=_no_number
        )
    except json.JSONDecodeError as error:
        # Not chained: the error contains the text, and the text may contain a token.
        raise _broken(path, f"{error.msg}, column {error.colno}", error.lineno) from None
    except _Refused as error:
        raise _broken(path, str(error), _line_of(text, error.key)) from None
    except RecursionError:
        raise _broken(path, "it is nested too deeply") from None
    if not isinstance(value, dict):
        raise _broken(path, "it must be an object", 1)
    return _File(path, text, value)


class _Refused(ValueError):
    """A value that JSON allows, and settings do not."""

    def __init__(self, said: str, key: str = "") -> None:
        super().__init__(said)
        self.key = key


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in found if names.count(name) > 1)
        raise _Refused(f"{twice[:40]!r} is in it twice", twice)
    return found


def _number(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise _Refused(f"a number has {len(digits)} digits")
    return int(digits)


def _no_number(word: str) -> float:
    raise _Refused(f"{word} is not a number of JSON")


def _line_of(text: str, key: str) -> int | None:
    """Return the line of a key in a JSON text; of two equal keys, the line of the last one."""
    found = list(re.finditer(rf'"{re.escape(key)}"\s*:', text)) if key else []
    return text.count("\n", 0, found[-1].start()) + 1 if found else None


def _broken(path: Path, what: str, line: int | None = None) -> ConfigurationError:
    where = str(path) if line is None else f"{path}, line {line}"
    error = ConfigurationError(f"the settings of si can't be used: {where}: {what}")
    error.path, error.line = str(path), line
    return error
