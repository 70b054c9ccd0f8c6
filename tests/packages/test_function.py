"""A function -> a package: what travels with it, and what is refused, by name and line."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import doctest
import enum
import functools
import gzip
import importlib.util
import itertools
import json
import linecache
import logging
import math
import operator
import os.path
import random
import re
import select
import socket
import subprocess
import sys
import textwrap
import threading
import types
import xml.etree.ElementTree
import zipfile
from collections.abc import Callable, Iterable
from decimal import Decimal
from os import environ
from pathlib import Path
from random import randint
from typing import Any, Generic, Optional, TypeVar

import pytest

from scramjet_client import CompletedInstance, Package, PackageWarning, SecretWarning, packages
from scramjet_client.hub import LocalHub
from scramjet_client.packages.package import opened
from scramjet_client.packages.values import expression
from tests.support.waiting import BUILD_LIMIT, LIMIT
from tests.support.wheels import make_wheel

ROOT = Path(__file__).resolve().parents[2]

WORD = re.compile(r"\w+", re.IGNORECASE)
LIMITS = {"most": (1, 2.5, None), "names": frozenset({"b", "a"})}
SINCE = datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc)
PRICE = Decimal("1.50")
LOGGER = logging.getLogger("deployed")
FILE = Path("/data/x.txt")
LOCK = threading.Lock()
COUNTER = itertools.count()
counted = 0


class Base:
    """A class that another one needs."""

    limit: int = LIMITS["most"][0]


@dataclasses.dataclass
class Counter(Base):
    """A class that a function needs."""

    total: int = 0

    def add(self, text: str) -> int:
        self.total += len(WORD.findall(text)) + self.limit
        return self.total


class Refused(Exception):
    """A class without a method."""


def loudly(function: Any) -> Any:
    @functools.wraps(function)
    def wrapped(*args: Any) -> Any:
        return function(*args).upper()

    return wrapped


@loudly
def shout(text: str, times: int = LIMITS["most"][0]) -> str:
    return text * (times + 1)


def even(number: int) -> bool:
    return number == 0 or odd(number - 1)


def odd(number: int) -> bool:
    return number != 0 and even(number - 1)


def whisper(text: str) -> str:
    return text.lower()


hail = loudly(whisper)


def twice(function: Any) -> Any:
    @functools.wraps(function)
    def wrapped(context: Any, input: Any) -> Any:
        for item in function(context, input):
            yield item * 2

    return wrapped


@twice
def decorated(context, input):
    yield hail("Ab")


def undecorated(context, input):
    yield "a"


class Wrapping:
    @staticmethod
    @twice
    def held(context, input):
        yield "a"


wrapped_later = twice(undecorated)
wrapped_again = twice(decorated)


@functools.wraps(undecorated)
def pretends(context, input):
    yield "b"


@functools.cache
def fibonacci(number: int) -> int:
    return number if number < 2 else fibonacci(number - 1) + fibonacci(number - 2)


class Color(enum.Enum):
    RED = 1


alias = even
square = lambda number: number * LIMITS["most"][0] * number  # noqa: E731
Point = collections.namedtuple("Point", "x y")
add_one = functools.partial(operator.add, 1)
RED = Color.RED
T = TypeVar("T")


class Box(Generic[T]):
    @staticmethod
    def count() -> int:
        return super.__name__.count("u")


def uses_what_calls_have_made(context: Any, input: Any) -> Any:
    return [square(3), Point(1, 2).y, add_one(1), RED.value, fibonacci(10), Box.count()]


def run_here(package: Package, tmp_path: Path, code: str) -> Any:
    """Unpack what a function became, and evaluate `code` there in a process that knows nothing of this one.

    The module of the function is `m`.
    """
    there = tmp_path / "there"
    there.mkdir()
    package.save(tmp_path / "p.tar.gz")
    subprocess.run(
        ["tar", "xzf", str(tmp_path / "p.tar.gz"), "-C", str(there)], check=True, timeout=60
    )
    program = f"import json, sequence_source as m; print(json.dumps({code}))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=there,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# -- what travels -----------------------------------------------------------------------------------


def uses_everything(context: Any, input: Optional[list[str]], *args: int) -> Any:
    """A function that uses what scripts have beside their functions."""
    global counted  # noqa: PLW0603 - a script may
    counted = counted + 1
    root = xml.etree.ElementTree.fromstring("<a/>")
    if len(args) > 5:
        raise Refused(next(iter([])))
    return [
        Counter().add("one two"),
        shout("a"),
        alias(4),
        os.path.join("a", "b"),
        root.tag,
        math.floor(2.5),
        "PATH" in environ,
        1 <= randint(1, 2) <= 2,
        sorted(LIMITS["names"]),
        SINCE.isoformat(),
        str(PRICE),
        LOGGER.name,
        str(FILE),
        list(filter(lambda number: number % 2, range(3))),
        counted,
    ]


def test_source_constants_imports_helpers_and_classes_travel(tmp_path: Path):
    """A function runs elsewhere with all of its script that it uses."""
    got = run_here(
        Package.from_function(uses_everything), tmp_path, "m.uses_everything(None, None)"
    )

    assert got == [
        3, "AA", True, os.path.join("a", "b"), "a", 2, True, True, ["a", "b"], "2026-01-02T00:00:00+00:00",
        "1.50", "deployed", "/data/x.txt", [1], 1,
    ]  # fmt: skip


def test_what_is_made_by_a_call_travels(tmp_path: Path):
    """Lambdas, named tuples, partials, members, caches and type variables are made again, by their statement."""
    package = Package.from_function(uses_what_calls_have_made)
    got = run_here(package, tmp_path, "m.uses_what_calls_have_made(None, None)")

    assert got == [9, 2, 2, 1, 55, 1]


def test_only_what_is_used_travels():
    """Nothing else of the script is in the package."""

    def small(context, input):
        return WORD.pattern

    text = source_of(Package.from_function(small))

    assert "LIMITS" not in text
    assert "socket" not in text


def source_of(package: Package) -> str:
    """Return the text of the module that holds the function."""
    (entry,) = [each for each in package.entries if each.name == "sequence_source.py"]
    assert isinstance(entry.source, bytes)
    return entry.source.decode()


def test_names_that_notebooks_add_are_no_builtins(monkeypatch: pytest.MonkeyPatch):
    """`display` is a builtin in a notebook alone, so it is refused."""
    display = types.FunctionType((lambda *_: None).__code__, {})
    display.__module__ = "IPython.core.display_functions"
    monkeypatch.setattr("builtins.display", display, raising=False)

    def shows(context, input):
        return display  # noqa: F821

    del display
    with pytest.raises(ValueError, match="'display'"):
        Package.from_function(shows)


def test_literals_of_enclosing_functions_travel(tmp_path: Path):
    """A closure over constants keeps their values, and texts within it their indentation."""

    def make(greeting: str, numbers: list[int]) -> Any:
        def greet(context, input):
            return (
                f"""{greeting}
  two""",
                sum(numbers),
            )

        return greet

    package = Package.from_function(make("hello", [1, 2]))

    assert run_here(package, tmp_path, "m.greet(None, None)") == ["hello\n  two", 3]


def test_same_function_gives_the_same_bytes():
    """The package of a function depends on its source and values alone, also in another process."""
    code = "import tests.packages.test_function as t, hashlib; from scramjet_client import Package;"
    code += "print(hashlib.sha256(Package.from_function(t.uses_everything).to_bytes()).hexdigest())"
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=LIMIT,
        ).stdout
        for seed in ("1", "2")
    }

    assert len(digests) == 1


def test_package_names_its_function():
    """Name, engine and main file of the package are those of a Python sequence."""
    package = Package.from_function(uses_everything, name="my-name")

    assert package.manifest["name"] == "my-name"
    assert Package.from_function(uses_everything).name == "uses_everything"
    assert list(package.manifest["engines"]) == ["python3"]
    assert package.manifest["main"] in [each.name for each in package.entries]


def test_topics_and_types_of_a_function():
    """`provides`, `requires` and the output type are told to the hub."""

    def talk(context, input):
        yield 1

    talk.provides = {"provides": "topic", "contentType": "application/x-ndjson"}  # type: ignore[attr-defined]
    talk.requires = {"requires": "other", "contentType": "text/plain"}  # type: ignore[attr-defined]
    (main,) = [each for each in Package.from_function(talk).entries if each.name == "main.py"]
    assert isinstance(main.source, bytes)

    assert b"'provides': 'topic', 'contentType': 'application/x-ndjson'" in main.source
    assert b"output_type = 'application/x-ndjson'" in main.source
    assert b"requires = {'requires': 'other'" in main.source


# -- notebooks and scripts --------------------------------------------------------------------------


def cell(text: str, namespace: dict[str, Any], number: int) -> None:
    """Run a cell as a notebook does: source known to linecache alone, names in one namespace."""
    text = textwrap.dedent(text)
    name = f"<ipython-input-{number}-{abs(hash(text))}>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    exec(compile(text, name, "exec"), namespace)


CELLS = [
    "import re\nfrom collections import Counter as C\n\nclass Problem(Exception):\n    pass\n",
    "WORD = re.compile('a+')\nclass Tally:\n    def __init__(self):\n        self.seen = C()\n",
    """
    def count(context, input):
        tally = Tally()
        if input is None:
            raise Problem(1)
        tally.seen.update(WORD.findall(input))
        return dict(tally.seen)
    """,
]


def test_cells_of_a_notebook(tmp_path: Path):
    """A function finds what other cells have defined, classes without methods included."""
    space: dict[str, Any] = {"__name__": "__main__"}
    for number, text in enumerate(CELLS):
        cell(text, space, number)

    package = Package.from_function(space["count"])

    assert run_here(package, tmp_path, "m.count(None, 'a aa a')") == {"a": 2, "aa": 1}
    assert package.manifest["description"] == "Function count of a notebook"


def test_a_cell_that_is_run_again(tmp_path: Path):
    """The latest definition travels."""
    space: dict[str, Any] = {"__name__": "__main__"}
    cell("def helper(): return 1\n", space, 1)
    cell("def f(context, input): return helper()\n", space, 2)
    cell("def helper(): return 2\n", space, 3)

    assert run_here(Package.from_function(space["f"]), tmp_path, "m.f(None, None)") == 2


def test_modules_beside_a_script_travel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A local module is taken along, with the local modules that it imports."""
    (tmp_path / "deploy_one.py").write_text("import json\nfrom deploy_two.inner import value\n")
    (tmp_path / "deploy_two").mkdir()
    (tmp_path / "deploy_two" / "__init__.py").write_text("")
    (tmp_path / "deploy_two" / "inner.py").write_text("value = 5\ndef triple(): return 3 * value\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    space: dict[str, Any] = {"__name__": "__main__"}
    cell("import deploy_one\nfrom deploy_two.inner import triple\n", space, 1)
    cell("def f(context, input): return deploy_one.value, triple()\n", space, 2)

    package = Package.from_function(space["f"])

    assert {each.name for each in package.entries} >= {"deploy_one.py", "deploy_two/inner.py"}
    assert run_here(package, tmp_path, "m.f(None, None)") == [5, 15]
    for name in ("deploy_one", "deploy_two", "deploy_two.inner"):
        monkeypatch.delitem(sys.modules, name)


def test_large_modules_beside_a_script_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A project is no part of a function."""
    (tmp_path / "deploy_large.py").write_text("x = 1\n" + "# ...\n" * 200_000)
    monkeypatch.syspath_prepend(str(tmp_path))
    space: dict[str, Any] = {"__name__": "__main__"}
    cell("import deploy_large\ndef f(context, input):\n    return deploy_large.x\n", space, 1)
    monkeypatch.delitem(sys.modules, "deploy_large")

    with pytest.raises(ValueError, match=r"uses 'deploy_large' \(.*line 3\).*too large"):
        Package.from_function(space["f"])


# -- names ------------------------------------------------------------------------------------------


def top(context: Any, input: Any) -> Any:
    """A function of the name that symtable gives to modules, with locals and a helper of that name."""
    found = [Lambda().top(), Lambda.Inner.top(1)]
    return found + [each for each in [genexpr()]]  # noqa: C416 - a scope of its own


class Lambda:
    top = 3

    class Inner:
        __private = 4

        @staticmethod
        def top(given: int) -> int:
            local = given
            return local + Lambda.Inner.__private

    def top(self) -> int:  # type: ignore[no-redef]  # noqa: F811
        value = 1

        def top() -> int:
            inner = value + 0
            return inner + 0

        return top()


def genexpr() -> int:
    global counted  # noqa: PLW0603 - a script may
    counted = 5
    listcomp = sum(each for each in range(3))
    return listcomp + counted


class Jobs:
    __unit = 2

    @staticmethod
    def job(context: Any, input: Any) -> Any:
        return Jobs.__unit

    class Deep:
        @staticmethod
        def job(context: Any, input: Any) -> Any:
            return 3


def __dunder__(context: Any, input: Any) -> Any:
    return 1


def _(context: Any, input: Any) -> Any:
    return 2


@pytest.mark.parametrize(
    ("function", "result"),
    [
        (top, [1, 5, 8]),
        (__dunder__, 1),
        (_, 2),
        (Jobs.job, 2),
        (Jobs.Deep.job, 3),
    ],
    ids=lambda each: getattr(each, "__qualname__", ""),
)
def test_names_of_any_kind_travel(tmp_path: Path, function: Any, result: Any):
    """Names that Python's own tools use, and functions within classes, are names as any other."""
    package = Package.from_function(function)

    assert run_here(package, tmp_path, f"m.{function.__name__}(None, None)") == result


# -- modules ----------------------------------------------------------------------------------------

FILES = {
    "helper.py": "import second\nVALUE = second.VALUE\n",
    "second.py": "VALUE = 1\n",
    "pack/__init__.py": "",
    "pack/part.py": "VALUE = 1\n",
    "pack/sub/__init__.py": "",
    "pack/sub/deep.py": "VALUE = 1\n",
    "pack/words.txt": "one",
    "pack/.env": "SECRET=1",
    "bare/part.py": "VALUE = 1\n",
    "other/unused.py": "",
}

SCRIPT = """
import importlib, json, sys
from scramjet_client import Package
{before}
def f(context, input):
{body}
try:
    package = Package.from_function(f, **{options})
    package.save("p.tar.gz")
    print(json.dumps([[each.name for each in package.entries], package.warnings]))
except ValueError as error:
    print(json.dumps(str(error)))
"""

MADE = {"main.py", "package.json", "scramjet_adapter.py", "sequence_source.py"}


def packed_by_script(
    folder: Path, body: str, *, before: str = "", options: str = "{}", **environment: str
) -> tuple[set[str], str]:
    """Return what a script beside FILES packs for a function, and its warnings; check that it runs elsewhere."""
    write_files(folder)
    write_script(folder, body, before=before, options=options)
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return read_packed(done.stdout)


def write_files(folder: Path) -> None:
    """Write FILES."""
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def write_script(folder: Path, body: str, *, before: str = "", options: str = "{}") -> None:
    """Write a script that packs a function."""
    indented = textwrap.indent(textwrap.dedent(body).strip(), "    ")
    (folder / "script.py").write_text(SCRIPT.format(before=before, body=indented, options=options))


def read_packed(told: str) -> tuple[set[str], str]:
    """Return the modules that a script has packed, and its warnings or its error."""
    found = json.loads(told)
    if isinstance(found, str):
        return set(), found
    return set(found[0]) - MADE, "\n".join(found[1])


RUN_SCRIPTS = """
import os, runpy, sys
from scramjet_client import Package
for folder in sys.argv[1:]:
    process = os.fork()
    if not process:
        os.chdir(folder)
        sys.path[0], sys.argv = folder, ["script.py"]
        sys.stdout = open("told.json", "w")
        runpy.run_path("script.py", run_name="__main__")
        sys.stdout.close()
        os._exit(0)
    assert os.waitpid(process, 0)[1] == 0, folder
"""
"""Runs scripts as `python script.py` does, each in a process of its own, which has imported the package already."""


def run_scripts(folders: Iterable[Path], **environment: str) -> None:
    """Run the scripts of several folders, whose output is then in `told.json`."""
    if not hasattr(os, "fork"):
        pytest.skip("this system has no fork")
    done = subprocess.run(
        [sys.executable, "-c", RUN_SCRIPTS, *map(str, folders)],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=BUILD_LIMIT,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def run_packed(folder: Path) -> Any:
    """Run what a script has packed, where nothing of its folder can be imported."""
    there = folder / "there"
    there.mkdir()
    subprocess.run(["tar", "xzf", "../p.tar.gz"], cwd=there, check=True, timeout=60)
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import json, sequence_source as m; print(json.dumps(m.f(None, None)))",
        ],
        cwd=there,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


HELPER = {"helper.py", "second.py"}
PACK = {"pack/__init__.py", "pack/part.py", "pack/sub/__init__.py", "pack/sub/deep.py"}


IMPORTED_WITHIN = [
    ("import helper; return helper.VALUE", HELPER),
    ("import helper as h; return h.VALUE", HELPER),
    ("from helper import VALUE; return VALUE", HELPER),
    ("from pack import part; return part.VALUE", PACK),
    ("import pack.sub.deep; return pack.sub.deep.VALUE", PACK),
    ("from pack.sub.deep import VALUE; return VALUE", PACK),
    ("import bare.part; return bare.part.VALUE", {"bare/part.py"}),
    ("import importlib; return importlib.import_module('helper').VALUE", HELPER),
    ("from importlib import import_module; return import_module('pack.part').VALUE", PACK),
    ("return __import__('helper').VALUE", HELPER),
    (
        "try:\n    import helper\nexcept ImportError:\n    helper = None\nreturn helper.VALUE",
        HELPER,
    ),
    ("try:\n    import not_there_x\nexcept ImportError:\n    return 1", set()),
    ("if context is None:\n    import helper\n    return helper.VALUE", HELPER),
    ("def inner():\n    import helper\n    return helper.VALUE\nreturn inner()", HELPER),
    (
        "class C:\n    def m(self):\n        import helper\n        return helper.VALUE\nreturn C().m()",
        HELPER,
    ),
    ("import json, os.path; return 1", set()),
]


@pytest.fixture(scope="module")
def imported_within(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders in which scripts have packed functions with these bodies."""
    folders = {}
    for body, _ in IMPORTED_WITHIN:
        folders[body] = folder = tmp_path_factory.mktemp("script")
        write_files(folder)
        write_script(folder, body)
    run_scripts(folders.values())
    return folders


@pytest.mark.parametrize(("body", "files"), IMPORTED_WITHIN)
def test_modules_imported_within_a_function_travel(
    imported_within: dict[str, Path], body: str, files: set[str]
):
    """An import that only runs with the function takes along the module beside the script, and all that it needs."""
    folder = imported_within[body]

    assert read_packed((folder / "told.json").read_text())[0] == files
    assert run_packed(folder) == 1


@pytest.mark.parametrize(
    "body",
    [
        "from . import part; return part.VALUE",
        "from .part import VALUE; return VALUE",
        "from .  sub . deep import (VALUE,\n    VALUE as V); return V",
        "from . \\\n  import part as p; return p.VALUE",
        "import importlib; return importlib.import_module('.part', __package__).VALUE",
        "x = 'é'; from .sub import deep; from . import part; return deep.VALUE",
    ],
)
def test_relative_imports_within_a_function_travel(tmp_path: Path, body: str):
    """A function of a package finds the parts of its package there as here."""
    write_files(tmp_path)
    indented = textwrap.indent(body, "    ")
    (tmp_path / "pack" / "own.py").write_text(f"def f(context, input):\n{indented}\n")
    code = "from pack.own import f; from scramjet_client import Package; Package.from_function(f).save('p.tar.gz')"
    subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        timeout=60,
    )

    assert run_packed(tmp_path) == 1


def test_helper_that_imports_within_itself(tmp_path: Path):
    """The imports of all functions and methods that travel are looked at."""
    before = "class K:\n    def go(self):\n        import helper\n        return helper.VALUE\ndef g(): return K().go()"
    packed, _ = packed_by_script(tmp_path, "return g()", before=before)

    assert packed == HELPER
    assert run_packed(tmp_path) == 1


def test_only_modules_of_a_package_travel(tmp_path: Path):
    """Data and secrets beside modules stay, and are named; what the user names travels, with `__file__`."""
    packed, told = packed_by_script(tmp_path, "from pack import part; return part.VALUE")

    assert packed == PACK
    assert "as only modules travel with a function: pack/words.txt (name files by include=)" in told
    assert "as these may hold secrets (name them by include= to take them along): pack/.env" in told

    body = "from pathlib import Path\nreturn Path(__file__).with_name('pack').joinpath('words.txt').read_text()"
    packed, told = packed_by_script(tmp_path, body)
    assert "uses '__file__'" in told
    for options, files in (
        ("{'include': ['pack/words.txt']}", {"pack/words.txt"}),
        ("{'include': 'pack/*.txt'}", {"pack/words.txt"}),
        ("{'include': ['pack']}", {*PACK, "pack/words.txt"}),
    ):
        packed, told = packed_by_script(tmp_path, body, options=options)
        assert packed == files
    assert run_packed(tmp_path) == "one"

    assert "include names 'nowhere'" in packed_by_script(
        tmp_path, "return 1", options="{'include': ['nowhere']}"
    )[1]  # fmt: skip


def test_module_that_looks_like_a_secret_is_named(tmp_path: Path):
    """A module that is taken along is looked through, and one with a key in it is named."""
    (tmp_path / "keys.py").write_text("# of the team\nKEY = 'AKIAIOSFODNN7EXAMPLE'\n")
    (tmp_path / "credentials.py").write_text("")
    packed, told = packed_by_script(tmp_path, "import keys, credentials; return 1")

    assert packed == {"keys.py", "credentials.py"}
    assert "though these look like secrets: credentials.py, keys.py" in told


LARGE = "x = 1\n" + "# ...\n" * 300_000


@pytest.mark.parametrize("body", ["import big; return big.x", "return big.x"])
@pytest.mark.parametrize("how", ["PYTHONPATH", "beneath", "pth", "target", "finder"])
def test_what_is_installed_is_not_beside_the_script(tmp_path: Path, body: str, how: str):
    """A module is told apart by how it is reached: installed ones are the hub's to have, whatever their size."""
    script, elsewhere = tmp_path / "script", tmp_path / "elsewhere"
    elsewhere = script / "libraries" if how == "beneath" else elsewhere
    script.mkdir()
    (elsewhere / "big").mkdir(parents=True)
    (elsewhere / "big" / "__init__.py").write_text(LARGE)
    before, environment = "", {}
    if how in ("PYTHONPATH", "beneath"):
        environment = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(elsewhere)])}
    elif how == "pth":
        site = tmp_path / "site-packages"
        site.mkdir()
        (site / "big.pth").write_text(f"{elsewhere}\n")
        before = f"import site; site.addsitedir({str(site)!r})\n"
    elif how == "target":
        (elsewhere / "big-1.dist-info").mkdir()
        (elsewhere / "big-1.dist-info" / "RECORD").write_text("big/__init__.py,,\n")
        before = f"sys.path.append({str(elsewhere)!r})\n"
    else:
        before = (
            "import importlib.util as u\n"
            f"spec = u.spec_from_file_location('big', {str(elsewhere / 'big' / '__init__.py')!r})\n"
            "sys.modules['big'] = u.module_from_spec(spec); spec.loader.exec_module(sys.modules['big'])\n"
        )
    before += "import big" * body.startswith("return")

    packed, told = packed_by_script(script, body, before=before, **environment)

    assert packed == set()
    assert "f imports big, which the hub's Python must have" in told


