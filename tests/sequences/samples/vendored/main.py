"""Give the numbers of the input as Roman numerals, by a library in the package."""

from importlib.metadata import version

from numerals import roman


def split(rest, text):
    return (rest + text).split("\n")


def run(context, input):
    context.logger.info(f"numerals {version('numerals')}")
    return input.sequence(split, "").map(lambda line: roman(int(line)) + "\n")
