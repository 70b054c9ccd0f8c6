"""Requests whose answers are compared, byte for byte but for ids and times."""

from __future__ import annotations

import http.client
import json
import re
import socket
from typing import Any, Union
from urllib.parse import urlsplit

import attrs

_JSON = {"Content-Type": "application/json"}
_LIMIT = 3.0
"""Seconds that an answer may take, and that a stream is listened to."""

_OMITTED = {"date"}


@attrs.frozen
class Request:
    """One request; `{seq}`, `{inst}` and `{none}` in its target stand for ids."""

    method: str
    target: str
    body: bytes | None = None
    headers: dict[str, str] = attrs.field(factory=dict)


NONE = "00000000-0000-0000-0000-000000000000"

REQUESTS = [
    *(
        Request("GET", target)
        for target in (
            "version",
            "status",
            "config",
            "load-check",
            "sequences",
            "instances",
            "entities",
            "topics",
            "nowhere",
            "sequence/{seq}",
            "sequence/{seq}/instances",
            "sequence/{none}",
            "sequence/{none}/instances",
            "instance/{inst}",
            "instance/{none}",
            "instance/{inst}/health",
            "instance/{inst}/nowhere",
            "instance/{inst}/event",
            "instance/{inst}/event/ready",
            "instance/{inst}/stdout",
            "instance/{inst}/output",
            "topic/compare~no",
        )
    ),
    Request("GET", "version", headers={"Accept": "application/xml"}),
    Request("GET", "instance/{inst}/output", headers={"Accept": "application/json"}),
    Request("HEAD", "version"),
    Request("OPTIONS", "version"),
    Request("PUT", "version"),
    *(
        Request("POST", "sequence/{seq}/start", body, _JSON)
        for body in (b"", b"{", b"[]", b'{"appConfig":1}', b'{"instanceId":"short"}')
    ),
    Request("POST", "sequence/{seq}/start", b"{}"),
    Request("POST", "sequence/{none}/start", b"{}", _JSON),
    Request("POST", "sequence", b"no package", {"Content-Type": "application/octet-stream"}),
    Request("PUT", "sequence/{none}", b"no package", {"Content-Type": "application/octet-stream"}),
    Request("DELETE", "sequence/{seq}", None, _JSON),
    Request("DELETE", "sequence/{none}", None, _JSON),
    *(
        Request("POST", "instance/{inst}/_event", body, _JSON)
        for body in (b'[5001,{"eventName":"x"}]', b"{}", b"[5001,{}]", b"[]", b"1", b"null", b"{")
    ),
    Request("POST", "instance/{inst}/_event", b"[]"),
    *(
        Request("POST", "instance/{inst}/_kill", body, _JSON)
        for body in (b'{"removeImmediately":1}', b"{")
    ),
    *(
        Request("POST", "instance/{inst}/_stop", body, _JSON)
        for body in (b'{"timeout":"x"}', b'{"canCallKeepalive":1}', b"null", b"{")
    ),
    Request("POST", "instance/{inst}/_monitoring_rate", b"[4003,{}]", _JSON),
    Request("POST", "instance/{inst}/input", b"x"),
    Request(
        "POST",
        "instance/{inst}/input",
        b"x",
        {"Content-Type": "text/plain", "x-end-stream": "false"},
    ),
    Request(
        "POST",
        "instance/{inst}/input",
        b"x",
        {"Content-Type": "text/plain", "x-end-stream": "true"},
    ),
    Request("POST", "instance/{inst}/stdin", b"x", {"Content-Type": "text/plain"}),
    Request(
        "POST",
        "instance/{inst}/stdin",
        b"x",
        {"Content-Type": "application/octet-stream", "x-end-stream": "false"},
    ),
    Request("POST", "instance/{none}/input", b"x", {"Content-Type": "text/plain"}),
    *(
        Request("POST", "topics", body, _JSON)
        for body in (
            b'{"id":"compare","content-type":"text/plain"}',
            b'{"id":"compare","content-type":"text/plain"}',
            b'{"id":"a b","content-type":"text/plain"}',
            b'{"id":"compare2","content-type":"x/y"}',
            b"{}",
        )
    ),
    Request("GET", "topics"),
    Request("GET", "topic/compare", headers={"Content-Type": "application/x-ndjson"}),
    Request("POST", "topic/compare", b"x", {"Content-Type": "application/x-ndjson"}),
    Request("GET", "topic/compare"),
    Request("POST", "topic/compare", b"x", {"Content-Type": "x/y"}),
    Request("POST", "topic/compare", b"x"),
    Request("POST", "topic/compare", b"one", {"Content-Type": "text/plain"}),
    Request("GET", "topic/compare", headers={"Content-Type": "text/plain"}),
    Request("DELETE", "topics/compare", None, _JSON),
    Request("DELETE", "topics/compare", None, _JSON),
]

Facts = dict[str, Any]


def exchange(url: str, request: Request, ids: dict[str, str]) -> Facts:
    """Send a request, and return what is to be compared of its answer."""
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=_LIMIT)
    target = f"{where.path}/{request.target.format(**ids)}"
    try:
        connection.request(
            request.method, target, request.body, {"Accept": "*/*", **request.headers}
        )
        answer = connection.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return {
            "status": f"{answer.status} {answer.reason}",
            "headers": {
                name: _bare(value, ids) for name, value in headers.items() if name not in _OMITTED
            },
            **_body(answer, ids),
        }
    except (socket.timeout, TimeoutError):
        return {"status": "no answer"}
    except (OSError, http.client.HTTPException) as error:
        return {"status": type(error).__name__}
    finally:
        connection.close()


def _body(answer: http.client.HTTPResponse, ids: dict[str, str]) -> Facts:
    data, ended = b"", True
    try:
        while piece := answer.read1(65536):
            data += piece
    except (socket.timeout, TimeoutError):
        ended = False
    try:
        body = _shape(json.loads(data))
    except ValueError:
        body = _bare(data.decode("utf-8", "replace"), ids)
    return {"body": body, "ended": ended}


Shape = Union[dict[str, Any], list[Any], str, None, bool]


def _shape(value: Any, key: str = "") -> Shape:
    """Return a JSON value with its numbers, ids and times replaced by what they are."""
    if isinstance(value, dict):
        return {name: _shape(each, name) for name, each in sorted(value.items())}
    if isinstance(value, list):
        shapes: list[Any] = []
        for each in value:
            shape = _shape(each, key)
            shapes += [] if shape in shapes else [shape]
        return shapes
    if isinstance(value, bool) or value is None:
        return value
    return "<number>" if isinstance(value, (int, float)) else _bare(value, {})


def _bare(text: str, ids: dict[str, str]) -> str:
    for name, id in ids.items():
        text = text.replace(id, f"<{name}>")
    text = re.sub(r"/[\w./<>-]*(hub|sequences)[\w./<>-]*/[\w./<>-]+", "<path>", text)
    text = re.sub(r"\bsth-\w+\b", "<hub>", text)
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<id>", text)
    return re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "<time>", text)