@pytest.mark.parametrize("pythonpath", [".", "here"])
def test_folder_of_the_script_on_the_path_is_still_its_own(tmp_path: Path, pythonpath: str):
    """PYTHONPATH=. does not make installed modules of those beside the script."""
    given = str(tmp_path) if pythonpath == "here" else "."
    packed, _ = packed_by_script(
        tmp_path, "import helper; return 1", PYTHONPATH=os.pathsep.join([str(ROOT), given])
    )

    assert packed == HELPER


def test_module_that_is_nowhere_is_named(tmp_path: Path):
    """A function that imports what is not even here is told of before it crashes there."""
    _, told = packed_by_script(tmp_path, "import not_there_x; return 1")

    assert "f imports not_there_x, which the hub's Python must have" in told


# -- values from elsewhere --------------------------------------------------------------------------


FROM_ELSEWHERE = [
    ("import os\nV = os.environ['HOME']", "the environment"),
    ("import os\nV = os.environ.get('HOME', 'x')", "the environment"),
    ("from os import getenv as g\nV = g('HOME')", "the environment"),
    ("import os\nA = os.getenv('HOME')\nV = f'{A}/x'", "the environment"),
    ("import os\nV = dict(os.environ)['HOME'] or 1", "the environment"),
    ("import os\ndef load(): return os.environ['HOME']\nV = load()", "the environment"),
    ("import os\nif True:\n    V, W = os.environ['HOME'], 1", "the environment"),
    ("import os\nV: str = os.environ['HOME']", "the environment"),
    ("import os\nV = [v for v in [os.environ['HOME']]]", "the environment"),
    ("import os\nV = {'a': os.getenv('HOME')}", "the environment"),
    ("import os\nV = (h := os.getenv('HOME'))", "the environment"),
    ("from given import V", "the environment"),
    ("from given import *", "the environment"),
    ("import subprocess, sys\nV = subprocess.check_output([sys.executable, '-V'])", "another program"),
    ("with open('script.py') as file:\n    V = file.read(9)", "a file"),
    ("from pathlib import Path\nV = Path('script.py').read_text()[:9]", "a file"),
    ("import json\nV = json.load(open('v.json'))", "a file"),
    ("import sys\nV = sys.argv[0]", "the command line"),
    ("import getpass\ngetpass.getpass = lambda: 'x'\nV = getpass.getpass()", "a prompt"),
    ("API_TOKEN = 'x'; V = API_TOKEN + 'y'; del API_TOKEN\nV = 'AKIAIOSFODNN7EXAMPLE'", "looks like a secret"),
    ("V = 'postgres://me:hunter22@db.example/x'", "looks like a secret"),
    ("V = {'db': [{'password': 'x'}]}", "looks like a secret"),
    ("V = 'prefix ' + 'from-the-environment'", "looks like a secret"),
    ("V = bytearray(b'postgres://me:hunter22@db.example/x')", "looks like a secret"),
    ("import re\nV = re.compile('postgres://me:hunter22@db.example/x')", "looks like a secret"),
    ("import pathlib\nV = pathlib.Path('AKIAIOSFODNN7EXAMPLE')", "looks like a secret"),
    ("V = {'AKIAIOSFODNN7EXAMPLE': 1}", "looks like a secret"),
    ("V = {('x', b'AKIAIOSFODNN7EXAMPLE'): 1}", "looks like a secret"),
    ("V = {'db': {'passphrase': b'x'}}", "looks like a secret"),
    ("V = 'Server=x;User Id=sa;Password=Sup3rSecret;'", "looks like a secret"),
]  # fmt: skip

