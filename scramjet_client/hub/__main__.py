"""Run a LocalHub in the foreground: `python -m scramjet_client.hub`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from scramjet_client.hub import LocalHub
from scramjet_client.hub._signals import ended_by_signals


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a hub until Ctrl-C or SIGTERM; its URL is the one line on stdout."""
    parser = argparse.ArgumentParser(prog="python -m scramjet_client.hub", description=__doc__)
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: %(default)s)"
    )
    parser.add_argument(
        "--port", type=int, default=8000, help="0 takes a free one (default: %(default)s)"
    )
    parser.add_argument(
        "--token",
        default=os.environ.get("SCRAMJET_HUB_TOKEN"),
        help="what clients must send; others on this machine can see it here, so better set SCRAMJET_HUB_TOKEN",
    )
    parser.add_argument(
        "--storage", help="folder for sequences (default: one that is removed at the end)"
    )
    given = parser.parse_args(arguments)
    try:
        local = LocalHub(given.host, given.port, token=given.token, storage=given.storage)
        with ended_by_signals() as ended, local as hub:
            print(hub.url, flush=True)
            ended.wait()
    except (OSError, ValueError) as error:
        print(f"the hub did not start: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
