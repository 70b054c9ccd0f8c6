"""What fuzzing begins with: one example of each thing that the targets know."""

from __future__ import annotations

import io
import json
import tarfile


def _tar(*entries: tuple[str, bytes, str, bytes], kind: int = tarfile.USTAR_FORMAT) -> bytes:
    plain = io.BytesIO()
    manifest = json.dumps({"main": "main.py", "engines": {"python3": "3"}}).encode()
    with tarfile.open(fileobj=plain, mode="w", format=kind) as archive:
        for name, type_, link, content in (
            ("package.json", tarfile.REGTYPE, "", manifest),
            *entries,
        ):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname, entry.size = type_, link, len(content)
            archive.addfile(entry, io.BytesIO(content))
    return plain.getvalue()


_LONG = "a/" * 60 + "b"

SEEDS: dict[str, list[bytes]] = {
    "chunks": [
        b"\x05\x10\x01\xff5\r\nhello\r\n0\r\n\r\n",
        b"\x03\x03\x03\x035;a=b\r\nhello\r\n5\r\nworld\r\n0\r\nX: y\r\n\r\n",
        b"\xff\xff\xff\xff" + b"a\r\n0123456789\r\n" * 40 + b"0\r\n\r\n",
        b"\x07\x01\xff\x80" + b"2800\r\n" + b"x" * 0x2800 + b"\r\n3\r\nabc\r\n0\r\n\r\n",
        b"\x00\x00\x00\x002\r\n\r\n\r\n2\r\n\r\n\r\n00\r\n\r\n",
    ],
    "models": [
        bytes(range(256)),
        bytes(range(255, -1, -1)),
        bytes([7, 3, 131, 6, 132, 9, 133] * 30),
    ],
    "packages": [
        b"t" + _tar(("main.py", tarfile.REGTYPE, "", b"x = 1\n")),
        b"t" + _tar(("d", tarfile.DIRTYPE, "", b""), ("d/s", tarfile.SYMTYPE, "../main.py", b"")),
        b"t" + _tar(("l", tarfile.LNKTYPE, "package.json", b""), ("c", tarfile.CHRTYPE, "", b"")),
        b"t" + _tar((_LONG, tarfile.REGTYPE, "", b"x"), kind=tarfile.GNU_FORMAT),
        b"t" + _tar((_LONG, tarfile.SYMTYPE, _LONG, b""), kind=tarfile.PAX_FORMAT),
        b"z\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff",
    ],
}