SECRET_NAMES = [
    "TOKEN", "API_KEY", "api_key", "DB_PASSWORD", "clientSecret", "passwd", "AUTH", "PGPASSWORD",
    "DB_PASS", "dbpass", "SIGNING_KEY", "encryptionKey", "FERNET_KEY", "JWT", "CONNECTION_STRING",
    "conn_str", "WEBHOOK_URL", "secretKeys", "session_cookie", "AWS_KEY",
]  # fmt: skip

PLAIN = [
    "V = 'x'", "V = 3", "import re\nV = re.compile('token')", "tokens = 5; V = tokens", "V = ('a', 'b')",
    "PASSAGE = 'a b'; V = PASSAGE", "compass = 'n'; V = compass", "KEY = 'name'; V = KEY", "V = {'key': 'name'}",
    "V = 'the password: choose one'", "V = len('open')",
    "import os\nHOME = os.environ['HOME']\nV = 'other'", "V = None", "V = 'see https://example.org/a:b@c'"
]  # fmt: skip

SCRIPTS = {
    **{before: ("V", before) for before in (*(each for each, _ in FROM_ELSEWHERE), *PLAIN)},
    **{name: (name, f"{name} = 'abc'") for name in SECRET_NAMES},
}
"""What a script returns from its function, and what stands before the function."""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What scripts are told when their function is packed."""
    folders = {}
    for name, (result, before) in SCRIPTS.items():
        folders[name] = folder = tmp_path_factory.mktemp("script")
        (folder / "given.py").write_text("import os\nV = os.environ['HOME']\n")
        (folder / "v.json").write_text("[1]")
        write_script(folder, f"return {result}", before=before)
    run_scripts(folders.values(), MY_TOKEN="from-the-environment")
    return {
        name: read_packed((folder / "told.json").read_text())[1] for name, folder in folders.items()
    }


@pytest.mark.parametrize(("before", "words"), FROM_ELSEWHERE)
def test_value_from_elsewhere_is_told_of(told: dict[str, str], before: str, words: str):
    """A value that came from outside of the program, or looks like a secret, does not travel without a word."""
    assert words in told[before]
    assert "f uses 'V' (" in told[before]
    assert "deploy with env=['V'] and start with app_config={'V': ...} instead" in told[before]


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_secret_names_are_told_of(told: dict[str, str], name: str):
    """A constant with the name of a secret is one."""
    assert f"f uses {name!r}" in told[name]


@pytest.mark.parametrize("before", PLAIN)
def test_other_values_are_not_told_of(told: dict[str, str], before: str):
    """A plain constant gives no warning."""
    assert told[before] == ""


def test_closures_over_the_environment_are_told_of(monkeypatch: pytest.MonkeyPatch):
    """What an enclosing function took from the environment, or was given of it, travels with a word too."""
    monkeypatch.setenv("SOME_TOKEN", "abcdefgh")
    home = os.environ["HOME"]

    def first(context, input):
        return home

    def make(given: str) -> Any:
        def second(context, input):
            return given

        return second

    assert "first uses 'home'" in Package.from_function(first).warnings[0]
    assert "second uses 'given'" in Package.from_function(make("abcdefgh")).warnings[0]
    with pytest.warns(SecretWarning, match="'home'"), opened(Package.from_function(first)):
        pass


def test_variables_that_stay_here(tmp_path: Path):
    """`env` keeps values at home, and names nothing that is not used."""
    before = "import os\nSECRET = os.environ['HOME']\nOTHER = 1"
    _, told = packed_by_script(
        tmp_path, "return SECRET", before=before, options="{'env': ['SECRET']}", HOME="/the/home"
    )
    data = (tmp_path / "p.tar.gz").read_bytes()

    assert told == ""
    assert b"/the/home" not in gzip.decompress(data)
    for options, words in (("{'env': 'OTHER'}", "'OTHER'"), ("{'env': ['NOWHERE']}", "'NOWHERE'")):
        _, told = packed_by_script(tmp_path, "return SECRET", before=before, options=options)
        assert f"env names {words}, and f uses no variable of that name" in told
    for before in (
        "V = 1\ndef g(x=V): return x",
        "V = 1\nclass G:\n    x = V\ndef g(): return G",
        "V = 1\ndef d(x):\n    return lambda f: f\n@d(V)\ndef g(): return 1",
    ):
        _, told = packed_by_script(tmp_path, "return g()", before=before, options="{'env': ['V']}")
        assert "uses 'V' (" in told
        assert "already when it is defined" in told
    with pytest.raises(TypeError, match="env must be a list of names"):
        Package.from_function(shows_nothing, env={"A": "1"})


def shows_nothing(context: Any, input: Any) -> None: ...


def test_secret_in_the_source_is_told_of():
    """A key that is written in the function itself is seen by its shape."""

    def leaks(context, input):
        return "AKIAIOSFODNN7EXAMPLE"

    assert "the source of leaks holds something" in Package.from_function(leaks).warnings[0]


# -- requirements -----------------------------------------------------------------------------------


def test_modules_that_the_hub_must_have_are_named():
    """A third-party module that is in no requirement is a warning when it is sent."""
    space: dict[str, Any] = {"__name__": "__main__"}
    cell("import attrs, json\ndef f(context, input): return attrs, json\n", space, 1)
    package = Package.from_function(space["f"])

    with pytest.warns(PackageWarning, match="f imports attrs, which the hub's Python must have"):
        with opened(package):
            pass


def test_requirements_of_a_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What pip installs travels, and no warning is left."""
    wheel = make_wheel(tmp_path, "tiny_dep", "VALUE = 3\n")
    site = tmp_path / "site-packages"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    monkeypatch.syspath_prepend(str(site))
    space: dict[str, Any] = {"__name__": "__main__"}
    cell("import tiny_dep\ndef f(context, input): return tiny_dep.VALUE\n", space, 1)
    monkeypatch.delitem(sys.modules, "tiny_dep")

    with Package.from_function(space["f"], requirements=[str(wheel)]) as package:
        names = {each.name for each in package.entries}

    assert package.warnings == ()
    assert {"__pypackages__/tiny_dep/__init__.py", "main.py", "_scramjet_entry.py"} <= names


