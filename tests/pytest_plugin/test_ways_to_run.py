"""The pytest plugin with what people run pytest by: -x, --lf, xdist, --pdb, and a debugger in the program."""

from __future__ import annotations

import os
import sys

import pytest

from tests.support.pages import ROOT, code_blocks
from tests.support.waiting import eventually

pytest_plugins = ["pytester"]

GUIDE = ROOT / "docs" / "testing.md"

THREE = """
async def number(context, input):
    async for chunk in input:
        yield str(int(chunk))

def test_one(scramjet_instance):
    assert scramjet_instance(number).run("1", type="text/plain", timeout=60).output == b"1"

def test_two(scramjet_instance):
    assert scramjet_instance(number).run("two", type="text/plain", timeout=60).output == b"2"

def test_three(scramjet_instance):
    assert scramjet_instance(number).run("3", type="text/plain", timeout=60).output == b"3"
"""

ERROR = "ValueError: invalid literal for int() with base 10: 'two'"


def run(project: pytest.Pytester, *args: str, stdin: bytes = b"") -> pytest.RunResult:
    """Run the project's tests, with somebody at the keyboard."""
    return project.run(sys.executable, "-m", "pytest", *args, stdin=stdin, timeout=250)


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project of three tests, the second of which fails, with no hub named by the environment."""
    for variable in ("SCRAMJET_TEST_HUB_URL", "SCRAMJET_API_URL", "SCRAMJET_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
    # A worker of xdist is no surrounding for a controller of xdist.
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    pytester.makepyfile(THREE)
    return pytester


def test_first_failure_ends_the_run(project: pytest.Pytester) -> None:
    """With `-x` the run ends after the test that failed, with its report."""
    result = run(project, "-x")

    result.assert_outcomes(passed=1, failed=1)
    assert ERROR in result.stdout.str()


def test_last_failures_run_again_alone(project: pytest.Pytester) -> None:
    """With `--lf` the test that failed runs alone, on a hub of its own, and passes once its program is mended."""
    run(project).assert_outcomes(passed=2, failed=1)
    path = project.path / "test_last_failures_run_again_alone.py"
    path.write_text(path.read_text().replace('run("two"', 'run("2"'))

    run(project, "--lf").assert_outcomes(passed=1)


def test_reports_of_workers_come_whole(project: pytest.Pytester) -> None:
    """With xdist a worker's report has what its instances said."""
    result = run(project, "-n", "2")

    result.assert_outcomes(passed=2, failed=1)
    result.stdout.re_match_lines([r"-+ ?scramjet instance \S+ \(crashed, exit code \d+\)"])
    assert ERROR in result.stdout.str()


def test_instances_of_a_worker_that_dies_die_with_it(project: pytest.Pytester) -> None:
    """When a worker of xdist is gone without a word, its hub takes its instances along, and another worker goes on."""
    project.makepyfile("""
        import os

        def program(context, input):
            print(os.getpid(), flush=True)
            return input

        def test_dies(scramjet_instance):
            process = scramjet_instance(program).get_stream("stdout").readline()
            open("process", "wb").write(process.strip())
            os._exit(1)

        def test_lives(scramjet_instance):
            assert scramjet_instance(program).get_stream("stdout").readline()
    """)

    result = run(project, "-n", "1", "-k", "dies or lives")

    result.assert_outcomes(passed=1, failed=1)
    process = (project.path / "process").read_text()
    eventually(lambda: _gone(int(process)))


def _gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


def test_debugger_of_pytest_finds_all_there(project: pytest.Pytester) -> None:
    """With `--pdb` the program's error is told before the prompt, where hub and instance still answer."""
    asked = b"p 'the hub has %d' % len(scramjet_instance._host.list_instances())\nc\n"

    text = run(project, "--pdb", stdin=asked).stdout.str()

    assert text.index(ERROR) < text.index("entering PDB") < text.index("'the hub has 1'")


DEBUGGED = """
async def total(context, input):
    async for chunk in input:
        numbers = [int(each) for each in chunk.split()]
        breakpoint()
        yield str(sum(numbers))
"""


def test_debugger_in_the_program_has_the_terminal(project: pytest.Pytester) -> None:
    """With `-s` and `attach()`, as the guide has it, a `breakpoint()` of the program is answered from the keyboard."""
    code = next(code for _, code in code_blocks(GUIDE, "python") if "# debugged.py" in code)
    (project.path / "debugged.py").write_text(code)

    result = run(project, "-s", "debugged.py", stdin=b"p numbers\nc\n")

    result.assert_outcomes(passed=1)
    assert "(Pdb) [1, 2]" in result.stdout.str()


def test_program_that_waits_in_its_debugger_is_told(project: pytest.Pytester) -> None:
    """A test that waits for a program in its debugger fails by its limit, and its report says what to do."""
    project.makepyfile(
        DEBUGGED
        + """
def test_total(scramjet_instance):
    instance = scramjet_instance(total)
    stdout = instance.get_stream("stdout")
    instance.send_input("1 2", type="text/plain", end=True)
    while b"(Pdb)" not in stdout.read1():
        pass
    assert False
"""
    )

    result = run(project, "-k", "total")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["the program waits in its debugger: run pytest with -s,*"])
