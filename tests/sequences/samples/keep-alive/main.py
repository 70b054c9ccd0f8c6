"""When stopped, ask for time, and end after event "finish"."""

from scramjet.streams import Stream


def run(context, input):
    output = Stream()

    async def stop(timeout, can_keep_alive):
        await context.keep_alive(10)
        output.write(f"asked to stop, can keep alive: {can_keep_alive}\n")

    def finish(message):
        output.write("finished\n")
        output.end()

    context.set_stop_handler(stop)
    context.on("finish", finish)
    context.emit("listening", "yes")
    return output
