"""HttpClient: one hub over HTTP, with live streams and uploads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from scramjet_client._base import public
from scramjet_client._common.clock import monotonic
from scramjet_client.errors import NotFoundError
from scramjet_client.http.durations import LONGEST_WAIT, Duration, duration, seconds
from scramjet_client.http.exchange import Exchange
from scramjet_client.http.requester import BodyRequest, Requester
from scramjet_client.http.settings import checked_headers
from scramjet_client.models.words import BINARY

if TYPE_CHECKING:
    from scramjet_client.streams.output import OutputStream
    from scramjet_client.uploads.sources import ProgressHook


@public
class ClientProvider(Protocol):
    """An object with a `.client`: normally a `HostClient`."""

    @property
    def client(self) -> HttpClient:
        """The HTTP client to send with."""


stream_listeners: list[Callable[[str, OutputStream], object]] = []
"""Called with each stream that any client of this process opens, and its path; test reports show the data read."""


@public
class HttpClient(Requester):
    """One hub over HTTP: JSON calls, live streams and uploads. You may use it from any number of threads.

    The environment has no surprising effects: `.netrc` never replaces a token, proxy variables do not apply to
    loopback hosts, redirects are not followed, and no cookie is kept. A pooled connection is not used again if it
    was idle for more than 4 s, or was made before a fork.

    Args:
        api_base: URL of the hub's API, such as "http://127.0.0.1:8000/api/v1".
        token: Sent as `Authorization: Bearer`; never shown.
        headers: Sent with each request.
        timeout: `Timeouts`, or seconds for its `read`.
        verify: True, False or the path of a CA bundle. None means REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE if one is set,
            else the CAs of `certifi`.
        cert: Path of a client certificate, or (certificate, key).
        proxies: As in requests; None means the environment's, except for loopback hosts.
        retries: How often the client repeats a JSON GET after a broken connection or a temporary refusal (429, 502,
            503, 504), and any request whose connection could not be made. It never sends anything else twice.
            Retries stay within the call's limit; see docs/reliability.md, "Retries".
        tuning: Intervals and margins of the client itself; None means the defaults of `Tuning`.
    """

    def get_stream(
        self,
        path: str,
        *,
        name: str = "",
        timeout: Duration | None = None,
        idle_timeout: Duration | None = None,
        headers: Mapping[str, str] | None = None,
        subject: str = "",
        not_found: type[NotFoundError] = NotFoundError,
        exchange: Exchange | None = None,
    ) -> OutputStream:
        """Return a live stream; a refusal of the hub raises here.

        Args:
            path: Path below `api_base`.
            name: Name of the stream, for messages; an empty one means the path.
            timeout: Seconds after which reading ends, as at the end of the stream; None is no limit.
            idle_timeout: Seconds without a byte after which reading raises; None means `timeouts.idle`.
            headers: Further headers.
            subject: The subject of the request, for errors.
            not_found: The error that a 404 means here.
            exchange: The exchange to use if the caller watches the wait. Its deadline, if any, applies to reading
                too.
        """
        from scramjet_client.streams.output import opened  # noqa: PLC0415 - not for who only asks

        headers = checked_headers(headers or {})
        reading = duration("timeout", timeout)
        idle = (
            self.timeouts.idle if idle_timeout is None else duration("idle_timeout", idle_timeout)
        )
        exchange = exchange or Exchange()
        exchange.idle_limit = idle
        if idle is not None and idle > LONGEST_WAIT:
            exchange.idle, idle = idle, None
        deadline = exchange.deadline
        if deadline is None and self.timeouts.read is not None:
            exchange.deadline = monotonic() + self.timeouts.read
            exchange.limit = f"{seconds(self.timeouts.read)} ({self.timeouts._name_of_read})"
        response = self.reach(exchange, "GET", path, headers=headers, read_timeout=idle)
        if response.status_code >= 300:
            try:
                raise self.refusal(response, subject, not_found)
            finally:
                response.close()
        exchange.deadline = deadline
        exchange.until = None if reading is None else monotonic() + reading
        stream = opened(name or path, exchange, response)
        for listener in stream_listeners:
            listener(path, stream)
        return stream

    def send_stream(
        self,
        path: str,
        stream: Any,
        *,
        type: str = BINARY,
        end: bool | None = None,
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
        subject: str = "",
        not_found: type[NotFoundError] = NotFoundError,
        progress: ProgressHook | None = None,
        answer_limit: float | None = None,
    ) -> str:
        """Send a body, chunk by chunk, wait until the hub has taken it, and return the answer's text.

        Args:
            path: Path below `api_base`.
            stream: Anything that `uploads.sources` takes.
            type: Content type.
            end: Value of the header `x-end-stream`; None leaves it out.
            method: POST or PUT.
            headers: Further headers.
            subject: The subject of the request, for errors.
            not_found: The error that a 404 means here.
            progress: Called with the bytes sent and the total bytes (or None), by the thread that sends.
            answer_limit: Seconds in which the hub must take some of the body, or answer.
        """
        # A script that only asks needs none of them.
        from scramjet_client.uploads.options import progress_callback  # noqa: PLC0415
        from scramjet_client.uploads.sending import answer_text  # noqa: PLC0415
        from scramjet_client.uploads.sources import Source  # noqa: PLC0415
        from scramjet_client.uploads.upload import Transfer, Upload  # noqa: PLC0415

        all_headers = {"Content-Type": type, **checked_headers(headers or {})}
        if end is not None:
            all_headers["x-end-stream"] = "true" if end else "false"
        request = BodyRequest(
            path=path,
            headers=all_headers,
            method=method,
            head_limit=answer_limit,
            rest_limit=answer_limit,
            subject=subject,
            not_found=not_found,
        )
        transfer = Transfer(requester=self, request=request, name=path, convert=answer_text)
        report = None if progress is None else progress_callback(progress, stream)
        upload: Upload[str] = Upload(transfer, Source(stream), progress=report)
        upload.run()
        return upload.result()
