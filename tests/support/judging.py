"""What must hold of anything that strangers send: the judges of the property tests and of `make fuzz`.

Each takes bytes, does with them what the package would do, and fails if that is not one of the outcomes that
are allowed. None of them knows who made the bytes.
"""

from __future__ import annotations

import collections.abc
import functools
import gzip
import io
import ipaddress
import json
import os
import pickle
import re
import shlex
import socket
import sys
import tempfile
import types
import typing
from collections.abc import Callable, Iterator
from http.client import IncompleteRead
from pathlib import Path
from typing import Any, Union
from unittest import mock
from urllib.parse import urlsplit

import attrs
import click
from click.shell_completion import get_completion_class

import scramjet_client
from scramjet_client.api import answers as _answers
from scramjet_client.api import generations as _dialect
from scramjet_client.cli._complete import _completed
from scramjet_client.config import profile_settings
from scramjet_client.errors import ConfigurationError, InvalidResponseError
from scramjet_client.http.answers import JsonAnswer
from scramjet_client.http.chunked import ChunkedBody, MalformedChunk
from scramjet_client.hub import LocalHub
from scramjet_client.hub._foreign_origins import names_this_machine
from scramjet_client.hub._packages import PackageRefused, read_manifest, unpack
from scramjet_client.hub._settings import HubSettings

# -- chunks -----------------------------------------------------------------------------------------

_LINE, _TRAILERS, _DIGITS = 4096, 65536, 16


def decoded(wire: bytes) -> tuple[bytes, str]:
    """Return the payload of a chunked body and how it ends: "whole", "cut" or "malformed"; RFC 9112, 7.1, slowly."""
    payload, at = b"", 0
    while True:
        end = wire.find(b"\r\n", at, at + _LINE)
        if end < 0:
            return payload, "malformed" if len(wire) - at >= _LINE else "cut"
        digits = wire[at:end].partition(b";")[0].rstrip(b" \t")
        if not re.fullmatch(rb"[0-9a-fA-F]{1,%d}" % _DIGITS, digits):
            return payload, "malformed"
        size = int(digits, 16)
        if size == 0:
            return payload, _trailers(wire, at, end + 2)
        payload += wire[end + 2 : end + 2 + size]
        at = end + 2 + size
        behind = wire[at : at + 2]
        if behind != b"\r\n":
            return payload, "cut" if b"\r\n".startswith(behind) else "malformed"
        at += 2


def _trailers(wire: bytes, start: int, at: int) -> str:
    while True:
        end = wire.find(b"\r\n", at)
        if end < 0 or end - start > _TRAILERS:
            return "malformed" if len(wire) - start > _TRAILERS else "cut"
        if end == at:
            return "whole"
        at = end + 2


class _Pieces:
    """What is read as a socket is: the pieces that it was made of, and then the end of the connection."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._left = pieces

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Return the next piece, or as much of it as is wanted."""
        if not self._left:
            return b""
        piece = self._left.pop(0)
        if len(piece) > size:
            self._left.insert(0, piece[size:])
        return piece[:size]


def judge_chunks(data: bytes) -> None:
    """Fail unless a body, cut as the first bytes say, comes out as a plain reading of the standard has it."""
    cuts, wire = [each + 1 for each in data[:4]] or [1], data[4:]
    size = cuts[0] * 64
    pieces: list[bytes] = []
    at = 0
    while at < len(wire):
        pieces.append(wire[at : at + cuts[len(pieces) % len(cuts)]])
        at += len(pieces[-1])
    expected = decoded(wire)
    assert _read(_Pieces(list(pieces)), b"", size) == expected
    assert _read(_Pieces([]), wire, size) == expected
    if cuts[0] % 4 == 0:
        # Large chunks of a real socket are read in another way.
        left, right = socket.socketpair()
        with left, right:
            right.sendall(wire[:60000])
            right.shutdown(socket.SHUT_WR)
            assert _read(left, b"", size) == decoded(wire[:60000])


def _read(sock: Any, begun: bytes, size: int) -> tuple[bytes, str]:
    body = ChunkedBody(sock, begun)
    buffer = memoryview(bytearray(size))
    got = b""
    takes = False
    try:
        while True:
            takes = not takes
            piece = body.take() if takes else None
            if piece is None:
                piece = bytes(buffer[: body.readinto(buffer)])
            if not piece:
                return got, "whole" if body.ended else "nothing more"
            got += piece
    except IncompleteRead:
        return got, "cut"
    except MalformedChunk:
        return got, "malformed"


# -- models -----------------------------------------------------------------------------------------

_NAMES = re.findall(
    r"value\.get\(\"(\w+)\"|value\[\"(\w+)\"\]", Path(_answers.__file__).read_text("utf-8")
)
KEYS = sorted({a or b for a, b in _NAMES} | {"reason", "name", "sequences", "instances", "stdout"})
"""Names that the readers of answers look for."""

