"""What is written does not destroy what is read, and nothing is lost because a target can't be opened."""

# ruff: noqa: SIM115 - the calls under test are given open files

from __future__ import annotations

import contextlib
import os
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scramjet_client import (
    HostClient,
    InstanceClient,
    Package,
    ScramjetError,
    SequenceClient,
    SequenceNotFoundError,
)
from scramjet_client._common.files import Given, NewFile, Reading
from scramjet_client.hub import LocalHub
from tests.support.waiting import LIMIT

TEXT = "hello\n" * 1000

needs_links = pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
needs_full = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has none")


def shout(context: Any, input: Any) -> Iterator[str]:
    yield from (text.upper() for text in input)


@pytest.fixture(scope="module")
def hub() -> Iterator[LocalHub]:
    with LocalHub() as hub:
        yield hub


@pytest.fixture
def host(hub: LocalHub) -> Iterator[HostClient]:
    with hub.client() as host:
        yield host


@pytest.fixture
def sequence(host: HostClient) -> SequenceClient:
    return host.deploy(shout)


@pytest.fixture
def instance(sequence: SequenceClient) -> Iterator[InstanceClient]:
    instance = sequence.start()
    yield instance
    with contextlib.suppress(ScramjetError):
        instance.kill()


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder with a file, and with links to it."""
    monkeypatch.chdir(tmp_path)
    Path("f").write_text(TEXT)
    Path("other").write_text("other")
    with contextlib.suppress(OSError):
        os.symlink("f", "link")
        os.link("f", "hard")
    return tmp_path


@pytest.mark.parametrize(
    "call",
    [
        lambda run, opened: run(Path("f"), output="f"),
        lambda run, opened: run(Path("f"), output=Path("f").resolve()),
        lambda run, opened: run(opened(open("f", "rb")), output="f"),
        lambda run, opened: run(opened(open("f")), output="f"),
        lambda run, opened: run(opened(open("f")), json=True, output="f"),
        lambda run, opened: run(b"", stdin=Path("f"), output="f"),
        lambda run, opened: run(Path("f"), output=opened(open("f", "ab"))),
        lambda run, opened: run(Path("f"), output=opened(open("f", "a"))),
        pytest.param(lambda run, opened: run(Path("f"), output="link"), marks=needs_links),
        pytest.param(lambda run, opened: run(Path("link"), output="f"), marks=needs_links),
        pytest.param(lambda run, opened: run(Path("hard"), output="f"), marks=needs_links),
    ],
)  # fmt: skip
@pytest.mark.parametrize("who", ["sequence", "instance"])
def test_output_is_not_the_input(
    host: HostClient,
    sequence: SequenceClient,
    instance: InstanceClient,
    call: Callable[..., Any],
    who: str,
):
    """`run` refuses an output that is its input, before anything is emptied or started."""
    before = len(host.list_instances())
    run = sequence.run if who == "sequence" else instance.run
    with (
        contextlib.ExitStack() as stack,
        pytest.raises(ValueError, match=r"can't be sent.*name another"),
    ):
        call(run, stack.enter_context)

    assert Path("f").read_text() == TEXT
    assert len(host.list_instances()) == before


@pytest.mark.parametrize("way", ["submit", "send", "active"])
def test_pipe_to_does_not_replace_what_was_sent(instance: InstanceClient, way: str):
    """The output of a program does not replace the file that the program has got, and may be read elsewhere."""
    upload = instance.submit_input(Path("f"), end=True) if way != "send" else None
    if way == "send":
        instance.send_input(Path("f"), end=True)
    with instance.get_stream("output") as stream:
        if way == "submit" and upload is not None:
            upload.result(LIMIT)
        with pytest.raises(ValueError, match="target would replace 'f'"):
            stream.pipe_to("f")
        assert Path("f").read_text() == TEXT
        assert stream.pipe_to("new") == len(TEXT)

    assert Path("new").read_text() == TEXT.upper()


def test_sent_file_may_be_replaced_by_another_program(
    sequence: SequenceClient, instance: InstanceClient
):
    """A file that was sent to one program takes the output of another, and a changed one that of the same."""
    instance.send_input(Path("f"), end=True)
    sequence.run(b"x\n", output="f")
    assert Path("f").read_text() == "X\n"
    instance.get_stream("output").pipe_to("f")

    assert Path("f").read_text() == TEXT.upper()


def test_followed_file_is_not_sent(instance: InstanceClient):
    """A file that an output will replace is not sent to that program, and stays."""
    following = instance.follow(output="f")
    with pytest.raises(ValueError, match=r"output of .* would replace it"):
        instance.send_input(Path("f"), end=True)
    instance.kill()
    with contextlib.suppress(Exception):
        following.wait(LIMIT)
    following.close()

    assert Path("f").read_text() == TEXT


@pytest.mark.parametrize(
    "streams",
    [
        lambda opened: {"output": "f", "log": "f"},
        lambda opened: {"stdout": "f", "stderr": Path("f")},
        lambda opened: {"output": "f", "stdout": opened(open("f", "ab"))},
        lambda opened: {"output": opened(open("f", "ab")), "stdout": "f"},
        pytest.param(lambda opened: {"output": "f", "log": "link"}, marks=needs_links),
        pytest.param(lambda opened: {"output": "f", "log": "hard"}, marks=needs_links),
    ],
)
def test_two_streams_in_one_file(instance: InstanceClient, streams: Callable[..., Any]):
    """Two streams that would overwrite each other in a file are refused, and the file stays."""
    with contextlib.ExitStack() as stack:
        given = streams(stack.enter_context)
        with pytest.raises(ValueError, match=r"would overwrite each other.*a file for each"):
            instance.follow(**given)

    assert Path("f").read_text() == TEXT


def test_two_followers_of_one_file(instance: InstanceClient):
    """A file that one `follow` writes is refused to another one, and free when that has ended."""
    with instance.follow(output="f"), pytest.raises(ValueError, match="overwrite each other"):
        instance.follow(log="f")
    instance.follow(log="f").close()


def test_one_open_file_for_two_streams(instance: InstanceClient):
    """Streams share a file that the caller has opened, and devices."""
    with open("f", "ab") as file, instance.follow(output=file, stdout=file):
        pass
    with instance.follow(output=os.devnull, log=os.devnull):
        pass


@pytest.mark.parametrize("target", ["f", "new"])
@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda seq, to, _: seq.run(Path("missing"), output=to), FileNotFoundError),
        (lambda seq, to, _: seq.run(Path(), output=to), OSError),
        (lambda seq, to, _: seq.run(b"", stdin=Path("missing"), output=to), FileNotFoundError),
        (lambda seq, to, _: seq.run(5, output=to), TypeError),
        (lambda _, to, instance: instance.run(Path("missing"), output=to), FileNotFoundError),
        (lambda _, to, instance: instance.follow(output=to, log="none/x"), FileNotFoundError),
        (
            lambda seq, to, _: SequenceClient("x" * 36, seq).run(b"", output=to),
            SequenceNotFoundError,
        ),
    ],
)
def test_target_stays_if_nothing_runs(
    sequence: SequenceClient,
    instance: InstanceClient,
    call: Callable[..., Any],
    error: type[Exception],
    target: str,
):
    """If nothing can be sent or read, the target is neither emptied nor made."""
    with pytest.raises(error):
        call(sequence, target, instance)

    assert Path("f").read_text() == TEXT
    assert not Path("new").exists()


@pytest.mark.parametrize("input", [Path("missing"), b"x\n"])
def test_no_instance_begins_without_its_files(
    host: HostClient, sequence: SequenceClient, input: Any
):
    """Without its input, or a place for its output, no instance is started."""
    before = len(host.list_instances())
    with pytest.raises(FileNotFoundError):
        sequence.run(input, output="none/x" if isinstance(input, bytes) else "new")

    assert len(host.list_instances()) == before


@pytest.mark.parametrize(("data", "came"), [(b"x\n", "X\n"), (b"", "")])
def test_target_is_made_anew(sequence: SequenceClient, data: bytes, came: str):
    """A run replaces all of the file, also if nothing comes."""
    sequence.run(data, output="f")

    assert Path("f").read_text() == came


def test_closed_follow_makes_the_file_anew(instance: InstanceClient):
    """A file has nothing of an earlier run when `follow` was closed before anything came."""
    instance.follow(output="f").close()

    assert Path("f").read_text() == ""


@needs_full
@pytest.mark.parametrize(
    "target", [lambda: "/dev/full", lambda: open("/dev/full", "wb", 0), lambda: open("/dev/full", "w")]
)  # fmt: skip
def test_write_errors_name_the_file(sequence: SequenceClient, target: Callable[[], Any]):
    """An error of writing says which file can't be written."""
    file = target()
    with pytest.raises(OSError, match="/dev/full") as raised:
        sequence.run(b"x\n", output=file)
    with contextlib.suppress(OSError, AttributeError):
        file.close()

    assert raised.value.filename == "/dev/full"


