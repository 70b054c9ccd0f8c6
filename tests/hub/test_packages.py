"""Packages that must not get in, and that leave nothing when they do not."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from scramjet_client.hub import LocalHub
from tests.hub.programs import IDLE
from tests.hub.wire import archive, ask, package, run, start, upload
from tests.support.hubs import open_hub

MANIFEST = json.dumps({"main": "main.py", "engines": {"python3": "3"}}).encode()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LocalHub, Path]]:
    """A hub with small limits, and the folder of its storage."""
    storage = tmp_path_factory.mktemp("storage")
    with open_hub(
        storage=storage, max_package_size=100_000, max_unpacked_size=1_000_000, max_package_files=50
    ) as hub:
        yield hub, storage
        hub.check()
    assert list(storage.iterdir()) == []


def tar(*entries: tuple[str, bytes, str, bytes], manifest: bytes = MANIFEST) -> bytes:
    """Return a tar.gz of (name, type, link name, content)."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        for name, kind, link, content in (
            ("package.json", tarfile.REGTYPE, "", manifest),
            *entries,
        ):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname, entry.size = kind, link, len(content)
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(plain.getvalue())


FILE, LINK, SYMLINK = tarfile.REGTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (tar(("../x", FILE, "", b"x")), "outside of its own folder: '../x'"),
        (tar(("a/../../x", FILE, "", b"x")), "outside of its own folder"),
        (tar(("/tmp/scramjet-x", FILE, "", b"x")), "outside of its own folder"),
        (tar(("x", SYMLINK, "/etc/passwd", b"")), "a link that leads out of it: 'x'"),
        (tar(("x", SYMLINK, "../..", b""), ("x/y", FILE, "", b"x")), "cannot be unpacked"),
        (
            tar(("d/s", SYMLINK, ".", b""), ("x", SYMLINK, "d/s/../..", b"")),
            "a link that leads out of it: 'x'",
        ),
        (tar(("x", LINK, "/etc/passwd", b"")), "outside of its own folder"),
        (tar(("x", LINK, "../../etc/passwd", b"")), "outside of its own folder"),
        (tar(("x", LINK, "nothing", b"")), "a link to nothing"),
        (tar(("x", tarfile.CHRTYPE, "", b"")), "not a file, folder or link: 'x'"),
        (tar(("x", tarfile.FIFOTYPE, "", b"")), "not a file, folder or link"),
        (tar(*((f"f{n}", FILE, "", b"") for n in range(60))), "more than 50 entries"),
        (tar(("x", FILE, "", bytes(2_000_000))), "more than 1000000 bytes"),
        (tar(("x" * 300, FILE, "", b"x")), "cannot be unpacked"),
        (tar(("x", FILE, "", b""), ("x/y", FILE, "", b"")), "cannot be unpacked"),
    ],
)
def test_refused_whole(small: tuple[LocalHub, Path], data: bytes, said: str):
    """A dangerous package is a 422 with a sentence, and nothing of it stays."""
    hub, storage = small
    answer = ask(hub.url, "POST", "sequence", raw=data)

    assert (answer.status, answer.reason) == (422, "Unprocessable Entity")
    assert said in answer.json["error"]
    assert ask(hub.url, "GET", "sequences").json == []
    assert [list(each.iterdir()) for each in storage.iterdir()] == [[]]
    assert not Path("/tmp/scramjet-x").exists()


def test_bomb_in_a_header(small: tuple[LocalHub, Path]):
    """A header of many megabytes is refused before it is in memory."""
    hub, _ = small
    entry = tarfile.TarInfo("pax")
    entry.type, entry.size = tarfile.XHDTYPE, 500_000_000
    data = gzip.compress(entry.tobuf() + bytes(600_000))

    answer = ask(hub.url, "POST", "sequence", raw=data)
    assert (answer.status, answer.json) == (
        422,
        {"error": "the package has an entry whose header is too large"},
    )


def test_upload_that_is_too_large(small: tuple[LocalHub, Path]):
    """A package over the limit is a 413 with a sentence."""
    hub, _ = small
    answer = ask(hub.url, "POST", "sequence", raw=bytes(200_000))

    assert (answer.status, answer.reason) == (413, "Payload Too Large")
    assert answer.json == {"error": "the package has more than 100000 bytes (max_package_size)"}


