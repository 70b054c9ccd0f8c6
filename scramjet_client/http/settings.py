"""Settings of a client: limits, address, token, certificates, proxies; nothing here uses the network."""

from __future__ import annotations

import ipaddress
import os
import platform
import re
import sys
from collections.abc import Mapping
from datetime import timedelta
from typing import Union
from urllib.parse import quote, unquote, urlsplit

import attrs
import requests
import urllib3
from requests.utils import get_environ_proxies, select_proxy
from urllib3.util import parse_url

from scramjet_client import __version__
from scramjet_client._base import Live, Shown, public, quoted
from scramjet_client._common.checks import checked
from scramjet_client.errors import ConfigurationError
from scramjet_client.http.durations import Duration, duration
from scramjet_client.http.secrets import Secrets

API_PATH = "/api/v1"
"""The usual path of a hub's API in its URL."""

DEFAULT_API_BASE = f"http://127.0.0.1:8000{API_PATH}"

USER_AGENT = (
    f"scramjet-client-python/{__version__} (python {platform.python_version()}; {sys.platform})"
    f" requests/{requests.__version__} urllib3/{urllib3.__version__}"  # type: ignore[attr-defined]
)

_TOKEN = re.compile(r"[!-~]+")

_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_HEADER_VALUE = re.compile(r"(?:[!-~\xa1-\xff][\t -~\xa0-\xff]*)?")
"""Characters allowed in a header: Latin-1 without line ends."""

_FRAMING = {
    "connection", "content-length", "expect", "host", "keep-alive", "proxy-connection", "te", "trailer",
    "transfer-encoding", "upgrade",
}  # fmt: skip
"""Headers that frame a request or control its connection. A wrong one breaks the next request."""

_PROXY_SCHEMES = ("http", "https", "socks5h", "socks5", "socks4a", "socks4")

_LATIN = re.compile(r"[\x00-\xff]*")

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:/+", re.IGNORECASE)

_NO_URL = re.compile(r"[\x00-\x20\x7f\\\s]")
"""Characters that URL parsers drop or misread, each in its own way."""

_ADDRESS = re.compile(r"(?:https?:/*)?([\w.-]+|\[[\da-fA-F:]+\])(:\d+)?(/[\w./-]*)?")
"""What people give in place of a URL: a host, with or without a port and a path."""

_LONGEST_ADDRESS = 300
"""Characters: the name of a host has at most 253."""


# attrs converters must be named functions: only then does a type checker know their argument types.
def _connect(value: Duration | None) -> float | None:
    return duration("connect", value)


def _read(value: Duration | None) -> float | None:
    return duration("read", value)


def _write(value: Duration | None) -> float | None:
    return duration("write", value)


def _idle(value: Duration | None) -> float | None:
    return duration("idle", value)


@public
@attrs.frozen(kw_only=True)
class Timeouts(Shown):
    """Time limits in seconds, or timedeltas; None and infinite mean no limit.

    Attributes:
        connect: Limit for opening a connection.
        read: Limit for the whole answer of a JSON call, and for the head of a stream's or upload's answer; also for the
            whole answer to a sequence package. For uploads and packages it counts from when the hub last took data.
        write: How long an upload may stall. A hub whose program does not read takes nothing, so there is no limit by
            default.
        idle: How long a stream may be silent, for streams without their own `idle_timeout`.
    """

    connect: float | None = attrs.field(default=5.0, converter=_connect)
    read: float | None = attrs.field(default=60.0, converter=_read)
    write: float | None = attrs.field(default=None, converter=_write)
    idle: float | None = attrs.field(default=None, converter=_idle)
    _of_number: bool = attrs.field(default=False, init=False, repr=False, eq=False)

    @property
    def _name_of_read(self) -> str:
        """What its user calls `read`, for messages."""
        return "timeout" if self._of_number else "Timeouts.read"

    @classmethod
    def of(cls, value: Duration | Timeouts | None) -> Timeouts:
        """Return `Timeouts` with these seconds for `read`; None means the defaults."""
        if value is None:
            return cls()
        if isinstance(value, Timeouts):
            return value
        made = cls(read=duration("timeout", value))
        object.__setattr__(made, "_of_number", True)
        return made


