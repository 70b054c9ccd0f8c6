"""`HostClient.doctor()`: the resolved settings of a client, their sources, and whether its hub can be reached."""

from __future__ import annotations

import math
import os
import platform
import ssl
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import TimeoutError as FutureTimeoutError
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs
import requests
import urllib3
from requests.utils import DEFAULT_CA_BUNDLE_PATH, select_proxy

from scramjet_client import __version__
from scramjet_client._base import Shown, printable, public
from scramjet_client._common.clock import monotonic
from scramjet_client.api.answers import version_from
from scramjet_client.api.generations import generation_from
from scramjet_client.api.http_client import HttpClient
from scramjet_client.clients.diagnosis import diagnose, not_a_hub
from scramjet_client.config import VARIABLES
from scramjet_client.errors import ScramjetError
from scramjet_client.http.answers import JsonAnswer
from scramjet_client.http.durations import Duration, duration
from scramjet_client.http.failures import wrong_path
from scramjet_client.http.interrupts import let_interrupts_pass
from scramjet_client.http.requester import BodyRequest
from scramjet_client.http.settings import (
    is_loopback,
    proxies_for,
    route,
    verification,
    without_login,
)
from scramjet_client.models import BINARY, GetVersionResponse
from scramjet_client.uploads.sending import answer_text
from scramjet_client.uploads.sources import Source
from scramjet_client.uploads.upload import Transfer, Upload

_SKEW_LIMIT = 5.0
"""Seconds that the clocks may differ before it counts as a problem. The header has a resolution of one second."""

_REFUSAL_LIMIT = 2.0
"""Seconds within which a hub must refuse an upload to a non-existent instance while the body is still open."""

_HELD_LIMIT = 10.0
"""Seconds after which the probe ends in any case."""

_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_PROXY_VARIABLES = (
    "HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy",
)  # fmt: skip


@public
@attrs.frozen(kw_only=True, repr=False)
class DoctorReport(Shown):
    """A client's resolved settings and the result of a test request. You can print it; it holds no secret.

    Attributes:
        url: URL of the hub's API.
        url_source: Where the URL came from.
        token_source: Where the token came from, or "none".
        proxy: Which proxy is used for this URL, and why.
        ca: Which CAs are trusted, and why.
        client_certificate: Path of the client's certificate, or "none".
        versions: Of Python, its libraries and this package.
        hub: What the hub says about itself and its generation, or None if it could not be reached.
        reachable: Whether a hub answered.
        seconds: How long it took to answer, or to fail.
        clock_skew: Seconds that the hub's clock is ahead of this one, or None. One second does not count.
        notes: What this hub changes in the data that it carries, one sentence each.
        ignored: Settings in the environment that are not used, one sentence each.
        problems: The problems, one sentence each.
        cause: Why no hub was reached, in a word: "no-hub", "unknown-host", "timeout", "no-token",
            "refused-token", "wrong-path", "proxy", "tls" or "not-a-hub"; None if one was, or if the cause is not
            known.
        advice: What to do about it, or None.
    """

    url: str
    url_source: str
    token_source: str
    proxy: str
    ca: str
    client_certificate: str
    versions: Mapping[str, str]
    hub: Mapping[str, str] | None
    reachable: bool
    seconds: float
    clock_skew: float | None
    ignored: tuple[str, ...]
    problems: tuple[str, ...]
    cause: str | None = None
    advice: str | None = None
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the whole report as JSON values."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in attrs.asdict(self).items()
        }

    def __str__(self) -> str:
        hub = self.hub or {}
        told = ", ".join(f"{name} {value}" for name, value in hub.items()) or "nothing known"
        skew = "unknown" if self.clock_skew is None else f"{self.clock_skew:+.0f} s"
        lines = [
            ("url", f"{self.url} (from {self.url_source})"),
            ("token", self.token_source),
            ("proxy", self.proxy),
            ("CAs", self.ca),
            ("client certificate", self.client_certificate),
            ("reachable", f"{self._reached()}, {self.seconds * 1000:.0f} ms"),
            ("hub", told),
            ("hub's clock", skew),
            ("versions", ", ".join(f"{name} {value}" for name, value in self.versions.items())),
            *(("note", each) for each in self.notes),
            *(("not used", each) for each in self.ignored),
            *(("PROBLEM", each) for each in self.problems),
            *([("what to do", f"{self.advice} ({self.cause})")] if self.advice else []),
        ]
        return "\n".join(f"{name + ':':<20}{printable(value)}" for name, value in lines)

    def _reached(self) -> str:
        answered = {
            "no-token": "yes, but it wants a token",
            "refused-token": "yes, but it refused the token",
            "wrong-path": "something answers, but there is no hub's API at this path",
            "not-a-hub": "something answers, but it is no hub",
        }
        return "yes" if self.reachable else answered.get(self.cause or "", "NO")

    # An interactive session then shows the report of its last line.
    __repr__ = __str__

    def _facts(self) -> Iterable[tuple[str, object]]:
        return ()


