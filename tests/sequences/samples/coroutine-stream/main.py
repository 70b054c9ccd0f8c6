"""Read all of the input, and then return a stream of its most frequent words."""

from collections import Counter

from scramjet.streams import Stream


async def run(context, input):
    text = await input.reduce(lambda before, more: before + more, "")
    words = Counter(text.split())
    return Stream.read_from([f"{word} {count}\n" for word, count in words.most_common(3)])
