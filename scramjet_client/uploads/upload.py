"""`Upload`, the handle of a body being sent, and the two ways of driving it.

Two threads share an upload. `scramjet-upload-N` pulls from the source and writes (see `http/body.py`). Another
thread awaits the hub's answer: for `send_*` it is the caller, for `submit_*` and `inout` it is
`scramjet-answer-N`. Both `scramjet-` threads are daemons, and exist only while there is something to wait for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import attrs
import requests

from scramjet_client._base import Live, public, safe_repr, tell_aside, warn_aside
from scramjet_client._common.clock import monotonic
from scramjet_client._common.names import guessed, refused
from scramjet_client.errors import (
    HubConnectionError,
    HubResponseError,
    HubTimeoutError,
    InstanceEndedError,
    InstanceNotFoundError,
    ScramjetError,
    UnsupportedByHubError,
    UploadCancelledError,
    UploadError,
)
from scramjet_client.http import forks
from scramjet_client.http.answers import ERROR_LIMIT, beginning, check_page, is_html, read_body
from scramjet_client.http.at_exit import AtExit
from scramjet_client.http.body import BodySource, BodyWriter
from scramjet_client.http.causes import causes
from scramjet_client.http.durations import Duration, duration, seconds
from scramjet_client.http.exchange import Exchange, WaitEnded
from scramjet_client.http.failures import translate_errors
from scramjet_client.http.interrupts import Event, wait_in_parts
from scramjet_client.http.requester import BodyRequest, Requester
from scramjet_client.http.standstill import Standstill
from scramjet_client.http.threads import start_thread, thread_name, upload_thread_needed

_R = TypeVar("_R")
_E = TypeVar("_E", bound=ScramjetError)

_REFUSAL_LIMIT = 5.0
"""Seconds to wait for the text of a refusal; its status line is known by then."""

_CLOSING = 0.05
"""Seconds that an ending upload waits for its source to close; a source that blocks is closed later."""


IdleHook = Callable[[float], object]
"""Called with the seconds of silence during the wait for an answer; see `Exchange`."""


@attrs.frozen(kw_only=True)
class Transfer(Generic[_R]):
    """How an upload sends its body, and how it converts the answer.

    Attributes:
        request: The request that carries the body; sent again if the body continues in another one.
        name: The target of the upload, for messages: "input of 'abc'".
        convert: Makes the result from the answer's text, the bytes sent and the reason phrase.
        timeout: Seconds for the whole upload, or None.
        watch: Makes the hook that checks, during the wait for an answer, whether somebody can still answer.
        body_lifetime: Seconds after which the body continues in another request, or None.
        body_size: Bytes after which it does so, or None.
        afterwards: Called when the hub has taken the whole body, before the upload counts as done.
        held_back: Returns, as the end of a sentence, what may hold the upload back if it stands still, or "".
    """

    requester: Requester
    request: BodyRequest
    name: str
    convert: Callable[[str, int, str], _R]
    timeout: float | None = None
    watch: Callable[[], IdleHook | None] | None = None
    body_lifetime: float | None = None
    body_size: int | None = None
    afterwards: Callable[[], object] | None = None
    held_back: Callable[[], str] = str


def _standstill(transfer: Transfer[Any], writer: BodyWriter) -> Standstill:
    """Return what tells that an upload stands still, if something is known that may hold it back."""
    limit = transfer.requester.tuning.run_silence

    def moved() -> object:
        return writer.bytes_sent, monotonic() if writer.waits_for_source else None

    def tell() -> None:
        why, sent = transfer.held_back(), writer.bytes_sent
        what = f"the upload to {transfer.name} has stood still for {limit:g} s, after {sent} bytes"
        if why:
            warn_aside(what + why, UserWarning)

    return Standstill(limit, moved, tell)


@public
class Upload(Live, Future[_R]):
    """A body being sent to the hub: a `concurrent.futures.Future` of the hub's answer.

    You can use it in `concurrent.futures.wait` and `as_completed`, and from any thread.

    Attributes:
        name: The target of the upload, for messages: "input of 'abc'".
    """

    _guesses: ClassVar[Mapping[str, str]] = guessed(
        {
            "result()": "get join value wait",
            "cancel()": "close kill stop terminate",
            "done()": "finished is_done",
            "exception()": "cause error",
            "bytes_sent": "bytes_written progress sent",
        }
    )

    if not TYPE_CHECKING:  # for type checkers they are not there
        __enter__ = __exit__ = refused("needs no with block; result() waits for its end")

    def __init__(
        self,
        transfer: Transfer[_R],
        body: BodySource,
        *,
        gather: bool = True,
        progress: Callable[[int], object] | None = None,
    ) -> None:
        """For the SDK: an upload that has not begun.

        With `gather`, small pieces that are ready together may be sent together. The sending thread calls `progress`
        with the bytes sent so far.
        """
        super().__init__()
        self.name: str = transfer.name
        self.exit_grace: float = transfer.requester.tuning.exit_grace
        stall_limit = transfer.requester.timeouts.write
        self.writer: BodyWriter = BodyWriter(
            body,
            stall_limit=stall_limit,
            size_limit=transfer.body_size,
            gather=gather,
            progress=progress,
        )
        self._transfer = transfer
        self._standstill = _standstill(transfer, self.writer)
        self._deadline: float | None = None
        self._exchange: Exchange | None = None
        # Set at the head of the hub's answer, and at the end of the upload in any case.
        self._answered = Event()
        self._yes = False
        self._asked = False
        self._begun = False
        self._in_background = False
        # Whoever gets it claims the outcome, and sets that; nobody waits for it or releases it.
        self._claiming = threading.Lock()
        self._process = forks.process

    def __repr__(self) -> str:
        state = "running"
        if self.done():
            state = "done" if self.failure is None else f"failed: {self.failure}"
        return f"<Upload to {self.name}: {self.bytes_sent} bytes, {state}>"

    def running(self) -> bool:
        """Return whether it has begun and has not ended."""
        return self._begun and not self.done()

    @property
    def bytes_sent(self) -> int:
        """Bytes of the source that have been sent."""
        return self.writer.bytes_sent

    @property
    def failure(self) -> BaseException | None:
        """The failure of an upload that has ended, else None. Unlike `exception`, it does not count as asked for."""
        return super().exception() if self.done() else None

    def accepted(self, timeout: Duration | None = None) -> bool:
        """Wait for the hub's early acceptance, which comes before it has read any of the body.

        Args:
            timeout: Seconds, or None for no limit.

        Returns:
            True if the hub has accepted, False if the time is over.

        Raises:
            ScramjetError: The upload failed before the hub accepted, for example because the hub refused it.
        """
        self._check_process()
        if not self._answered.wait(duration("timeout", timeout, zero=True)):
            return False
        if not self._yes:
            self.result()
        return True

    def wait_for_head(self, timeout: float) -> bool:
        """Wait until the hub begins to answer or the upload ends; return whether that happened. Raises nothing."""
        return self._answered.wait(timeout)

    def cancel(self) -> bool:
        """Stop, even while running: close the generator and the connection. Return whether it stopped.

        The program's input stays open, and the data that the hub has received by then is delivered. A generator
        that is waiting for something is closed when it gives its next item.
        """
        if self._process is not forks.process:
            # In a fork, there is nothing to stop.
            return False
        failure = self._error(UploadCancelledError, "was cancelled")
        cancelled = self._settle_error(failure)
        if cancelled:
            if self._exchange is not None and self._exchange.failure is None:
                # Tells the inout reader that we cancelled; otherwise it reports a broken connection.
                self._exchange.failure = failure
            self.abort()
        return cancelled

    def cancelled(self) -> bool:
        """Return whether `cancel()` ended it."""
        return isinstance(self.failure, UploadCancelledError)

    def result(self, timeout: Duration | None = None) -> _R:
        """Wait for the end and return the answer, or raise the failure.

        Raises:
            UploadError: The source raised (its exception is the `__cause__`), or the upload was cancelled.
            HubResponseError: The hub refused it.
            HubConnectionError: The connection broke.
            TimeoutError: It is still running after `timeout` seconds.
        """
        self._asked = True
        self._check_process()
        limit = wait_in_parts(self, duration("timeout", timeout, zero=True))
        failed = super().exception(limit)
        if failed is not None:
            # It may have been raised before: frames of that are no part of this call.
            raise failed.with_traceback(None)
        value: _R = super().result()
        return value

    def exception(self, timeout: Duration | None = None) -> BaseException | None:
        """Wait for the end and return the failure, or None."""
        self._asked = True
        self._check_process()
        return super().exception(wait_in_parts(self, duration("timeout", timeout, zero=True)))

    def _check_process(self) -> None:
        """Raise in a fork, in which nobody would end the wait for an upload."""
        if self._process is not forks.process and not self.done():
            raise UploadError(
                f"the upload to {self.name} goes on in the process that began it, and nowhere else: wait for it there"
            )

    def abort(self) -> None:
        """Drop the connection and stop the writer; the waiting thread sets the outcome."""
        if self._exchange is not None:
            self._exchange.abort()
        self.writer.abort()

    def run(self) -> None:
        """Send the body and await its answer on the calling thread."""
        self._begun = True
        if threading.current_thread().daemon:
            # The interpreter's end does not wait for this daemon thread, so it must wait for the upload.
            _running.add(self)
        try:
            reason, text = self._run()
            if self._transfer.afterwards is not None:
                self._transfer.afterwards()
            self._settle(self._converted(text, reason))
        except Exception as error:
            foreign = not isinstance(error, (ScramjetError, WaitEnded))
            if foreign and not self._in_background and error is not self.writer.error:
                # A signal handler raised it, for example for a time limit of the caller.
                self._end_by(error)
                raise
            # Named first: the writer's error after the abort is not the cause.
            named = self._named(error)
            if isinstance(named, HubTimeoutError):
                named.message += self._why_late()
            self.abort()
            # A generator that is not blocked is then closed before its error is raised.
            self.writer.join(_CLOSING)
            if isinstance(error, ScramjetError):
                self._let_frames_go(error)
            self._settle_error(named)
        except BaseException as error:
            self._end_by(error)
            raise
        finally:
            if not self._claiming.locked():
                # What is above has failed itself. Nobody may wait for ever because of that.
                self._settle_error(self._error(UploadError, "failed"))

    def _let_frames_go(self, error: ScramjetError) -> None:
        """Drop the tracebacks of an error, except for that of the source, which is the user's.

        They hold the frames of this thread, and so this upload: urllib3 leaves its errors in a circle, and what nobody
        has asked for would be told only when that is collected.
        """
        for each in causes(error):
            if each is self.writer.error:
                break
            each.__traceback__ = None

    def _end_by(self, error: BaseException) -> None:
        """End the upload because of an interrupt in the waiting thread, which continues to propagate."""
        self.abort()
        what = f"was ended by {type(error).__name__}"
        self._settle_error(self._because(error, UploadCancelledError, what))

    def start(self) -> None:
        """Run it on its own thread, `scramjet-answer-N`; the interpreter's end waits for it a little."""
        self._start(self.run)

    def _start(self, work: Callable[[], None]) -> None:
        _running.add(self)
        self._begun = self._in_background = True
        try:
            start_thread("scramjet-answer", work, needed=upload_thread_needed)
        except UploadError as error:
            # Nothing has begun: the input stays open, and the interpreter's end has nothing to wait for.
            _running.discard(self)
            self.writer.abort()
            self._settle_error(error)
            self._asked = True
            raise

    def open(self, watch: IdleHook | None) -> tuple[Exchange, Callable[[], requests.Response]]:
        """Send the body and leave the answer to a reader, for answers that come during the upload.

        The upload is done when its body has been sent and the hub has begun to answer, or has not refused it for
        some time. The answer of the request may never end.
        Returns when the head of the request has been sent, or has failed.

        Args:
            watch: Checks the instance while nothing comes, and ends the answer if the instance has ended.

        Returns:
            The exchange, and a function that waits for the answer's head and returns the answer, or raises the
            refusal.
        """
        watch = self._looking(watch)
        exchange = self._new_exchange(watch)
        self._exchange = exchange
        self.writer.observe(on_end=self._body_ended, on_abort=self._body_aborted)
        answer: Future[requests.Response] = Future()

        def silence(seconds: float) -> None:
            # A refusal comes at once. If neither a refusal nor output comes, and the instance lives, the hub is
            # taking the body.
            if watch is None or watch(seconds):
                self._accept()

        exchange.on_idle = silence

        def wait_for_head() -> None:
            try:
                response = self._post(exchange)
                self._refuse(response, exchange)
                _complete_page(response)
            except BaseException as error:
                shown = self._named(error)
                # First, so that the writer's error after the abort is not taken for the cause.
                self._settle_error(shown)
                exchange.fail(shown)
                # The end of the instance ends the reader's stream, and fails the upload.
                answer.set_exception(error if isinstance(error, WaitEnded) else shown)
            else:
                answer.set_result(response)
                self._accept()
            finally:
                exchange.head_sent.set()

        self._start(wait_for_head)
        try:
            exchange.head_sent.wait()
        except BaseException:
            self.cancel()
            raise
        if answer.done() and isinstance(answer.exception(), (HubConnectionError, HubTimeoutError)):
            self.result()
        return exchange, answer.result

    def _looking(self, watch: IdleHook | None) -> IdleHook | None:
        """Return a hook that also looks whether the upload stands still, unless the user knows how long it may take."""
        if watch is None or self._transfer.timeout is not None:
            return watch
        # Without a reference to this upload: a cycle would delay the word of a failure that nobody asked for.
        standstill = self._standstill

        def look(silence: float) -> object:
            standstill.look()
            return watch(silence)

        return look

    def _why_late(self) -> str:
        """Return what an upload whose time is over has waited for, as the end of a sentence; "" if nobody knows."""
        if self._exchange is None or not self._exchange.is_late():
            return ""
        if self.writer.waits_for_source:
            return f"; it waited for its source, which has given {self.bytes_sent} bytes"
        return self._transfer.held_back()

    def _new_exchange(self, watch: IdleHook | None) -> Exchange:
        """Return the exchange of the next request; all exchanges share one deadline."""
        if self._deadline is None and self._transfer.timeout is not None:
            self._deadline = monotonic() + self._transfer.timeout
        self._exchange = Exchange(writer=self.writer, deadline=self._deadline, on_idle=watch)
        if self._transfer.timeout is not None:
            self._exchange.limit = f"{seconds(self._transfer.timeout)} (timeout)"
        return self._exchange

    def _post(self, exchange: Exchange) -> requests.Response:
        """Send one request whose body the writer writes; return the response once its head has come."""
        return self._transfer.requester.send_body(self._transfer.request, exchange)

    def _converted(self, text: str, reason: str) -> _R:
        return self._transfer.convert(text, self.bytes_sent, reason)

    def _run(self) -> tuple[str, str]:
        watch, body_lifetime = self._transfer.watch, self._transfer.body_lifetime
        while True:
            exchange = self._new_exchange(self._looking(None if watch is None else watch()))
            if self._claiming.locked():
                # Cancelled between two requests.
                self.abort()
            timer = self._roll_over_timer(body_lifetime)
            try:
                with translate_errors("POST", self.name, exchange=exchange):
                    response = self._post(exchange)
                    try:
                        self._refuse(response, exchange)
                        page = _complete_page(response)
                        self._yes = True
                        self._answered.set()
                        text = page or read_body(response).decode("utf-8", "replace")
                        if is_html(response):
                            check_page(response, text, "a hub's answer")
                    except BaseException:
                        response.close()
                        raise
            finally:
                if timer is not None:
                    timer.cancel()
            if self.writer.recorded:
                self._wait_for_source(exchange)
            if self.writer.finished:
                # A thread that is still closing its source would prevent the connection from being reused.
                self.writer.join(_CLOSING)
                return response.reason or "", text
            if not self.writer.between_requests:
                raise self._error(UploadError, "was answered before it had been taken")

    def _wait_for_source(self, exchange: Exchange) -> None:
        """Wait for a source that a mock's answer did not wait for; raise its error."""
        remaining = None if exchange.deadline is None else exchange.deadline - monotonic()
        if not self.writer.join(remaining):
            raise HubTimeoutError(f"upload to {self.name} timed out after {self.bytes_sent} bytes")
        if self.writer.error is not None:
            raise self._named(self.writer.error)
        if not self.writer.finished:
            raise self._error(UploadCancelledError, "was cancelled")

    def _roll_over_timer(self, limit: float | None) -> threading.Timer | None:
        """Start the timer thread that ends this request's body in time; it ends with the request."""
        if limit is None:
            return None
        with upload_thread_needed():
            timer = threading.Timer(limit, self.writer.roll_over)
            timer.name = thread_name("scramjet-roll-over")
            timer.daemon = True
            timer.start()
        return timer

    def _refuse(self, response: requests.Response, exchange: Exchange) -> None:
        if response.status_code >= 300:
            exchange.deadline = monotonic() + _REFUSAL_LIMIT
            request = self._transfer.request
            refusal = self._transfer.requester.refusal(response, request.subject, request.not_found)
            response.close()
            raise refusal

    def _named(self, error: BaseException) -> ScramjetError:
        """Return the waiting thread's error as ours; an error of the source comes before its effects."""
        if isinstance(error, HubResponseError):
            return error
        dropped = None if self._exchange is None else self._exchange.failure
        if isinstance(dropped, UploadCancelledError):
            return dropped
        failed = self.writer.error
        if failed is not None and self.writer.blamed:
            if isinstance(failed, UnsupportedByHubError):
                return failed
            return self._because(
                failed, UploadError, f"failed: its {self.writer.blamed} raised {safe_repr(failed)}"
            )
        if failed is not None and (
            error is failed or isinstance(error, (HubConnectionError, UploadError))
        ):
            return self._because(failed, HubConnectionError, f"was cut: {_why(failed)}")
        if self._yes and isinstance(error, HubConnectionError):
            return self._because(error.__cause__, HubConnectionError, f"was cut: {_why(error)}")
        if isinstance(error, InstanceEndedError) and error.info is None and not self._yes:
            # The hub has not accepted, and the instance was never seen: a proxy is still collecting the body.
            return InstanceNotFoundError(
                f"upload to {self.name}: the hub has no such instance, and has said nothing to the upload;"
                " something between may hold uploads back (see doctor())"
            )
        if isinstance(error, ScramjetError):
            return error
        what = (
            f"was cut: {error}" if isinstance(error, WaitEnded) else f"failed: {safe_repr(error)}"
        )
        return self._because(error, UploadError, what)

    def _because(self, cause: BaseException | None, kind: type[_E], what: str) -> _E:
        error = self._error(kind, what)
        error.__cause__ = cause
        return error

    def _error(self, kind: type[_E], what: str) -> _E:
        error = kind(f"upload to {self.name} {what}, after {self.bytes_sent} bytes")
        if isinstance(error, UploadError):
            error.bytes_sent = self.bytes_sent
        return error

    def _accept(self) -> None:
        """Record that the hub has not refused an `open` upload; the upload is done if its body is."""
        self._yes = True
        self._answered.set()
        if self.writer.finished:
            self._settle(self._converted("", ""))

    def _body_ended(self) -> None:
        """For the writer: the source of an `open` upload has ended."""
        if self.writer.finished:
            # Until the hub accepts, a refusal may still come.
            if self._yes:
                self._settle(self._converted("", ""))
        elif self.writer.error is not None:
            error = self._named(self.writer.error)
            if self.writer.blamed and self._exchange is not None and self._exchange.failure is None:
                # Before the writer cuts the connection, because this error is why the answer ends.
                self._exchange.failure = error
            self._settle_error(error)
        else:
            self._body_aborted()

    def _body_aborted(self) -> None:
        failure = self._exchange.failure if self._exchange is not None else None
        if isinstance(failure, (HubResponseError, UploadError)):
            self._settle_error(failure)
            return
        if failure is None:
            self._settle_error(self._error(UploadCancelledError, "was cancelled"))
        else:
            kind = HubConnectionError if isinstance(failure, ConnectionError) else UploadError
            self._settle_error(self._because(failure, kind, f"was cut: {failure}"))

    def _claim(self) -> bool:
        """Return whether the caller is the one that sets this upload's outcome."""
        return self._claiming.acquire(blocking=False)

    def _settle(self, value: _R) -> None:
        if self._claim():
            self.set_result(value)
            self._answered.set()

    def _settle_error(self, error: ScramjetError) -> bool:
        if not self._claim():
            return False
        # It is raised to the caller; this thread's traceback means nothing there.
        self.set_exception(error.with_traceback(None))
        self._answered.set()
        return True

    def _tell_unasked(self) -> None:
        """Tell the failure if nobody has asked for the result, and nobody can any more."""
        if self._asked or self.failure is None or self.cancelled():
            return
        with _running.speaking():
            if not self._asked:
                self._asked = True
                tell_aside(f"{self.failure} (and nobody asked for the result)")

    def __del__(self) -> None:
        self._tell_unasked()


