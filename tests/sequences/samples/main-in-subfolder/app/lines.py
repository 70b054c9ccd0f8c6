"""Lines of text."""


def split(rest, text):
    """Cut text into lines; the last piece goes on with the next text."""
    return (rest + text).split("\n")