# -- what cannot travel -----------------------------------------------------------------------------


class Holder:
    def method(self, context: Any, input: Any) -> None: ...

    @classmethod
    def made(cls, context: Any, input: Any) -> None: ...

    def __call__(self, context: Any, input: Any) -> None: ...


def takes_one(context: Any) -> None: ...


def takes_a_keyword(context: Any, input: Any, *, option: int) -> None: ...


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (print, "only a Python function"),
        (lambda context, input: None, "lambda"),
        (Holder().method, r"a method of a Holder; write `def name\(context, input, \*args\): ...`"),
        (Holder.method, "Holder.method is a method"),
        (Holder.made, "a method of the class Holder"),
        (Holder(), "an object of class Holder"),
        (Holder, "only a Python function"),
        (functools.lru_cache(takes_one), "only a Python function"),
        (functools.partial(takes_one), "only a Python function"),
        (3, "only a Python function"),
        (takes_one, r"must take \(context, input, \*args\)"),
        (takes_a_keyword, r"must take \(context, input, \*args\)"),
    ],
)
def test_what_is_no_function(function: Any, words: str):
    """Only a function of the right arguments can be deployed."""
    with pytest.raises(TypeError, match=words):
        Package.from_function(function)


HOLDER = Holder()
sock = socket.socket
instance = Counter()
METHOD = HOLDER.method