def examine(
    client: HttpClient, sources: Mapping[str, str] | None, timeout: Duration
) -> DoctorReport:
    """Return the report of a client; `sources` says where its settings came from, as far as it is known."""
    limit = duration("timeout", timeout)
    probe = math.inf if limit is None else limit
    known = sources if sources is not None else {"api_base": "the client that it belongs to"}
    problems: list[str] = []
    ca, ca_problem = _trust(client, known)
    began = monotonic()
    answer, error = _asked(client, timeout, problems)
    seconds = monotonic() - began
    version = None if answer is None else _version(answer, problems)
    hub = None if version is None else _hub(version)
    if error is not None:
        found = diagnose(error, client, known, probe)
    else:
        found = not_a_hub(client, probe) if hub is None else None
    skew = None if answer is None else _skew(answer, problems)
    if hub is not None and answer is not None:
        _between(client, answer, problems)
    return DoctorReport(
        url=client.api_base,
        url_source=known.get("api_base", "argument api_base"),
        token_source=_token(client, known),
        proxy=_proxy(client),
        ca=ca,
        client_certificate=_certificate(client),
        versions=_versions(),
        hub=hub,
        reachable=hub is not None,
        seconds=seconds,
        clock_skew=skew,
        ignored=tuple(_ignored(client, known)),
        problems=(*ca_problem, *problems),
        cause=None if found is None else found.cause,
        advice=None if found is None else found.advice,
        notes=() if version is None else _changes(version),
    )


# -- the hub --------------------------------------------------------------------------------------


def _asked(
    client: HttpClient, timeout: Duration, problems: list[str]
) -> tuple[JsonAnswer | None, Exception | None]:
    """Return the hub's answer, or the error instead."""
    try:
        return client.request("GET", "version", timeout=timeout, subject="the hub's API"), None
    except ScramjetError as error:
        # The report itself says what doctor() has found out.
        said = error.message.replace(wrong_path(client.api_base), "")
        said = said.replace("; doctor() says which proxy is used", "")
        # On one line: a proxy's error page has many.
        problems.append(" ".join(f"{error.code}: {said}".split()))
        return None, error
    except (OSError, ValueError) as error:
        let_interrupts_pass(error)
        # A CA bundle or certificate that does not exist, or a header that can't be sent.
        problems.append(str(error))
        return None, error


def _version(answer: JsonAnswer, problems: list[str]) -> GetVersionResponse | None:
    try:
        return version_from(answer)
    except ScramjetError as error:
        problems.append(f"{error.code}: what answers is not a hub: {error.message}")
        return None


def _hub(version: GetVersionResponse) -> dict[str, str]:
    generation = "1.x" if generation_from(version).modern else "0.x"
    told = {"version": version.version, "generation": generation}
    further = {"service": version.service, "build": version.build}
    return {**told, **{name: value for name, value in further.items() if value}}


def _changes(version: GetVersionResponse) -> tuple[str, ...]:
    """Return what the hub changes in data; a LocalHub runs no Node.js programs."""
    changes = generation_from(version).changes
    local = "LocalHub" in (version.build or "")
    return tuple(each for each in changes if not (local and "Node.js" in each))


def _between(client: HttpClient, answer: JsonAnswer, problems: list[str]) -> None:
    """Find out whether a proxy holds uploads back: hubs refuse one while its body is still open.

    Hubs do not name their server in the answer. So if no answer names one, there is no proxy.
    """
    server = answer.headers.get("Server") or answer.headers.get("Via")
    if server is None:
        return
    let_go = threading.Event()

    def held() -> Iterator[bytes]:
        yield b" "
        let_go.wait(_HELD_LIMIT)

    request = BodyRequest(
        path=route("instance", str(uuid.uuid4()), "input"),
        headers={"Content-Type": BINARY, "x-end-stream": "false"},
    )
    transfer = Transfer(
        requester=client, request=request, name="nothing", convert=answer_text, timeout=_HELD_LIMIT
    )
    upload = Upload(transfer, Source(held()))
    upload.start()
    try:
        upload.exception(_REFUSAL_LIMIT)
    except FutureTimeoutError:
        problems.append(
            f"{server} stands between and holds uploads back until they are whole: refusals come late, and a"
            " conversation never begins. It probably holds outputs and events back too"
            " (nginx: proxy_request_buffering off; proxy_buffering off; see the guide for nginx)"
        )
    finally:
        let_go.set()
        upload.cancel()


