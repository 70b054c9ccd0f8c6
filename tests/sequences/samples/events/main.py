"""Add up the numbers of event "add"; event "total" says the sum, and "reset" forgets it."""

from scramjet.streams import Stream


def run(context, input):
    numbers = []

    def add(message):
        numbers.append(float(message))
        context.emit("total", {"sum": sum(numbers), "of": len(numbers)})

    def reset(message):
        numbers.clear()
        context.emit("total", {"sum": 0, "of": 0})

    context.on("add", add)
    context.on("reset", reset)
    context.emit("listening", "yes")
    return Stream()
