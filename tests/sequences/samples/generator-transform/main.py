"""Put the input into capitals, as it comes."""


async def run(context, input):
    async for text in input:
        yield text.upper()