# -- packages -----------------------------------------------------------------------------------------


@pytest.fixture
def folder(here: Path) -> Path:
    folder = here / "pkg"
    folder.mkdir()
    (folder / "main.py").write_text("def run(context, input):\n    yield 'x'\n")
    (folder / "data.gz").write_bytes(b"\x1f\x8b no package")
    (folder / "package.json").write_text(
        '{"name": "p", "main": "main.py", "engines": {"python3": ">=3.9"}}'
    )
    (folder / "requirements.txt").write_text("")
    return folder


@pytest.mark.parametrize(
    "name", ["main.py", "package.json", "data.gz", "requirements.txt", "../alone.py", "../link.py"]
)
def test_save_replaces_no_source(folder: Path, name: str):
    """`Package.save` refuses each file that the package is made of."""
    Path("alone.py").write_text("def run(context, input): pass\n")
    with contextlib.suppress(OSError):
        os.symlink("alone.py", "link.py")
    source = Path("alone.py") if name.startswith("..") else folder
    before = {each: each.read_bytes() for each in (folder / name, *folder.iterdir())}
    with pytest.raises(ValueError, match=r"would replace .*name another file"):
        Package(source).save(folder / name)

    assert {each: each.read_bytes() for each in before} == before


def test_save_replaces_no_requirements(folder: Path):
    """The file of the requirements is part of what the package is made of."""
    with Package("pkg/main.py", requirements="pkg/requirements.txt") as package:
        with pytest.raises(ValueError, match="its requirements"):
            package.save("pkg/requirements.txt")