def uses_lock(context: Any, input: Any) -> None:
    with LOCK:
        pass


def uses_counter(context: Any, input: Any) -> Any:
    return next(COUNTER)


def uses_instance(context: Any, input: Any) -> Any:
    return instance.total


def uses_method(context: Any, input: Any) -> Any:
    return METHOD(context, input)


def uses_file_name(context: Any, input: Any) -> Any:
    return Path(__file__).parent


def uses_nothing_known(context: Any, input: Any) -> Any:
    return not_there  # type: ignore[name-defined]  # noqa: F821


def helped(context: Any, input: Any) -> Any:
    return uses_lock(context, input)


@pytest.mark.parametrize(
    ("function", "user", "name", "words"),
    [
        (uses_lock, uses_lock, "LOCK", "a lock"),
        (uses_counter, uses_counter, "COUNTER", "a count"),
        (uses_instance, uses_instance, "instance", "a Counter"),
        (uses_method, uses_method, "METHOD", "a method of a Holder"),
        (uses_file_name, uses_file_name, "__file__", "folder does not travel"),
        (uses_nothing_known, uses_nothing_known, "not_there", "no value"),
        (helped, uses_lock, "LOCK", "a lock"),
    ],
)
def test_what_cannot_travel(function: Any, user: Any, name: str, words: str):
    """The refusal names the function, the variable, the file and the line."""
    with pytest.raises(ValueError, match=words) as caught:
        Package.from_function(function)

    line = user.__code__.co_firstlineno + 1
    assert str(caught.value).startswith(
        f"{user.__name__} uses {name!r} ({__file__}, line {line}), "
    )


