"""Bounded reading and validation of untrusted answers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import attrs

from scramjet_client.errors import InvalidResponseError

if TYPE_CHECKING:
    # The command reads answers for its help, too, and must not wait for this.
    import requests

ANSWER_LIMIT = 32 * 2**20
"""Bytes of an answer that is not a stream; a list of 50,000 instances fits. Parsed, JSON may need 22 times as much."""

ERROR_LIMIT = 65536
"""Bytes read of a refusal, and characters of a wrong answer that its error keeps."""

SENTENCE_LIMIT = 500
"""Characters of the hub's text that an error message repeats; `.body` has more."""

_MOST_SHOWN = 40

_PIECE = 10240
"""Bytes read at once. For a mock's answer, old releases of urllib3 decompress all of them, which gives up to 10 MB."""

_CODINGS = {"": "", "identity": "", "gzip": "gzip"}
"""If codings are stacked, or have larger ratios, a few bytes unpack to gigabytes."""


def check_coding(response: requests.Response) -> str:
    """Return the coding of an answer: "gzip", or "" for none.

    Every request asks for no coding; a proxy that compresses unasked uses gzip.

    Raises:
        InvalidResponseError: It is one that this client can't unpack; the answer is closed.
    """
    coding = response.headers.get("Content-Encoding", "")
    known = _CODINGS.get(coding.strip().lower())
    if known is None:
        response.close()
        raise InvalidResponseError(
            f"{response.url} answered in the coding {shown(coding)}, which was not asked for",
            status=response.status_code,
            url=response.url,
        )
    return known


def shown(value: str) -> str:
    """Return a header's value for an error, whole or not at all: a part of a secret would not be found, and hidden."""
    return repr(value) if len(value) <= _MOST_SHOWN else f"of {len(value)} characters"


def read_body(response: requests.Response, limit: int = ANSWER_LIMIT) -> bytes:
    """Return the body of an answer.

    Raises:
        InvalidResponseError: It is longer than `limit` bytes.
    """
    pieces = _read(response, limit + 1)
    if sum(map(len, pieces)) > limit:
        raise too_long(response.url, limit)
    return b"".join(pieces)


def beginning(response: requests.Response, limit: int) -> bytes:
    """Return at most `limit` bytes of the body of an answer."""
    return b"".join(_read(response, limit))[:limit]


def _read(response: requests.Response, enough: int) -> list[bytes]:
    """Return the body in pieces, until there are `enough` bytes or more."""
    pieces: list[bytes] = []
    size = 0
    for piece in response.iter_content(_PIECE):
        pieces.append(piece)
        size += len(piece)
        if size >= enough:
            break
    return pieces


def too_long(url: str, limit: int) -> InvalidResponseError:
    """Return the error for an answer of more than `limit` bytes."""
    return InvalidResponseError(f"the answer of {url} has more than {limit} bytes", url=url)


def loads(text: str | bytes, *, nan: bool = False) -> Any:
    """Return the value of a JSON document, or raise ValueError if it is not JSON, or is nested too deeply.

    With `nan`, NaN and Infinity count as JSON: it lacks them, but Python programs write them.
    """
    try:
        return json.loads(text, parse_constant=None if nan else _no_constant)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def json_in(text: str, what: str) -> Any:
    """Return the JSON value of an answer's text, or raise `InvalidResponseError`; `what` is what the text answers."""
    try:
        return loads(text)
    except ValueError as error:
        raise InvalidResponseError(
            f"the hub's answer to {what} is not JSON: {error}", body=text[:ERROR_LIMIT]
        ) from error


def as_text(value: Any) -> str | None:
    """Return the value if it is a text, else None."""
    return value if isinstance(value, str) else None


def as_object(value: Any) -> dict[str, Any]:
    """Return the value if it is an object, else an empty object."""
    return value if isinstance(value, dict) else {}


def as_number(value: Any) -> float:
    """Return the value if it is a number, else 0."""
    return value if is_number(value) else 0.0


def is_number(value: Any) -> bool:
    """Return whether this is a number; True and False do not count."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_count(value: Any) -> bool:
    """Return whether this is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


@attrs.frozen(kw_only=True)
class JsonAnswer:
    """A parsed answer: status, reason phrase, value (None for an empty body), text, and the headers as received."""

    status: int
    reason: str
    value: Any
    text: str
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)


_PAGE = re.compile(r"\s*<(?:!doctype|html|head|body)\b", re.IGNORECASE)
_TITLE = re.compile(r"<(title|h1)\b[^>]*>(.*?)</\1", re.IGNORECASE | re.DOTALL)
_UNSEEN = re.compile(
    r"<(script|style|title)\b.*?</\1\s*>|<!--.*?-->|<[^>]*>", re.IGNORECASE | re.DOTALL
)

_FIRST_WORDS = 80
"""Characters that are repeated from a page without a title."""


def page_title(text: str) -> str:
    """Return a web page's message in one line, "" if the text is not a page: proxies answer with their own pages."""
    if not _PAGE.match(text):
        return ""
    import html  # noqa: PLC0415 - as in `_base`
    import textwrap  # noqa: PLC0415

    title = _TITLE.search(text)
    words = _UNSEEN.sub(" ", title.group(2) if title else text)
    # Whole words: a part of a secret would not be found, and hidden.
    return textwrap.shorten(html.unescape(words), _FIRST_WORDS, placeholder="…")


def check_page(response: requests.Response, text: str, expected: str) -> None:
    """Raise `InvalidResponseError` if an accepting answer begins as a web page does, and not as what is `expected`."""
    if not _PAGE.match(text):
        return
    request, title = response.request, page_title(text)
    raise InvalidResponseError(
        f"{request.method} {response.url} answered {response.status_code} with a web page ({title!r}), not {expected}; "
        "a login page or a proxy may be there: doctor() says more",
        status=response.status_code,
        url=response.url,
        body=text[:ERROR_LIMIT],
    )


def is_html(response: requests.Response) -> bool:
    """Return whether an answer calls itself HTML; no hub's does."""
    kind = str(response.headers.get("Content-Type", ""))
    return kind.partition(";")[0].strip().lower() in ("text/html", "application/xhtml+xml")


def parsed(response: requests.Response, limit: int = ANSWER_LIMIT) -> JsonAnswer:
    """Read an answer to its end and return its JSON; hubs do not always declare it as JSON.

    Raises:
        InvalidResponseError: The answer is not JSON, or has more than `limit` bytes.
    """
    text = read_body(response, limit).decode("utf-8", "replace")
    try:
        value = loads(text) if text.strip() else None
    except ValueError as error:
        check_page(response, text, "JSON")
        raise InvalidResponseError(
            f"{response.request.method} {response.url} answered {response.status_code} with something that is not "
            f"JSON: {error}",
            status=response.status_code,
            url=response.url,
            body=text[:ERROR_LIMIT],
        ) from error
    return JsonAnswer(
        status=response.status_code,
        reason=response.reason or "",
        value=value,
        text=text,
        headers=response.headers,
    )
