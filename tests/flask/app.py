"""The application that the tests of the Flask extension run: every feature at an address of its own."""

from __future__ import annotations

import os
from typing import Any

from flask import Flask, jsonify, request

from scramjet_client.integrations.flask import (
    Scramjet,
    event_stream_response,
    request_source,
    stream_response,
)

scramjet = Scramjet()


def create_app(**config: Any) -> Flask:
    """Make the application; its settings are `config` and the environment."""
    app = Flask(__name__)
    app.config.update(config)
    scramjet.init_app(app)
    if os.environ.get("TEST_CLIENT_BEFORE_FORK"):
        with app.app_context():
            app.config["BEFORE_FORK"] = scramjet.host, os.getpid()

    @app.route("/client")
    def client() -> Any:
        """Say which process answers, and whether its client is the one of another."""
        before, process = app.config.get("BEFORE_FORK", (None, None))
        hub = scramjet.host.get_version().version
        shared = before is scramjet.host
        return jsonify(process=os.getpid(), shared=shared, before=process, version=hub)

    @app.route("/info/<id>")
    def info(id: str) -> Any:
        return jsonify(scramjet.host.get_instance_client(id).get_info().raw)

    @app.route("/hurried/<id>")
    def hurried(id: str) -> Any:
        """Ask as `info` does, and give the hub a fifth of a second."""
        return jsonify(scramjet.host.client.get(f"instance/{id}", timeout=0.2))

    @app.route("/output/<id>")
    def output(id: str) -> Any:
        return stream_response(scramjet.host.get_instance_client(id).get_stream("output"))

    @app.route("/events/<id>")
    def events(id: str) -> Any:
        stream = scramjet.host.get_instance_client(id).get_stream("output")
        return event_stream_response(
            stream, ids=True, retry=2, heartbeat=float(request.args.get("heartbeat", 15))
        )

    @app.route("/input/<id>", methods=["POST"])
    def input(id: str) -> Any:
        sent = scramjet.host.get_instance_client(id).send_input(
            request_source(), type="application/octet-stream", end=True
        )
        return jsonify(bytes=sent.bytes_written)

    return app
