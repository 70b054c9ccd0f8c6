"""Rules about what stays at home."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from scramjet_client.packages.ignore import Rules, holds_private_key
from tests.support.waiting import LIMIT

PATHS = [
    "a.log", "b.txt", "a b.txt", "#note", "!bang", "x/a.log", "x/y/a.log", "x/keep.log", "x/b.txt", "build/out.o",
    "x/build/out.o", "x/y/z/deep.txt", "docs/a.md", "docs/sub/b.md", "file1", "file2", "file-", "filea",
    "star*name", "q?mark", "br[ack]", "data/raw/1.csv", "data/raw/keep.csv", "foo/bar/baz", "foo/baz", "trail ",
    "back\\slash", "ą/ę.txt", "x/foo/bar",
]  # fmt: skip

PATTERNS = [
    ["*.log"], ["/*.log"], ["*.log", "!keep.log"], ["build"], ["build/"], ["/build"], ["x/"], ["x/*"], ["x/**"],
    ["**/a.log"], ["x/**/a.log"], ["**/y/**"], ["foo/**/baz"], ["docs/*.md"], ["docs/**/*.md"], ["file[12]"],
    ["file[!12]"], ["file[^12]"], ["file[a-z]"], ["file[0-9-]"], ["file?"], [r"star\*name"], [r"q\?mark"],
    [r"br\[ack\]"], [r"\#note"], [r"\!bang"], ["#note"], ["a b.txt"], ["b.txt   "], ["trail\\ "], ["*"],
    ["*", "!*/", "!*.md"], ["data/raw/*", "!data/raw/keep.csv"], ["data/raw/", "!data/raw/keep.csv"], ["**"],
    ["/**"], ["foo/bar"], ["**/foo/bar"], ["bar/"], ["", "  ", "*.txt"], ["ą"], ["x/y/"], ["*/b.txt"], ["a**g"],
    ["[x]/*.log"], ["foo*"], ["*.LOG"], [r"back\\slash"],
]  # fmt: skip


def ignored(lines: list[str]) -> set[str]:
    """Return those of PATHS that are left out, folder by folder as a walk goes."""
    rules = Rules(lines)
    found = set()
    for path in PATHS:
        parts = path.split("/")
        for count in range(1, len(parts) + 1):
            if rules.verdict("/".join(parts[:count]), count < len(parts)) == "ignored":
                found.add(path)
                break
    return found


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty git repository."""
    root = tmp_path_factory.mktemp("repository")
    subprocess.run(["git", "init", "--quiet", str(root)], check=True, timeout=LIMIT)
    for path in PATHS:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("")
    return root


@pytest.mark.parametrize("lines", PATTERNS, ids=" ".join)
def test_patterns_mean_what_they_mean_to_git(repository: Path, lines: list[str]):
    """What a .gitignore leaves out, a .siignore of the same lines leaves out."""
    (repository / ".gitignore").write_text("\n".join(lines) + "\n")
    told = subprocess.run(
        ["git", "-c", "core.excludesFile=", "check-ignore", "--no-index", "-z", "--stdin"],
        cwd=repository,
        input="\0".join(PATHS).encode(),
        capture_output=True,
        timeout=LIMIT,
        check=False,
    )

    assert told.returncode in (0, 1), told.stderr
    assert ignored(lines) == set(told.stdout.decode().split("\0")) - {""}


@pytest.mark.parametrize(
    ("path", "verdict"),
    [
        (".env", "secret"),
        ("deep/.env.production", "secret"),
        (".env.example", "wanted"),
        ("keys/id_rsa", "secret"),
        ("keys/id_rsa.pub", ""),
        ("server.key", "secret"),
        (".npmrc", "secret"),
        (".pypirc", "secret"),
        (".netrc", "secret"),
        ("main.py", ""),
        ("environment.py", ""),
        ("a/__pycache__", "needless"),
        (".git", "needless"),
        ("node_modules", ""),
    ],
)
def test_rules_that_always_hold(path: str, verdict: str):
    """Secrets and leftovers of tools are known by name."""
    assert Rules().verdict(path, False) == verdict


def test_own_rules_go_before_all_others():
    """A `!` rule takes a secret in."""
    assert Rules(["!.env"]).verdict(".env", False) == "wanted"


@pytest.mark.parametrize(
    ("head", "is_key"),
    [
        (b"-----BEGIN PRIVATE KEY-----\n", True),
        (b"\n-----BEGIN OPENSSH PRIVATE KEY-----\n", True),
        (b"-----BEGIN EC PRIVATE KEY-----", True),
        (b"PuTTY-User-Key-File-3: ssh-ed25519", True),
        (b"-----BEGIN CERTIFICATE-----", False),
        (b"KEY = '-----BEGIN PRIVATE KEY-----'", False),
    ],
)
def test_private_keys_are_known_by_how_they_begin(head: bytes, is_key: bool):
    """A private key is one whatever its name."""
    assert holds_private_key(head) == is_key
