"""A web page for instances: their log and output as they come, and a line to send to their input."""

from examples.flask_app.app import create_app

__all__ = ["create_app"]
