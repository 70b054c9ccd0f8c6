"""The suite itself: what it claims is decided by the order of events, and what it shortens is an argument.

A limit that only a hang reaches is `tests.support.waiting.LIMIT`; a lower bound of a duration is fine.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.sources import sources

TESTS = Path(__file__).parent
ENOUGH = 30.0
"""Seconds that no working program takes, however slow its machine is."""

CLOCKS = {"monotonic", "perf_counter", "time", "process_time", "thread_time", "monotonic_ns",
          "perf_counter_ns", "time_ns", "process_time_ns", "thread_time_ns"}  # fmt: skip
DURATIONS = {"elapsed", "took", "seconds", "duration"}
"""Names of what a clock has measured, wherever that was."""

WAITS = {"wait", "wait_closed", "accepted", "wait_for"}
"""Methods that return whether something happened in time."""

ENDS = {"join", "communicate"}
"""Methods that wait for an end that comes by itself."""

FILES = [path for path in sources(TESTS, ".py") if "sequences" not in path.relative_to(TESTS).parts]


class Reader:
    """Finds in one file what decides by the clock."""

    def __init__(self, source: str) -> None:
        self._tree = ast.parse(source)
        self._numbers = self._constants()
        self._measured: set[str] = set()
        self._measuring: set[str] = set()
        before = -1
        while before != len(self._measured) + len(self._measuring):
            before = len(self._measured) + len(self._measuring)
            self._learn()

    def _constants(self) -> dict[str, float]:
        found = {}
        for node in self._tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                value = self._plain(node.value)
                if value is not None:
                    found[node.targets[0].id] = value
        return found

    @staticmethod
    def _plain(node: ast.AST) -> float | None:
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            return float(node.value)
        return None

    def _number(self, node: ast.AST) -> float | None:
        if isinstance(node, ast.Name):
            return self._numbers.get(node.id)
        return self._plain(node)

    def _learn(self) -> None:
        """Learn which names hold durations, and which functions return one."""
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Assign) and self._is_duration(node.value):
                for target in node.targets:
                    self._measured |= {
                        each.id if isinstance(each, ast.Name) else each.attr
                        for each in ast.walk(target)
                        if isinstance(each, (ast.Name, ast.Attribute))
                    } - {"self"}
            if isinstance(node, ast.FunctionDef) and any(
                isinstance(each, ast.Return) and each.value and self._is_duration(each.value)
                for each in ast.walk(node)
            ):
                self._measuring.add(node.name)

    def _is_duration(self, node: ast.AST) -> bool:
        """Return whether an expression is the time between two looks at a clock, or holds one."""
        if isinstance(node, (ast.Tuple, ast.List)):
            return any(map(self._is_duration, node.elts))
        if isinstance(node, ast.BinOp):
            clock = isinstance(node.op, ast.Sub) and self._is_clock(node.left)
            return clock or self._is_duration(node.left) or self._is_duration(node.right)
        if isinstance(node, ast.Call):
            name = self._name(node.func)
            inner = name in ("min", "max", "abs", "sorted", "sum", "float", "approx")
            return name in self._measuring or (inner and any(map(self._is_duration, node.args)))
        if isinstance(node, ast.Subscript):
            # Of `freed[0] - began`, where a list holds looks at the clock.
            return isinstance(node.slice, ast.Constant) and node.slice.value in DURATIONS
        return self._name(node) in self._measured | DURATIONS

    def _is_clock(self, node: ast.AST) -> bool:
        if isinstance(node, ast.Call):
            return self._name(node.func) in CLOCKS
        # A look that was kept: `ended_at - began`.
        return any(
            isinstance(each, ast.Assign)
            and isinstance(each.value, ast.Call)
            and self._name(each.value.func) in CLOCKS
            and ast.dump(each.targets[0]).replace("Store", "Load") == ast.dump(node)
            for each in ast.walk(self._tree)
        ) or (isinstance(node, ast.Subscript) and self._name(node.value) in self._kept_looks())

    def _kept_looks(self) -> set[str | None]:
        """Return the lists to which looks at a clock are added."""
        return {
            self._name(node.func.value)
            for node in ast.walk(self._tree)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "append"
            and node.args
            and isinstance(node.args[0], ast.Call)
            and self._name(node.args[0].func) in CLOCKS
        }

    @staticmethod
    def _name(node: ast.AST) -> str | None:
        if isinstance(node, ast.Name):
            return node.id
        return node.attr if isinstance(node, ast.Attribute) else None

    def upper_bounds(self) -> Iterator[int]:
        """Yield the lines on which a duration must be short, or a wait must succeed soon."""
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Compare):
                sides = [node.left, *node.comparators]
                for left, operator, right in zip(sides, node.ops, sides[1:]):
                    if self._is_upper(left, operator, right):
                        yield node.lineno
            elif (isinstance(node, ast.Assert) and self._waits(node.test, WAITS)) or (
                isinstance(node, ast.Expr) and self._waits(node.value, ENDS)
            ):
                yield node.lineno

    def _is_upper(self, left: ast.expr, operator: ast.cmpop, right: ast.expr) -> bool:
        if isinstance(operator, (ast.Gt, ast.GtE)):
            left, right = right, left
        elif isinstance(operator, ast.Eq):
            return isinstance(right, ast.Call) and self._name(right.func) == "approx" and (
                self._is_duration(left)
            )  # fmt: skip
        elif not isinstance(operator, (ast.Lt, ast.LtE)):
            return False
        bound = self._number(right)
        return bound is not None and bound < ENOUGH and self._is_duration(left)

    def _waits(self, node: ast.AST, methods: set[str]) -> bool:
        """Return whether a call waits for seconds that a slow machine may need."""
        if not isinstance(node, ast.Call) or self._name(node.func) not in methods:
            return False
        given = [*node.args[:1], *(each.value for each in node.keywords if each.arg == "timeout")]
        return any((self._number(each) or ENOUGH) < ENOUGH for each in given)

    def patches(self) -> Iterator[int]:
        """Yield the lines on which a constant of the package is replaced by its path."""
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Call) and self._name(node.func) == "setattr":
                names = [
                    each.value
                    for each in node.args[:2]
                    if isinstance(each, ast.Constant) and isinstance(each.value, str)
                ]
                last = names[-1].rpartition(".")[2] if names else ""
                module = names[:1] == [last] and isinstance(node.args[0], ast.Name)
                if (module or (names[:1] and names[0].startswith("scramjet_client"))) and (
                    last.lstrip("_").isupper()
                ):
                    yield node.lineno
            elif isinstance(node, ast.Assign):
                for target in node.targets:
                    of = getattr(getattr(target, "value", None), "id", "self")
                    if of != "self" and getattr(target, "attr", "").lstrip("_").isupper():
                        yield node.lineno


def test_no_claim_is_decided_by_the_clock():
    """No test fails because something took less than 30 s, but more than its author's machine did."""
    found = [
        f"{path.relative_to(TESTS.parent)}:{line}"
        for path in FILES
        for line in Reader(path.read_text("utf-8")).upper_bounds()
    ]

    assert found == []