def _complete_page(response: requests.Response) -> str:
    """Return the text of an answer that calls itself HTML and has a length; "" for any other answer.

    Its server takes nothing more, so the failure of the writer would hide it.
    """
    if not is_html(response) or "Content-Length" not in response.headers:
        return ""
    text = beginning(response, ERROR_LIMIT).decode("utf-8", "replace")
    check_page(response, text, "a hub's answer")
    return text


def _why(error: BaseException) -> str:
    """Return why a request broke, without the name of the request: it is that of the upload."""
    said = str(error)
    head, _, why = said.partition(" failed: ")
    return why if why and head.startswith("POST ") else said


def _finish(uploads: list[Upload[Any]]) -> None:
    """Wait for uploads at the interpreter's end, and warn by name about those that fail or are cut anyway."""
    began = monotonic()
    # Those that have just failed may be held by a daemon thread, which ends without a word.
    for upload in uploads:
        upload._tell_unasked()
    for upload in [each for each in uploads if not each.done()]:
        try:
            error = upload.exception(max(0.0, began + upload.exit_grace - monotonic()))
        except FutureTimeoutError:
            warn_aside(
                f"the interpreter ends while the upload to {upload.name} runs: it is cut after"
                f" {upload.bytes_sent} bytes",
                RuntimeWarning,
            )
        else:
            # Nobody is left to read the error.
            if error is not None and not upload.cancelled():
                warn_aside(f"while the interpreter ended: {error}", RuntimeWarning)


_running: AtExit[Upload[Any]] = AtExit(_finish)
