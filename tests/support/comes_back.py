"""A hub that is away until a client has noticed it."""

from __future__ import annotations

from scramjet_client.testing import FaultProxy


class ComesBack:
    """Told of a client's requests: has a proxy that is away come back when one of them has failed.

    Attributes:
        failures: What failed.
    """

    def __init__(self, proxy: FaultProxy) -> None:
        self._proxy = proxy
        self.failures: list[BaseException] = []

    def request(self, method: str, url: str) -> None:
        """Do nothing."""

    def ok(self, method: str, url: str, status: int) -> None:
        """Do nothing."""

    def error(self, method: str, url: str, error: BaseException) -> None:
        """End the proxy's absence."""
        self.failures.append(error)
        self._proxy.come_back()

    def end(self, method: str, url: str, seconds: float) -> None:
        """Do nothing."""