def test_open_files_sockets_and_local_functions_cannot_travel(tmp_path: Path):
    """What an enclosing function holds is refused unless it is a constant."""

    def local() -> int:
        return 1

    with (tmp_path / "x").open("w") as file, socket.socket() as connection:

        def writes(context, input):
            file.write("x")

        def sends(context, input):
            connection.send(b"x")

        def calls(context, input):
            return local()

        for function, words in (
            (writes, "'file' .*, which is an open file of an enclosing function"),
            (sends, "'connection' .*, which is a socket of an enclosing function"),
            (calls, "'local' .*, which is a function of an enclosing function .*functools.wraps"),
        ):
            with pytest.raises(ValueError, match=words):
                Package.from_function(function)


def test_two_values_of_one_name_cannot_travel():
    """A name that means two things in the parts of a program is refused."""
    LIMITS = "mine"

    def mixes(context, input):
        return LIMITS, shout("x")

    with pytest.raises(ValueError, match=r"'LIMITS' .* with another value"):
        Package.from_function(mixes)


@pytest.mark.parametrize("function", [wrapped_later, wrapped_again, pretends])
def test_a_wrapper_that_no_source_names_is_refused(function: Any):
    """What would travel is the function without its wrapper, which does something else."""
    with pytest.raises(TypeError, match=r"wrapped after it was defined.*decorate it with @"):
        Package.from_function(function)


def test_wrappers_travel():
    """A decorator travels, and so does a call that wraps a function that is used."""
    names: dict[str, Any] = {}
    exec(source_of(Package.from_function(decorated)), names)

    assert list(names["decorated"](None, [])) == ["ABAB"]

    exec(source_of(Package.from_function(Wrapping.held)), names)

    assert list(names["held"](None, [])) == ["aa"]


def test_function_without_source():
    """A function that exec made of a text that is nowhere is refused."""
    space: dict[str, Any] = {}
    exec("def f(context, input): pass", space)

    with pytest.raises(ValueError, match="source is not there"):
        Package.from_function(space["f"])


