"""A folder -> a package."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from scramjet_client.packages import pack


def folder(root: Path, package: object = None) -> Path:
    (root / "lib").mkdir(parents=True)
    (root / "package.json").write_text(json.dumps(package or {"main": "main.py"}))
    (root / "main.py").write_text("def run(context, input): pass\n")
    (root / "lib" / "ą.txt").write_text("x")
    return root


def test_names_and_contents(tmp_path: Path):
    """package.json is at the root; caches are left out."""
    root = folder(tmp_path / "seq")
    (root / "__pycache__").mkdir()
    (root / "__pycache__" / "main.pyc").write_text("x")

    with tarfile.open(fileobj=io.BytesIO(pack(root)), mode="r:gz") as archive:
        assert archive.getnames() == ["lib/ą.txt", "main.py", "package.json"]
        file = archive.extractfile("main.py")
        assert file is not None
        assert file.read() == b"def run(context, input): pass\n"


def test_same_files_give_the_same_bytes(tmp_path: Path):
    """Times and owners do not show."""
    first, second = folder(tmp_path / "a"), folder(tmp_path / "b")
    os.utime(first / "main.py", (1, 1))

    assert pack(first) == pack(second)


@pytest.mark.parametrize(
    ("text", "words"),
    [(None, "no package.json"), ("{", "not JSON"), ("[]", "no main"), ('{"main": ""}', "no main")],
)
def test_what_is_no_sequence(tmp_path: Path, text: str | None, words: str):
    """A folder that no hub could use is refused before anything is sent."""
    if text is not None:
        (tmp_path / "package.json").write_text(text)

    with pytest.raises(ValueError, match=words):
        pack(tmp_path)
