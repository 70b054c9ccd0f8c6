"""A pipeline of two programs: one makes JSON of CSV and gives it to a topic, the other takes the topic and adds to it.

python examples/csv_to_json.py [URL]
"""

from __future__ import annotations

import csv
import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from _common import open_host

DATA = Path(__file__).parent / "data" / "planets.csv"
ROWS, DENSITIES = (f"{name}-{uuid.uuid4()}" for name in ("rows", "densities"))
TEXT = "text/plain"  # Python programs can't be fed JSON, but text that is JSON


async def to_json(context: Any, input: Any) -> AsyncIterator[dict[str, str]]:
    """Give a record for each row of a CSV text."""
    text = "".join([chunk async for chunk in input])
    for row in csv.DictReader(text.splitlines()):
        yield row


async def with_density(context: Any, input: Any) -> AsyncIterator[dict[str, Any]]:
    """Give each planet its density, in kilograms a cubic metre."""
    rest = ""
    async for chunk in input:
        *lines, rest = (rest + chunk).split("\n")
        for row in map(json.loads, lines):
            volume = 4 / 3 * 3.14159265 * (float(row["radius_km"]) * 1000) ** 3
            yield {"planet": row["planet"], "density": round(float(row["mass_kg"]) / volume)}


to_json.provides = {"provides": ROWS, "contentType": TEXT}  # type: ignore[attr-defined]
with_density.requires = {"requires": ROWS, "contentType": TEXT}  # type: ignore[attr-defined]
with_density.provides = {"provides": DENSITIES, "contentType": TEXT}  # type: ignore[attr-defined]

with open_host() as host, host.get_topic(DENSITIES, TEXT, idle_timeout=60) as results:
    host.deploy(with_density).start()
    host.deploy(to_json).start().send_input(DATA, type="text/plain", end=True)
    # A topic of a hub never ends, so whoever reads one has to know when to stop.
    for _, record in zip(range(8), results.records()):
        print(f"{record['planet']:<8} {record['density']:>5} kg/m³")
