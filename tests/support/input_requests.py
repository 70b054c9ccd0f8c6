"""How many requests an input takes."""

from __future__ import annotations


class InputRequests:
    """Counts the requests that bring an input; told of them by the client."""

    def __init__(self) -> None:
        self.count = 0

    def request(self, method: str, url: str) -> None:
        self.count += method == "POST" and url.endswith("/input")

    def ok(self, method: str, url: str, status: int) -> None: ...

    def error(self, method: str, url: str, error: BaseException) -> None: ...

    def end(self, method: str, url: str, seconds: float) -> None: ...
