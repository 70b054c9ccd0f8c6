"""One request passed on to a hub that runs, and its answer passed back, as it comes, in both directions."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web
from yarl import URL

_HOP_BY_HOP = {
    "connection",
    "keep-alive",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "host",
    "expect",
    "authorization",  # the platform's own
}


def session() -> aiohttp.ClientSession:
    """Return what requests are passed on with: no limits of its own, and bytes as they are."""
    # No connection is used twice, but none is announced as such: told so, a hub closes after an early
    # refusal instead of draining the body, and the refusal is lost with the connection.
    once = aiohttp.TCPConnector(limit=0, keepalive_timeout=0.01)
    return aiohttp.ClientSession(
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(total=None, connect=10),
        connector=once,
        skip_auto_headers=("Content-Type", "User-Agent", "Accept", "Accept-Encoding"),
    )


async def forward(
    request: web.Request, client: aiohttp.ClientSession, url: str
) -> web.StreamResponse:
    """Pass a request on and its answer back. A hub that does not answer is a 502, one that stops a cut.

    An answer that comes before the body has been sent goes back at once, while the body goes on.
    """
    headers = [(k, v) for k, v in request.headers.items() if k.lower() not in _HOP_BY_HOP]
    body = _body(request) if request.body_exists else None
    if "Content-Length" in request.headers or request.method == "GET":
        body = await request.read() or None  # type: ignore[assignment]
    try:
        answer = await client.request(
            request.method,
            URL(url, encoded=True),
            headers=headers,
            data=body,
            allow_redirects=False,
        )
    except (aiohttp.ClientError, OSError) as error:
        # What a manager really says of a hub that is down has not been seen.
        return web.json_response({"error": f"the hub does not answer: {error}"}, status=502)
    async with answer:
        return await _back(request, answer)


async def _back(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, reason=answer.reason)
    for name, value in answer.headers.items():
        if name.lower() not in _HOP_BY_HOP:
            response.headers.add(name, value)
    if "Content-Length" not in answer.headers:
        response.enable_chunked_encoding()
    await response.prepare(request)
    try:
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
    except (aiohttp.ClientError, OSError):
        if request.transport is not None:
            request.transport.abort()
        return response
    with contextlib.suppress(ConnectionError):
        await response.write_eof()
    return response


async def _body(request: web.Request) -> AsyncIterator[bytes]:
    async for chunk in request.content.iter_any():
        yield chunk
