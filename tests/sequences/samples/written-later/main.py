"""Write what event "say" says to the output, until event "end"."""

from scramjet.streams import Stream


def run(context, input):
    output = Stream()
    context.on("say", lambda message: output.write(message + "\n"))
    context.on("end", lambda message: output.end())
    context.emit("listening", "yes")
    return output
