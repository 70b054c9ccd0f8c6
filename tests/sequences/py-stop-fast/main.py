"""Live until stopped, then end at once."""

from scramjet.streams import Stream


def run(context, input):
    output = Stream()

    async def stop(timeout=None, can_keep_alive=None):
        context.logger.info("stopping")
        output.end()  # hub 0.x ends an instance with its output; 1.x ends it after this handler

    context.set_stop_handler(stop)
    context.emit("ready", "yes")
    return output
