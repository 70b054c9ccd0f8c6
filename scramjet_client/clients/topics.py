"""The topics of a hub, or of a manager: pipes with a name, between clients and instances."""

from __future__ import annotations

import re
from typing import Any

from scramjet_client._base import Rows
from scramjet_client.api.generations import generation_of, route_limits
from scramjet_client.api.http_client import HttpClient
from scramjet_client.errors import InvalidResponseError, TopicNotFoundError
from scramjet_client.http.durations import Duration
from scramjet_client.models import (
    CONTENT_TYPES,
    CreateTopicResponse,
    DeleteTopicResponse,
    GetTopicResponse,
    RequestInit,
    SendStreamResponse,
)
from scramjet_client.streams.output import OutputStream
from scramjet_client.uploads.file import UploadWriter
from scramjet_client.uploads.options import SendPlan, plan
from scramjet_client.uploads.sending import Destination
from scramjet_client.uploads.sources import ProgressHook, SourceLike
from scramjet_client.uploads.upload import Upload

# Hubs compare the undecoded path with the name, so what needs encoding can't be reached.
_NAME = re.compile(r"[A-Za-z0-9_+\-.~]+")

_NDJSON = "application/x-ndjson"


def checked_topic(topic: str) -> str:
    """Return the name of a topic that a hub can be asked for, or raise TypeError or ValueError."""
    if not isinstance(topic, str):
        raise TypeError(f"topic must be a str, not {type(topic).__name__}")
    if not _NAME.fullmatch(topic) or topic in (".", ".."):
        raise ValueError(f"topic must be made of letters, digits and _ + - . ~, not {topic!r}")
    return topic


def checked_type(content_type: str) -> str:
    """Return a content type that a topic can have, or raise ValueError."""
    if content_type not in CONTENT_TYPES:
        raise ValueError(
            f"content_type must be one of {', '.join(CONTENT_TYPES)}, not {content_type!r}"
        )
    return content_type


