r"""Lines are split at b"\n" alone, in whatever pieces the bytes come."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from scramjet_client.errors import LineTooLongError
from scramjet_client.streams.lines import LineSplitter

TEXTS = st.lists(st.sampled_from([b"a", b"bc", b"\n", b"\r", b"\r\n", b"\x0b\x85", b"x" * 9])).map(
    b"".join
)
CUTS = st.lists(st.integers(0, 80), max_size=6)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """Cut data at some places; no piece is empty."""
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    return [data[a:b] for a, b in zip(places, places[1:])]


def wanted(data: bytes, *, keep_ends: bool) -> list[bytes]:
    """Split slowly, a byte at a time."""
    lines, line = [], b""
    for byte in data:
        line += bytes([byte])
        if byte == ord("\n"):
            lines.append(line if keep_ends else line[:-2] if line.endswith(b"\r\n") else line[:-1])
            line = b""
    return [*lines, line] if line else lines


@given(TEXTS, CUTS, st.booleans(), st.booleans())
def test_pieces_do_not_matter(data: bytes, cuts: list[int], keep_ends: bool, now: bool) -> None:
    """Both ways of splitting give the lines of the whole, wherever it is cut."""
    splitter = LineSplitter("x", keep_ends=keep_ends)
    lines: list[bytes] = []
    for piece in pieces(data, cuts):
        lines += splitter.split_now(piece)[0] if now else splitter.split(piece)
    last = splitter.last()

    assert lines + ([last] if last else []) == wanted(data, keep_ends=keep_ends)


@given(TEXTS, CUTS, st.integers(1, 12), st.booleans())
def test_the_limit_does_not_depend_on_pieces(
    data: bytes, cuts: list[int], limit: int, now: bool
) -> None:
    """The lines before the first that is too long are given, and then it is an error, wherever the data is cut."""
    splitter = LineSplitter("x", keep_ends=False, limit=limit)
    lines: list[bytes] = []
    failed = False
    try:
        for piece in pieces(data, cuts):
            if now:
                more, error = splitter.split_now(piece)
                lines += more
                if error is not None:
                    raise error
            else:
                lines.extend(splitter.split(piece))
        last = splitter.last()
        lines += [last] if last else []
    except LineTooLongError:
        failed = True

    whole = wanted(data, keep_ends=False)
    long = [at for at, line in enumerate(whole) if len(line) > limit]
    assert failed == bool(long)
    assert lines == (whole[: long[0]] if long else whole)


@given(TEXTS, st.integers(1, 5))
def test_what_was_not_given_is_taken_back(data: bytes, taken: int) -> None:
    """After one or more lines of a piece, the rest of the piece can be taken back."""
    splitter = LineSplitter("x", keep_ends=True)
    lines = iter(splitter.split(data)) if data else iter(())
    given = [line for _, line in zip(range(taken), lines)]

    assert b"".join(given) + splitter.take_back() == data
