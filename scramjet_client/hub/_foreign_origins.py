"""Detection of requests from foreign web pages, which the user's browser sends to loopback for them."""

from __future__ import annotations

import ipaddress
import re

from aiohttp import web

_AUTHORITY = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9A-Za-z.-]+))(?::([0-9]{1,5}))?", re.ASCII)

_OWN_SITES = ("same-origin", "none")
"""Allowed values of `Sec-Fetch-Site`: a page of the hub itself, and an address that the user typed or chose."""


def is_local(request: web.BaseRequest) -> bool:
    """Return whether a request is for this machine and does not come from a page of another place.

    `Host` says which machine a browser means; it reveals a name that was rebound to loopback. `Sec-Fetch-Site`,
    `Origin` and `Referer` say which page sends. Each of them is sometimes missing, so one foreign value is enough.
    """
    headers = request.headers
    target = request.raw_path
    return (
        all(names_this_machine(each) for each in headers.getall("Host", ()))
        and all(is_page_of_this_machine(each) for each in headers.getall("Origin", ()))
        and all(is_page_of_this_machine(each, path=True) for each in headers.getall("Referer", ()))
        and all(each in _OWN_SITES for each in headers.getall("Sec-Fetch-Site", ()))
        # The absolute form, which takes precedence over Host. Browsers send it only to proxies.
        and (
            target.startswith("/")
            or "://" not in target
            or is_page_of_this_machine(target, path=True)
        )
    )


def is_page_of_this_machine(url: str, *, path: bool = False) -> bool:
    """Return whether an origin, or a page's URL with `path`, is of loopback; False for "null" and malformed ones."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() not in ("http", "https"):
        return False
    if path:
        rest = re.split(r"[/?]", rest, maxsplit=1)[0]
    return names_this_machine(rest)


def names_this_machine(authority: str) -> bool:
    """Return whether "host" or "host:port" is loopback, by a number or as localhost, and contains nothing else.

    Two readers may disagree on some forms: a name that begins or ends like loopback, a user before an "@", shortened
    and octal numbers, zones, and invalid ports. All of these give False.
    """
    found = _AUTHORITY.fullmatch(authority)
    if found is None:
        return False
    bracketed, name, port = found.groups()
    if port is not None and not 0 < int(port) < 65536:
        return False
    try:
        if bracketed is not None:
            address = ipaddress.IPv6Address(bracketed)
            return (address.ipv4_mapped or address).is_loopback
        # "localhost." is the same name, fully qualified.
        return (
            name.lower() in ("localhost", "localhost.") or ipaddress.IPv4Address(name).is_loopback
        )
    except ValueError:
        return False
