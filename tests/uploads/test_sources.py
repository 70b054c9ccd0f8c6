from __future__ import annotations

import array
import io
import os
import threading
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest

from scramjet_client.errors import UnsupportedByHubError
from scramjet_client.uploads.sources import PIECE, JsonLines, Source, Utf8Only


def sent(value: object) -> list[bytes]:
    return [bytes(piece) for piece in Source(value)]


@pytest.mark.parametrize(
    ("value", "pieces"),
    [
        (b"ab", [b"ab"]),
        ("ą", [b"\xc4\x85"]),
        (bytearray(b"ab"), [b"ab"]),
        (memoryview(b"ab"), [b"ab"]),
        (array.array("B", [1, 2]), [b"\x01\x02"]),
        (b"", []),
        (io.BytesIO(b"ab"), [b"ab"]),
        (io.StringIO("aą"), [b"a\xc4\x85"]),
        (iter([b"a", "ą", bytearray(b"c")]), [b"a", b"\xc4\x85", b"c"]),
        (iter([b"a", b"", "", b"b"]), [b"a", b"b"]),
    ],
)
def test_kinds_of_sources(value, pieces):
    """Every kind of source gives its bytes, and never an empty piece, which would end the body."""
    assert sent(value) == pieces


def test_list_of_small_items_is_gathered():
    """Items that are in memory already go out together: a list of lines is not one write a line."""
    assert sent(["a\n", b"b\n", ""]) == [b"a\nb\n"]


@pytest.mark.parametrize("kind", [list, iter])
def test_json_has_a_line_for_each_item(kind: Callable[[list[object]], object]):
    """Items that are in memory are one piece if they are short together; from an iterator each goes when it comes."""
    lines = JsonLines(kind([{"a": 1}, "b"]))

    assert lines.whole == (b'{"a":1}\n"b"\n' if kind is list else None)
    assert [bytes(each) for each in lines] == (
        [b'{"a":1}\n"b"\n'] if kind is list else [b'{"a":1}\n', b'"b"\n']
    )


