"""What a hub knows of its topics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from scramjet_client._base import public
from scramjet_client.models._fields import Answer, extra_field


@public
@attrs.frozen(kw_only=True)
class GetTopicResponse(Answer):
    """A topic of the hub.

    Attributes:
        name: Its name.
        content_type: Type of its data; the hub refuses a reader or writer of another type.
        local_provider: Id of the instance of this hub whose output it takes, or None.
        extra: All other fields by the hub's own names.
    """

    name: str
    content_type: str
    local_provider: str | None = None
    extra: Mapping[str, Any] = extra_field()


@public
@attrs.frozen(kw_only=True)
class CreateTopicResponse(Answer):
    """A newly created topic.

    Attributes:
        name: Its name.
        content_type: Type of its data.
        state: The hub's word for it, such as "flowing", or None.
    """

    name: str
    content_type: str
    state: str | None = None


@public
@attrs.frozen(kw_only=True)
class DeleteTopicResponse(Answer):
    """A deleted topic, in the hub's words."""

    name: str
    message: str
