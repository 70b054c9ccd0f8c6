"""The page of `scramjet hub page`: a proxy with the settings of the command."""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING

from scramjet_client.config import Settings

if TYPE_CHECKING:
    from scramjet_client.hub._proxy import PageProxy


def proxy_for(settings: Settings, port: int) -> PageProxy:
    """Return the page for a hub; it is to be started."""
    from scramjet_client.hub._proxy import PageProxy  # noqa: PLC0415 - the extra "hub"

    return PageProxy(settings.api_base, token=settings.token, tls=_tls(settings.verify), port=port)


def _tls(verify: bool | str | None) -> ssl.SSLContext | bool:
    if verify in (None, True):
        return ssl.create_default_context()
    if verify is False:
        return False
    name = str(verify)
    if os.path.isdir(name):
        return ssl.create_default_context(capath=name)
    return ssl.create_default_context(cafile=name)
