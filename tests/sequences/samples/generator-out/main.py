"""Count up to args[0]: what an async generator yields is the output."""


async def run(context, input, count=3):
    for number in range(1, count + 1):
        yield f"line {number}\n"
