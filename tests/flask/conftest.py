"""The hub of these tests, and Gunicorn before it, with each kind of worker and release of Flask."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.flask.servers import WORKERS, Served, gunicorn, release
from tests.flask.upstream import SECRET, Upstream

USUAL = [("gthread", "installed"), ("gevent", "2.0"), ("sync", "1.1")]
"""Every worker and every generation once; the other pairs are for `make test-long`."""

PAIRS = [
    pytest.param(
        (worker, flask),
        id=f"{worker}-flask-{flask}",
        marks=[] if (worker, flask) in USUAL else [pytest.mark.long],
    )
    for worker in WORKERS
    for flask in ("1.1", "2.0", "2.3", "installed")
]


@pytest.fixture(scope="session")
def _upstream() -> Iterator[Upstream]:
    upstream = Upstream()
    with upstream.server:
        yield upstream


@pytest.fixture
def upstream(_upstream: Upstream) -> Upstream:
    """The hub, with nothing noted yet."""
    _upstream.left.clear()
    _upstream.watching.clear()
    _upstream.broken.clear()
    _upstream.received.clear()
    return _upstream


@pytest.fixture(scope="session", params=PAIRS)
def pair(request: pytest.FixtureRequest) -> tuple[str, str]:
    """A kind of worker and a release of Flask."""
    found: tuple[str, str] = request.param
    return found


@pytest.fixture(scope="session")
def served(pair: tuple[str, str], _upstream: Upstream) -> Iterator[Served]:
    """The application of these tests, under Gunicorn."""
    worker, flask = pair
    with gunicorn(
        "tests.flask.app:create_app()",
        *WORKERS[worker],
        path=release(flask),
        SCRAMJET_API_URL=_upstream.url,
        SCRAMJET_TOKEN=SECRET,
        SCRAMJET_TIMEOUT="60",
    ) as running:
        yield running
