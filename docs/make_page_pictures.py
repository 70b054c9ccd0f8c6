"""Draw docs/images/page-*.png: the page of a hub, on a desk and on a phone, in light and dark.

    python docs/make_page_pictures.py

A program counts lines on a LocalHub, headless Chromium opens the hub's page, and this takes the pictures. Needs the
extras "hub" and "bench" (for Pillow), and Debian's packages chromium and chromium-driver.
"""

from __future__ import annotations

import base64
import io
import re
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scramjet_client.hub import LocalHub  # noqa: E402
from tests.support.browser import Page, browser  # noqa: E402
from tests.support.waiting import eventually  # noqa: E402

IMAGES = ROOT / "docs" / "images"

SIZES = {"desk": (1200, 860), "phone": (390, 844)}
THEMES = ("light", "dark")

PROGRAM = """
import sys
async def run(context, input):
    context.logger.info("waiting for names")
    print("ready", file=sys.stderr)
    count = 0
    async for text in input:
        for name in text.split():
            count += 1
            yield f"{count}: HELLO {name.upper()}\\n"
        context.logger.info("greeted %d", count)
"""


def _emulate(page: Page, size: tuple[int, int], theme: str) -> None:
    def command(name: str, **params: object) -> None:
        page._post("goog/cdp/execute", cmd=f"Emulation.{name}", params=params)

    command("setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
    command(
        "setDeviceMetricsOverride",
        width=size[0],
        height=size[1],
        deviceScaleFactor=1,
        mobile=size[0] < 500,
    )


def _lines(page: Page) -> str:
    return str(page.run("return document.getElementById('lines').textContent"))


def _counted(page: Page) -> int:
    return int(page.run("return Number(document.getElementById('rate').dataset.lines)"))


def _small(picture: bytes) -> bytes:
    """Return a PNG with few colours, as a page with text has them."""
    out = io.BytesIO()
    with Image.open(io.BytesIO(base64.b64decode(picture))) as image:
        image.convert("RGB").quantize(64).save(out, "PNG", optimize=True)
    return out.getvalue()


def draw() -> dict[str, bytes]:
    """Return the pictures by their names."""
    pictures = {}
    with tempfile.TemporaryDirectory() as folder, LocalHub(page=True) as hub:
        programs = {name: Path(folder, f"{name}.py") for name in ("greet", "count_words")}
        for path in programs.values():
            path.write_text(PROGRAM, "utf-8")
        with hub.client() as host, browser() as page:
            host.create_topic("names", "text/plain")
            host.send_sequence(programs["count_words"]).start()
            for name, size in SIZES.items():
                for theme in THEMES:
                    # Otherwise the page before would read what the program says first.
                    page.open("about:blank")
                    instance = host.send_sequence(programs["greet"]).start()
                    _emulate(page, size, theme)
                    assert hub.page_url is not None
                    page.open(re.sub(r"#", f"#instance={instance.id}&", hub.page_url))
                    eventually(lambda: "waiting for names" in _lines(page))
                    instance.send_input("Ada Grace Margaret Katherine\n", end=False)
                    eventually(lambda: "greeted 4" in _lines(page))
                    eventually(lambda: _counted(page) >= 7 and "healthy" in page.text("#facts"))
                    page.run(
                        "document.activeElement.blur();"
                        "if (innerWidth < 500) document.getElementById('title').scrollIntoView();"
                        "else scrollTo(0, 0)"
                    )
                    pictures[f"page-{name}-{theme}.png"] = _small(page.picture())
                    instance.kill(remove_immediately=True)
    return pictures


if __name__ == "__main__":
    for each, content in draw().items():
        (IMAGES / each).write_bytes(content)
        print(each, len(content))
