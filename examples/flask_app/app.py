"""The application. It needs the extra "flask", and a hub: SCRAMJET_API_URL says which.

    python -m examples.flask_app                                  starts a LocalHub, and Flask's own server
    SCRAMJET_API_URL=... gunicorn -k gthread --threads 16 'examples.flask_app:create_app()'

It has no login: whoever reaches it may start and stop programs. Run it where that is meant.
"""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, redirect, render_template, request, url_for

from scramjet_client import InstanceClient
from scramjet_client.integrations.flask import (
    Scramjet,
    event_stream_response,
    request_source,
)

scramjet = Scramjet()


async def answer(context: Any, input: Any) -> Any:
    """Answer each line in capitals, and log its length: the program that the page starts."""
    context.logger.info("waiting for lines")
    rest = ""
    async for chunk in input:
        *lines, rest = (rest + chunk).split("\n")
        for line in lines:
            context.logger.info(f"a line of {len(line)} characters")
            yield f"{line.upper()}\n"


def create_app(config: dict[str, Any] | None = None) -> Flask:
    """Make the application; `config` has the keys of docs/flask.md, or the environment says the same."""
    app = Flask(__name__)
    app.config.from_mapping(config or {})
    scramjet.init_app(app)
    app.add_url_rule("/", "index", index)
    app.add_url_rule("/instances", "start", start, methods=["POST"])
    app.add_url_rule("/instances/<id>", "show", show)
    app.add_url_rule("/instances/<id>/<any(log, output):name>", "stream", stream)
    app.add_url_rule("/instances/<id>/input", "send", send, methods=["POST"])
    app.add_url_rule("/instances/<id>/stop", "stop", stop, methods=["POST"])
    app.before_request(refuse_other_sites)
    return app


def instance_of(id: str) -> InstanceClient:
    """Return the client of an instance."""
    return scramjet.host.get_instance_client(id)


def refuse_other_sites() -> tuple[str, int] | None:
    """Let no page of another site start or feed programs by way of who looks at it."""
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    if request.method == "POST" and site != "same-origin":
        return "Another site may not do that.", 403
    return None


def index() -> str:
    """Show what runs."""
    return render_template("index.html", instances=scramjet.host.list_instances())


def start() -> Any:
    """Send the program to the hub, start it, and show its page."""
    instance = scramjet.host.deploy(answer).start()
    return redirect(url_for("show", id=instance.id))


def show(id: str) -> str:
    """Show one instance; the page then follows its streams by itself."""
    return render_template("instance.html", instance=instance_of(id).get_info())


def stream(id: str, name: Any) -> Response:
    """Send the log or the output of an instance as it comes."""
    return event_stream_response(instance_of(id).get_stream(name), retry=1)


def send(id: str) -> dict[str, int]:
    """Send the request's body on to the program's input, which stays open."""
    sent = instance_of(id).send_input(request_source(), type="text/plain")
    return {"bytes": sent.bytes_written}


def stop(id: str) -> dict[str, str]:
    """Stop the program."""
    return {"message": instance_of(id).stop(3000).message}
