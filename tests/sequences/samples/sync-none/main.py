"""Do something at once, and be done."""


def run(context, input, *numbers):
    print("the sum is", sum(numbers))
