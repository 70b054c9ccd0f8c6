"""Settings of the documentation site; `make docs` builds it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import scramjet_client

project = "scramjet_client"
author = "scramjet_client contributors"
copyright = author
release = version = scramjet_client.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "index"
nitpicky = False
# In docstrings a single backtick is a name of Python, or just code where there is no such name.
default_role = "py:obj"

myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]

napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # the fields of a class are in its docstring, not objects of their own

python_maximum_signature_line_length = 88
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_default_options = {
    # What comes from Python's own classes is described by Python.
    "inherited-members": "BufferedReader, BufferedIOBase, Future, OSError, BaseException, dict, Mapping",
}

html_theme = "furo"
html_title = f"scramjet_client {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False

ROOT = Path(__file__).resolve().parent.parent
OUTSIDE = {name: f"../{name.upper()}.md" for name in ("changelog", "contributing", "security")}
"""Pages whose text is a file of the repository's root; the page itself only points there."""

_CITATION = re.compile(r'docs/(\w+)\.md, "([^"]+)"')


def _from_root(_app: Any, page: str, source: list[str]) -> None:
    """Put the text of a file of the root in the place of the page that stands for it."""
    if page in OUTSIDE:
        text = (ROOT / "docs" / OUTSIDE[page]).read_text("utf-8")
        text = re.sub(r"\]\(docs/", "](", text)
        source[0] = re.sub(r"\]\((CHANGELOG|CONTRIBUTING|SECURITY)\.md", _lower, text)


def _lower(found: re.Match[str]) -> str:
    return found.group().lower()


def _cited(found: re.Match[str]) -> str:
    """Return the link to a section that a docstring names."""
    page, section = found.groups()
    anchor = re.sub(r"[^\w\- ]", "", section.lower()).replace(" ", "-")
    return f"`{section} <../{page}.html#{anchor}>`__"


def _to_rst(_app: Any, _what: str, _name: str, _obj: Any, _opt: Any, lines: list[str]) -> None:
    """Make reStructuredText of a docstring, which is written to be read in the source."""
    text = _CITATION.sub(_cited, "\n".join(lines))
    # `.result()` is that of some object, and no name; `Upload`s is a name and a letter.
    text = re.sub(r"(?<!`)`(\.\w[^`\n]*)`(?!`)", r"``\1``", text)
    text = re.sub(r"(`[^`\n]+`)(?=\w)", r"\1\\ ", text)
    # What is indented after a colon and an empty line is code.
    text = re.sub(r"^( *)(\S.*):\n\n(?=\1 +\S)", r"\1\2::\n\n", text, flags=re.MULTILINE)
    lines[:] = text.split("\n")


def _no_signature(_app: Any, what: str, *_rest: Any) -> tuple[str, None] | None:
    """Leave out how errors are made: that is not what readers do with them."""
    return ("", None) if what == "exception" else None


def _public(app: Any, env: Any, node: Any, content: Any) -> Any:
    """Find `InstanceClient`, wherever it was defined, as `scramjet_client.InstanceClient`."""
    name = str(node.get("reftarget", "")).rpartition(".")[2]
    if node.get("refdomain") != "py" or name not in scramjet_client.__all__:
        return None
    target = f"scramjet_client.{name}"
    domain = env.get_domain("py")
    return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", target, node, content)


def setup(app: Any) -> None:
    """Connect what is above."""
    app.connect("source-read", _from_root)
    app.connect("autodoc-process-docstring", _to_rst, priority=400)  # napoleon comes at 500
    app.connect("autodoc-process-signature", _no_signature)
    app.connect("missing-reference", _public)