@pytest.mark.parametrize(
    "changed",
    [
        "def f(context, input):\n    return 2\n",
        "def f(context, other):\n    return 1\n",
        "def g(context, input):\n    return 1\n\n\ndef f(context, input):\n    return 1\n",
        "f = 3\n",
    ],
)
def test_file_that_has_changed_since(tmp_path: Path, changed: str):
    """A function whose file has been edited after it was loaded is refused, not sent as something else."""
    file = tmp_path / "edited.py"
    file.write_text("def f(context, input):\n    return 1\n")
    spec = importlib.util.spec_from_file_location("edited", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    file.write_text(changed)
    linecache.checkcache()

    with pytest.raises(ValueError, match="not its source any more"):
        Package.from_function(module.f)


GIVEN = """
class Tally:
    def add(self, text):
        return len(text)

def helper(text):
    return Tally().add(text)

def f(context, input):
    return helper("abc")
"""


def test_source_that_is_given(tmp_path: Path):
    """A function that exec has made travels by the text that made it; another text is refused."""
    space: dict[str, Any] = {"__name__": "made"}
    exec(GIVEN, space)

    package = Package.from_function(space["f"], source=GIVEN)

    assert run_here(package, tmp_path, "m.f(None, None)") == 3
    for text in (
        "def f(context, input): return 4",
        "x = 1",
        "def f(:",
        GIVEN.replace("abc", "abd"),
    ):
        with pytest.raises(ValueError, match="source= must be the text of its definition"):
            Package.from_function(space["f"], source=text)


def test_indented_source_that_is_given(tmp_path: Path):
    """The text may be indented, as one within a program is."""
    space: dict[str, Any] = {}
    exec("def f(context, input):\n    return 4\n", space)
    text = """
        def f(context, input):
            return 4
    """

    package = Package.from_function(space["f"], source=text)

    assert run_here(package, tmp_path, "m.f(None, None)") == 4


def test_examples_of_a_doctest(tmp_path: Path):
    """A function of a docstring's example travels, with what the examples before it define."""
    saved = str(tmp_path / "d.tar.gz")
    text = f"""
    >>> class Tally:
    ...     start = 2
    >>> def helper(x):
    ...     return x + Tally.start
    >>> def f(context, input):
    ...     return helper(3)
    >>> from scramjet_client import Package
    >>> Package.from_function(f).save({saved!r})
    """
    test = doctest.DocTestParser().get_doctest(text, {}, "example", None, 0)
    result = doctest.DocTestRunner().run(test, out=print)
    (tmp_path / "there").mkdir()
    subprocess.run(["tar", "xzf", saved], cwd=tmp_path / "there", check=True, timeout=60)

    assert result.failed == 0
    assert b"start = 2" in (tmp_path / "there" / "sequence_source.py").read_bytes()


TYPED = """
import re
from scramjet_client import Package
WORD = re.compile("a+")
class Tally:
    def __init__(self): self.seen = 0
    def add(self, text):
        self.seen += len(WORD.findall(text))
        return self.seen

def f(context, input):
    return "an earlier one"

square = lambda number: number * number
def helper(text):
    return Tally().add(text) + square(2)

def make(more):
    def inner(context, input):
        return more
    return inner

def f(context, input, marks=(1,
    2)):
    found = []
    found.append(helper("a b aa"))
    found.append(helper("a b aa"))
    if not found:
        return None
    else:
        return [*found, *marks]

Package.from_function(f).save("typed.tar.gz")
Package.from_function(make(5)).save("closure.tar.gz")
"""


def test_functions_typed_at_a_plain_prompt(tmp_path: Path):
    """At the prompt of every Python, a function that was typed travels with all that was typed beside it."""
    env = {
        **{key: value for key, value in os.environ.items() if key != "PYTHONSTARTUP"},
        **{"TERM": "dumb", "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
        **{"PYTHON_BASIC_REPL": "1", "INPUTRC": "/dev/null"},
    }
    here, there = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-q"], stdin=there, stdout=there, stderr=there, cwd=tmp_path, env=env
    ) as prompt:
        os.close(there)
        told = until_prompt(here)
        for line in TYPED.strip("\n").splitlines():
            os.write(here, line.encode() + b"\n")
            told += until_prompt(here)
        os.write(here, b"exit()\n")
        assert prompt.wait(60) == 0, told
    os.close(here)

    assert "Error" not in told
    for name, code, result in (
        ("typed", "m.f(None, None)", [6, 6, 1, 2]),
        ("closure", "m.inner(0, 0)", 5),
    ):
        folder = tmp_path / f"of-{name}"
        folder.mkdir()
        subprocess.run(["tar", "xzf", f"../{name}.tar.gz"], cwd=folder, check=True, timeout=60)
        command = [sys.executable, "-c", f"import sequence_source as m; print({code})"]
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=60, check=True
        )
        assert done.stdout.strip() == str(result)


def until_prompt(terminal: int) -> str:
    """Read what a terminal shows up to the next prompt; it is given a minute."""
    told = b""
    while not told.endswith((b">>> ", b"... ")):
        ready, _, _ = select.select([terminal], [], [], 60)
        assert ready, told
        told += os.read(terminal, 65536)
    return told.decode()


def test_prompt_without_a_history_names_the_cure(tmp_path: Path):
    """Where nobody keeps what was typed, the refusal says what to do."""
    typed = "from scramjet_client import Package\ndef f(context, input): return 1\n\nPackage.from_function(f)\n"
    done = subprocess.run(
        [sys.executable, "-i"],
        input=typed,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHON_BASIC_REPL": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    if sys.version_info < (3, 13):  # which keeps it
        assert "typed at a plain prompt (<stdin>); give its text by source=..." in done.stderr


@pytest.mark.parametrize(
    ("file", "frozen", "said"),
    [
        ("<console>", False, r"typed at a prompt of `code\.interact` \(<console>\)"),
        ("<string>", False, r"made by exec or python -c \(<string>\)"),
        ("app.py", True, r"compiled into a frozen program \(app\.py\)"),
    ],
)
def test_why_there_is_no_source(
    file: str, frozen: bool, said: str, monkeypatch: pytest.MonkeyPatch
):
    """The refusal of a function without a source says where the function came from."""
    monkeypatch.setattr(sys, "frozen", frozen, raising=False)
    space: dict[str, Any] = {}
    exec(compile("def f(context, input): return 1\n", file, "exec"), space)

    with pytest.raises(ValueError, match=said):
        Package.from_function(space["f"])


def test_large_values_are_data():
    """A value that is too large to be written into a program is refused."""
    table = list(range(300_000))

    def looks(context, input):
        return table[3]

    with pytest.raises(ValueError, match=r"'table' .* too large"):
        Package.from_function(looks)


def test_asserts_that_pytest_has_rewritten_travel(tmp_path: Path):
    """A function that something has added to, as pytest does to asserts, is still its source."""

    def checked(context, input):
        assert context is None, "must be None"
        return 1

    assert run_here(Package.from_function(checked), tmp_path, "m.checked(None, None)") == 1


# -- values -----------------------------------------------------------------------------------------


def value_of(text: str) -> Any:
    return eval(text, {})


@pytest.mark.parametrize(
    "value",
    [
        None, True, 0, -1.5, 1e400, 2j, "ą\n'\"", b"\x00", bytearray(b"x"), ..., range(3), (), (1,), [1, [2]], {},
        {"a": {1, 2}}, set(), frozenset(), frozenset({1}), re.compile(b"x", re.DOTALL), Decimal("NaN").copy_abs(),
        datetime.date(2026, 1, 2), datetime.timedelta(days=1), datetime.time(1), Path("a/b"),
        datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone(datetime.timedelta(hours=2))),
    ],
    ids=repr,
)  # fmt: skip
def test_values_are_written_down_as_they_are(value: Any):
    """What is written down makes an equal value of the same type."""
    text = expression(value)
    assert text is not None
    made = value_of(text)

    assert type(made) is type(value)
    assert repr(made) == repr(value)


