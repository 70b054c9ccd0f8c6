"""Run a LocalHub in the foreground: `python -m scramjet_client.hub`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from scramjet_client.hub._signals import ended_by_signals
from scramjet_client.hub._starting import kept_token, make_hub


def _port(given: str) -> int:
    port = int(given) if given.isascii() and given.isdigit() else -1
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(
            f"{given!r} is not a port: a port is a number from 0 to 65535"
        )
    return port


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a hub until Ctrl-C or SIGTERM; its URL is the one line on stdout."""
    parser = argparse.ArgumentParser(prog="python -m scramjet_client.hub", description=__doc__)
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: %(default)s)"
    )
    parser.add_argument(
        "--port", type=_port, default=8000, help="0 takes a free one (default: %(default)s)"
    )
    tokens = parser.add_mutually_exclusive_group()
    tokens.add_argument(
        "--token",
        help="what clients must send; others on this machine can see it here, so better set SCRAMJET_HUB_TOKEN "
        "(default: a random one, kept in a file that clients of yours find)",
    )
    tokens.add_argument(
        "--no-token", action="store_true", help="let every user of this machine run programs as you"
    )
    parser.add_argument(
        "--storage", help="folder for sequences (default: one that is removed at the end)"
    )
    given = parser.parse_args(arguments)
    try:
        hub = make_hub(**vars(given))
        with ended_by_signals() as ended, hub, kept_token(hub) as token:
            print(token.sentence, file=sys.stderr, flush=True)
            print(hub.url, flush=True)
            ended.wait()
    except (OSError, ValueError) as error:
        print(f"the hub did not start: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
