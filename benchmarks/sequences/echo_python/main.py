"""Write what comes."""

provides = {"provides": "", "contentType": "application/octet-stream"}


async def run(context, input):
    """Give back each chunk."""
    async for chunk in input:
        yield chunk.encode() if isinstance(chunk, str) else chunk
