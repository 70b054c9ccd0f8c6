"""Settings of the documentation site; `make docs` builds it."""

from __future__ import annotations

import importlib
import inspect
import re
import types
from pathlib import Path
from typing import Any

from sphinx.util.docutils import SphinxDirective

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


def _no_signature(
    _app: Any, what: str, _name: str, _obj: Any, _opt: Any, signature: str | None, _gives: Any
) -> tuple[str, None] | None:
    """Leave out how errors are made: that is not what readers do with them."""
    return ("", None) if what == "exception" and signature else None


def _public(app: Any, env: Any, node: Any, content: Any) -> Any:
    """Find `InstanceClient`, wherever it was defined, as `scramjet_client.InstanceClient`."""
    name = str(node.get("reftarget", "")).rpartition(".")[2]
    if node.get("refdomain") != "py" or name not in scramjet_client.__all__:
        return None
    target = f"scramjet_client.{name}"
    domain = env.get_domain("py")
    return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", target, node, content)


class Names(SphinxDirective):
    """A table of names of this package, each with the first line of its docstring.

    .. names::

       scramjet_client.HostClient
    """

    has_content = True

    def run(self) -> list[Any]:
        """Return the table."""
        rows = [_row(name, *_found(name)) for name in self.names()]
        return self.parse_text_to_nodes(
            "\n".join([".. list-table::", "   :widths: 35 65", "", *rows])
        )

    def names(self) -> list[str]:
        """Return the names that are given."""
        return list(self.content)


class Methods(Names):
    """A table of the methods and properties of a class.

    .. methods:: scramjet_client.HostClient
    """

    required_arguments = 1
    has_content = False

    def names(self) -> list[str]:
        """Return the names of what this package gives to the class, in the order of the alphabet."""
        name = self.arguments[0]
        owner, _ = _found(name)
        own: dict[str, object] = {}
        for base in owner.__mro__:
            if base.__module__.startswith("scramjet_client"):
                own = {**vars(base), **own}
        kinds = (types.FunctionType, property, classmethod, staticmethod)
        return sorted(
            f"{name}.{each}"
            for each, value in own.items()
            if not each.startswith("_") and isinstance(value, kinds) and inspect.getdoc(value)
        )


def _found(name: str) -> tuple[Any, bool]:
    """Return what a full name names, and whether it belongs to a class."""
    module, _, last = name.rpartition(".")
    try:
        owner: Any = importlib.import_module(module)
    except ImportError:
        owner, _ = _found(module)
    return getattr(owner, last), inspect.isclass(owner)


def _row(name: str, value: object, of_class: bool) -> str:
    """Return a row of a list-table: a link, and what it does."""
    shown = name.rpartition(".")[2] + ("()" if of_class and callable(value) else "")
    first = (inspect.getdoc(value) or "").partition("\n")[0]
    lines = [first.partition(" Wire:")[0]]
    _to_rst(None, "", name, value, None, lines)
    return f"   * - :py:obj:`{shown} <{name}>`\n     - {lines[0]}"


def setup(app: Any) -> None:
    """Connect what is above."""
    app.add_directive("names", Names)
    app.add_directive("methods", Methods)
    app.connect("source-read", _from_root)
    app.connect("autodoc-process-docstring", _to_rst, priority=400)  # napoleon comes at 500
    app.connect("autodoc-process-signature", _no_signature)
    app.connect("missing-reference", _public)
