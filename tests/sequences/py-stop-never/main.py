"""Never finish stopping."""

import asyncio

from scramjet.streams import Stream


def run(context, input):
    async def stop(timeout=None, can_keep_alive=None):
        context.logger.info("stopping")
        await asyncio.Event().wait()

    context.set_stop_handler(stop)
    context.emit("ready", "yes")
    return Stream()
