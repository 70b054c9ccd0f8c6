"""Profiles, tokens and completion: what the command knows before it asks a hub."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from scramjet_client import HostClient
from scramjet_client.cli import profile
from scramjet_client.hub import LocalHub
from tests.cli.conftest import Command, Started
from tests.cli.test_commands import document


def test_profiles(scramjet: Command, hub: LocalHub, home: Path, monkeypatch: pytest.MonkeyPatch):
    """A profile is made, chosen, used by commands, shown, and removed once it is not in use."""
    monkeypatch.delenv("SCRAMJET_API_URL")
    assert scramjet("profile", "list").text.split() == ["NAME", "IN", "USE", "WHERE"]
    scramjet("profile", "create", "lab", "--url", hub.url, "--use")
    scramjet("profile", "create", "other", "--url", "http://127.0.0.1:1/api/v1")

    assert document(scramjet("hub", "info", "--json").text)["url"] == hub.url
    rows = [line.split() for line in scramjet("profile", "list").text.splitlines()[1:]]
    assert rows == [["lab", "*", hub.url], ["other", "http://127.0.0.1:1/api/v1"]]
    scramjet("profile", "rm", "lab", code=1)
    assert scramjet("profile", "use", "other").text == "other\n"
    assert document(scramjet("profile", "show", "--json").text)["name"] == "other"
    scramjet("profile", "rm", "lab")
    assert not (home / ".si" / "profiles" / "lab.json").exists()
    assert ((home / ".si" / "profiles" / "other.json").stat().st_mode & 0o777) == 0o600
    scramjet("hub", "info", "--json", code=69)
    scramjet("-u", hub.url, "hub", "info")


def test_profile_that_cannot_be_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """If Windows refuses to replace a file that is open, the old one stays, and nothing lies beside it."""

    def refuse(self: Path, target: Path) -> None:
        raise PermissionError(errno.EACCES, "in use", str(target))

    path = tmp_path / "profiles" / "lab.json"
    profile._write(path, {"a": 1})
    before = path.read_bytes()
    monkeypatch.setattr(Path, "replace", refuse)

    with pytest.raises(PermissionError):
        profile._write(path, {"a": 2})

    assert [each.name for each in path.parent.iterdir()] == ["lab.json"]
    assert path.read_bytes() == before
    assert b"\r" not in before


def test_a_variable_is_not_called_an_option(scramjet: Command, monkeypatch: pytest.MonkeyPatch):
    """An error about SCRAMJET_API_URL speaks of no `--url`, which nobody has given."""
    monkeypatch.setenv("SCRAMJET_API_URL", "nonsense")
    said = scramjet("inst", "list", code=78).err

    assert "SCRAMJET_API_URL can't be used: it must be" in said
    assert "--url" not in said


def test_a_token_is_never_shown(scramjet: Command, home: Path):
    """No command prints the token of a profile, a variable or an option, broken profiles included."""
    folder = home / ".si" / "profiles"
    folder.mkdir(parents=True)
    secret = "s3cr3t-of-these-tests"
    good = {"env": "production", "middlewareApiUrl": "http://127.0.0.1:1", "token": secret}
    (folder / "good.json").write_text(json.dumps(good))
    (folder / "bad.json").write_text('{"token": "s3cr3t-of-these-tests"')

    said = [
        scramjet("profile", "list"),
        scramjet("profile", "show", "good"),
        scramjet("profile", "show", "good", "--json"),
        scramjet("profile", "show", "bad", code=78),
        scramjet("--token", secret, "hub", "doctor"),
        scramjet("--debug", "--token", secret, "hub", "info"),
    ]

    assert "set" in said[1].text
    assert all(secret not in each.text + each.err for each in said)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script(scramjet: Command, shell: str):
    """`completion` prints a script that calls this command."""
    assert f"_SCRAMJET_COMPLETE={shell}_complete" in scramjet("completion", shell).text


def completed(scramjet: Command, patch: pytest.MonkeyPatch, line: str) -> list[str]:
    """Return what bash is offered at the end of a line."""
    patch.setenv("_SCRAMJET_COMPLETE", "bash_complete")
    patch.setenv("COMP_WORDS", line)
    patch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
    offered = scramjet()
    patch.delenv("_SCRAMJET_COMPLETE")
    return [each.partition(",")[2] for each in offered.text.splitlines() if each]


def test_completion_of_words(scramjet: Command, monkeypatch: pytest.MonkeyPatch):
    """Groups and commands are completed."""
    assert completed(scramjet, monkeypatch, "scramjet in") == ["inst"]
    assert completed(scramjet, monkeypatch, "scramjet inst st") == [
        "stderr",
        "stdin",
        "stdout",
        "stop",
    ]


def test_completion_of_ids(
    scramjet: Command, start: Started, host: HostClient, monkeypatch: pytest.MonkeyPatch
):
    """Ids and names on the hub are completed, and nothing where it is away."""
    id = start("idle").id
    host.create_topic("names")

    assert completed(scramjet, monkeypatch, f"scramjet inst info {id[:4]}") == [id]
    assert completed(scramjet, monkeypatch, "scramjet topic get na") == ["names"]
    away = "scramjet -u http://127.0.0.1:1/api/v1 inst info "
    assert completed(scramjet, monkeypatch, away) == []
