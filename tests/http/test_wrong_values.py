"""Values that can't be sent, and settings of wrong types: each error names what it is about."""

from __future__ import annotations

import datetime
import math
import socket
from collections.abc import Callable
from typing import Any

import pytest

from scramjet_client import HostClient, HubConnectionError
from scramjet_client.http.json_body import json_bytes

NOWHERE = "http://127.0.0.1:1/api/v1"


@pytest.mark.parametrize(
    ("value", "error", "where"),
    [
        ({"args": [1, math.nan]}, ValueError, r"^args\[1\] .*nan"),
        ({"args": [math.inf]}, ValueError, r"^args\[0\] .*inf"),
        ({"args": [10**5000]}, ValueError, r"^args\[0\] .*digits"),
        ({"args": [b"a"]}, TypeError, r"^args\[0\] .*bytes"),
        ({"args": [[datetime.date.min]]}, TypeError, r"^args\[0\]\[0\] .*date"),
        ({"args": ["\ud800"]}, ValueError, r"^args\[0\] .*half of a character"),
        ({"args": [{(1, 2): 3}]}, TypeError, r"^args\[0\] .*tuple"),
        ({"appConfig": {"a": {"b": b""}}}, TypeError, r"^app_config\['a'\]\['b'\] .*bytes"),
        ([5001, {"message": "\udcff"}], ValueError, "^message .*half of a character"),
        (b"a", TypeError, "^the value .*bytes"),
    ],
)
def test_value_that_json_has_not(value: Any, error: type[Exception], where: str):
    """The error names the part that can't be sent."""
    with pytest.raises(error, match=where):
        json_bytes(value)


def test_value_that_holds_itself():
    """A value without an end is an error too."""
    value: list[Any] = []
    value.append(value)

    with pytest.raises(ValueError, match="can't be sent as JSON"):
        json_bytes({"args": value})


def test_whole_pairs_of_surrogates():
    """Characters beyond the first plane are whole."""
    assert json_bytes("😀") == b'"\\ud83d\\ude00"'


SETTINGS: dict[str, Callable[[], Any]] = {
    **{
        f"retries {value!r}": lambda value=value: HostClient(NOWHERE, retries=value)
        for value in ("3", 1.5, True, -1, None, [1], math.nan, math.inf)
    },
    "token": lambda: HostClient(NOWHERE, token=b"x"),
    "proxies": lambda: HostClient(NOWHERE, proxies="http://x"),
    "request_init": lambda: _instance().send_input("x", request_init="x"),
    "request_init['params']": lambda: _instance().send_input("x", request_init={"params": ["a"]}),
}


def _instance() -> Any:
    return HostClient(NOWHERE).get_instance_client("i")


@pytest.mark.parametrize("name", SETTINGS)
def test_setting_of_a_wrong_type(name: str):
    """It is refused at once, by its name."""
    with pytest.raises((TypeError, ValueError)) as caught:
        SETTINGS[name]()

    assert str(caught.value).startswith(name.split(maxsplit=1)[0])


def test_too_many_open_files():
    """A process that has no descriptor left does not blame the hub's address."""
    resource = pytest.importorskip("resource", reason="Windows has no such limit")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    host = HostClient(NOWHERE, retries=0)
    with pytest.raises(HubConnectionError):
        host.get_version()
    held: list[socket.socket] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard))
    try:
        try:
            while True:
                held.append(socket.socket())
        except OSError:
            pass
        with pytest.raises(HubConnectionError) as caught:
            host.get_version()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for each in held:
            each.close()

    assert "ulimit -n" in str(caught.value)
    assert "host and the port" not in str(caught.value)


@pytest.mark.parametrize("message", [b"x", datetime.date.min, math.nan, "\ud800"])
def test_message_of_an_event(message: Any):
    """So does the error for an event's message, before anything is sent."""
    with pytest.raises((TypeError, ValueError), match=r"^message can't be sent as JSON"):
        _instance().send_event("e", message)
