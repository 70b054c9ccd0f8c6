"""What a forge runs and shows: the workflows call make alone, and the forms name what there is."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.waiting import LIMIT

ROOT = Path(__file__).resolve().parent.parent
FORGE = ROOT / ".github"

WORKFLOWS = sorted((FORGE / "workflows").glob("*.yml"))

WITHOUT_A_LINE = {"help"}
"""Targets that are about make itself."""


def targets() -> set[str]:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    return set(re.findall(r"^([a-z-]+):.* ## ", makefile, re.MULTILINE))


def jobs() -> dict[str, dict[str, Any]]:
    return {
        f"{path.stem}/{name}": job
        for path in WORKFLOWS
        for name, job in yaml.safe_load(path.read_text("utf-8"))["jobs"].items()
    }


def steps(job: dict[str, Any], kind: str) -> list[str]:
    return [step[kind] for step in job["steps"] if kind in step]


@pytest.mark.parametrize("name", jobs())
def test_jobs_call_make_targets_alone(name: str):
    """Each line that a job runs is one target of the Makefile; the rest are actions."""
    lines = [line for text in steps(jobs()[name], "run") for line in text.splitlines()]
    called = [re.fullmatch(r"make (?:[A-Z]+=[\w.]+ )*([a-z-]+)", line) for line in lines]

    assert all(called), lines
    assert {each[1] for each in called if each} <= targets()


@pytest.mark.parametrize("name", jobs())
def test_jobs_end_and_may_do_little(name: str):
    """Each job has a limit, and the rights that it says; a release's are those of trusted publishing."""
    job = jobs()[name]
    path = FORGE / "workflows" / f"{name.partition('/')[0]}.yml"
    rights = {"contents": "read", **job.get("permissions", {})}

    assert job["timeout-minutes"] > 0
    assert yaml.safe_load(path.read_text("utf-8"))["permissions"] == {"contents": "read"}
    if name == "release/publish":
        assert rights == {"contents": "read", "id-token": "write", "attestations": "write"}
    else:
        assert rights == {"contents": "read"}


def test_every_system_is_tested_on_the_oldest_and_the_newest_python():
    """Linux, macOS and Windows each run on both ends of what the metadata supports."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", "utf-8")
    named = re.findall(r"Python :: (3\.\d+)$", setup["metadata"]["classifiers"], re.MULTILINE)
    tried: dict[str, set[str]] = {}
    for job in jobs().values():
        matrix = job.get("strategy", {}).get("matrix", {})
        pairs = [
            (system, python)
            for system in matrix.get("os", [job["runs-on"]])
            for python in matrix.get("python", [])
        ]
        pairs += [(each["os"], each["python"]) for each in matrix.get("include", [])]
        for system, python in pairs:
            tried.setdefault(system.partition("-")[0], set()).add(python)

    ends = {min(named, key=lambda each: int(each[2:])), max(named, key=lambda each: int(each[2:]))}
    assert tried == dict.fromkeys(("ubuntu", "macos", "windows"), ends)


def test_windows_runs_in_a_shell_that_the_makefile_knows():
    """The Makefile is written for sh, so the job on Windows runs in bash."""
    job = jobs()["ci/windows"]

    assert job["defaults"]["run"]["shell"] == "bash"


def test_a_release_is_attested_and_lists_what_it_brings():
    """The release goes to the index by trusted publishing, with attestations and an SBOM."""
    used = {each.partition("@")[0] for each in steps(jobs()["release/publish"], "uses")}

    assert steps(jobs()["release/build"], "run") == ["make sbom"]
    assert {
        "actions/attest-build-provenance",
        "actions/attest-sbom",
        "pypa/gh-action-pypi-publish",
    } <= used


def test_each_target_can_be_run_without_make():
    """CONTRIBUTING.md has a line for each target of the Makefile, for those who have no make."""
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    table = page.partition("### Without make\n")[2].partition("\n##")[0]

    assert set(re.findall(r"^\| `make ([a-z-]+)` \|", table, re.MULTILINE)) == (
        targets() - WITHOUT_A_LINE
    )


def test_forms_name_commands_that_there_are():
    """What a form asks somebody to run is a verb that docs/cli.md shows."""
    page = (ROOT / "docs" / "cli.md").read_text("utf-8")
    asked = {
        command
        for path in (FORGE / "ISSUE_TEMPLATE").glob("*.yml")
        for command in re.findall(r"`(scramjet [a-z ]+)`", path.read_text("utf-8"))
    }

    assert asked
    assert [each for each in asked if f"{each}\n" not in page] == []


def test_updates_reach_every_lock_file():
    """dependabot looks at each folder that has a lock file, at the Python package and at the actions."""
    updates = yaml.safe_load((FORGE / "dependabot.yml").read_text("utf-8"))["updates"]
    folders = {
        each["package-ecosystem"]: each.get("directories", [each.get("directory")])
        for each in updates
    }
    locks = {
        f"/{path.parent.relative_to(ROOT).as_posix()}"
        for top in ("tests", "benchmarks")
        for path in (ROOT / top).glob("*/package-lock.json")
    }

    assert set(folders["npm"]) == locks
    assert folders["pip"] == folders["github-actions"] == ["/"]


def test_commits_are_checked_by_the_same_tools():
    """The hook of pre-commit is `make lint`, so it has the same versions of ruff and mypy."""
    (repo,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"]

    assert repo["repo"] == "local"
    assert [each["entry"] for each in repo["hooks"]] == ["make lint"]


@pytest.mark.parametrize(
    "name",
    [
        "CODE_OF_CONDUCT.md",
        "CONTRIBUTING.md",
        "LICENSE",
        "SECURITY.md",
        ".editorconfig",
        ".gitattributes",
        ".github/pull_request_template.md",
    ],
)
def test_files_are_where_projects_have_them(name: str):
    """A forge, an editor and a stranger look for these."""
    assert (ROOT / name).read_text("utf-8").strip()


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")
@pytest.mark.parametrize(
    ("arguments", "places"),
    [
        ("tests/streams/test_lines.py", ["tests/streams/test_lines.py"]),
        (
            "-x tests/http tests/test_names.py::test_x",
            ["tests/http", "tests/test_names.py::test_x"],
        ),
        ("-k lines", None),
        ("", None),
    ],
)
def test_the_first_command_runs_what_it_names(arguments: str, places: list[str] | None):
    """`make test-quick` runs the files that are named, and else those of the client: CONTRIBUTING.md begins with it."""
    # `make test` gives what it runs its own flags.
    outside = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(
        ["make", "--dry-run", "test-quick", f"ARGS={arguments}"],
        cwd=ROOT, env=outside, capture_output=True, text=True, timeout=LIMIT, check=True,
    )  # fmt: skip
    command = done.stdout.splitlines()[-1].split()
    named = [word for word in command if word.startswith("tests/")]

    assert "pytest" in command
    if places is None:
        assert {"tests/http", "tests/streams", "tests/test_names.py"} <= set(named)
    else:
        assert named == places
