"""The `scramjet` command, as `python -m scramjet_client`."""

from __future__ import annotations

import sys

from scramjet_client import cli

if __name__ == "__main__":
    sys.exit(cli.main())
