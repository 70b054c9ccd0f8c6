"""The topics of a hub or a manager: named pipes between clients and instances."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from scramjet_client import models
from scramjet_client._base import quoted
from scramjet_client._common.checks import checked
from scramjet_client.api.answers import created_topic_from, deleted_topic_from, hub_topics_from
from scramjet_client.api.http_client import HttpClient
from scramjet_client.errors import TopicNotFoundError
from scramjet_client.http.durations import Duration
from scramjet_client.models.words import CONTENT_TYPES, NDJSON

if TYPE_CHECKING:
    from scramjet_client.api.generations import Generation
    from scramjet_client.streams.output import OutputStream
    from scramjet_client.uploads.file import UploadWriter
    from scramjet_client.uploads.options import SendPlan
    from scramjet_client.uploads.sending import Destination
    from scramjet_client.uploads.sources import ProgressHook, SourceLike
    from scramjet_client.uploads.upload import Upload

# Hubs compare the undecoded path with the name, so a name that needs encoding can't be reached.
_NAME = re.compile(r"[A-Za-z0-9_+\-.~]+")


def checked_topic(topic: str, name: str = "topic") -> str:
    """Return a topic if hubs can be asked for it; raise TypeError or ValueError, by the argument's name, otherwise."""
    checked(name, topic, str)
    if not _NAME.fullmatch(topic) or topic in (".", ".."):
        raise ValueError(
            f"{name} must be made of letters, digits and _ + - . ~, not {quoted(topic)}"
        )
    return topic


def checked_type(content_type: str) -> str:
    """Return a content type if a topic can have it; raise ValueError otherwise."""
    if content_type not in CONTENT_TYPES:
        raise ValueError(
            f"content_type must be one of {', '.join(CONTENT_TYPES)}, not {quoted(content_type)}"
        )
    return content_type


