"""Here was `HostClient` before 0.2."""

from scramjet_client._common.deprecated import moved

__all__ = ["HostClient"]  # noqa: F822 - they come by __getattr__
__getattr__ = moved(__name__, __all__, gone_in="0.4")
