"""Be healthy until event "break"."""

from scramjet.streams import Stream


def run(context, input):
    broken = []

    def check():
        if broken:
            return {"healthy": False, "message": broken[-1], "faults": len(broken)}
        return {"healthy": True, "faults": 0}

    context.set_health_check(check)
    context.on("break", broken.append)
    context.emit("listening", "yes")
    return Stream()
