"""Give the input, backwards, to the topic that args[0] names."""


def split(rest, text):
    return (rest + text).split("\n")


def run(context, input, topic):
    output = input.sequence(split, "").map(lambda line: line[::-1] + "\n")
    output.provides = topic
    output.content_type = "text/plain"
    return output
