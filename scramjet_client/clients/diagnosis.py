"""Why a hub can't be reached, and what to do about it: the part of `doctor` that draws conclusions."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import uuid
from collections.abc import Mapping
from itertools import accumulate
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

import requests
from requests.utils import select_proxy

from scramjet_client._common.clock import monotonic
from scramjet_client._common.kept_tokens import hubs_here, kept_at
from scramjet_client.api.http_client import HttpClient
from scramjet_client.errors import (
    HubResponseError,
    HubTimeoutError,
    InvalidResponseError,
    ScramjetError,
)
from scramjet_client.http.causes import causes, has_cause
from scramjet_client.http.failures import WRONG_PATH_OF_OURS, wrong_path
from scramjet_client.http.settings import API_PATH, is_loopback, proxies_for

_LOGIN = 407
_GATEWAY = (502, 503, 504)
_NO_TOKEN = (401, 403)
_MISSING = (404, 405)

_PROBE = 3.0
"""Seconds for each further request."""

_DEEPEST = 3
"""Folders of a path, from the first, below which a hub's API is looked for."""


class Diagnosis(NamedTuple):
    """What keeps a client from a hub.

    Attributes:
        cause: One word for programs, such as "no-hub"; docs/cli.md has all of them.
        advice: What to do, a sentence for people.
    """

    cause: str
    advice: str


_SPEAKS_TLS = Diagnosis("tls", "it speaks TLS there; begin the URL with https://")
_NOT_A_HUB = Diagnosis("not-a-hub", "another service is at this address; check host and port")

_BY_CAUSE: tuple[tuple[type[BaseException], str, str], ...] = (
    (
        HubTimeoutError,
        "timeout",
        "something takes the connection, or drops it, and does not answer: a firewall, another service,"
        " or a hub that is stuck",
    ),
    (
        socket.gaierror,
        "unknown-host",
        "no host of this name is known here; check the URL, or the DNS",
    ),
    (
        ConnectionRefusedError,
        "no-hub",
        "nothing listens there; `scramjet hub start` starts a hub here, --url or SCRAMJET_API_URL names another one",
    ),
)
"""What the cause of a failure means if neither a proxy nor TLS is in the way."""

_PLAIN = "it does not speak TLS there; begin the URL with http://"
_OTHER_NAME = "its certificate is for another name; use the name that the certificate has"

_BY_WORDS = (
    ("wrong_version_number", _PLAIN),
    ("wrong version number", _PLAIN),
    ("record layer failure", _PLAIN),
    ("expired", "its certificate has expired, or the clock of this machine is wrong"),
    ("not yet valid", "the clock of this machine is wrong, or that of who made its certificate"),
    ("mismatch", _OTHER_NAME),
    ("doesn't match", _OTHER_NAME),
    ("certificate required", "it wants a certificate of the client; give cert="),
    (
        "verify failed",
        "its CA is not known here; --ca FILE, SCRAMJET_CA_BUNDLE or verify= names it",
    ),
)
"""What the words of an error of TLS mean."""


def diagnose(
    error: Exception, client: HttpClient, sources: Mapping[str, str], timeout: float
) -> Diagnosis | None:
    """Return the meaning of an error of the first request to a hub, or None if it is not known."""
    if has_cause(error, requests.exceptions.ProxyError):
        return Diagnosis(
            "proxy",
            "the proxy did not let it through; check the proxy's address and login, or name the hub in NO_PROXY",
        )
    if has_cause(error, (ssl.SSLError, requests.exceptions.SSLError)):
        words = " ".join(map(str, causes(error))).lower()
        other = "the two sides find no way to speak TLS; see what stands in front of the hub"
        advice = next((advice for sign, advice in _BY_WORDS if sign in words), other)
        return Diagnosis("tls", advice)
    for kind, cause, advice in _BY_CAUSE:
        if has_cause(error, kind):
            return Diagnosis(cause, _hub_here(cause, client) or advice)
    if not isinstance(error, ScramjetError):
        return None
    if error.status is None:
        return _SPEAKS_TLS if _speaks_tls(client, timeout) else None
    return _about_answer(error, error.status, client, sources, timeout)


def _hub_here(cause: str, client: HttpClient) -> str:
    """Return advice if nothing listens at the address, and this user runs a hub at another one; else ""."""
    if cause == "no-hub" and "reached" in client.memo:
        return "the hub has answered before, and nothing listens there any more; look whether it has ended"
    hubs = hubs_here() if cause == "no-hub" else []
    if not hubs:
        return ""
    return (
        f"nothing listens there, and a hub of yours runs at {' and '.join(hubs)}; use this address"
    )


def _about_answer(
    error: ScramjetError,
    status: int,
    client: HttpClient,
    sources: Mapping[str, str],
    timeout: float,
) -> Diagnosis | None:
    """Return the meaning of an answer that is not a hub's version."""
    body = error.body or ""
    page = body.lstrip()[:1] == "<"
    if "HTTPS port" in body:
        return _SPEAKS_TLS
    if status == _LOGIN:
        return Diagnosis(
            "proxy", "a proxy wants a login; put user and password into the proxy's URL"
        )
    if status in _NO_TOKEN and not page:
        return _about_token(client, sources)
    if status in _GATEWAY:
        return Diagnosis(
            "proxy",
            "a proxy answered, and the hub behind it did not; look whether the hub runs, and where the proxy"
            " sends requests",
        )
    if elsewhere := _elsewhere(client, timeout):
        return elsewhere
    if page or 300 <= status < 400:
        return Diagnosis(
            "proxy",
            "a web page came instead of a hub's answer: a proxy, a login page or another web server is there",
        )
    if status in _MISSING:
        return Diagnosis(
            "wrong-path",
            f"there is no hub's API at this path; its URL normally ends with {API_PATH}",
        )
    return _NOT_A_HUB if isinstance(error, InvalidResponseError) else None