TimeoutLike = Union[float, timedelta, Timeouts, None]


def route(*segments: str) -> str:
    """Return a path below the API's base; every segment is encoded, so that it can't change the path.

    Raises:
        TypeError: A segment is no text.
        ValueError: A segment is empty, "." or "..", which HTTP clients and servers resolve, or is no text that
            UTF-8 can carry.
    """
    for segment in segments:
        checked("a part of a path on a hub", segment, str)
        if segment in ("", ".", ".."):
            raise ValueError(f"{segment!r} can't be part of a path on a hub")
    try:
        return "/".join(quote(segment, safe="") for segment in segments)
    except UnicodeEncodeError as error:
        half = ascii(error.object[error.start])
        raise ValueError(
            f"{error.object!a} can't be part of a path on a hub: it has half of a character, {half}"
        ) from None


def without_line_end(token: str | None) -> str | None:
    """Return a token without the line end of the file that it was read from; other values as they are."""
    return re.sub(r"\r?\n\Z", "", token) if isinstance(token, str) else token


class Token(Live):
    """Sets the token of requests, if there is one."""

    def __init__(self, token: str | None) -> None:
        # A malformed token raises here, because http.client would show the whole header in its error.
        if token is not None:
            checked("token", token, str)
        token = without_line_end(token)
        if token is not None and not _TOKEN.fullmatch(token):
            raise ValueError("token must be ASCII without spaces and line ends, and not empty")
        self._token = token

    @property
    def is_set(self) -> bool:
        """Whether a token is set."""
        return self._token is not None

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the token to a request."""
        if self._token is not None:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


_SECRET_HEADER = re.compile(r"authorization|cookie|token|key|secret|password", re.IGNORECASE)


def secrets_of(token: str | None, headers: Mapping[str, str]) -> Secrets:
    """Return the settings that no error may show: the token, and headers that identify the user."""
    bare = without_line_end(token)
    values = [] if bare is None else [bare]
    for name, value in headers.items():
        if _SECRET_HEADER.search(name):
            # The value also counts without "Bearer" or "Basic".
            values += [value, value.rpartition(" ")[2]]
    return Secrets(values)


def checked_headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Return headers that can be sent; errors never show their values, which may be secrets.

    Raises:
        TypeError: A name or value is not a text.
        ValueError: A header would break its line, has characters beyond Latin-1, or is one that the client sets itself.
    """
    if not isinstance(headers, Mapping):
        raise TypeError(f"headers must be a dict of str, not {type(headers).__name__}")
    for name, value in headers.items():
        if not isinstance(name, str):
            raise TypeError(
                f"the name of the header {name!r} must be a str, not {type(name).__name__}"
            )
        checked(f"the header {name!r}", value, str)
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise ValueError(f"the header {name[:80]!r} can't be sent")
        if name.lower() in _FRAMING:
            raise ValueError(
                f"the header {name!r} must not be given: it is part of the connection, which the client sets up itself"
            )
    return headers


