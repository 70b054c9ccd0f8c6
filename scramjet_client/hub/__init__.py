"""An embedded hub: `with LocalHub() as hub: host = hub.client()`. Needs the extra "hub"."""

from importlib.util import find_spec as _find_spec
from typing import TYPE_CHECKING as _TYPE_CHECKING

from scramjet_client._common.names import elsewhere as _elsewhere

for _name in ("aiohttp", "scramjet"):
    if _find_spec(_name) is None:
        raise ImportError(
            f"scramjet_client.hub needs the package {_name!r}: pip install 'scramjet_client[hub]'",
            name=_name,
        )

from scramjet_client.hub._local_hub import LocalHub, OpenHubWarning  # noqa: E402
from scramjet_client.hub._state import RecordedRequest  # noqa: E402

__all__ = ["LocalHub", "OpenHubWarning", "RecordedRequest"]

if not _TYPE_CHECKING:
    __getattr__ = _elsewhere(__name__)
