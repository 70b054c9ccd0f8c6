"""Where the body of an answer ends (RFC 9112, 6.3), and gzip inside it; what is not understood is refused.

http.client and urllib3 read a body whose framing they do not understand until the connection closes. Then a cut body
looks complete, and the sizes of chunks look like data.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator
from email.errors import MissingHeaderBodySeparatorDefect
from http.client import HTTPMessage

from urllib3.exceptions import DecodeError, InvalidHeader

from scramjet_client.http.answers import shown

_LENGTH = re.compile(r"[0-9]{1,18}")
"""A Content-Length; more digits than these are no length of anything."""

_SPACE = " \t\r\n"
"""What may surround a value; the line ends come from folded lines."""

_GZIP = 31
"""zlib's `wbits` for one member of gzip, with its checksum."""


def check_lines(headers: HTTPMessage) -> None:
    """Raise InvalidHeader if a line that is no header hides the headers after it from http.client."""
    rest = headers.get_payload()
    if (isinstance(rest, str) and rest.strip()) or any(
        isinstance(each, MissingHeaderBodySeparatorDefect) for each in headers.defects
    ):
        raise InvalidHeader("one of its lines is not a header")


def is_chunked(headers: HTTPMessage) -> bool:
    """Return whether the body comes in chunks.

    Raises:
        InvalidHeader: It has a transfer coding other than that, or more than one.
    """
    fields = headers.get_all("Transfer-Encoding")
    if fields is None:
        return False
    codings = [each.strip(_SPACE) for each in ",".join(fields).split(",")]
    if [each.lower() for each in codings if each] != ["chunked"]:
        raise InvalidHeader(f"Transfer-Encoding {shown(', '.join(codings))} is not understood")
    return True


def content_length(headers: HTTPMessage) -> int | None:
    """Return the length of a body that is not chunked; None if it ends with the connection.

    Raises:
        InvalidHeader: The header is not a length, or gives several.
    """
    fields = headers.get_all("Content-Length")
    if fields is None:
        return None
    lengths = [each.strip(_SPACE) for each in ",".join(fields).split(",")]
    # Some proxies repeat the same length.
    if not all(map(_LENGTH.fullmatch, lengths)) or len(set(map(int, lengths))) != 1:
        raise InvalidHeader(f"Content-Length {shown(', '.join(lengths))} is not a length")
    return int(lengths[0])


def unpacked(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Yield the data of a gzip body as it comes, in pieces of at most `size` bytes.

    A body of no bytes at all is no data: servers that compress leave an empty answer alone, but may label it.

    Raises:
        DecodeError: It is damaged, or ends inside a member.
    """
    member = None
    begun = False
    for piece in pieces:
        while piece:
            if member is None:
                # As gzip itself does, skip zeros between and after members.
                piece = piece.lstrip(b"\0") if begun else piece  # noqa: PLW2901
                if not piece:
                    break
                member, begun = zlib.decompressobj(_GZIP), True
            data = b""
            while piece or len(data) == size:
                try:
                    data = member.decompress(piece, size)
                except zlib.error as error:
                    what = str(error).rpartition(": ")[2]
                    raise DecodeError(f"its gzip data is damaged: {what}") from None
                if data:
                    yield data
                piece = member.unconsumed_tail  # noqa: PLW2901
                if member.eof:
                    break
            if member.eof:
                piece, member = member.unused_data, None  # noqa: PLW2901
    if member is not None:
        raise DecodeError("its gzip data ends too early")