def checked_base(api_base: str) -> str:
    """Return the URL of a hub's API without a slash at its end, or raise TypeError or ValueError."""
    checked("api_base", api_base, str)
    try:
        parts = urlsplit(api_base)
        parts.port  # noqa: B018 - raises if it is not a port
    except ValueError:
        # The text in place of the port may be a password.
        raise ValueError("api_base is not a URL: its host or port is malformed") from None
    if parts.username or parts.password:
        raise ValueError("api_base must not hold a user or password; give token=")
    given = shown_url(api_base)
    if _NO_URL.search(api_base):
        raise ValueError(f"api_base must not hold spaces, line ends or backslashes: {given}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        whole = _completed(api_base)
        raise ValueError(
            f"api_base must be an http:// or https:// URL with a host, not {given}"
            + (f"; write it out, such as {whole!r}" if whole else "")
        )
    if parts.query or parts.fragment:
        raise ValueError(
            f"api_base must end with its path, not with a query or a fragment: {given}"
        )
    return api_base.rstrip("/")


def _completed(address: str) -> str:
    """Return the URL of a hub's API that a host, with or without a port and a path, may mean; "" if it is none."""
    if address.isdecimal():
        address = f"127.0.0.1:{address}"
    found = _ADDRESS.fullmatch(address) if len(address) <= _LONGEST_ADDRESS else None
    if found is None:
        return ""
    host, port, path = found.groups()
    here = is_loopback(f"http://{host}")
    scheme = "http" if here or port else "https"
    return f"{scheme}://{host}{port or (':8000' if here else '')}{(path or '').rstrip('/') or API_PATH}"


def shown_url(text: str) -> str:
    """Return what was given as a URL, for an error; a login, a query or a fragment may be a secret.

    A text that is not a URL has no parts to rely on, so the whole of it counts.
    """
    return (
        "*** (not shown: it may hold a password or a token)"
        if re.search("[@?#]", text)
        else quoted(text)
    )


def verification(given: bool | str | None) -> bool | str:
    """Return the CAs that TLS trusts: the given ones, else the environment's, else certifi's."""
    if given is not None:
        return given
    return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True


def proxies_for(url: str, given: dict[str, str] | None) -> dict[str, str]:
    """Return the proxies for a URL: the given ones, else the environment's, except for loopback hosts."""
    if given is not None:
        return given
    return {} if is_loopback(url) else get_environ_proxies(url)


def check_proxy(url: str, proxies: Mapping[str, str]) -> None:
    """Raise ConfigurationError if the proxy for a URL can't be used: the errors of requests would repeat its login."""
    proxy = select_proxy(url, proxies)
    if not proxy:
        return
    scheme, _, host = without_login(proxy).partition("://")
    try:
        parse_url(proxy if "//" in proxy else f"http://{proxy}")
    except ValueError:
        host = ""
    if not host:
        raise ConfigurationError(
            f"the URL of the proxy for {url} is malformed; in its login, write /, ?, # and @ as %2F, %3F, %23 and %40"
        )
    if scheme.lower() not in _PROXY_SCHEMES:
        known = ", ".join(f"{each}://" for each in _PROXY_SCHEMES)
        raise ConfigurationError(f"the proxy {scheme}://{host} is of no known kind: {known}")
    if not _LATIN.fullmatch(unquote(proxy.rpartition("@")[0])):
        raise ConfigurationError(
            f"the login of the proxy {scheme}://{host} has characters beyond Latin-1, which can't be sent"
        )


def without_login(proxy: str) -> str:
    """Return the URL of a proxy without its user and password, which may hold any character."""
    scheme = re.match(r"[a-z][a-z0-9+.-]*(?=://)", proxy, re.IGNORECASE)
    host = re.split("[/?#]", proxy.rpartition("@")[2].rpartition("://")[2])[0]
    return f"{scheme[0] if scheme else 'http'}://{host}"


def proxy_secrets(proxies: Mapping[str, str]) -> tuple[str, ...]:
    """Return the logins in the URLs of proxies: user with password, and the password alone."""
    logins = [
        _SCHEME.sub("", each.rpartition("@")[0])
        for each in proxies.values()
        if isinstance(each, str)
    ]
    found = [part for each in logins for part in (each, each.partition(":")[2])]
    return tuple(dict.fromkeys(each for part in found for each in (part, unquote(part)) if each))


def is_loopback(url: str) -> bool:
    """Return whether a URL names this machine, so that proxy variables do not apply."""
    host = (urlsplit(url).hostname or "").removesuffix(".")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback
