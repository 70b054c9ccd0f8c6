"""What holds of any source and of any framing; the properties that `make fuzz` looks at for longer."""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fuzz.seeds import SEEDS
from scramjet_client.errors import UnsupportedByHubError
from scramjet_client.http.body import BodyWriter
from scramjet_client.uploads.sources import JsonLines, Source, Utf8Only
from tests.support import judging
from tests.support.waiting import LIMIT

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))

ITEMS = st.lists(st.binary(max_size=40) | st.text(max_size=20), max_size=8).map(
    lambda items: [each for each in items if not isinstance(each, str) or _encodes(each)]
)


def _encodes(text: str) -> bool:
    return not any("\ud800" <= each <= "\udfff" for each in text)


def _bytes(items: list[Any]) -> bytes:
    return b"".join(each.encode() if isinstance(each, str) else each for each in items)


KINDS: dict[str, Callable[[list[Any]], Any]] = {
    "list": list,
    "tuple": tuple,
    "iterator": iter,
    "generator": lambda items: (each for each in items),
    "bytes": _bytes,
    "bytearray": lambda items: bytearray(_bytes(items)),
    "memoryview": lambda items: memoryview(_bytes(items)),
    "file": lambda items: io.BytesIO(_bytes(items)),
    "buffered": lambda items: io.BufferedReader(io.BytesIO(_bytes(items))),  # type: ignore[arg-type]
    "views": lambda items: [memoryview(_bytes([each])) for each in items],
}


@pytest.mark.parametrize("kind", KINDS)
@QUICK
@given(items=ITEMS)
def test_any_source_gives_its_bytes(kind: str, items: list[Any]):
    """Whatever its kind and its items, a source gives the same bytes, and no piece that would end a body."""
    pieces = [bytes(each) for each in Source(KINDS[kind](items))]

    assert b"".join(pieces) == _bytes(items)
    assert all(pieces)


@QUICK
@given(text=st.text(max_size=60).filter(_encodes), cuts=st.lists(st.integers(0, 60), max_size=6))
def test_text_cut_anywhere_stays_text(text: str, cuts: list[int]):
    """However text is cut into items, the same bytes pass, each piece of whole characters."""
    data = text.encode()
    places = sorted({min(each, len(data)) for each in cuts} | {0, len(data)})
    items = [data[a:b] for a, b in zip(places, places[1:])]
    pieces = [bytes(each) for each in Utf8Only(Source(iter(items)), "stdin")]

    assert b"".join(pieces) == data
    assert "".join(each.decode() for each in pieces) == text


@QUICK
@given(items=st.lists(st.binary(max_size=12), max_size=6))
def test_bytes_that_are_no_text_are_found(items: list[bytes]):
    """What passes is UTF-8, what is refused is not, and what passed before a refusal is its beginning."""
    data, passed = b"".join(items), b""
    try:
        for each in Utf8Only(Source(iter(items)), "stdin"):
            passed += each
    except UnsupportedByHubError:
        with pytest.raises(UnicodeDecodeError):
            data.decode()
        assert data.startswith(passed)
        passed.decode()
    else:
        assert passed.decode() == data.decode()


@QUICK
@given(
    values=st.lists(
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.text()
            | st.floats(allow_nan=False, allow_infinity=False),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
            ),
            max_leaves=5,
        ),
        max_size=4,
    )
)
def test_json_lines_are_read_back(values: list[Any]):
    """Each value is one line, whatever line ends are inside, and comes back as it was."""
    data = b"".join(bytes(each) for each in JsonLines(values))

    lines = data.split(b"\n")
    assert lines.pop() == b""
    assert [judging.json.loads(each) for each in lines] == values


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(items=ITEMS, gather=st.booleans())
def test_what_is_written_is_a_chunked_body(items: list[Any], gather: bool):
    """Whatever an upload's source gives, what is on the wire is a chunked body, to the letter, with those bytes."""
    writer = BodyWriter(Source(iter(items)), gather=gather)
    left, right = socket.socketpair()
    with left, right:
        ended = threading.Event()
        writer.observe(on_end=ended.set, on_abort=lambda: None)
        writer.attach(left)
        assert writer.join(LIMIT)
        assert ended.wait(LIMIT)
        left.shutdown(socket.SHUT_WR)
        wire = b"".join(iter(lambda: right.recv(65536), b""))

    assert judging.decoded(wire) == (_bytes(items), "whole")
    assert wire.endswith(b"0\r\n\r\n")


@QUICK
@given(data=st.binary(max_size=400))
@example(SEEDS["chunks"][0])
@example(SEEDS["chunks"][1])
@example(SEEDS["chunks"][2])
@example(SEEDS["chunks"][3])
@example(SEEDS["chunks"][4])
@example(b"\x03\x03\x03\x030" + b"0" * 5000)
@example(b"\x03\x03\x03\x030\r\n" + b"x" * 70000)
@example(b"\x03\x03\x03\x031\r\na\r")
def test_chunks(data: bytes):
    """The decoder reads a chunked body as the standard has it, however it comes, whatever it is."""
    judging.judge_chunks(data)


@QUICK
@given(data=st.binary(max_size=300))
@example(SEEDS["models"][0])
@example(SEEDS["models"][1])
@example(SEEDS["models"][2])
def test_models(data: bytes):
    """Every model of every answer keeps its promises, or is an error."""
    judging.judge_models(data)


@pytest.mark.parametrize("seed", SEEDS["packages"])
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(changes=st.lists(st.tuples(st.integers(0, 8000), st.binary(max_size=9)), max_size=5))
def test_packages(seed: bytes, changes: list[tuple[int, bytes]]):
    """A package that somebody has tampered with stays in its folder and within its limits, or is refused."""
    data = bytearray(seed)
    for at, piece in changes:
        data[at % len(data) : at % len(data) + len(piece)] = piece
    judging.judge_package(bytes(data))


@pytest.fixture(scope="module")
def hub_of_strangers() -> Iterator[None]:
    """The hub to which heads are sent, while tests run that send some."""
    hub = judging.hub_of_strangers()
    yield
    judging.hub_of_strangers.cache_clear()
    hub.stop()


JUDGES = {
    "heads": judging.judge_head,
    "profiles": judging.judge_profile,
    "completion": judging.judge_completion,
}


@pytest.mark.usefixtures("hub_of_strangers")
@pytest.mark.parametrize(
    ("target", "number"), [(each, at) for each in JUDGES for at in range(len(SEEDS[each]))]
)
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(changes=st.lists(st.tuples(st.integers(0, 8000), st.binary(max_size=9)), max_size=5))
def test_what_strangers_send(target: str, number: int, changes: list[tuple[int, bytes]]):
    """Heads of requests, profiles, and names on a hub do no harm, also with something else in them."""
    data = bytearray(SEEDS[target][number])
    for at, piece in changes:
        data[at % len(data) : at % len(data) + len(piece)] = piece
    JUDGES[target](bytes(data))


def test_the_judge_of_chunks_judges():
    """The reading that the decoder is compared with is the standard's, by its examples."""
    assert judging.decoded(b"5\r\nhello\r\n0\r\n\r\n") == (b"hello", "whole")
    assert judging.decoded(b"5;a=b\r\nhello\r\n000\r\nX: y\r\n\r\nmore") == (b"hello", "whole")
    assert judging.decoded(b"5\r\nhello\r\n0\r\n\r") == (b"hello", "cut")
    assert judging.decoded(b"5\r\nhellox\r\n") == (b"hello", "malformed")
    assert judging.decoded(b"5\r\nhel") == (b"hel", "cut")
    assert judging.decoded(b"-5\r\nhello") == (b"", "malformed")
    assert judging.decoded(b"") == (b"", "cut")
