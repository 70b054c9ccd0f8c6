"""Give a list, an object, a string, a number or null for each line of the input."""

output_type = "application/x-ndjson"  # read by hub 0.x
provides = {"provides": "", "contentType": "application/x-ndjson"}  # read by hub 1.x


def split(rest, text):
    return (rest + text).split("\n")


VALUES = {
    "list": [1, [2, 3], {}],
    "object": {"text": "a\nb", "ą": None},
    "string": "ą",
    "number": 1.5,
    "false": False,
}


def run(context, input):
    return input.sequence(split, "").map(lambda line: VALUES[line])
