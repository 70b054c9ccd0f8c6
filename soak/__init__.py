"""Random operations on real hubs through faults, for minutes: every byte accounted for, nothing left behind.

`python -m soak --help`; what it proves and what it has measured is in docs/reliability.md, "Soak".
"""