class Topics:
    """The part of `HostClient` that moves data through topics.

    A topic is made by whoever sends to it or reads from it first, with a content type that is then fixed.
    """

    _client: HttpClient

    def get_topics(self) -> list[GetTopicResponse]:
        """Return all topics (1.x; a 0.x hub does not list those it has).

        Wire: GET /topics (docs/protocol.md, "Topics").
        """
        generation_of(self._client).require("a list of topics")
        answer = self._client.request("GET", "topics")
        if not isinstance(answer.value, list):
            raise InvalidResponseError(
                "the hub's answer for topics is not a list", body=answer.text
            )
        return Rows(_topic(each) for each in answer.value if isinstance(each, dict))

    def create_topic(self, topic: str, content_type: str = _NDJSON) -> CreateTopicResponse:
        """Make a topic (1.x; on 0.x the first send or read makes one).

        Args:
            topic: Its name: letters, digits and `_ + - . ~`; 1.x hubs refuse the last two.
            content_type: What it carries, one of the four types of `SendStreamOptions`.

        Raises:
            BadParametersError: There is one of this name already, or the hub refuses the name.

        Wire: POST /topics (docs/protocol.md, "Topics").
        """
        body = {"id": checked_topic(topic), "content-type": checked_type(content_type)}
        generation_of(self._client).require("making a topic")
        answer = self._client.request("POST", "topics", body, subject=f"topic {topic!r}")
        value = answer.value if isinstance(answer.value, dict) else {}
        state = value.get("state")
        return CreateTopicResponse(
            name=topic,
            content_type=content_type,
            state=state if isinstance(state, str) else None,
            raw=answer.value,
        )

    def delete_topic(self, topic: str) -> DeleteTopicResponse:
        """Delete a topic (1.x). Its readers are not told: they hear nothing more.

        Raises:
            TopicNotFoundError: There is none of this name.

        Wire: DELETE /topics/{topic} (docs/protocol.md, "Topics").
        """
        path = f"topics/{checked_topic(topic)}"
        generation_of(self._client).require("deleting a topic")
        answer = self._client.request("DELETE", path, **_error_context(topic))
        value = answer.value if isinstance(answer.value, dict) else {}
        return DeleteTopicResponse(
            name=topic, message=str(value.get("message", "")), raw=answer.value
        )

    def get_topic(
        self,
        topic: str,
        content_type: str = _NDJSON,
        *,
        timeout: Duration | None = None,
        idle_timeout: Duration | None = None,
    ) -> OutputStream:
        """Open a topic for reading: what nobody has read yet, then live. It never ends by itself on 1.x.

        Each of several readers gets everything from when it came. One that does not read holds back all.

        Args:
            topic: Its name, as in `create_topic`.
            content_type: What the reader expects; another one than the topic's is refused.
            timeout: Seconds after which the stream ends here; None is no limit.
            idle_timeout: Seconds without a byte after which reading raises `StreamIdleError`.

        Returns:
            A binary file; close it, or use it in a `with` block. `records()` gives JSON lines parsed.

        Raises:
            HubResponseError: The topic carries another type (status 415).

        Wire: GET /topic/{topic} (docs/protocol.md, "Topics").
        """
        return self._client.get_stream(
            f"topic/{checked_topic(topic)}",
            name=f"topic {topic!r}",
            timeout=timeout,
            idle_timeout=idle_timeout,
            # The type that is expected stands in this header, of all.
            headers={"Content-Type": checked_type(content_type)},
            **_error_context(topic, content_type),
        )

    def send_topic(
        self,
        topic: str,
        stream: SourceLike,
        request_init: RequestInit | None = None,
        content_type: str | None = None,
        end: bool | None = None,
        *,
        json: bool | None = None,
        progress: ProgressHook | None = None,
        timeout: Duration | None = None,
    ) -> SendStreamResponse:
        """Send data to a topic, and wait until the hub has taken all of it.

        The body is pulled from the source by a background thread, as in `InstanceClient.send_stream`. On
        1.x, those who send to one topic take turns: a second body waits until the first has ended. When
        nobody reads the topic, the hub takes a few MB and then holds the sender back.

        Args:
            topic: Its name, as in `create_topic`.
            stream: As in `InstanceClient.send_stream`.
            request_init: Extra `headers`, `params` and a `timeout` in seconds for the whole send.
            content_type: What is sent; None means "application/x-ndjson". If the topic carries another
                type, the hub refuses. A hub of 1.x ends a body of this type with a line end.
            end: Whether the topic ends with this, for good. 1.x topics never end, whatever is said here.
            json: Whether the source gives values to be sent as JSON lines.
            progress: As in `InstanceClient.send_stream`.
            timeout: Seconds for the whole send; None is no limit.

        Raises:
            TypeError, ValueError: A wrong argument, before anything is sent.
            HubResponseError: The hub refused; a 500 is the answer to a type that is not the topic's.
            UploadError: The source raised (the `__cause__`); what had been sent by then is delivered.
            UnsupportedByHubError: Bytes that this hub would change on the way, with their offset.

        Wire: POST /topic/{topic} (docs/protocol.md, "Topics").
        """
        chosen = _plan(
            topic,
            request_init,
            content_type,
            end=end,
            json=json,
            progress=progress,
            timeout=timeout,
        )
        answer: SendStreamResponse = self._to(topic, chosen).send(chosen, stream)
        return answer

    def submit_topic(
        self,
        topic: str,
        stream: SourceLike,
        request_init: RequestInit | None = None,
        content_type: str | None = None,
        end: bool | None = None,
        *,
        json: bool | None = None,
        progress: ProgressHook | None = None,
        timeout: Duration | None = None,
    ) -> Upload[SendStreamResponse]:
        """Start sending to a topic and return at once with the handle; see `send_topic`.

        Returns:
            An `Upload`. 1.x hubs say neither yes nor no before a topic's body has ended, unless they refuse it.
        """
        chosen = _plan(
            topic,
            request_init,
            content_type,
            end=end,
            json=json,
            progress=progress,
            timeout=timeout,
        )
        return self._to(topic, chosen).submit(chosen, stream)

    def open_topic(self, topic: str, *, content_type: str | None = None) -> UploadWriter:
        """Open a topic as a file to be written to; `send_topic` has the arguments.

        Closing it ends this body, not the topic. Until then, others that send to the topic wait (1.x).
        """
        chosen = _plan(topic, None, content_type)
        return self._to(topic, chosen).open(chosen)

    send_named_data = send_topic
    get_named_data = get_topic

    def _to(self, topic: str, chosen: SendPlan) -> Destination:
        """Return where bodies for a topic go."""
        client = self._client
        # No limit for the head of the answer: it comes with the end of the body, and who has to wait for the
        # turn, or for a reader, hears nothing until then, however long that takes.
        return Destination(
            requester=client,
            path=f"topic/{topic}",
            name=chosen.stream_id,
            limits=lambda: route_limits(client, chosen.stream_id),
            **_error_context(topic, chosen.type),
        )


def _plan(
    topic: str,
    request_init: RequestInit | None,
    content_type: str | None,
    *,
    end: bool | None = None,
    json: bool | None = None,
    progress: ProgressHook | None = None,
    timeout: Duration | None = None,
) -> SendPlan:
    return plan(
        f"topic {checked_topic(topic)!r}",
        request_init,
        type=None if content_type is None else checked_type(content_type),
        end=end,
        json=json,
        progress=progress,
        timeout=timeout,
        default_type=_NDJSON,
    )


def _error_context(topic: str, content_type: str = "") -> dict[str, Any]:
    """Return what a request says of itself, for the errors that may come of it."""
    kind = f" as {content_type}" if content_type else ""
    return {"subject": f"topic {topic!r}{kind}", "not_found": TopicNotFoundError}


def _topic(value: dict[str, Any]) -> GetTopicResponse:
    """Return one topic of a hub's list."""
    name = value.get("topicName") or value.get("topic")
    provider = value.get("localProvider")
    known = ("topicName", "topic", "contentType", "localProvider")
    return GetTopicResponse(
        name=str(name or ""),
        content_type=str(value.get("contentType", "")),
        local_provider=provider if isinstance(provider, str) and provider else None,
        extra={key: item for key, item in value.items() if key not in known},
        raw=value,
    )
