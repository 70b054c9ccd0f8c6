"""Emit "ready"; answer event "ping" by "pong", and emit what event "emit" says."""

import json

from scramjet.streams import Stream


def run(context, input):
    output = Stream()

    def ping(message):
        context.logger.info(f"ping {json.dumps(message)}")
        context.emit("pong", {"echo": message})

    def emit(message):
        context.logger.info(f"emit {json.dumps(message)}")
        event = json.loads(message) if isinstance(message, str) else message
        context.emit(event["name"], event["message"])

    async def stop(timeout=None, can_keep_alive=None):
        output.end()

    context.on("ping", ping)
    context.on("emit", emit)
    context.set_stop_handler(stop)
    context.emit("ready", "yes")
    return output