class TopicData:
    """Sends to topics and reads them: those of a hub, or those of a manager, which span its hubs.

    The first client or instance that sends to a topic or reads from it creates it and fixes its content type.
    """

    _client: HttpClient
    _default_type = NDJSON
    """The type of a topic whose user names none."""

    def get_topic(
        self,
        topic: str,
        content_type: str | None = None,
        *,
        timeout: Duration | None = None,
        idle_timeout: Duration | None = None,
    ) -> OutputStream:
        """Open a topic for reading: first all unread data, then live. On 1.x it never ends by itself.

        Each of several readers gets all data from the time when it joined. One that does not read holds all back.

        Args:
            topic: Its name, as in `create_topic`.
            content_type: The type that you expect; the hub refuses a type other than the topic's. None is as in
                `send_topic`.
            timeout: Seconds after which the stream ends for you; None means no limit.
            idle_timeout: Seconds without a byte after which reading raises `StreamIdleError`.

        Returns:
            A binary file; close it, or use it in a `with` block. `records()` gives JSON lines parsed.

        Raises:
            HubResponseError: The topic carries another type (status 415).

        Wire: GET /topic/{topic} (docs/protocol.md, "Topics").
        """
        kind = checked_type(self._default_type if content_type is None else content_type)
        return self._client.get_stream(
            f"topic/{checked_topic(topic)}",
            name=f"topic {topic!r}",
            timeout=timeout,
            idle_timeout=idle_timeout,
            # Hubs read the expected type from this header, although the request has no body.
            headers={"Content-Type": kind},
            **_error_context(topic, kind),
        )

    def send_topic(
        self,
        topic: str,
        stream: SourceLike,
        request_init: models.RequestInit | None = None,
        content_type: str | None = None,
        end: bool | None = None,
        *,
        json: bool | None = None,
        progress: ProgressHook | None = None,
        timeout: Duration | None = None,
    ) -> models.SendStreamResponse:
        """Send data to a topic, and wait until the hub has taken all of it.

        A background thread pulls the body from the source, as in `InstanceClient.send_stream`. On 1.x, senders to
        one topic take turns: a second body waits until the first has ended. If nobody reads the topic, the hub takes
        a few MB and then holds the sender back.

        Args:
            topic: Its name, as in `create_topic`.
            stream: As in `InstanceClient.send_stream`.
            request_init: Extra `headers`, `params` and a `timeout` in seconds for the whole send.
            content_type: Content type of the data; None means "application/x-ndjson" on a hub, and
                "application/octet-stream" on a manager. If the topic has another type, the hub refuses. A 1.x hub adds
                a missing line end to a body of "application/x-ndjson".
            end: Whether this body ends the topic, for good. 1.x topics never end, whatever you say here.
            json: Whether the source gives values to be sent as JSON lines.
            progress: As in `InstanceClient.send_stream`.
            timeout: Seconds for the whole send; None means no limit.

        Raises:
            TypeError, ValueError: A wrong argument, before anything is sent.
            HubResponseError: The hub refused; it answers 500 to a type that is not the topic's.
            UploadError: The source raised (the `__cause__`); the data sent before that is delivered.
            UnsupportedByHubError: This hub would change some bytes on the way; the message gives their offset.

        Wire: POST /topic/{topic} (docs/protocol.md, "Topics").
        """
        chosen = self._plan(
            topic,
            request_init,
            content_type,
            end=end,
            json=json,
            progress=progress,
            timeout=timeout,
        )
        answer: models.SendStreamResponse = self._to(topic, chosen).send(chosen, stream)
        return answer

    def submit_topic(
        self,
        topic: str,
        stream: SourceLike,
        request_init: models.RequestInit | None = None,
        content_type: str | None = None,
        end: bool | None = None,
        *,
        json: bool | None = None,
        progress: ProgressHook | None = None,
        timeout: Duration | None = None,
    ) -> Upload[models.SendStreamResponse]:
        """Start sending to a topic and return at once with the handle; see `send_topic`.

        Returns:
            An `Upload`. A 1.x hub answers only after a topic's body has ended, unless it refuses the body.
        """
        chosen = self._plan(
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
        """Open a topic as a file for writing; see `send_topic` for the arguments.

        Closing it ends this body, not the topic. Until then, other senders to the topic wait (1.x).
        """
        chosen = self._plan(topic, None, content_type)
        return self._to(topic, chosen).open(chosen)

    send_named_data = send_topic
    submit_named_data = submit_topic
    open_named_data = open_topic
    get_named_data = get_topic

    def _plan(
        self,
        topic: str,
        request_init: models.RequestInit | None,
        content_type: str | None,
        *,
        end: bool | None = None,
        json: bool | None = None,
        progress: ProgressHook | None = None,
        timeout: Duration | None = None,
    ) -> SendPlan:
        from scramjet_client.uploads.options import plan  # noqa: PLC0415 - only senders need it

        return plan(
            f"topic {checked_topic(topic)!r}",
            request_init,
            type=None if content_type is None else checked_type(content_type),
            end=end,
            json=json,
            progress=progress,
            timeout=timeout,
            default_type=self._default_type,
        )

    def _to(self, topic: str, chosen: SendPlan) -> Destination:
        """Return the destination for bodies of a topic."""
        from scramjet_client.api.generations import route_limits  # noqa: PLC0415 - not for who only asks
        from scramjet_client.uploads.sending import Destination  # noqa: PLC0415 - only senders need it

        client = self._client
        # No limit for the head of the answer: it comes with the end of the body. Until then a sender that waits for
        # its turn, or for a reader, receives nothing, however long that takes.
        return Destination(
            requester=client,
            path=f"topic/{topic}",
            name=chosen.stream_id,
            limits=lambda: route_limits(client, chosen.stream_id),
            **_error_context(topic, chosen.type),
        )


class Topics(TopicData):
    """The part of `HostClient` that has to do with topics."""

    def get_topics(self) -> list[models.GetTopicResponse]:
        """Return all topics (1.x; a 0.x hub does not list its topics).

        Wire: GET /topics (docs/protocol.md, "Topics").
        """
        self._generation().require("a list of topics")
        return hub_topics_from(self._client.request("GET", "topics"))

    def create_topic(self, topic: str, content_type: str = NDJSON) -> models.CreateTopicResponse:
        """Create a topic (1.x; on 0.x the first send or read creates one).

        Args:
            topic: Its name: letters, digits and `_ + - . ~`; 1.x hubs refuse the last two.
            content_type: What it carries: one of the four types of `SendStreamOptions`.

        Raises:
            BadParametersError: A topic with this name exists already, or the hub refuses the name.

        Wire: POST /topics (docs/protocol.md, "Topics").
        """
        body = {"id": checked_topic(topic), "content-type": checked_type(content_type)}
        self._generation().require("making a topic")
        answer = self._client.request("POST", "topics", body, subject=f"topic {topic!r}")
        return created_topic_from(answer, topic, content_type)

    def delete_topic(self, topic: str) -> models.DeleteTopicResponse:
        """Delete a topic (1.x). Its readers get no notice: they just receive nothing more.

        Raises:
            TopicNotFoundError: The hub has no topic with this name.

        Wire: DELETE /topics/{topic} (docs/protocol.md, "Topics").
        """
        path = f"topics/{checked_topic(topic)}"
        self._generation().require("deleting a topic")
        answer = self._client.request("DELETE", path, **_error_context(topic))
        return deleted_topic_from(answer, topic)

    def _generation(self) -> Generation:
        """Return the generation of the hub; asks it only once."""
        from scramjet_client.api.generations import generation_of  # noqa: PLC0415 - not for who only asks

        return generation_of(self._client)


def _error_context(topic: str, content_type: str = "") -> dict[str, Any]:
    """Return a request's description of itself, for its errors."""
    kind = f" as {content_type}" if content_type else ""
    return {"subject": f"topic {topic!r}{kind}", "not_found": TopicNotFoundError}
