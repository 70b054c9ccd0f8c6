"""The rooms of the package: who may import whom, and what importing it may do."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import scramjet_client

PACKAGE = Path(scramjet_client.__file__).parent

LAYERS = [
    {"_version", "_html", "_durations", "_interrupts", "_secrets"},
    {
        "errors",
        "_tls",
        "_settings",
        "_at_exit",
        "_gathering",
        "_ignore",
        "_values",
        "_snippets",
        "_outgoing",
        "_vendoring",
    },
    {"_untrusted"},
    {
        "models",
        "_package_files",
        "_sources",
        "_writer",
        "_calls",
        "_handle",
        "_chunked",
        "_refusals",
        "_foreign",
        "_listeners",
    },
    {"_exchange", "manager_models", "_manifest", "_local_modules", "_answers"},
    {"_transport", "_send_plan", "_limits", "_function_source", "_manager_answers"},
    {"uploads", "packages"},
    {"_answer_reader", "upload_writer", "_targets"},
    {"streams"},
    {"_reconnect", "_membership"},
    {"http_client", "multiplex"},
    {"_dialect", "_api"},
    {"_lifetime"},
    {"_instance_io"},
    {"_instance_duplex"},
    {"_instance_events", "_keyboard", "_follow"},
    {"_run", "_attach"},
    {"instance_client"},
    {"_sequence_upload", "_topics"},
    {"sequence_client", "config"},
    {"_doctor"},
    {"host_client"},
    {"fleet_answers", "_at_once"},
    {"_fleet_follow"},
    {"fleet"},
    {"manager_client"},
    {"multi_manager_client"},
    {"middleware_client"},
    {"_pytest_hub"},
    {"pytest_plugin"},
    {"__init__", "__main__"},
]
"""From the ground up; a module imports only modules of lower layers."""

LATE = {("host_client", "manager_client"), ("instance_client", "integrations")}
"""Imports inside a function: a hub leads to its manager and a manager to its hubs, so one has to wait; what a
notebook shows needs IPython."""


def _imports(module: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("scramjet_client."):
            found.add((node.module or "").split(".")[1])
    return found


def _type_checking_imports(module: Path) -> set[str]:
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            return {
                (each.module or "").split(".")[1]
                for each in node.body
                if isinstance(each, ast.ImportFrom)
            }
    return set()


def test_every_module_has_its_layer():
    """No module stands outside the drawing."""
    modules = {path.stem for path in PACKAGE.glob("*.py")}

    assert modules == set().union(*LAYERS)


def test_imports_point_down():
    """A module imports only modules of lower layers, types for annotations apart."""
    below: set[str] = set()
    wrong = []
    for layer in LAYERS:
        for name in layer:
            path = PACKAGE / f"{name}.py"
            above = _imports(path) - _type_checking_imports(path) - below
            late = {other for module, other in LATE if module == name}
            wrong += [f"{name} imports {other}" for other in sorted(above - late)]
        below |= layer

    assert wrong == []


def test_hub_and_client_meet_on_the_socket():
    """The embedded hub imports nothing of the client; only `LocalHub.client()` makes one, when asked."""
    outside = {
        (path.name, name)
        for path in (PACKAGE / "hub").rglob("*.py")
        for name in _imports(path) - {"hub"}
    }

    assert outside == {("_routes_hub.py", "_version"), ("_local_hub.py", "host_client")}


def test_the_fault_proxy_stands_alone():
    """The test kit imports nothing of the rest, so that it works beside any version of it."""
    outside = {
        (path.name, name)
        for path in (PACKAGE / "testing").glob("*.py")
        for name in _imports(path) - {"testing"}
    }

    assert outside == set()


def test_import_starts_nothing_and_needs_the_core_alone():
    """Using every name of the package starts no thread and loads no package beyond requests, urllib3 and attrs."""
    code = (
        "import sys, threading; before = set(sys.modules); from scramjet_client import *;"
        "assert threading.active_count() == 1;"
        "print(*sorted({n.partition('.')[0] for n in set(sys.modules) - before"
        " if 'site-packages' in (getattr(sys.modules[n], '__file__', '') or '')}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    core = {
        "attr",
        "attrs",
        "backports",  # where urllib3 looks for zstd
        "certifi",
        "charset_normalizer",
        "chardet",
        "idna",
        "requests",
        "urllib3",
    }
    assert set(done.stdout.split()) - core - {"scramjet_client"} == set()


def test_files_are_small_enough_to_hold_in_the_head():
    """No file of the package has more than 400 lines."""
    sizes = {str(path): len(path.read_text("utf-8").splitlines()) for path in PACKAGE.rglob("*.py")}

    assert {name: size for name, size in sizes.items() if size > 400} == {}


def test_every_name_has_its_home():
    """What `__all__` promises, what a type checker sees and what is loaded when it is used are the same names."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text("utf-8"))
    seen = {
        (alias.name, (node.module or "").partition(".")[2])
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("scramjet_client.")
        for alias in node.names
    }

    assert seen - {("__version__", "_version")} == set(scramjet_client._HOMES.items())
    assert set(scramjet_client.__all__) - {"__version__"} == set(scramjet_client._HOMES)
    assert all(getattr(scramjet_client, name) is not None for name in scramjet_client.__all__)
    assert set(scramjet_client.__all__) <= set(dir(scramjet_client))
    with pytest.raises(AttributeError, match="no attribute 'HubClient'"):
        _ = scramjet_client.HubClient
