"""Give the length of each line of the input to the topic, as JSON."""

output_type = (
    "application/x-ndjson"  # read by hub 0.x, which takes the topic's name alone from below
)
provides = {"provides": "sample-lengths", "contentType": "application/x-ndjson"}


def split(rest, text):
    return (rest + text).split("\n")


def run(context, input):
    return input.sequence(split, "").map(lambda line: {"line": line, "length": len(line)})
