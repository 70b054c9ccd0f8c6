"""Repeat what was said at the start, and put a prefix from the configuration before the input."""

import json


def run(context, input, first, *others):
    said = json.dumps({"first": first, "others": others, "config": context.config})
    prefix = context.config["format"]["prefix"]
    head = [said + "\n"]

    def with_prefix(text):
        start = head.pop() if head else ""
        return start + prefix + text

    return input.map(with_prefix)