_TAKE_MORE: dict[str, Callable[[JsonAnswer], Any]] = {
    "health_from": lambda answer: _answers.health_from(answer, "2026-11-24T08:26:43.145Z"),
    "id_from": lambda answer: _answers.id_from(answer, "a start"),
    "created_topic_from": lambda answer: _answers.created_topic_from(answer, "t", "text/plain"),
    "deleted_topic_from": lambda answer: _answers.deleted_topic_from(answer, "t"),
    "generation_from": lambda answer: _dialect.generation_from(_answers.version_from(answer)),
}

READERS: dict[str, Callable[[JsonAnswer], Any]] = {
    **{
        name: function
        for name, function in vars(_answers).items()
        if name.endswith("_from") and function.__module__ == _answers.__name__
    },
    **_TAKE_MORE,
}
"""Everything that makes a model of an answer."""


def judge_answer(name: str, value: Any) -> None:
    """Fail unless the reader of this name makes a model whose fields have their types, or an error, of a value."""
    answer = JsonAnswer(status=200, reason="OK", value=value, text=json.dumps(value))
    try:
        result = READERS[name](answer)
    except InvalidResponseError:
        return
    judge_model(result)


def judge_model(result: Any) -> None:
    """Fail unless a model, or each of several, keeps its promises."""
    if isinstance(result, (list, tuple)):
        for each in result:
            judge_model(each)
    elif attrs.has(type(result)):
        _whole(result)
        repr(result)
        assert pickle.loads(pickle.dumps(result)) == result


def _whole(value: Any) -> bool:
    if not hasattr(types, "UnionType"):
        return True  # Python 3.9 can't evaluate "X | None"
    kind = type(value)
    every = typing.get_type_hints(
        kind,
        {name: it for base in reversed(kind.__mro__) for name, it in vars(_home(base)).items()},
    )
    hints = {n: hint for n, hint in every.items() if typing.get_origin(hint) is not typing.ClassVar}
    wrong = {n: getattr(value, n) for n, hint in hints.items() if not _is(getattr(value, n), hint)}
    assert not wrong, (kind.__name__, wrong)
    return True


def _home(kind: type) -> types.ModuleType:
    """Return the module that a class is in. A public one says its public place, which lacks some names."""
    public = scramjet_client._HOMES.get(kind.__name__)
    return sys.modules[f"scramjet_client.{public}" if public else kind.__module__]


def _is(value: object, hint: Any) -> bool:
    """Say whether a value is of an annotated type, all the way down."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return True
    if hint is None or hint is type(None):
        return value is None
    if origin is typing.Literal:
        return value in args
    if origin is Union or type(hint).__name__ == "UnionType":
        return any(_is(value, each) for each in args)
    if origin is collections.abc.Mapping:
        return isinstance(value, dict) and all(
            _is(k, args[0]) and _is(v, args[1]) for k, v in value.items()
        )
    if origin in (tuple, list):
        return isinstance(value, origin) and all(_is(each, args[0]) for each in value)
    if hint in (int, float):
        kinds = int if hint is int else (int, float)
        return isinstance(value, kinds) and not isinstance(value, bool)
    return _whole(value) if attrs.has(hint) else isinstance(value, hint)


_WORDS = [
    *("", "running", "x", "1.0.1", "0.28.2", "\ud800", "2026-11-24T08:26:43.145Z"),
    "0001-01-01T00:00:00+14:00",
]


def value_from(data: Iterator[int], depth: int = 0) -> Any:
    """Return the JSON value that bytes describe: of these names and words, so that readers have something to read."""
    kind = next(data, 0)
    if kind < 90 and depth < 5:
        return {
            KEYS[next(data, 0) % len(KEYS)]: value_from(data, depth + 1) for _ in range(kind % 8)
        }
    if kind < 120 and depth < 5:
        return [value_from(data, depth + 1) for _ in range(kind % 4)]
    number = next(data, 0)
    return [
        None,
        bool(number % 2),
        number - 128,
        (number - 128) * 10.0 ** (number % 40),
        10**number,
        _WORDS[number % len(_WORDS)],
        chr(number * 250) * (number % 5),
    ][kind % 7]


def judge_models(data: bytes) -> None:
    """Fail unless every reader makes of the value that these bytes describe what it may make of it."""
    value = value_from(iter(data))
    for name in READERS:
        judge_answer(name, value)


# -- packages ---------------------------------------------------------------------------------------

_SETTINGS = HubSettings(
    instance_lifetime=1.0,
    max_package_size=1_000_000,
    max_unpacked_size=200_000,
    max_package_files=30,
    token=None,
)


def with_checksums(plain: bytes) -> bytes:
    """Return a tar whose headers have the checksums that they need to be looked into."""
    data, at = bytearray(plain), 0
    while at + 512 <= len(data):
        header = data[at : at + 512]
        header[148:156] = b" " * 8
        data[at + 148 : at + 156] = b"%06o\0 " % sum(header)
        digits = bytes(header[124:135]).strip(b" \0")
        size = int(digits, 8) if re.fullmatch(rb"[0-7]+", digits) else 0
        at += 512 + (size + 511) // 512 * 512
    return bytes(data)


def judge_package(data: bytes) -> None:
    """Fail unless a package is refused, or unpacked with nothing outside of its folder, within its limits."""
    plain = data[:1] != b"z"
    packed = gzip.compress(with_checksums(data[1:]), 1) if plain else data[1:]
    with tempfile.TemporaryDirectory(dir=_fast()) as parent:
        folder = Path(parent, "folder")
        folder.mkdir()
        try:
            unpack(io.BytesIO(packed), folder, _SETTINGS)
            read_manifest(folder)
        except PackageRefused as refused:
            json.dumps(refused.error)
        assert os.listdir(parent) == ["folder"]
        _judge_folder(folder)


def _judge_folder(folder: Path) -> None:
    root, size, count = os.path.realpath(folder), 0, 0
    for path in folder.rglob("*"):
        # A refusal leaves what was made before it, and nobody uses that.
        assert os.path.commonpath([root, os.path.realpath(path.parent)]) == root
        if path.is_symlink():
            continue
        count += 1
        size += path.lstat().st_size if path.is_file() else 0
        assert path.is_file() or path.is_dir()
    assert size <= _SETTINGS.max_unpacked_size * 2, "files, and hard links that were copied"


def _fast() -> str | None:
    return "/dev/shm" if os.path.isdir("/dev/shm") else None


# -- heads ------------------------------------------------------------------------------------------

_REFUSALS = {b"400", b"401", b"431"}


@functools.lru_cache(maxsize=1)
def hub_of_strangers() -> LocalHub:
    """Return a hub whose token nobody is told; it ends with this process."""
    hub = LocalHub()
    hub.start()
    return hub


def judge_head(data: bytes) -> None:
    """Fail unless a hub refuses what a stranger sends it, keeps nothing of it, and serves others after that."""
    hub = hub_of_strangers()
    parts = urlsplit(hub.url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), 60) as stranger:
        answer = b""
        try:
            stranger.sendall(data)
            stranger.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: stranger.recv(65536), b""))
        except ConnectionError:
            pass  # it may close before all of it was sent
    statuses = re.findall(rb"^HTTP/1\.[01] (\d+)", answer, re.MULTILINE)
    assert set(statuses) <= _REFUSALS, answer
    assert len(statuses) <= 1, answer
    assert (hub.token or "").encode() not in answer
    assert hub.requests == []
    hub.check()
    _judge_authority(data.decode("latin-1"))
    for line in data.splitlines():
        _judge_authority(line.decode("latin-1").partition(": ")[2].rpartition("//")[2])


def _judge_authority(authority: str) -> None:
    """Fail if a name is taken for this machine's that another reader takes for that of another one."""
    if not names_this_machine(authority):
        return
    parts = urlsplit(f"http://{authority}/")
    name = (parts.hostname or "").rstrip(".")
    assert parts.username is None
    address = None if name == "localhost" else ipaddress.ip_address(name)
    assert address is None or (getattr(address, "ipv4_mapped", None) or address).is_loopback
    assert parts.port is None or parts.port > 0


