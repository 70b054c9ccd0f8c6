"""What main needs to know of words."""


def split(rest, text):
    """Cut text into words; the last piece goes on with the next text."""
    return (rest + text).split("\n")


def mark(word):
    """Return a line that says whether a word is a palindrome."""
    sign = "=" if word == word[::-1] else "!"
    return f"{sign} {word}\n"
