"""Names that go: they work until their version, and warn at the line of their user."""

from __future__ import annotations

import importlib
import re
import runpy
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import scramjet_client
from scramjet_client._common.deprecated import warn_of
from tests.support.waiting import LIMIT

ROOT = Path(__file__).resolve().parent.parent

FIRST_WARNING = (0, 2)
"""The version since which these warn."""

GONE_IN = "0.4"

MOVED = {
    "fleet": "Fleet",
    "fleet_answers": "BroadcastResponse FleetAnswer FleetInstance",
    "host_client": "HostClient",
    "http_client": "ClientProvider HttpClient",
    "instance_client": "InstanceClient",
    "manager_client": "ManagerClient",
    "manager_models": (
        "AccessKey ConnectedHub CreateAccessKeyResponse DisconnectHubsResponse DisconnectedHub"
        " GetInfoResponse ManagerInfo ManagerTopic RevokeAccessKeysResponse StoreItem TopicActor"
    ),
    "middleware_client": "MiddlewareClient",
    "multi_manager_client": "MultiManagerClient",
    "multiplex": "Multiplexer",
    "sequence_client": "SequenceClient",
    "upload_writer": "UploadWriter",
}
"""The public names of each module that 0.1.0 had, and that is elsewhere now."""

PAIRS = [(module, name) for module, names in MOVED.items() for name in names.split()]

USES = {
    "from it": "from scramjet_client.{module} import {name} as found",
    "as a module": "import scramjet_client.{module}\nfound = scramjet_client.{module}.{name}",
    "from the package": "from scramjet_client import {module}\nfound = {module}.{name}",
}


def numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")[:2]))


def used(script: Path, text: str) -> tuple[object, list[warnings.WarningMessage]]:
    """Run a script; return what it has found, and its warnings."""
    script.write_text(text, "utf-8")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = runpy.run_path(str(script)).get("found")
    return found, list(caught)


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize(("module", "name"), PAIRS, ids=[".".join(each) for each in PAIRS])
def test_old_module_warns_at_the_users_line(module: str, name: str, use: str, tmp_path: Path):
    """A name works by its old module, and the warning has the script's line, the new line and the version."""
    script = tmp_path / "script.py"
    text = USES[use].format(module=module, name=name)

    found, caught = used(script, text)

    assert found is getattr(scramjet_client, name)
    assert [(each.category, each.filename, each.lineno) for each in caught] == [
        (DeprecationWarning, str(script), text.count("\n") + 1)
    ]
    assert str(caught[0].message) == (
        f"scramjet_client.{module}.{name} goes in scramjet_client {GONE_IN};"
        f" write: from scramjet_client import {name}"
    )


@pytest.mark.parametrize("module", MOVED)
def test_old_module_has_its_names_and_no_other(module: str, tmp_path: Path):
    """`import *` brings all names of an old module; a name that it never had is missing."""
    found, caught = used(
        tmp_path / "script.py",
        f"from scramjet_client.{module} import *\nfound = {{*globals()}}",
    )

    assert isinstance(found, set)
    assert set(MOVED[module].split()) <= found
    assert len(caught) == len(MOVED[module].split())
    with pytest.raises(AttributeError, match=f"scramjet_client.{module}' has no attribute 'Nope'"):
        _ = importlib.import_module(f"scramjet_client.{module}").Nope


def test_importing_the_package_finds_no_old_module():
    """Nothing warns of who uses no old name, and no old module is imported for them."""
    done = subprocess.run(
        [
            *(sys.executable, "-W", "error", "-c"),
            "from scramjet_client import *; import sys;"
            " print([each for each in sys.modules if 'deprecated' in each or '_moved' in each])",
        ],
        capture_output=True, text=True, timeout=LIMIT, check=True,
    )  # fmt: skip

    assert done.stdout == "[]\n"


def test_every_old_module_is_tried():
    """The table above has every module that warns."""
    there = {path.stem for path in (ROOT / "scramjet_client" / "_moved").glob("[a-z]*.py")}

    assert there == set(MOVED)


def test_page_lists_what_goes():
    """docs/versions.md has each old module, its new line and the version; CHANGELOG.md speaks of them."""
    page = (ROOT / "docs" / "versions.md").read_text("utf-8")
    section = page.partition("## Deprecation\n")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `scramjet_client\.(\w+)` \|.*\| ([\d.]+) \|$", section, re.M))
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")

    assert rows == dict.fromkeys(MOVED, GONE_IN)
    assert "scramjet_client.fleet" in changelog.partition("### Deprecated\n")[2].partition("###")[0]


def test_names_stay_as_long_as_promised_and_then_go():
    """Two minor versions warn at least. The version in which a name goes must not have it any more."""
    major, minor = FIRST_WARNING

    assert numbers(GONE_IN) >= (major, minor + 2)
    assert numbers(scramjet_client.__version__) < numbers(GONE_IN), "remove scramjet_client/_moved"


def test_warning_names_the_caller_of_a_function(tmp_path: Path):
    """What warns inside a function shows the line that calls it."""

    def old() -> None:
        warn_of("old()", "new()", gone_in="9.9")

    with pytest.warns(
        DeprecationWarning, match=r"^old\(\) goes in .* 9\.9; write: new\(\)$"
    ) as caught:
        old()

    assert caught[0].filename == __file__
