"""Measure, and print tables: `make bench`. Every figure is of the run that prints it; ratios are to a peer in it."""

from __future__ import annotations

from benchmarks import local_hub, streams


def main() -> None:
    """Run all of it."""
    local_hub.main()
    streams.main()


if __name__ == "__main__":
    main()
