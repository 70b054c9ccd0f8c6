"""What a hub is set to."""

from __future__ import annotations

import attrs

EXIT_DELAY = 15.0
"""Seconds after its end during which an instance counts as in use (docs/protocol.md, "Lifetimes")."""

INSTANCE_LIFETIME = 195.0
MAX_PACKAGE_SIZE = 256 * 2**20
MAX_UNPACKED_SIZE = 1024 * 2**20
MAX_PACKAGE_FILES = 20_000
MAX_JSON_SIZE = 64 * 2**20
"""A real hub has no limit, and dies of it."""


@attrs.frozen(kw_only=True)
class Settings:
    """Limits and times.

    Attributes:
        instance_lifetime: Seconds for which an ended instance stays listed.
        max_package_size: Bytes of an uploaded package.
        max_unpacked_size: Bytes of what is in it.
        max_package_files: Number of files and folders in it.
        max_json_size: Bytes of a JSON body.
        token: Needed on every route, if there is one.
        local_only: Requests of foreign web pages are refused: the hub is on loopback and has no token.
    """

    instance_lifetime: float = INSTANCE_LIFETIME
    max_package_size: int = MAX_PACKAGE_SIZE
    max_unpacked_size: int = MAX_UNPACKED_SIZE
    max_package_files: int = MAX_PACKAGE_FILES
    max_json_size: int = MAX_JSON_SIZE
    token: str | None = attrs.field(default=None, repr=False)
    local_only: bool = True

    @property
    def exit_delay(self) -> float:
        """Seconds after its end during which an instance keeps its sequence from being deleted."""
        return min(EXIT_DELAY, self.instance_lifetime)