def not_a_hub(client: HttpClient, timeout: float) -> Diagnosis:
    """Return the diagnosis for a JSON answer without a version."""
    return _elsewhere(client, timeout) or _NOT_A_HUB


def _elsewhere(client: HttpClient, timeout: float) -> Diagnosis | None:
    found = api_nearby(client, timeout)
    if found is None:
        return None
    return Diagnosis("wrong-path", f"a hub's API answers at {found}; use this URL")


def _about_token(client: HttpClient, sources: Mapping[str, str]) -> Diagnosis:
    path = ""
    if wrong_path(client.api_base):
        # A hub may ask for the token on any path, so nobody knows what is at this one.
        path = f"; a hub's API is normally below {API_PATH}, and this URL does not end with it"
    if client.token.is_set:
        whose = sources.get("token", "argument token")
        return Diagnosis(
            "refused-token",
            f"the token of {whose} is not the one that this hub takes; {_right_token(client, whose)}{path}",
        )
    kept = kept_at(client.api_base)
    if kept is not None:
        own = kept == client.api_base
        if path:
            return Diagnosis("no-token", WRONG_PATH_OF_OURS.format(kept))
        return Diagnosis(
            "no-token",
            "it is a hub of yours, and HostClient.from_env() finds its token"
            if own
            else f"it is a hub of yours, whose token from_env() and `scramjet` send only to {kept}; use this address",
        )
    return Diagnosis(
        "no-token",
        f"this hub wants a token, and none was given; set SCRAMJET_TOKEN, or give token={path}",
    )


def _right_token(client: HttpClient, whose: str) -> str:
    """Return where the right token is, if a token from `whose` was refused."""
    if kept_at(client.api_base) is None:
        return "ask for the right one"
    variable = whose in os.environ
    leave = f"unset {whose}" if variable else "give none"
    return f"it is a hub of yours: {leave}, and HostClient.from_env() finds the token of this hub"


def api_nearby(client: HttpClient, timeout: float) -> str | None:
    """Return the URL of a hub's API that answers on the same host, or None.

    The requests carry neither token nor headers, so a hub that asks for a token counts too. Some hubs ask for it on any
    path. On this machine the token then goes along: whoever listens there has had it in the first request.
    """
    deadline = monotonic() + timeout
    guarded = []
    for base in _likely(client.api_base):
        answer = _answer_of(base, client, deadline)
        if answer == "version":
            return base
        if answer == "token":
            nowhere = f"{base[: -len(API_PATH)]}/{uuid.uuid4()}"
            if _answer_of(nowhere, client, deadline) != "token":
                return base
            guarded.append(base)
    if not client.token.is_set or not is_loopback(client.api_base):
        return None
    return next(
        (each for each in guarded if _answer_of(each, client, deadline, token=True) == "version"),
        None,
    )


def _likely(api_base: str) -> list[str]:
    """Return the URLs at which a hub's API may be, if it is not at this one: the most similar first."""
    parts = urlsplit(api_base)
    origin = f"{parts.scheme}://{parts.netloc}"
    begun = list(accumulate(f"/{each}" for each in parts.path.split("/") if each))
    # What follows the usual path is the path of a request, as in "/api/v1/sequences".
    bases = [f"{origin}{each}" for each in begun if each.endswith(API_PATH)]
    bases += [f"{origin}{each}{API_PATH}" for each in ("", *begun[:_DEEPEST], *begun[-1:])][::-1]
    return [each for each in dict.fromkeys(bases) if each != api_base]


def _answer_of(
    base: str, client: HttpClient, deadline: float, *, token: bool = False
) -> Literal["version", "token", "other"]:
    """Return what answers below a URL: a hub's version, the wish for a token, or anything else."""
    left = min(deadline - monotonic(), _PROBE)
    if left <= 0:
        return "other"
    with HttpClient(
        base,
        headers=_token_of(client) if token else None,
        verify=client.verify,
        cert=client.cert,
        proxies=client.proxies,
        retries=0,
    ) as probe:
        try:
            value = probe.get("version", timeout=left)
        except HubResponseError as error:
            page = (error.body or "").lstrip().startswith("<")
            return "token" if error.status in _NO_TOKEN and not page else "other"
        except (ScramjetError, OSError, ValueError):
            return "other"
    is_version = isinstance(value, dict) and isinstance(value.get("version"), str)
    return "version" if is_version else "other"


def _token_of(client: HttpClient) -> dict[str, str]:
    request = requests.Request("GET", client.api_base).prepare()
    request.headers.clear()
    return dict(client.token(request).headers)


def _speaks_tls(client: HttpClient, timeout: float) -> bool:
    """Say whether the peer, which did not understand HTTP, completes a TLS handshake."""
    parts = urlsplit(client.api_base)
    proxied = select_proxy(client.api_base, proxies_for(client.api_base, client.proxies))
    if parts.scheme != "http" or proxied or parts.hostname is None:
        return False
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        contextlib.suppress(OSError, ValueError),
        socket.create_connection((parts.hostname, parts.port or 80), min(timeout, _PROBE)) as plain,
        context.wrap_socket(plain, server_hostname=parts.hostname),
    ):
        return True
    return False
