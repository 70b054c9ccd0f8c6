"""Which files of a folder stay at home: rules as those of a .gitignore, and the ones that always hold."""

from __future__ import annotations

import re
from collections.abc import Iterable

import attrs

IGNORE_FILE = ".siignore"
"""The ignore file of the platform's own command, at the root of a sequence's folder."""

_NEEDLESS = """
.siignore .git .gitignore .gitattributes .hg .svn .DS_Store Thumbs.db
__pycache__ *.py[co] .mypy_cache .pytest_cache .ruff_cache .hypothesis .tox .nox .ipynb_checkpoints
.idea .vscode *.sw[op]
"""

_SECRET = """
.env .env.* *.env .envrc !.env.example !.env.sample !.env.template !.env.dist
.npmrc .yarnrc.yml .netrc _netrc .pypirc .git-credentials .pgpass .my.cnf .htpasswd .dockercfg .s3cfg .boto
.aws .azure .docker .gnupg .kube .ssh
id_rsa id_dsa id_ecdsa id_ecdsa_sk id_ed25519 id_ed25519_sk
*.pem *.key *.p12 *.pfx *.jks *.keystore *.ppk *.kdbx
"""

_PRIVATE_KEY = re.compile(rb"\s*(?:-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY|PuTTY-User-Key-File)")


@attrs.frozen
class _Rule:
    pattern: re.Pattern[str]
    folders_only: bool
    verdict: str


class Rules:
    """Rules in their order; the last one that matches a path decides.

    Verdicts are words: "needless" and "ignored" (left out), "secret" (left out, and that is said),
    "wanted" (a `!` rule takes it in), "" (no rule says anything).
    """

    def __init__(self, lines: Iterable[str] = (), *, node: bool = True) -> None:
        """Make the rules of one folder.

        Args:
            lines: Those of its ignore file; they go before all others.
            node: Whether `node_modules` belongs to the package.
        """
        self._rules: list[_Rule] = []
        self._add(_NEEDLESS.split() + ([] if node else ["node_modules"]), "needless")
        self._add(_SECRET.split(), "secret")
        self._add(lines, "ignored")

    def _add(self, lines: Iterable[str], verdict: str) -> None:
        for line in lines:
            text = _stripped(line)
            if not text or text.startswith("#"):
                continue
            negated = text.startswith("!")
            text = text[negated:]
            folders_only = text.endswith("/")
            pattern = _regex(text.rstrip("/") if folders_only else text)
            self._rules.append(_Rule(pattern, folders_only, "wanted" if negated else verdict))

    def verdict(self, path: str, is_folder: bool) -> str:
        """Return what is said of a path, relative to the folder, with `/` between its parts."""
        for rule in reversed(self._rules):
            if (is_folder or not rule.folders_only) and rule.pattern.fullmatch(path):
                return rule.verdict
        return ""


def holds_private_key(head: bytes) -> bool:
    """Return whether a file that begins so is a private key, whatever it is called."""
    return _PRIVATE_KEY.match(head) is not None


def is_public(name: str, content: bytes) -> bool:
    """Return whether a file named like a key holds certificates or public keys alone, as `cacert.pem` does."""
    return (
        name.endswith((".pem", ".key"))
        and b"-----BEGIN " in content
        and b"PRIVATE KEY" not in content
    )


def _stripped(line: str) -> str:
    """Return a line without its end and the spaces before it; a space after a backslash counts."""
    text = line.rstrip("\r\n")
    while text.endswith(" ") and not text.endswith("\\ "):
        text = text[:-1]
    return text


def _regex(text: str) -> re.Pattern[str]:
    """Return a pattern of .gitignore as a regular expression for whole paths."""
    anchored = "/" in text
    parts = text.lstrip("/").split("/") if anchored else ["**", text]
    found = ""
    for at, part in enumerate(parts):
        last = at == len(parts) - 1
        if part == "**":
            found += ".+" if last else "(?:.*/)?"
        else:
            found += _part(part) + ("" if last else "/")
    return re.compile(found, re.DOTALL)


def _part(text: str) -> str:
    """Return one part of a path pattern, between slashes, as a regular expression."""
    found, at = "", 0
    while at < len(text):
        char = text[at]
        at += 1
        if char == "*":
            found += "[^/]*"
        elif char == "?":
            found += "[^/]"
        elif char == "\\" and at < len(text):
            found += re.escape(text[at])
            at += 1
        elif char == "[" and (end := _class_end(text, at)) > 0:
            found += _class(text[at:end])
            at = end + 1
        else:
            found += re.escape(char)
    return found


def _class_end(text: str, start: int) -> int:
    """Return where the `]` of a `[...]` is, or -1; a `]` that comes first is a member."""
    at = start + (text[start : start + 1] in ("!", "^"))
    return text.find("]", at + 1)


def _class(members: str) -> str:
    negated = members[0] in "!^"
    escaped = re.sub(r"([\\\[\]^&~|])", r"\\\1", members[negated:])
    return f"(?!/)[{'^' if negated else ''}{escaped}]"
