"""Where the examples get a hub from: the URLs of the command line, or hubs of their own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from scramjet_client import HostClient
from scramjet_client.hub import LocalHub


@contextmanager
def open_hosts(count: int) -> Iterator[list[HostClient]]:
    """Give a client for each URL of the command line; without any, start `count` hubs for as long as it takes."""
    with ExitStack() as stack:
        clients = [HostClient.from_env(api_base=url) for url in sys.argv[1:]]
        if not clients:
            clients = [stack.enter_context(LocalHub()).client() for _ in range(count)]
        yield [stack.enter_context(each) for each in clients]


@contextmanager
def open_host() -> Iterator[HostClient]:
    """Give a client of the hub of the command line, or of one that is started for as long as it takes."""
    with open_hosts(1) as (host, *_):
        yield host
