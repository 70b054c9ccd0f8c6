"""The streams of an instance: reading outputs, sending inputs, and both at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, overload

import requests

from scramjet_client._dialect import body_limit, dialect_of
from scramjet_client._exchange import Exchange
from scramjet_client._handle import Handle
from scramjet_client._lifetime import EndWatch, ended_error
from scramjet_client._send_plan import (
    CONVERT,
    OptionsLike,
    SendPlan,
    checked_stream_id,
    plan,
    sent,
)
from scramjet_client._sources import ProgressHook, Source, SourceLike, Utf8Only
from scramjet_client._writer import BodySource
from scramjet_client.errors import InstanceNotFoundError
from scramjet_client.http_client import ClientProvider
from scramjet_client.models import (
    INPUT_STREAMS,
    OUTPUT_STREAMS,
    InstanceInputStream,
    InstanceOutputStream,
    ParseResponse,
    RequestInit,
    SendStreamResponse,
)
from scramjet_client.streams import OutputStream
from scramjet_client.uploads import Upload


class InstanceStreams(Handle):
    """The part of `InstanceClient` that moves data."""

    _kind = "instance"
    _not_found = InstanceNotFoundError

    def __init__(self, id: str, host: ClientProvider) -> None:
        super().__init__(id, host)
        # Streams whose input this client has ended: a later send would be answered and never taken.
        self._ended_inputs: set[str] = set()

    def get_stream(
        self, stream_id: InstanceOutputStream, *, idle_timeout: float | None = None
    ) -> OutputStream:
        """Open an output: what the program wrote and nobody has read yet, then live until its end.

        Args:
            stream_id: "stdout", "stderr", "output" or "log".
            idle_timeout: Seconds without a byte after which reading raises `StreamIdleError`.

        Returns:
            A binary file; close it, or use it in a `with` block.

        Raises:
            ValueError: There is no such stream.
            InstanceNotFoundError: The hub has no such instance (0.x: also when it has just ended).

        Wire: GET /instance/{id}/{stream} (docs/protocol.md, "Output streams").
        """
        return self._output(checked_stream_id(stream_id, OUTPUT_STREAMS), idle_timeout, None)

    def get_log_stream(self, *, idle_timeout: float | None = None) -> OutputStream:
        """Open the log: one JSON object a line; `.records()` gives them parsed.

        It ends when the instance has ended, also on hubs that would leave it open.
        """
        return self.get_stream("log", idle_timeout=idle_timeout)

    def _output(
        self, stream_id: str, idle_timeout: float | None, exchange: Exchange | None
    ) -> OutputStream:
        if exchange is None and stream_id == "log":
            exchange = Exchange(on_idle=EndWatch(self._client, self._id))
        return self._client.get_stream(
            self._route(stream_id),
            name=f"{stream_id} of {self._id!r}",
            idle_timeout=idle_timeout,
            **self._about,
            exchange=exchange,
        )

    @overload
    def send_stream(
        self,
        stream_id: InstanceInputStream,
        stream: SourceLike,
        request_init: RequestInit | None = None,
        options: None = None,
        *,
        type: str | None = None,
        end: bool | None = None,
        json: bool | None = None,
        progress: ProgressHook | None = None,
    ) -> SendStreamResponse: ...
    @overload
    def send_stream(
        self,
        stream_id: InstanceInputStream,
        stream: SourceLike,
        request_init: RequestInit | None = None,
        options: None = None,
        *,
        type: str | None = None,
        end: bool | None = None,
        json: bool | None = None,
        parse_response: Literal["text"],
        progress: ProgressHook | None = None,
    ) -> str: ...
    @overload
    def send_stream(
        self,
        stream_id: InstanceInputStream,
        stream: SourceLike,
        request_init: RequestInit | None = None,
        options: None = None,
        *,
        type: str | None = None,
        end: bool | None = None,
        json: bool | None = None,
        parse_response: Literal["stream"],
        progress: ProgressHook | None = None,
    ) -> OutputStream: ...
    @overload
    def send_stream(
        self,
        stream_id: InstanceInputStream,
        stream: SourceLike,
        request_init: RequestInit | None = None,
        options: OptionsLike | None = None,
        *,
        type: str | None = None,
        end: bool | None = None,
        json: bool | None = None,
        parse_response: ParseResponse | None = None,
        parse: ParseResponse | None = None,
        progress: ProgressHook | None = None,
    ) -> Any: ...
    def send_stream(
        self,
        stream_id: InstanceInputStream,
        stream: SourceLike,
        request_init: RequestInit | None = None,
        options: OptionsLike | None = None,
        **keywords: Any,
    ) -> Any:
        """Send data to an input, and wait until the hub has taken all of it.

        The body is pulled from the source and written by a background thread while this one waits for the
        hub's answer, so a refusal is raised at once, whatever the source is doing. A program that does
        not read holds the upload back. Two calls in a row arrive in that order.

        Args:
            stream_id: "stdin" or "input".
            stream: Text (sent as UTF-8), bytes-like, an open file, a `Path`, or an iterable of str or bytes.
            request_init: Extra `headers`, `params` and a `timeout` in seconds for the whole send.
            options: `SendStreamOptions` or a mapping of the same names; each is also a keyword.
            **keywords: `type`, `end` (whether the program's input ends with this, default False), `json`,
                `parse_response`, `parse`, and `progress`: called with the bytes sent so far and the bytes in
                all (None where nobody knows) after each write, by the thread that writes; if it raises, the
                upload fails.

        Returns:
            `SendStreamResponse`; with `parse_response` the answer's body: "json" parsed (None if empty),
            "text" as str, "stream" as a live `OutputStream` with `.upload`.

        Raises:
            TypeError, ValueError: A wrong argument, before anything is sent; also a send after `end=True`.
            InstanceNotFoundError: The hub has no such instance.
            UploadError: The source raised (the `__cause__`); the program sees no end of its input.
            UnsupportedByHubError: Bytes that this hub would change on the way, with their offset.
            InstanceEndedError: The instance ended before all was taken.
            HubConnectionError: The connection broke.

        Wire: POST /instance/{id}/{stream} (docs/protocol.md, "Uploads").
        """
        chosen = plan(checked_stream_id(stream_id, INPUT_STREAMS), request_init, options, keywords)
        body = chosen.body(stream)
        if chosen.parse == "stream":
            return self._opened(chosen, self._prepared(chosen, stream, body, sent))
        upload = self._prepared(chosen, stream, body, CONVERT[chosen.parse])
        self._runner(chosen, upload)()
        return upload.result()

    @overload
    def send_input(
        self,
        stream: SourceLike,
        request_init: RequestInit | None = None,
        options: None = None,
        *,
        type: str | None = None,
        end: bool | None = None,
        json: bool | None = None,
        progress: ProgressHook | None = None,
    ) -> SendStreamResponse: ...
    @overload
    def send_input(
        self,
        stream: SourceLike,
        request_init: RequestInit | None = None,
        options: OptionsLike | None = None,
        *,
        type: str | None = None,
        end: bool | None = None,
        json: bool | None = None,
        parse_response: ParseResponse | None = None,
        parse: ParseResponse | None = None,
        progress: ProgressHook | None = None,
    ) -> Any: ...
    def send_input(
        self,
        stream: SourceLike,
        request_init: RequestInit | None = None,
        options: OptionsLike | None = None,
        **keywords: Any,
    ) -> Any:
        """Send data to the program's input; see `send_stream`."""
        return self.send_stream("input", stream, request_init, options, **keywords)

    def send_stdin(
        self,
        stream: SourceLike,
        *,
        end: bool | None = None,
        json: bool | None = None,
        progress: ProgressHook | None = None,
    ) -> SendStreamResponse:
        """Send data to the program's standard input; see `send_stream`. Hubs carry UTF-8 alone there."""
        return self.send_stream("stdin", stream, end=end, json=json, progress=progress)

    def submit_stream(
        self,
        stream_id: InstanceInputStream,
        stream: SourceLike,
        request_init: RequestInit | None = None,
        options: OptionsLike | None = None,
        *,
        type: str | None = None,
        end: bool | None = None,
        json: bool | None = None,
        progress: ProgressHook | None = None,
    ) -> Upload[SendStreamResponse]:
        """Start sending and return at once with the handle; see `send_stream` for the arguments.

        Returns:
            An `Upload`, a `concurrent.futures.Future` of the `SendStreamResponse`. It has no deadline
            unless `request_init` gives one. What goes wrong later is raised by its `result()`.
        """
        keywords = {"type": type, "end": end, "json": json, "progress": progress}
        chosen = plan(checked_stream_id(stream_id, INPUT_STREAMS), request_init, options, keywords)
        upload = self._prepared(chosen, stream, chosen.body(stream), sent)
        upload.run_in_background(self._runner(chosen, upload))
        return upload

    def submit_input(
        self,
        stream: SourceLike,
        request_init: RequestInit | None = None,
        options: OptionsLike | None = None,
        *,
        type: str | None = None,
        end: bool | None = None,
        json: bool | None = None,
        progress: ProgressHook | None = None,
    ) -> Upload[SendStreamResponse]:
        """Start sending to the program's input; see `submit_stream`."""
        return self.submit_stream(
            "input",
            stream,
            request_init,
            options,
            type=type,
            end=end,
            json=json,
            progress=progress,
        )

    def submit_stdin(
        self,
        stream: SourceLike,
        *,
        end: bool | None = None,
        json: bool | None = None,
        progress: ProgressHook | None = None,
    ) -> Upload[SendStreamResponse]:
        """Start sending to the program's standard input; see `submit_stream`."""
        return self.submit_stream("stdin", stream, end=end, json=json, progress=progress)

    def _opened(self, chosen: SendPlan, upload: Upload[SendStreamResponse]) -> OutputStream:
        """Send a body and return its answer as a stream, without waiting for the answer's head."""
        self._note_end(chosen, upload)
        exchange = chosen.exchange_maker(lambda: EndWatch(self._client, self._id))(upload.writer)
        opener = upload.open(self._poster(chosen, end=chosen.end), exchange)
        output = OutputStream(f"{chosen.stream_id} of {self._id!r}", exchange, opener)
        output.upload = upload
        return output

    def _prepared(
        self,
        chosen: SendPlan,
        stream: Any,
        body: BodySource,
        convert: Callable[[str, int, str], Any],
        *,
        gather: bool = True,
    ) -> Upload[Any]:
        """Return an upload that has not begun; what this hub would change is refused here."""
        target = "input" if chosen.stream_id == "inout" else chosen.stream_id
        if target in self._ended_inputs:
            raise ValueError(f"{target} of {self._id!r} has been ended by this client")
        text_only = dialect_of(self._client).utf8_only(chosen.stream_id)
        if text_only is not None and isinstance(body, Source):
            body = Utf8Only(body, text_only)
        upload: Upload[Any] = self._client.prepare_upload(
            body,
            convert,
            name=f"{chosen.stream_id} of {self._id!r}",
            gather=gather,
            progress=chosen.reporter(stream),
            **self._about,
        )
        return upload

    def _poster(self, chosen: SendPlan, *, end: bool) -> Callable[[Exchange], requests.Response]:
        headers = {
            **chosen.headers,
            "content-type": chosen.type,
            # Absent, it would mean "true"; only this spelling is understood.
            "x-end-stream": "true" if end else "false",
        }
        # `inout` is answered when there is output, any other upload before the hub reads its body.
        head_limit = None if chosen.stream_id == "inout" else self._client.timeouts.read
        return self._client.poster(
            self._route(chosen.stream_id), headers, params=chosen.params, head_limit=head_limit
        )

    def _runner(self, chosen: SendPlan, upload: Upload[Any]) -> Callable[[], None]:
        """Return what runs an upload on the thread that calls it."""
        limit = body_limit(self._client)
        # Where a body may have to go on in another request, only a request of its own can end the input.
        end_apart = chosen.end and limit is not None
        error = ended_error(self._id, f"{chosen.stream_id} was being sent")
        make = chosen.exchange_maker(lambda: EndWatch(self._client, self._id, error))
        self._note_end(chosen, upload)
        post = self._poster(chosen, end=chosen.end and not end_apart)
        end_input = partial(self._end_input, chosen)

        def run() -> None:
            upload.run(post, make, body_limit=limit, afterwards=end_input if end_apart else None)

        return run

    def _end_input(self, chosen: SendPlan) -> None:
        """End an input by a request of its own."""
        self._client.send_stream(
            self._route(chosen.stream_id), b"", type=chosen.type, end=True, **self._about
        )

    def _note_end(self, chosen: SendPlan, upload: Upload[Any]) -> None:
        """Remember that the input is being ended, and forget it if that fails."""
        if not chosen.end:
            return
        ended, stream_id = self._ended_inputs, chosen.stream_id
        ended.add(stream_id)

        def forget_failure(done: Any) -> None:
            if done.exception() is not None:
                ended.discard(stream_id)

        upload.add_done_callback(forget_failure)
