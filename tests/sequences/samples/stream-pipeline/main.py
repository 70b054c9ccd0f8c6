"""Read numbers, one a line; give sum and size of each group that ends with a multiple of ten."""


def split(rest, text):
    return (rest + text).split("\n")


def report(group):
    return [f"sum {sum(group)}\n", f"size {len(group)}\n"]


def run(context, input):
    numbers = input.sequence(split, "").map(int)
    return numbers.batch(lambda number: number % 10 == 0).flatmap(report)
