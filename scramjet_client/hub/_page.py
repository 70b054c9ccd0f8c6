"""The hub's page: three files, and the headers under which nothing else can run in it."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from scramjet_client.hub._foreign_origins import names_this_machine

_FOLDER = Path(__file__).resolve().parent / "page"

_FILES = {
    "/": ("index.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
}

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    # The page's script writes text, so no browser has to parse any for it.
    "require-trusted-types-for 'script'; trusted-types 'none'"
)

_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}


class PageFile(web.Response):
    """A file of the page. No other site may read it, unlike the answers of the API."""


class Page:
    """The files of the page. They need no token, as there is nothing in them; the page asks the API with one.

    Args:
        loopback: Whether to answer only requests that name this machine. A name that a stranger has pointed at
            loopback would make the page a page of theirs.
    """

    def __init__(self, *, loopback: bool = True) -> None:
        self._loopback = loopback
        self._contents = {
            path: ((_FOLDER / name).read_bytes(), kind) for path, (name, kind) in _FILES.items()
        }

    def answer(self, request: web.Request) -> PageFile | None:
        """Return the answer to a request for one of the files; None for all other requests."""
        path = request.raw_path.partition("?")[0]
        found = self._contents.get(path)
        if found is None or request.method not in ("GET", "HEAD"):
            return None
        hosts = request.headers.getall("Host", ())
        if self._loopback and not (hosts and all(names_this_machine(each) for each in hosts)):
            return PageFile(status=403, text="this page is for this machine\n", headers=_HEADERS)
        content, kind = found
        return PageFile(body=content, content_type=kind, charset="utf-8", headers=_HEADERS)
