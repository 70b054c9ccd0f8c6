"""Roman numerals."""

from numerals.symbols import SYMBOLS


def roman(number):
    """Return a number from 1 to 3999 as a Roman numeral."""
    numeral = ""
    for value, symbol in SYMBOLS:
        count, number = divmod(number, value)
        numeral += count * symbol
    return numeral
