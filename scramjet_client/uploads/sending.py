"""Destination: one place on a hub that a body can be sent to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import attrs

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
    """What a hub does to bodies on a route.

    Attributes:
        body_lifetime: Seconds after which the hub cuts a body, or None.
        utf8_only: A display name if the route carries UTF-8 only, else None.
    """

    body_lifetime: float | None = None
    utf8_only: str | None = None


class GuardedBody(BodySource, Protocol):
    """A body that watches its own upload."""

    upload: Upload[Any] | None


class ContentTypes(Protocol):
    """Knows how a program takes its input."""

    def of(self, plan: SendPlan, body: BodySource, name: str) -> tuple[str, BodySource]:
        """Return the content type of a body, and the body, refusing what would be changed."""

    def begin(self, type: str, upload: Upload[Any]) -> None:
        """Take note that an upload of a type begins."""


class InputGate:
    """Whether an input still takes data: what is sent after its end would be answered, and never delivered."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._ended = False

    def check(self) -> None:
        """Raise ValueError if this client has ended the input."""
        if self._ended:
            raise ValueError(f"{self._name} has been ended by this client")

    def end(self) -> None:
        """Take note that the input has ended."""
        self._ended = True

    def end_with(self, upload: Upload[Any]) -> None:
        """Take note that an upload ends the input; one that fails does not."""
        self._ended = True
        upload.add_done_callback(self._reopen_after_failure)

    def _reopen_after_failure(self, upload: Any) -> None:
        if upload.exception() is not None:
            self._ended = False


@attrs.frozen(kw_only=True)
class Destination:
    """One place on a hub that a body can be sent to: an input of an instance, or a topic.

    Attributes:
        requester: Sends the requests.
        path: The route below the API's base.
        name: For messages: "input of 'abc'".
        subject: What refusals are about: "instance 'abc'".
        not_found: The error that a 404 means.
        limits: Returns what the hub does to bodies here; may ask the hub, and is called when a body is to be sent.
        head_limit: Seconds in which the hub must take something of a body, or answer; None is no limit.
        watch: Makes the hook that looks, while an answer is awaited, whether the instance still lives.
        gate: Whether the input still takes data; None for topics, which have no end.
        guard: Wraps a body that has to wait before some of its bytes, given its content type.
        types: Knows the content type of a body that is sent without one.
    """

    requester: Requester
    path: str
    name: str
    subject: str
    not_found: type[NotFoundError]
    limits: Callable[[], RouteLimits]
    head_limit: float | None = None
    watch: Callable[[], IdleHook | None] | None = None
    gate: InputGate | None = None
    guard: Callable[[BodySource, str], GuardedBody] | None = None
    types: ContentTypes | None = None

    def send(self, plan: SendPlan, stream: Any) -> Any:
        """Send a body, wait until the hub has taken all of it, and return what the plan makes of the answer."""
        upload = self.stage(plan, stream)
        upload.run()
        return upload.result()

    def submit(self, plan: SendPlan, stream: Any) -> Upload[SendStreamResponse]:
        """Start sending a body on a thread of its own, and return its handle."""
        upload = self.stage(plan, stream)
        upload.start()
        return upload

    def open(self, plan: SendPlan) -> UploadWriter:
        """Return a file; what is written to it is sent."""
        buffer = WriteBuffer()
        # What will be written to it is not known, and nobody waits for it.
        plan = attrs.evolve(plan, typed=True)
        # The buffer gathers by itself, and must know what is on the wire.
        upload: Upload[SendStreamResponse] = self._upload(plan, Source(buffer), gather=False)
        upload.start()
        return UploadWriter(buffer, upload, lambda: self._end(plan))

    def stage(self, plan: SendPlan, stream: Any, body: BodySource | None = None) -> Upload[Any]:
        """Return an upload that has not begun; what this hub would change is refused here.

        Args:
            plan: The checked options.
            stream: What the caller gave.
            body: The body that was made of it, where it had to be checked before.
        """
        body = plan.body(stream) if body is None else body
        return self._upload(plan, body, progress=plan.progress_callback(stream))

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
        # Where a body may have to go on in another request, only a request of its own can end the input.
        end_apart = plan.end and limits.body_lifetime is not None
        transfer: Transfer[Any] = Transfer(
            requester=self.requester,
            request=self._request(plan, end=plan.end and not end_apart),
            name=self.name,
            convert=CONVERT[plan.parse],
            timeout=plan.timeout,
            watch=self.watch,
            body_lifetime=limits.body_lifetime,
            afterwards=(lambda: self._send_end(plan)) if end_apart else None,
        )
        upload: Upload[Any] = Upload(transfer, body, gather=gather, progress=progress)
        if guarded is not None:
            guarded.upload = upload
        if self.types is not None:
            self.types.begin(plan.type, upload)
        if plan.end and self.gate is not None:
            self.gate.end_with(upload)
        return upload

    def _request(self, plan: SendPlan, *, end: bool) -> BodyRequest:
        headers = {
            **plan.headers,
            "content-type": plan.type,
            # Absent, it would mean "true"; only this spelling is understood.
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
        """End the input, after what a writer has sent; a topic goes on."""
        if self.gate is not None:
            self._send_end(plan)
            self.gate.end()

    def _send_end(self, plan: SendPlan) -> None:
        """End the input by a request of its own."""
        transfer = Transfer(
            requester=self.requester,
            request=attrs.evolve(self._request(plan, end=True), params=None, head_limit=None),
            name=self.name,
            convert=answer_text,
        )
        ending = Upload(transfer, Source(b""))
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
"""What the answer's text, the bytes sent and the reason phrase become, by `parse_response`."""
