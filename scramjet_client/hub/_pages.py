"""Whether a request may come from a web page of a stranger, which the user's browser sends to loopback for it."""

from __future__ import annotations

import ipaddress
import re

from aiohttp import web

_AUTHORITY = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9A-Za-z.-]+))(?::([0-9]{1,5}))?", re.ASCII)

_OWN_SITES = ("same-origin", "none")
"""Of `Sec-Fetch-Site`: a page of the hub itself, and what the user typed or chose."""


def is_local(request: web.BaseRequest) -> bool:
    """Say whether a request is for this machine, and no page of another place has it sent.

    Browsers say the one by `Host`, which a name that was rebound to loopback betrays, and the other by
    `Sec-Fetch-Site`, `Origin` and `Referer`, of which each is missing now and then: one that is foreign is enough.
    """
    headers = request.headers
    target = request.raw_path
    return (
        all(names_this_machine(each) for each in headers.getall("Host", ()))
        and all(is_page_of_this_machine(each) for each in headers.getall("Origin", ()))
        and all(is_page_of_this_machine(each, path=True) for each in headers.getall("Referer", ()))
        and all(each in _OWN_SITES for each in headers.getall("Sec-Fetch-Site", ()))
        # The absolute form, which goes before Host; browsers send it to proxies alone.
        and (
            target.startswith("/")
            or "://" not in target
            or is_page_of_this_machine(target, path=True)
        )
    )


def is_page_of_this_machine(url: str, *, path: bool = False) -> bool:
    """Say whether an origin, or with `path` the URL of a page, is of loopback; "null" and what is malformed are not."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() not in ("http", "https"):
        return False
    if path:
        rest = re.split(r"[/?]", rest, maxsplit=1)[0]
    return names_this_machine(rest)


def names_this_machine(authority: str) -> bool:
    """Say whether "host" or "host:port" is loopback, by a number or as localhost. Nothing else is in it.

    A name that begins or ends like one, a user before an "@", shortened and octal numbers, zones, and ports that are
    none are what two readers may take for two places.
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
        # "localhost." is the same name, said in full.
        return (
            name.lower() in ("localhost", "localhost.") or ipaddress.IPv4Address(name).is_loopback
        )
    except ValueError:
        return False
