"""Run the application on a LocalHub: `python -m examples.flask_app`, and open the address that it prints."""

from __future__ import annotations

from examples.flask_app import create_app
from scramjet_client.hub import LocalHub

if __name__ == "__main__":
    with LocalHub() as hub:
        settings = {"SCRAMJET_API_URL": hub.url, "SCRAMJET_TOKEN": hub.token}
        create_app(settings).run(port=5000, threaded=True)
