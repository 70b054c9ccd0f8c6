"""Mark the palindromes among the words of the input; another module knows what they are."""

import words


def run(context, input):
    return input.sequence(words.split, "").map(words.mark)