def test_no_constant_is_patched():
    """What a test shortens is an argument or a setting, not a constant that is found by its path."""
    found = [
        f"{path.relative_to(TESTS.parent)}:{line}"
        for path in FILES
        for line in Reader(path.read_text("utf-8")).patches()
    ]

    assert found == []


BY_THE_CLOCK = [
    "assert time.monotonic() - began < 0.1",
    "assert 0.3 <= time.monotonic() - began <= 2",
    "assert 5 > perf_counter() - began",
    "took = time.time() - began\nassert took < 3",
    "seconds = [1.0]\nassert min(seconds) < 0.5",
    "assert result.seconds < 20",
    "assert result['seconds'] < 20",
    "def f():\n    return time.monotonic() - began\nassert f() < 5",
    "def f():\n    return time.monotonic() - began, 1\nlong, found = f()\nassert long < 5",
    "LIMIT = 3\nassert time.monotonic() - began < LIMIT",
    "freed.append(time.monotonic())\nassert freed[0] - began < 0.1",
    "after = time.monotonic()\nassert after - began < 0.1",
    "assert time.monotonic() - began == pytest.approx(8, abs=1.5)",
    "assert closed.wait(1)",
    "thread.join(5)",
    "process.communicate(timeout=5)",
]
NOT_BY_THE_CLOCK = [
    "assert time.monotonic() - began >= 0.3",
    "assert 0.3 < time.monotonic() - began",
    "assert 55 < time.monotonic() - began < 100",
    "assert time.monotonic() < deadline",
    "assert len(got) < 5",
    "assert closed.wait(LIMIT)",
    "assert not closed.wait(0.2)",
    "thread.join()",
    "LIMIT = 60\nassert time.monotonic() - began < LIMIT",
    "', '.join(names)",
]


@pytest.mark.parametrize("code", BY_THE_CLOCK)
def test_what_decides_by_the_clock_is_found(code: str):
    """The reader finds each form of an upper bound."""
    assert list(Reader(code).upper_bounds())


@pytest.mark.parametrize("code", NOT_BY_THE_CLOCK)
def test_what_does_not_is_left_alone(code: str):
    """Lower bounds, long limits and waits that must not succeed are no upper bounds."""
    assert list(Reader(code).upper_bounds()) == []


@pytest.mark.parametrize(
    "code",
    [
        'monkeypatch.setattr("scramjet_client._transport.IDLE_LIMIT", 0.1)',
        'monkeypatch.setattr(_lifetime, "_SETTLE", 0.3)',
        "_at_exit.EXIT_GRACE = 1.0",
    ],
)
def test_patches_are_found(code: str):
    """The reader finds each form of a patched constant."""
    assert list(Reader(code).patches())