def test_package_of_a_function_spares_its_script(here: Path, monkeypatch: pytest.MonkeyPatch):
    """The script of a packed function is not replaced."""
    Path("script.py").write_text("def run(context, input):\n    yield 'x'\n")
    monkeypatch.syspath_prepend(str(here))
    monkeypatch.delitem(sys.modules, "script", raising=False)
    import script  # type: ignore[import-not-found]  # noqa: PLC0415

    with pytest.raises(ValueError, match="would replace the program"):
        Package.from_function(script.run).save("script.py")


def test_package_is_without_the_one_before(folder: Path):
    """A package that is saved into its own folder again is the same, without the older one."""
    Package(folder).save(folder / "out.tar.gz")
    first = (folder / "out.tar.gz").read_bytes()
    package = Package(folder)
    package.save(folder / "out.tar.gz")
    with tarfile.open(folder / "out.tar.gz") as archive:
        names = archive.getnames()

    assert (folder / "out.tar.gz").read_bytes() == first
    assert "out.tar.gz" not in names
    assert "out.tar.gz" in [row.name for row in package.preview() if row.size is None]


def test_package_that_cannot_be_made_replaces_nothing(folder: Path):
    """If a file is gone by now, the older package stays."""
    Path("p.tar.gz").write_text("older")
    package = Package(folder)
    (folder / "main.py").unlink()
    with pytest.raises(FileNotFoundError):
        package.save("p.tar.gz")

    assert Path("p.tar.gz").read_text() == "older"


def test_package_is_not_written_into_its_own_file(folder: Path):
    """`write_to` refuses a file of the package too."""
    package = Package(folder)
    with open(folder / "data.gz", "r+b") as file, pytest.raises(ValueError, match="another file"):
        package.write_to(file)


# -- the registry -------------------------------------------------------------------------------------


def test_registry_forgets():
    """What is closed, or gone, is in nobody's way."""
    reading = Reading("f")
    with pytest.raises(ValueError, match="is being sent"):
        NewFile("f", "output")
    reading.close()
    new = NewFile("f", "output")
    with pytest.raises(ValueError, match="would replace it"):
        Reading("f")
    new.close()
    Reading("f")  # is not kept
    with open("f", "rb") as file:
        Given(file, "output")
    NewFile("f", "output").close()

    assert Path("f").read_text() == TEXT


def test_failed_uploads_are_forgotten(instance: InstanceClient, sequence: SequenceClient):
    """The file of an upload that was refused may be replaced."""
    instance.send_input(b"", end=True)
    with pytest.raises(ValueError, match="ended"):
        instance.send_input(Path("f"))
    sequence.run(b"x\n", output="f")

    assert Path("f").read_text() == "X\n"
