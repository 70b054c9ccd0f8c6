"""The options and the result of a send."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypedDict

import attrs

from scramjet_client._base import Shown, public
from scramjet_client.models._fields import Answer
from scramjet_client.models.words import ParseResponse


@public
class RequestInit(TypedDict, total=False):
    """Per-request settings: extra headers, query parameters, and the whole call's limit in seconds."""

    headers: Mapping[str, str]
    params: Mapping[str, str]
    timeout: float


@public
@attrs.frozen(kw_only=True)
class SendStreamOptions(Shown):
    """Options of every send.

    Attributes:
        type: Content type of the input, one of four exact strings; an instance's first one
            is final. None means "application/octet-stream".
        end: Whether this body ends the program's input. None means no.
        parse_response: What to return instead of `SendStreamResponse`: the answer's body as parsed
            "json", as "text", or as a live "stream".
        json: Whether the source gives values to be sent as JSON lines, one document each.
        parse: Another name of `parse_response`, as in the contract.
    """

    type: str | None = None
    end: bool | None = None
    parse_response: ParseResponse | None = None
    json: bool = False
    parse: ParseResponse | None = None


@public
@attrs.frozen(kw_only=True)
class SendStreamResponse(Answer):
    """A completed upload: the hub has taken all of it.

    Attributes:
        bytes_written: Bytes that were sent from the source.
        status: "success"; a failure raises instead.
        message: The hub's words, if any.
        raw: The text of the hub's answer, normally empty.
    """

    bytes_written: int
    status: Literal["success", "error"] = "success"
    message: str | None = None
