from __future__ import annotations

import concurrent.futures
import errno
import pickle
import socket

import pytest
import requests
import responses
import urllib3

from scramjet_client import HostClient, errors
from scramjet_client.errors import (
    BadParametersError,
    HubConnectionError,
    HubTimeoutError,
    InstanceEndedError,
    InstanceNotFoundError,
    InsufficientResourcesError,
    LineTooLongError,
    NoThreadError,
    ScramjetError,
    ServerError,
    StopTimeoutError,
    StreamBusyError,
    StreamClosedError,
    StreamIdleError,
    StreamInterruptedError,
    UploadCancelledError,
    UploadError,
)
from scramjet_client.http.failures import from_response, translate_errors
from tests.support.waiting import LIMIT

URL = "http://hub.test/api/v1/instance/abc"


def _answer(status: int, body: str = "", **options: object) -> requests.Response:
    with responses.RequestsMock() as mock:
        mock.add(responses.GET, URL, status=status, body=body, **options)
        return requests.get(URL, timeout=LIMIT, allow_redirects=False)


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_pickles(name):
    """An error comes out of a pickle with its class, sentence and attributes."""
    error = getattr(errors, name)("it failed", status=404, url=URL, body="{}")

    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is type(error)
    assert (str(copy), copy.message, copy.status, copy.url, copy.body) == (
        "it failed",
        "it failed",
        404,
        URL,
        "{}",
    )


@pytest.mark.parametrize("name", errors.__all__)
def test_no_error_is_a_class_of_requests(name):
    """Code that catches requests' exceptions must not swallow ours by accident."""
    assert not issubclass(getattr(errors, name), requests.RequestException)
    assert issubclass(getattr(errors, name), ScramjetError)


def test_codes_are_the_contracts():
    """The codes that the contract and the TypeScript client name are there, each once."""
    codes = [getattr(errors, name).code for name in errors.__all__]

    assert len(set(codes)) == len(codes)
    assert {
        "INSTANCE_NOT_FOUND",
        "STOP_TIMEOUT",
        "CANNOT_CONNECT",
        "BAD_PARAMETERS",
        "NEED_AUTHENTICATION",
        "NOT_AUTHORIZED",
        "NOT_FOUND",
        "GONE",
        "INSUFFICIENT_RESOURCES",
        "UNPROCESSABLE_ENTITY",
        "REQUEST_ERROR",
        "SERVER_ERROR",
        "INVALID_RESPONSE",
        "GENERAL_ERROR",
    } <= set(codes)


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (HubConnectionError, ConnectionError),
        (HubTimeoutError, TimeoutError),
        (StopTimeoutError, TimeoutError),
        (StreamClosedError, ValueError),
        (StreamInterruptedError, ConnectionError),
        (StreamIdleError, TimeoutError),
        (NoThreadError, RuntimeError),
        (StreamBusyError, RuntimeError),
        (LineTooLongError, ValueError),
        (UploadCancelledError, concurrent.futures.CancelledError),
    ],
)
def test_errors_are_also_what_python_calls_them(kind, builtin):
    """`except TimeoutError` and its like work without knowing this package."""
    assert issubclass(kind, builtin)


