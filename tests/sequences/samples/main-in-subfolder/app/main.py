"""Greet the names of the input, in the language of args[0], by a table that is loaded with the module."""

import json
from pathlib import Path

from lines import split

GREETINGS = json.loads(
    (Path(__file__).parent.parent / "data" / "greetings.json").read_text(encoding="utf-8")
)


def run(context, input, language):
    return input.sequence(split, "").map(lambda name: f"{GREETINGS[language]}, {name}!\n")
