"""Both directions of an instance at once, and its inputs as files."""

from __future__ import annotations

import attrs

from scramjet_client.api.generations import dialect_of
from scramjet_client.errors import ScramjetError
from scramjet_client.http.exchange import Exchange
from scramjet_client.instances.io import InstanceStreams
from scramjet_client.models import RequestInit, SendStreamResponse
from scramjet_client.streams.output import OutputStream
from scramjet_client.uploads.file import Outbox, UploadWriter
from scramjet_client.uploads.options import OptionsLike, SendPlan, plan, sent
from scramjet_client.uploads.sources import ProgressHook, Source, SourceLike
from scramjet_client.uploads.upload import Upload


class InstanceDuplex(InstanceStreams):
    """The part of `InstanceClient` that holds conversations."""

    def inout(
        self,
        stream: SourceLike,
        request_init: RequestInit | None = None,
        options: OptionsLike | None = None,
        *,
        type: str | None = None,
        end: bool | None = None,
        json: bool | None = None,
        progress: ProgressHook | None = None,
    ) -> OutputStream:
        """Send to the program's input and read its output at once.

        Returns as soon as the request is on the wire; the source may wait for what is read. Text alone:
        for binary duplex use `get_stream("output")` and `submit_input`.

        Args:
            stream: As in `send_stream`.
            request_init: As in `send_stream`.
            options: As in `send_stream`; each is also a keyword.
            type: Content type of the input.
            end: Whether the program's input ends with this body.
            json: Whether the source gives values to be sent as JSON lines.
            progress: As in `send_stream`.

        Returns:
            The output, with the upload of the input as `.upload`. Closing it cancels an unfinished
            upload. It ends when the output or the instance does. A refusal by the hub is raised by the
            first read, or by the upload, whichever is asked first.

        Wire: POST /instance/{id}/inout on 1.x; GET output and POST input on 0.x, and where `end` is True,
        which `inout` can't say (docs/protocol.md, "Inout").
        """
        keywords = {"type": type, "end": end, "json": json, "progress": progress}
        chosen = plan("input", request_init, options, keywords)
        body = chosen.body(stream)
        if dialect_of(self._client).has_inout and not chosen.end:
            chosen = attrs.evolve(chosen, stream_id="inout")
            return self._opened(chosen, self._prepared(chosen, stream, body, sent))
        return self._paired(chosen, self._prepared(chosen, stream, body, sent))

    def _paired(self, chosen: SendPlan, upload: Upload[SendStreamResponse]) -> OutputStream:
        """`inout` by two requests: first the output, so that nothing is missed, then the input."""
        exchange = Exchange()
        output = self._output("output", None, exchange)

        def pass_on(done: Upload[SendStreamResponse]) -> None:
            error = done.exception()
            if isinstance(error, ScramjetError) and not done.cancelled():
                exchange.fail(error)

        upload.add_done_callback(pass_on)  # type: ignore[arg-type]  # it is called with this Upload
        output.upload = upload
        upload.run_in_background(self._runner(chosen, upload))
        return output

    def open_input(self, *, type: str | None = None) -> UploadWriter:
        """Open the program's input as a file to be written to.

        Closing it ends the program's input; `detach()` does not.

        Args:
            type: Content type of the input, as in `send_stream`.
        """
        return self._open_writer("input", type)

    def open_stdin(self) -> UploadWriter:
        """Open the program's standard input as a file to be written to; hubs carry UTF-8 alone there."""
        return self._open_writer("stdin", None)

    def _open_writer(self, stream_id: str, type: str | None) -> UploadWriter:
        chosen = plan(stream_id, None, None, {"type": type})
        outbox = Outbox()
        # The outbox gathers by itself, and must know what is on the wire.
        upload = self._prepared(chosen, None, Source(outbox), sent, gather=False)
        upload.run_in_background(self._runner(chosen, upload))

        def end() -> None:
            self._end_input(chosen)
            self._ended_inputs.add(stream_id)

        return UploadWriter(outbox, upload, end)