@pytest.mark.parametrize(
    ("status", "body", "kind", "meant", "said"),
    [
        (404, '{"error":"Instance nope not found"}', InstanceNotFoundError, 404, "nope not found"),
        (404, "", InstanceNotFoundError, 404, "answered 404"),
        (400, '{"error":"Instance not running"}', BadParametersError, 400, "Instance not running"),
        (500, "400: Could not parse content", BadParametersError, 400, "Could not parse content"),
        (500, "object is not iterable", ServerError, 500, "object is not iterable"),
        (500, "200: all is well", ServerError, 500, "200: all is well"),
        (500, "302: elsewhere", ServerError, 500, "302: elsewhere"),
        (500, "999: x", ServerError, 500, "999: x"),
        (500, "٤٠٤: digits", ServerError, 500, "٤٠٤: digits"),
        (
            419,
            '{"opStatus":"Insufficient Space on Resource"}',
            InsufficientResourcesError,
            419,
            "Space",
        ),
        (
            422,
            '{"error":{"code":"PRERUNNER_ERROR","data":"Invalid"}}',
            None,
            422,
            "PRERUNNER_ERROR",
        ),
        (403, '{"error":{"code":1001,"message":"not yours"}}', None, 403, "not yours"),
    ],
)
def test_refusals_of_every_family(status, body, kind, meant, said):
    """Each shape of a hub's refusal gives its class, the status that was meant, and the hub's words."""
    error = from_response(
        _answer(status, body), subject="instance 'abc'", not_found=InstanceNotFoundError
    )

    assert kind is None or type(error) is kind
    assert error.status == meant
    assert error.body == body
    assert said in str(error)
    assert URL in str(error)


def test_redirect_is_refused_and_named():
    """A redirect is an error that says where it leads."""
    error = from_response(_answer(307, headers={"Location": "http://elsewhere.test/"}))

    assert error.status == 307
    assert "http://elsewhere.test/" in str(error)


@pytest.mark.parametrize(
    ("foreign", "ours"),
    [
        (ConnectionRefusedError(111, "Connection refused"), HubConnectionError),
        (requests.ConnectionError("x"), HubConnectionError),
        (requests.ConnectTimeout("x"), HubTimeoutError),
        (requests.ReadTimeout("x"), HubTimeoutError),
        (socket.timeout("x"), HubTimeoutError),
        (
            requests.ConnectionError(urllib3.exceptions.ReadTimeoutError(None, "/", "x")),
            HubTimeoutError,
        ),
        (
            requests.ConnectionError(
                urllib3.exceptions.MaxRetryError(
                    None, "/", urllib3.exceptions.NewConnectionError(None, "refused")
                )
            ),
            HubConnectionError,
        ),
        (urllib3.exceptions.ProtocolError("cut"), HubConnectionError),
        # Keep-alive has found that the other side has vanished.
        (OSError(errno.ETIMEDOUT, "Connection timed out"), HubConnectionError),
    ],
)
def test_foreign_exceptions_are_translated_and_kept(foreign, ours):
    """What requests, urllib3 and the socket raise becomes one of ours, with the original as its cause."""
    with pytest.raises(ours) as caught, translate_errors("GET", URL):
        raise foreign

    assert caught.value.__cause__ is foreign
    assert caught.value.url == URL


def test_errors_of_the_caller_are_not_those_of_the_request():
    """What the caller is just handling has no part in what a request's failure is called."""
    try:
        raise TimeoutError("the caller's own")
    except TimeoutError:
        with (
            pytest.raises(HubConnectionError, match="connection refused"),
            translate_errors("GET", URL),
        ):
            raise ConnectionRefusedError(111, "Connection refused")  # noqa: B904 - as requests does


_LONG = "x" * 100_000


@pytest.mark.parametrize(
    "call",
    [
        lambda: errors.InstanceNotFoundError(f"instance {_LONG!r} not found: it is not known"),
        lambda: HostClient(_LONG),
        lambda: HostClient("http://a").get_topic("x " * 50_000),
    ],
    ids=["id", "url", "name"],
)
def test_long_words_lack_their_middle(call):
    """A message repeats the ends of a long value, and all around it."""
    try:
        error = call()
    except ValueError as raised:
        error = raised

    assert len(str(error)) < 2000
    assert "…" in str(error)
    assert " not " in str(error)


def test_own_errors_pass_untouched():
    """An error of this package is not wrapped a second time."""
    error = InstanceEndedError("gone")

    with pytest.raises(InstanceEndedError) as caught, translate_errors("GET", URL):
        raise error

    assert caught.value is error


def test_upload_error_knows_how_far_it_came():
    """`bytes_sent` of an upload error survives a pickle."""
    error = UploadError("failed")
    error.bytes_sent = 4096

    assert pickle.loads(pickle.dumps(error)).bytes_sent == 4096