INVALID = {"code": "PRERUNNER_ERROR", "data": "Invalid pkg tar.gz archive"}


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", INVALID),
        (b"not a package", INVALID),
        (tar()[:100], INVALID),
        (gzip.decompress(tar()), INVALID),
        (gzip.compress(b"x" * 2000), INVALID),
        (tar(manifest=b"{"), {}),
        (
            tar(manifest=b"{}"),
            '<SequencePackageJSON> decoder failed at key "main" with error: undefined is not a valid string',
        ),
        (
            tar(manifest=b'{"main":"m","author":{"name":"x"}}'),
            '<SequencePackageJSON> decoder failed at key "author" with error: {"name":"x"} is not a valid string',
        ),
    ],
    ids=["empty", "text", "cut", "plain tar", "no tar", "broken json", "no main", "author object"],
)
def test_broken_packages(url: str, data: bytes, error: object):
    """What is no package is refused in the words of a 1.0 hub."""
    answer = ask(url, "POST", "sequence", raw=data)

    assert (answer.status, answer.json) == (422, {"error": error})


def test_package_without_a_manifest(url: str):
    """A package.json that is not at the root is none."""
    answer = ask(url, "POST", "sequence", raw=archive({"package/package.json": "{}"}))

    assert answer.status == 422
    assert answer.json["error"]["code"] == "ENOENT"


@pytest.mark.parametrize(
    ("engines", "said"),
    [
        ({"node": ">=14"}, "names 'node'"),
        ({}, "no engine, which means 'node'"),
        ({"deno": "1"}, "names 'deno'"),
    ],
)
def test_other_engines(url: str, engines: dict[str, str], said: str):
    """A package for another engine is refused, with its name and the way to go."""
    answer = ask(url, "POST", "sequence", raw=package("", engines=engines))

    assert answer.status == 422
    assert said in answer.json["error"]
    assert "Transform Hub" in answer.json["error"]


@pytest.mark.parametrize("kind", ["application/gzip", "text/plain", "multipart/form-data"])
def test_type_of_an_upload(url: str, kind: str):
    """Octets or no type, or a pattern of it."""
    refused = ask(url, "POST", "sequence", raw=package(IDLE), headers={"Content-Type": kind})
    taken = ask(
        url, "POST", "sequence", raw=package(IDLE), headers={"Content-Type": "application/*"}
    )

    assert (refused.status, refused.reason, refused.body) == (415, "Invalid content-type", b"")
    assert taken.status == 200


def test_links_inside_work(url: str):
    """Links that stay inside are kept, and executable files stay executable."""
    main = b"import os\nasync def run(context, input):\n    yield open(os.path.dirname(__file__) + '/link').read()\n"
    data = tar(
        ("main.py", FILE, "", main),
        ("d/original", FILE, "", b"content"),
        ("link", SYMLINK, "d/original", b""),
        ("hard", LINK, "d/original", b""),
    )
    instance = start(url, upload(url, data))

    answer = ask(url, "GET", f"instance/{instance}/output")
    assert answer.body == b"content"


@pytest.mark.parametrize("number", [3000])
def test_links_of_links_of_links(url: str, number: int):
    """Links that no system would follow to their end are refused, and not followed for hours."""
    links = [(f"l{at}", SYMLINK, f"l{at - 1}", b"") for at in range(1, number)]
    data = tar(("l0", FILE, "", b"content"), *links)

    answer = ask(url, "POST", "sequence", raw=data)

    assert answer.status == 422
    assert "Too many levels of symbolic links" in answer.json["error"]


def test_a_bad_program_is_not_a_bad_package(url: str):
    """What is wrong inside of files is the instance's matter."""
    assert run(url, "this is not Python")


def test_nothing_is_made_by_way_of_a_link(url: str, tmp_path: Path):
    """A link that leads out is found before another entry is made through it."""
    outside = tmp_path / "outside"
    outside.mkdir()
    data = tar(("a", SYMLINK, str(outside), b""), ("a/b", SYMLINK, "c", b""))

    answer = ask(url, "POST", "sequence", raw=data)

    assert answer.status == 422
    assert "a link that leads out of it" in answer.json["error"]
    assert list(outside.iterdir()) == []
