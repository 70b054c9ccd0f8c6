"""A function -> a package: what travels with it, and what is refused, by name and line."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import enum
import functools
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
import socket
import subprocess
import sys
import textwrap
import threading
import types
import xml.etree.ElementTree
import zipfile
from decimal import Decimal
from os import environ
from pathlib import Path
from random import randint
from typing import Any, Generic, Optional, TypeVar

import pytest

from scramjet_client import Package, PackageWarning
from scramjet_client.packages.package import opened
from scramjet_client.packages.values import expression
from tests.support.waiting import LIMIT
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


def takes_one(context: Any) -> None: ...


def takes_a_keyword(context: Any, input: Any, *, option: int) -> None: ...


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (print, "only a Python function"),
        (lambda context, input: None, "lambda"),
        (Holder().method, "a method"),
        (Holder, "only a Python function"),
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
            (calls, "'local' .*, which is a function of an enclosing function"),
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
    assert printed[1][0].endswith("  package.json")
    assert printed[1][-1] == "upper"