def _skew(answer: JsonAnswer, problems: list[str]) -> float | None:
    """Return how far the hub's clock is ahead, from the header `Date`, which has whole seconds."""
    try:
        date = parsedate_to_datetime(answer.headers.get("Date", "")).timestamp()
    except (TypeError, ValueError, IndexError):
        return None
    skew = date + 0.5 - time.time()
    if abs(skew) > _SKEW_LIMIT:
        side = "ahead of" if skew > 0 else "behind"
        problems.append(f"the hub's clock is {abs(skew):.0f} s {side} this one")
    return round(skew, 1)


# -- the settings ---------------------------------------------------------------------------------


def _token(client: HttpClient, sources: Mapping[str, str]) -> str:
    if client.token.is_set:
        return f"from {sources.get('token', 'argument token')}"
    if any(name.lower() == "authorization" for name in client.headers):
        return "none, but the argument headers has Authorization"
    return "none"


def _proxy(client: HttpClient) -> str:
    chosen = select_proxy(client.api_base, proxies_for(client.api_base, client.proxies))
    if client.proxies is not None:
        why = "argument proxies"
        return f"{without_login(chosen)} ({why})" if chosen else f"none ({why} has none for it)"
    if chosen:
        return f"{without_login(chosen)} (from the environment)"
    if is_loopback(client.api_base):
        return "none (the hub is on this machine)"
    return "none (the environment names none for it)"


def _trust(client: HttpClient, sources: Mapping[str, str]) -> tuple[str, list[str]]:
    """Return which CAs are trusted and why, and the problems with them."""
    trusted = verification(client.verify)
    if urlsplit(client.api_base).scheme != "https":
        return "not used (the hub is spoken to without TLS)", []
    if trusted is False:
        return "NONE, any certificate is taken (argument verify)", ["certificates are not checked"]
    if trusted is True:
        return f"{DEFAULT_CA_BUNDLE_PATH} (certifi)", []
    variable = next((name for name in _CA_VARIABLES if os.environ.get(name)), "")
    why = sources.get("verify", "argument verify") if client.verify is not None else variable
    missing = [] if Path(trusted).exists() else [f"there is no CA bundle {trusted!r} (from {why})"]
    return f"{trusted} (from {why})", missing


def _certificate(client: HttpClient) -> str:
    if client.cert is None:
        return "none"
    return client.cert if isinstance(client.cert, str) else client.cert[0]


def _versions() -> dict[str, str]:
    return {
        "scramjet_client": __version__,
        "python": platform.python_version(),
        "requests": requests.__version__,
        "urllib3": urllib3.__version__,  # type: ignore[attr-defined]
        "openssl": ssl.OPENSSL_VERSION,
        "platform": platform.platform(),
    }


def _ignored(client: HttpClient, sources: Mapping[str, str]) -> list[str]:
    """Return the settings that a user may believe to be in use, but that are not."""
    used = set(sources.values())
    unused = dict.fromkeys(
        [each for each in VARIABLES if each not in used],
        "not what this client was made with; see HostClient.from_env",
    )
    if client.proxies is None and is_loopback(client.api_base):
        unused.update(dict.fromkeys(_PROXY_VARIABLES, "proxies are not used for this machine"))
    if client.verify is not None:
        unused.update(dict.fromkeys(_CA_VARIABLES, "verify was given"))
    if client.api_base.startswith("https:"):
        named = f"CAs are named by {_CA_VARIABLES[0]}, or by verify"
        unused.update(dict.fromkeys(("SSL_CERT_FILE", "SSL_CERT_DIR"), named))
    netrc = os.environ.get("NETRC") or "~/.netrc"
    has_logins = Path(netrc).expanduser().exists()
    return [
        *([f"{netrc}: logins are never taken from it"] if has_logins else []),
        *(f"{name}: {why}" for name, why in unused.items() if os.environ.get(name)),
    ]