def test_gathered_items_stay_below_the_size_of_a_piece():
    """A long list goes out piece by piece, each as soon as it is full, and with nothing left out."""
    items = [b"x" * (PIECE // 4)] * 9

    pieces = sent(items)

    assert [len(piece) for piece in pieces] == [PIECE, PIECE, PIECE // 4]


def test_long_bytes_are_cut_into_pieces():
    """A long body can be stopped and counted on its way."""
    data = os.urandom(3 * PIECE + 5)

    pieces = sent(data)

    assert [len(piece) for piece in pieces] == [PIECE, PIECE, PIECE, 5]
    assert b"".join(pieces) == data


@pytest.mark.parametrize("value", [{"a": 1}, None, 5, 1.5, object(), [1], ("a", None)])
def test_wrong_kinds_are_refused_at_once(value):
    """What can't be sent is a TypeError that names its type, from the constructor."""
    with pytest.raises(TypeError, match=r"not (dict|NoneType|int|float|object)"):
        Source(value)


def test_async_generator_is_refused():
    """An async generator is not mistaken for an iterable."""

    async def items():
        yield b"a"

    with pytest.raises(TypeError, match="async_generator"):
        Source(items())


def test_wrong_item_of_a_generator_is_named():
    """A wrong item inside a generator is a TypeError when it comes."""
    pieces = iter(Source(item for item in [b"a", 5]))

    assert next(pieces) == b"a"
    with pytest.raises(TypeError, match="not int"):
        next(pieces)


def test_path_is_opened_and_closed(tmp_path: Path):
    """A Path is read as binary, and its file closed."""
    path = tmp_path / "data"
    path.write_bytes(b"a\r\nb")
    source = Source(path)

    assert b"".join(bytes(piece) for piece in source) == b"a\r\nb"
    source.close()


def test_missing_path_is_refused_at_once(tmp_path: Path):
    """A Path that does not exist is found before anything is sent."""
    with pytest.raises(FileNotFoundError):
        Source(tmp_path / "nowhere")


def test_callers_file_stays_open():
    """A file that the caller opened is the caller's to close."""
    file = io.BytesIO(b"a")
    source = Source(file)
    list(source)
    source.close()

    assert not file.closed


def test_generator_is_closed():
    """Closing a source runs the generator's finally block."""
    closed = threading.Event()

    def items():
        try:
            yield b"a"
            yield b"b"
        finally:
            closed.set()

    source = Source(items())
    next(iter(source))
    source.close()

    assert closed.is_set()


@pytest.mark.parametrize("kind", [Source, JsonLines])
def test_closed_source_keeps_nothing(kind: type[Source | JsonLines]):
    """An error that somebody keeps may refer to the pieces of a source, but not to what the caller gave."""

    def items():
        yield "a"
        yield "b"

    given = items()
    alive = weakref.ref(given)
    source = kind(given)
    pieces = iter(source)
    next(pieces)
    del given
    source.close()

    assert alive() is None
    assert list(pieces) == []


@pytest.mark.parametrize("mode", ["rb", "r"])
def test_pipe_is_not_held_back(mode):
    """What a pipe has given is sent before the pipe gives more."""
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, mode) as reader, os.fdopen(write_end, "wb", buffering=0) as writer:
        source = Source(reader)
        writer.write(b"one\n")

        assert next(iter(source)) == b"one\n"


def test_text_file_is_sent_as_utf8(tmp_path: Path):
    """A text file in another encoding is sent as UTF-8."""
    path = tmp_path / "text"
    path.write_text("ąę", "utf-16")
    with path.open(encoding="utf-16") as file:
        assert sent(file) == ["ąę".encode()]


@pytest.mark.parametrize(
    ("value", "lines"),
    [
        ({"a": "ą"}, [b'{"a":"\\u0105"}\n']),
        ("text", [b'"text"\n']),
        (None, [b"null\n"]),
        ([1, {"a": 2}], [b"1\n", b'{"a":2}\n']),
    ],
)
def test_json_lines(value, lines):
    """A single value gives one line, a list or generator one line an item; what is in memory goes together."""
    assert b"".join(JsonLines(value)) == b"".join(lines)
    assert list(JsonLines(iter([value]))) == [b"".join(lines)] or isinstance(value, list)


def test_json_has_no_nan():
    """NaN is not JSON, and is refused instead of being sent."""
    with pytest.raises(ValueError, match="JSON"):
        next(JsonLines([float("nan")]))


def utf8(items: list[bytes]) -> list[bytes]:
    return [bytes(piece) for piece in Utf8Only(Source(iter(items)), "input of a 0.18.7 hub")]


def test_characters_split_over_items_pass_whole():
    """A character split over two items is held back until it is whole."""
    assert utf8([b"a\xc4", b"\x85b"]) == [b"a", b"\xc4\x85b"]


@pytest.mark.parametrize("cut", range(1, 12))
def test_every_cut_of_text_passes_unchanged(cut):
    """However text is cut into two items, the same bytes come out."""
    data = "aą€😀x".encode()

    assert b"".join(utf8([data[:cut], data[cut:]])) == data


@pytest.mark.parametrize(
    ("items", "offset"),
    [
        ([b"abc\xff"], 3),
        ([b"abc", b"de\xfe"], 5),
        ([b"ab\xc4", b"zz"], 2),
        ([b"abc\xe2\x82"], 3),
        ([b"\xed\xa0\x80"], 0),
    ],
)
def test_other_bytes_are_refused_with_their_offset(items, offset):
    """Bytes that a hub would change are refused, and the message says where they are."""
    with pytest.raises(UnsupportedByHubError, match=f"at offset {offset}:") as caught:
        utf8(items)

    assert "0.18.7" in str(caught.value)


def test_nothing_of_a_refused_character_passes():
    """The bytes before a refused one pass, none of its own."""
    pieces = iter(Utf8Only(Source(iter([b"ab\xc4", b"zz"])), "input"))

    assert next(pieces) == b"ab"
    with pytest.raises(UnsupportedByHubError):
        next(pieces)
