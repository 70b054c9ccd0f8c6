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
    "heads": [
        b"GET /api/v1/version HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer x\r\n\r\n",
        b"\r\n\r\nPOST /api/v1/sequence HTTP/1.1\r\nHost: [::1]:80\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
        b"helloGET / HTTP/1.0\r\n\r\n",
        b"GET http://127.0.0.1:1/ HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: localhost:1\r\nOrigin: http://localhost:1@evil.example\r\n"
        b"Referer: http://[::ffff:127.0.0.1]/x\r\nAccess-Control-Request-Method: PUT\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost.\r\nContent-Encoding: gzip\r\n"
        b"Content-Length: 2\r\n\r\n\x1f\x8b",
    ],
    "profiles": [
        b'{"apiUrl": "http://127.0.0.1:8000/api/v1", "env": "development", "token": "x"}',
        b'\xef\xbb\xbf{"env": "production",\n "middlewareApiUrl": "https://m.example/api/v1", "token": "hunter2"}',
        b'{"apiUrl": "http://a:b@c/", "apiUrl": 1e999, "x": [[[[{}]]]], "y": 12345678901234567890}',
        b'{"token": "\\ud800\\u0000\\n", "apiUrl": null, "env": NaN}',
    ],
    "completion": [
        b"\x1fabc\x1fa$(touch${IFS}x)\x1f--insecure\x1fa b\x1fa\nb",
        b"a\x1fa`id`\x1fa;id\x1fa\t\x1fa.b-c_d\x1f~\x1f*\x1f\xff",
    ],
}
