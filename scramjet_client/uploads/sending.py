"""Destination: one place on a hub that a body can be sent to."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, Protocol

import attrs

from scramjet_client._common.files import Reading
from scramjet_client.errors import NotFoundError
from scramjet_client.http.answers import json_in
from scramjet_client.http.body import BodySource
from scramjet_client.http.requester import BodyRequest, Requester
from scramjet_client.models import SendStreamResponse
from scramjet_client.uploads.file import UploadWriter, WriteBuffer
from scramjet_client.uploads.options import SendPlan
from scramjet_client.uploads.sources import Source, Utf8Only
from scramjet_client.uploads.upload import IdleHook, Transfer, Upload


@attrs.frozen(kw_only=True)
class RouteLimits:
    """A hub's limits for bodies on a route.

    Attributes:
        body_lifetime: Seconds after which the hub cuts a body, or None.
        body_size: Bytes of a body that get through in any case, or None if all do.
        utf8_only: A display name if the route carries UTF-8 only, else None.
    """

    body_lifetime: float | None = None
    body_size: int | None = None
    utf8_only: str | None = None


class BodyOfUpload(BodySource, Protocol):
    """A body that watches its own upload."""

    upload: Upload[Any] | None


class ContentTypes(Protocol):
    """Knows which content type a program's input has."""

    def of(self, plan: SendPlan, body: BodySource, name: str) -> tuple[str, BodySource]:
        """Return the content type of a body, and the body; refuse bytes that the hub would change."""

    def begin(self, type: str, upload: Upload[Any]) -> None:
        """Record that an upload of this type begins."""


