"""Drop comments from the lines of the input, and number the others."""

import itertools


def split(rest, text):
    """Cut text into lines; the last piece goes on with the next text."""
    return (rest + text).split("\n")


def run(context, input):
    numbers = itertools.count(1)
    lines = input.sequence(split, "")
    return lines.filter(lambda line: not line.startswith("#")).map(
        lambda line: f"{next(numbers)}: {line}\n"
    )
