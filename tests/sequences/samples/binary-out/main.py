"""Turn every bit of the input round."""

output_type = "application/octet-stream"  # read by hub 0.x
provides = {"provides": "", "contentType": "application/octet-stream"}  # read by hub 1.x

OPPOSITE = bytes(255 - byte for byte in range(256))


def run(context, input):
    return input.map(lambda data: data.translate(OPPOSITE))
