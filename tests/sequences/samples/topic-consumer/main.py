"""Put what comes from the topic into capitals."""

requires = {"requires": "sample-news", "contentType": "text/plain"}


def run(context, input):
    return input.map(lambda text: text.upper())
