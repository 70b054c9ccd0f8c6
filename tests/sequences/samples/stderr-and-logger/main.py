"""Complain about each line of the input, on stderr and in the log."""

import sys


def split(rest, text):
    return (rest + text).split("\n")


def run(context, input):
    def complain(line):
        print("cannot use", repr(line), file=sys.stderr)
        context.logger.debug("looked at %s", line)
        context.logger.warning("cannot use %s", line)
        return ""

    return input.sequence(split, "").map(complain)
