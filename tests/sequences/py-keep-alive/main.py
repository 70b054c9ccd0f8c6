"""Ask for more time when stopped, and live on."""

import asyncio

from scramjet.streams import Stream


def run(context, input):
    async def stop(timeout=None, can_keep_alive=None):
        context.logger.info("stopping")
        if hasattr(context, "keep_alive"):
            await context.keep_alive(0)
        else:
            await asyncio.Event().wait()  # hub 0.x: an unfinished handler alone keeps it alive

    context.set_stop_handler(stop)
    context.emit("ready", "yes")
    return Stream()
