"""Here were `AccessKey` and others before 0.2."""

from scramjet_client._common.deprecated import moved

__all__ = [  # noqa: F822 - they come by __getattr__
    "AccessKey",
    "ConnectedHub",
    "CreateAccessKeyResponse",
    "DisconnectHubsResponse",
    "DisconnectedHub",
    "GetInfoResponse",
    "ManagerInfo",
    "ManagerTopic",
    "RevokeAccessKeysResponse",
    "StoreItem",
    "TopicActor",
]
__getattr__ = moved(__name__, __all__, gone_in="0.4")