# -- profiles ---------------------------------------------------------------------------------------


def judge_profile(data: bytes) -> None:
    """Fail unless a file of settings is a profile with the types that it declares, or an error that names the file."""
    with tempfile.TemporaryDirectory(dir=_fast()) as folder:
        path = Path(folder, "profile.json")
        path.write_bytes(data)
        with mock.patch.dict(os.environ, {"SI_CONFIG_PATH": str(path)}):
            try:
                profile = profile_settings()
            except ConfigurationError as error:
                _judge_error(error, path)
                return
    assert _whole(profile)
    assert profile.token is None or len(profile.token) < 8 or profile.token not in repr(profile)
    for url in (profile.api_base, profile.middleware_base):
        if url is not None:
            parts = urlsplit(url)
            assert parts.scheme in ("http", "https")
            assert parts.hostname
            assert parts.username is None
            assert parts.password is None
            assert url.isprintable()


def _judge_error(error: BaseException, path: Path) -> None:
    """Fail unless an error names its file, and leads to no other one with the file's text: it may hold a token."""
    assert str(path) in str(error)
    assert len(str(error)) < 2000
    str(error).encode()
    chain = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    assert chain is None or not isinstance(chain, ValueError), repr(chain)


# -- completion -------------------------------------------------------------------------------------


def judge_completion(data: bytes) -> None:
    """Fail if a shell is offered what it takes for anything else than a word, or for more words than one."""
    text = data.decode("utf-8", "surrogateescape")
    incomplete, *names = text.split("\x1f")
    pairs = [(name, names[at - 1]) for at, name in enumerate(names)]
    command = click.Command("x")
    items = _completed(lambda _: pairs)(click.Context(command), click.Argument(["y"]), incomplete)
    assert {each.value for each in items} <= set(names)
    for each in items:
        assert shlex.quote(each.value) == each.value
        assert each.value.isascii()
        assert not each.value.startswith("-")
        assert each.value.startswith(incomplete)
        for shell, lines in (("bash", 1), ("zsh", 3), ("fish", 1)):
            found = get_completion_class(shell)
            assert found is not None
            line = found(command, {}, "x", "_X").format_completion(each)
            assert len(line.splitlines()) == lines
            assert re.fullmatch(r"[A-Za-z0-9._/+ ,\n\t-]+", line), line