class InputGate:
    """Whether an input still takes data: a hub answers later data, but never delivers it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.ended = False
        """Whether this client has ended the input."""
        self.failure = ""
        """Why the last upload that would have ended the input did not, "" if there was none."""
        self._begun: list[weakref.ref[Upload[Any]]] = []
        self.sent = False
        """Whether this client has begun to send to it."""

    def begin(self, upload: Upload[Any]) -> None:
        """Record that an upload begins."""
        self.sent = True
        self._begun = [each for each in self._begun if each() is not None]
        self._begun.append(weakref.ref(upload))

    @property
    def taken(self) -> int:
        """Bytes that the uploads which still exist have sent."""
        return sum(each.bytes_sent for each in (ref() for ref in self._begun) if each is not None)

    def check(self) -> None:
        """Raise ValueError if this client has ended the input."""
        if self.ended:
            raise ValueError(f"{self._name} has been ended by this client")

    def end_with(self, upload: Upload[Any]) -> None:
        """Record that an upload ends the input; a failed upload does not."""
        self.ended = True
        upload.add_done_callback(self._reopen_after_failure)

    def _reopen_after_failure(self, upload: Any) -> None:
        if upload.failure is not None:
            self.ended, self.failure = False, str(upload.failure)


@attrs.frozen(kw_only=True)
class Destination:
    """One place on a hub that a body can be sent to: an input of an instance, or a topic.

    Its requests are `BodyRequest`s, and its uploads `Transfer`s, which describe what they have in common with it.

    Attributes:
        limits: Returns the hub's limits for bodies here. It may ask the hub; it is called before a body is sent.
        held_back: Returns, as the end of a sentence, what may hold an upload back that stands still, or "".
        gate: Whether the input still takes data; None for topics, which never end.
        guard: Wraps a body, given its content type, if some of its bytes have to wait.
        types: Knows the content type of bodies that are sent without one.
    """

    requester: Requester
    path: str
    name: str
    subject: str
    not_found: type[NotFoundError]
    limits: Callable[[], RouteLimits]
    head_limit: float | None = None
    watch: Callable[[], IdleHook | None] | None = None
    held_back: Callable[[], str] = str
    gate: InputGate | None = None
    guard: Callable[[BodySource, str], BodyOfUpload] | None = None
    types: ContentTypes | None = None

    def send(self, plan: SendPlan, stream: Any) -> Any:
        """Send a body, wait until the hub has taken all of it, and return the plan's version of the answer."""
        upload = self.stage(plan, stream)
        upload.run()
        return upload.result()

    def submit(self, plan: SendPlan, stream: Any) -> Upload[SendStreamResponse]:
        """Start sending a body on its own thread, and return its handle."""
        # The caller may use its memory again before all of it has been sent.
        upload = self.stage(plan, stream, plan.body(stream, own=True))
        upload.start()
        return upload

    def open(self, plan: SendPlan) -> UploadWriter:
        """Return a file; data written to it is sent. Without a type, its first data decides the type."""
        if self.gate is not None:
            self.gate.check()
        buffer = WriteBuffer()

        def begin(text: bool) -> Upload[SendStreamResponse]:
            nonlocal plan
            source = Source(buffer)
            body: BodySource = source
            if self.types is not None:
                source.text = text
                kind, body = self.types.of(plan, source, self.name)
                plan = attrs.evolve(plan, type=kind, typed=True)
            # The buffer gathers by itself, and must know how much has been sent.
            return self._upload(plan, body, gather=False)

        writer = UploadWriter(self.name, buffer, begin, lambda: self._end(plan))
        if plan.typed or self.types is None:
            writer._begun(text=False)
        return writer

    def stage(self, plan: SendPlan, stream: Any, body: BodySource | None = None) -> Upload[Any]:
        """Return an upload that has not begun; refuse a body that this hub would change.

        The `body` is made from the source here, if it did not have to be checked before.
        """
        body = plan.body(stream) if body is None else body
        reading: Reading | None = getattr(body, "reading", None)
        try:
            if reading is not None:
                reading.to(self.name)
            return self._upload(plan, body, progress=plan.progress_callback(stream))
        except BaseException:
            if reading is not None:
                reading.close()
                if reading.status is not None and isinstance(body, Source):
                    # A path's file was opened here. A file that the caller has opened stays open.
                    body.close()
            raise

    def _upload(
        self,
        plan: SendPlan,
        body: BodySource,
        *,
        gather: bool = True,
        progress: Callable[[int], object] | None = None,
    ) -> Upload[Any]:
        if self.gate is not None:
            self.gate.check()
        limits = self.limits()
        if limits.utf8_only is not None and isinstance(body, Source):
            body = Utf8Only(body, limits.utf8_only)
        guarded = None
        if self.types is not None:
            kind, body = self.types.of(plan, body, self.name)
            plan = attrs.evolve(plan, type=kind)
        if self.guard is not None:
            body = guarded = self.guard(body, plan.type)
        body_size = limits.body_size
        if body_size is not None and body.whole is not None and len(body.whole) <= body_size:
            body_size = None
        # If a body may continue in another request, only a separate request can end the input.
        end_apart = plan.end and (limits.body_lifetime is not None or body_size is not None)
        transfer: Transfer[Any] = Transfer(
            requester=self.requester,
            request=self._request(plan, end=plan.end and not end_apart),
            name=self.name,
            convert=CONVERT[plan.parse],
            timeout=plan.timeout,
            watch=self.watch,
            body_lifetime=limits.body_lifetime,
            held_back=self.held_back,
            body_size=body_size,
            afterwards=(lambda: self._send_end(plan, upload)) if end_apart else None,
        )
        upload: Upload[Any] = Upload(transfer, body, gather=gather, progress=progress)
        if guarded is not None:
            guarded.upload = upload
        if self.types is not None:
            self.types.begin(plan.type, upload)
        if self.gate is not None:
            self.gate.begin(upload)
            if plan.end:
                self.gate.end_with(upload)
        return upload

    def _request(self, plan: SendPlan, *, end: bool) -> BodyRequest:
        headers = {
            **plan.headers,
            "content-type": plan.type,
            # A missing header would mean "true"; hubs understand only this spelling.
            "x-end-stream": "true" if end else "false",
        }
        return BodyRequest(
            path=self.path,
            headers=headers,
            params=plan.params,
            head_limit=self.head_limit,
            subject=self.subject,
            not_found=self.not_found,
        )

    def _end(self, plan: SendPlan) -> None:
        """End the input after a writer's data; a topic stays open."""
        if self.gate is not None:
            self._send_end(plan)
            self.gate.ended = True

    def _send_end(self, plan: SendPlan, upload: Upload[Any] | None = None) -> None:
        """End the input by a request of its own, after a body with this plan; cancelling its upload cancels this."""
        transfer = Transfer(
            requester=self.requester,
            request=attrs.evolve(self._request(plan, end=True), params=None, head_limit=None),
            name=self.name,
            convert=answer_text,
            # An old hub never answers for an instance that ends meanwhile.
            watch=self.watch,
            held_back=self.held_back,
        )
        ending = Upload(transfer, Source(b""))
        if upload is not None:
            upload.add_done_callback(lambda _done: ending.cancel())
        ending.run()
        ending.result()


def send_result(text: str, bytes_sent: int, reason: str) -> SendStreamResponse:
    """Return the contract's answer to a send."""
    return SendStreamResponse(bytes_written=bytes_sent, message=reason or None, raw=text)


def answer_json(text: str, _bytes_sent: int, _reason: str) -> Any:
    """Return the answer's JSON value, None for an empty answer."""
    return json_in(text, "a send") if text.strip() else None


def answer_text(text: str, _bytes_sent: int, _reason: str) -> str:
    """Return the answer's text."""
    return text


CONVERT: dict[Any, Callable[[str, int, str], Any]] = {
    None: send_result,
    "json": answer_json,
    "text": answer_text,
    "stream": send_result,
}
"""Converters by `parse_response`: each takes the answer's text, the bytes sent and the reason phrase."""