def test_values_that_are_more_than_they_look():
    """A subclass, an object, and a list that holds itself are not written down."""

    class Text(str):
        __slots__ = ()

    itself: list[Any] = []
    itself.append(itself)

    for value in (
        Text("x"),
        object(),
        itself,
        [object()],
        {"a": object()},
        types.SimpleNamespace(),
    ):
        assert expression(value) is None


def test_random_values_survive():
    """Random nested values come out equal."""
    chance = random.Random(4)

    def make(depth: int) -> Any:
        kind = chance.randrange(6 if depth else 3)
        if kind < 3:
            return chance.choice(
                [chance.random(), chance.randrange(99), str(chance.random()), None]
            )
        items = [make(depth - 1) for _ in range(chance.randrange(4))]
        return {3: items, 4: tuple(items), 5: {str(n): each for n, each in enumerate(items)}}[kind]

    for _ in range(200):
        value = make(4)
        text = expression(value)
        assert text is not None
        assert value_of(text) == value


# -- the document -----------------------------------------------------------------------------------


def test_examples_of_the_document_run(tmp_path: Path):
    """The programs of docs/packages.md do what they say."""
    text = (ROOT / "docs" / "packages.md").read_text("utf-8")
    programs = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    printed = []
    for number, program in enumerate(programs):
        file = tmp_path / f"example_{number}.py"
        file.write_text(program, "utf-8")
        done = subprocess.run(
            [sys.executable, "-W", "error", file.name],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout.splitlines())

    assert printed[0] == ["hello Ann!", "hello Bob!"]
    assert printed[1] == ["1", "21", "321"]
    assert printed[2] == ["asked with for tests"]
    assert printed[3][0].endswith("  package.json")
    assert printed[3][-1] == "upper"


@pytest.mark.parametrize(("seed", "different"), [("", 2), ("random.seed(7)", 1)])
def test_adapter_lifts_the_seed_of_the_framework(seed: str, different: int):
    """Where a runner has imported the framework, each run still has random numbers of its own."""
    text = (
        f"import random, scramjet.streams\n{seed}\nimport scramjet_adapter\nprint(random.random())"
    )
    folder = Path(packages.__file__).parent / "on_hub"
    found = {
        subprocess.run(
            [sys.executable, "-c", text], cwd=folder, capture_output=True, check=True, timeout=60
        ).stdout
        for _ in range(2)
    }

    assert len(found) == different


class Flag(enum.Flag):
    A = 1


class Enum(enum.Enum):
    A = 1


def flags(_context: Any, _input: Any) -> Any:
    return [Flag.A.value, Enum.A.value]


def test_enums_named_as_their_bases(tmp_path: Path):
    """The source of an enum is the user's, not that of a class of the standard library with the same name."""
    package = Package.from_function(flags)

    assert run_here(package, tmp_path, "m.flags(None, None)") == [1, 1]


# -- the lines of a traceback -----------------------------------------------------------------------


def fails_at_marked_line(context: Any, input: Any) -> Any:
    raise KeyError("a line")  # the line


def fails_in_helper(context: Any, input: Any) -> Any:
    yield "one"
    fails_below(1)


def fails_below(number: int) -> None:
    if number:
        raise KeyError("a line")  # below


class FailsInside:
    """A class."""

    @functools.lru_cache(4)  # noqa: B019 - a decorator, which has a line
    def method(self) -> None:
        """Fail."""
        raise KeyError("a line")  # in a class


def fails_in_a_class(context: Any, input: Any) -> Any:
    FailsInside().method()


def _nested() -> Any:
    def fails_nested(context: Any, input: Any) -> Any:
        text = """
        a string
"""
        raise KeyError(text and "a line")  # nested

    return fails_nested


def _line_with(comment: str, text: str | None = None) -> int:
    text = text or Path(__file__).read_text("utf-8")
    return next(at for at, line in enumerate(text.split("\n"), 1) if line.endswith(f"# {comment}"))


def run_on_a_hub(function: Any) -> CompletedInstance:
    with LocalHub() as hub, hub.client() as host:
        return host.deploy(function).run(b"", timeout=LIMIT)


@pytest.mark.filterwarnings("ignore::scramjet_client.PackageWarning")
@pytest.mark.parametrize(
    ("function", "comment"),
    [
        (fails_at_marked_line, "the line"),
        (fails_in_helper, "below"),
        (fails_in_a_class, "in a class"),
        (_nested(), "nested"),
    ],
)
def test_traceback_has_the_lines_of_the_users_file(function, comment):
    """An error names the file and the line that the user sees, with the text of that line."""
    ended = run_on_a_hub(function)

    line = _line_with(comment)
    assert ended.cause is not None
    assert (ended.cause.file, ended.cause.line) == ("test_function.py", line)
    assert f'  File "test_function.py", line {line}, in ' in ended.traceback
    assert f"# {comment}\n" in ended.traceback
    assert b"sequence_source" not in ended.stderr + ended.log


def test_traceback_has_the_lines_of_the_cell():
    """Of a notebook, it names the cell by its number and the line within that cell."""
    names: dict[str, Any] = {}
    cell("\n\ndef helper(x):\n    return int(x)  # in the cell\n", names, 31)
    cell("# a comment\n\ndef bad(context, input):\n    helper('x')\n", names, 32)

    ended = run_on_a_hub(names["bad"])

    assert ended.cause is not None
    assert (ended.cause.file, ended.cause.line) == ("In [31]", 4)
    assert "return int(x)  # in the cell" in ended.traceback
    assert "File \"In [32]\", line 4, in bad\n    helper('x')" in ended.traceback


def test_package_does_not_name_the_folder():
    """The bytes of a package do not depend on the folder of the script."""
    package = Package.from_function(fails_at_marked_line)

    (main,) = [each for each in package.entries if each.name == "main.py"]
    assert isinstance(main.source, bytes)
    assert str(Path(__file__).parent).encode() not in main.source


def counting() -> Callable[..., Any]:
    count = 5

    def count_on(context: Any, input: Any) -> Any:
        nonlocal count
        count += 1
        yield str(count)

    return count_on


def counting_inside(context: Any, input: Any) -> Any:
    count = 5

    def one_more() -> int:
        nonlocal count
        count += 1
        return count

    yield str(one_more())


def test_variable_that_a_closure_changes():
    """A `nonlocal` of an enclosing function is refused with its name; one of its own function travels."""
    with pytest.raises(
        ValueError, match=r"count_on uses 'count' .*`nonlocal`, so it cannot travel"
    ):
        Package.from_function(counting())
    Package.from_function(counting_inside).close()
