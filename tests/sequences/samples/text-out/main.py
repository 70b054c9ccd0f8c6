"""Give each character of the input with its code point."""


def describe(text):
    return [f"U+{ord(character):04X} {character}\n" for character in text]


def run(context, input):
    return input.flatmap(describe)
