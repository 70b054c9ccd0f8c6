"""The pytest plugin, in projects of users whose pytest is a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scramjet_client import HostClient
from scramjet_client.integrations.pytest_hub import readable_log
from tests.support.hubs import open_hub
from tests.support.real_hub import RealHub
from tests.support.releases import installed

pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parent.parent.parent
OLDEST = ["pytest==7.0.0"]

SHOUT = """
async def shout(context, input, mark=""):
    async for chunk in input:
        yield chunk.upper() + mark
"""

USE = (
    SHOUT
    + """
def test_function(scramjet_instance):
    completed = scramjet_instance(shout, "!").run("hello", type="text/plain", timeout=60)
    assert completed.output == b"HELLO!"

def test_left_by_the_other(scramjet_host):
    assert scramjet_host.list_sequences() == []
    assert scramjet_host.list_instances() == []
"""
)

FAILING = """
import sys

def program(context, input):
    print("this was printed")
    print("this went wrong", file=sys.stderr, flush=True)
    context.logger.warning("this was logged")
    context.emit("ready", 1)
    return input

def test_it(scramjet_instance):
    instance = scramjet_instance(program)
    instance.get_event("ready", timeout=60)
    assert False, "because"
"""


def run(project: pytest.Pytester, *args: str) -> pytest.RunResult:
    """Run the project's tests."""
    return project.runpytest_subprocess("-p", "no:cacheprovider", *args, timeout=250)


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """An empty project, with no hub named by the environment."""
    for variable in ("SCRAMJET_TEST_HUB_URL", "SCRAMJET_API_URL", "SCRAMJET_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
    return pytester


def test_functions_run_and_are_gone_after_the_test(project: pytest.Pytester) -> None:
    """A function of the test file runs as an instance, and the next test finds an empty hub."""
    project.makepyfile(USE)

    run(project).assert_outcomes(passed=2)


def test_folders_files_and_packages_run(project: pytest.Pytester) -> None:
    """A folder, a Python file, the path of a package, and a sequence are started as well."""
    folder = project.mkdir("program")
    (folder / "package.json").write_text(
        '{"name": "echo", "main": "main.py", "engines": {"python3": ">=3.9"}}'
    )
    (folder / "main.py").write_text("def run(context, input):\n    return input\n")
    project.makepyfile("""
        import pytest
        from pathlib import Path
        from scramjet_client import Package

        def folder(host):
            return Path("program")

        def file(host):
            return "program/main.py"

        def package(host):
            Package("program").save("program.tar.gz")
            return "program.tar.gz"

        def sequence(host):
            return host.send_sequence("program")

        @pytest.mark.parametrize("make", [folder, file, package, sequence])
        def test_it(make, scramjet_host, scramjet_instance):
            instance = scramjet_instance(make(scramjet_host))
            completed = instance.run("hello", type="text/plain", timeout=60)
            assert completed.output == b"hello"
    """)

    run(project).assert_outcomes(passed=4)


def test_failed_test_shows_what_its_instances_said(project: pytest.Pytester) -> None:
    """The report of a failed test has a section for each of stdout, stderr and log."""
    project.makepyfile(FAILING)

    result = run(project)

    result.assert_outcomes(failed=1)
    result.stdout.re_match_lines(
        [
            r"-+ scramjet stdout of instance \S+ \(running\) -+",
            "this was printed",
            r"-+ scramjet stderr of instance \S+ \(running\) -+",
            "this went wrong",
            r"-+ scramjet log of instance \S+ \(running\) -+",
            ".*this was logged.*",
        ]
    )


READERS = {
    "nobody": "pass",
    "run": 'instance.run("five\\n", type="text/plain", timeout=60)',
    "streams": "for name in NAMES: instance.get_stream(name, idle_timeout=1).read(5)",
    "lines": "for name in NAMES: next(instance.get_stream(name).lines())",
    "follow": "instance.follow(stdout=HEARD, stderr=HEARD, log=HEARD).wait(60)",
    "two at once": "one = instance.follow(log=HEARD); instance.follow(log=HEARD).wait(60); one.wait(60)",
    "attach": "instance.attach(stdin=None, stdout=HEARD, stderr=HEARD, log=HEARD)",
    "another client": "another(instance.id).run('five\\n', type='text/plain', timeout=60)",
    "another process": "elsewhere(instance.id)",
    "multiplexer": "list(Multiplexer([instance.get_stream(name) for name in NAMES[:2]]))",
}
"""Who reads the streams of a program that fails, in the words of a test."""

HEARD = {"nobody", "run", "follow", "two at once", "attach", "another client", "multiplexer"}
"""Those of them that a hub is not needed for to know what they have read: who reads all, in this process."""


@pytest.mark.parametrize(
    "given", [False, pytest.param(True, marks=pytest.mark.long)], ids=["own", "given"]
)
def test_report_has_the_program_s_words_whoever_read_them(
    project: pytest.Pytester, given: bool
) -> None:
    """A test that fails because its program did shows error, end, stdout, stderr and log, whoever has read them."""
    readers = {way: code for way, code in READERS.items() if not given or way in HEARD}
    project.makepyfile(f"""
        import subprocess, sys
        import pytest
        from scramjet_client import HostClient, Multiplexer

        NAMES, HEARD = ("stdout", "stderr", "log"), lambda line: None

        async def program(context, input):
            print("this was printed", flush=True)
            print("this went wrong", file=sys.stderr, flush=True)
            context.logger.warning("this was logged")
            async for chunk in input:
                yield int(chunk)

        @pytest.mark.parametrize("way", {list(readers.values())!r}, ids={list(readers)!r})
        def test_it(way, scramjet_hub, scramjet_instance):
            def another(id):
                return HostClient(scramjet_hub.url, token=scramjet_hub.token).get_instance_client(id)

            def elsewhere(id):
                code = "import sys; from scramjet_client import *;" \\
                    "InstanceClient(sys.argv[1], HostClient(sys.argv[2], token=sys.argv[3])).run(timeout=60)"
                command = [sys.executable, "-c", code, id, scramjet_hub.url, scramjet_hub.token]
                subprocess.run(command, check=True)

            instance = scramjet_instance(program)
            if "run(" not in way:
                instance.submit_input("five\\n", type="text/plain", end=True)
            exec(way, {{**globals(), **locals()}})
            instance.wait(60)
            assert False
    """)

    with contextlib.ExitStack() as stack:
        url = ["--scramjet-hub-url", stack.enter_context(open_hub()).url] if given else []
        result = run(project, "-W", "ignore", *url)

    result.assert_outcomes(failed=len(readers))
    reports = re.split(r"\n_+ test_it\[(.*?)\] _+\n", result.stdout.str())[1:]
    found = {
        way: [
            len(
                re.findall(
                    rf"^- ?scramjet {title} .*\(crashed, exit code \d+\)", report, re.MULTILINE
                )
            )
            for title in ("instance", "stdout of", "stderr of", "log of")
        ]
        + [
            report.count(f"\n{line}\n")
            for line in ("this was printed", "this went wrong", "WARN this was logged")
        ]
        + [bool(re.search(r"scramjet instance .*\nValueError: invalid literal", report))]
        for way, report in zip(reports[::2], reports[1::2])
    }
    assert found == {way: [1, 1, 1, 1, 1, 1, 1, True] for way in readers}


@pytest.mark.parametrize("when", ["setup", "teardown"])
def test_report_of_a_fixture_that_fails_has_it_too(project: pytest.Pytester, when: str) -> None:
    """An instance that a fixture starts and asks is reported where that fixture fails."""
    project.makepyfile(f"""
        import pytest

        def program(context, input):
            context.logger.warning("this was logged")
            raise LookupError("no such thing")

        @pytest.fixture
        def asked(scramjet_instance):
            instance = scramjet_instance(program)
            instance.run(timeout=60)
            assert {when != "setup"}
            yield
            assert False

        def test_it(asked):
            pass
    """)

    result = run(project)

    result.stdout.fnmatch_lines(["*scramjet log of instance*", "WARN this was logged"])
    assert "LookupError: no such thing" in result.stdout.str()


def test_report_has_instances_that_the_test_started_itself(project: pytest.Pytester) -> None:
    """A test that has asked for the client alone, and started an instance by it, is reported as well."""
    project.makepyfile("""
        def program(context, input):
            raise LookupError("no such thing")

        def test_it(scramjet_host):
            scramjet_host.deploy(program).start().wait(60)
            assert False
    """)

    result = run(project)

    result.stdout.re_match_lines(
        [
            r"-+ ?scramjet instance \S+ \(crashed, exit code \d+\)",
            r"LookupError: no such thing \(in program, line \d+\)",
        ]
    )


def test_report_on_a_real_hub_has_the_program_s_words_alone(project: pytest.Pytester) -> None:
    """On a hub from npm the records of the hub at TRACE and DEBUG are counted, and those of the program are shown."""
    project.makepyfile("""
        async def program(context, input):
            context.logger.debug("mine at debug")
            async for chunk in input:
                yield str(int(chunk))

        def test_it(scramjet_instance):
            instance = scramjet_instance(program)
            assert instance.run("five\\n", type="text/plain", timeout=60).output == b"5"
    """)
    with RealHub() as hub:
        result = run(project, "--scramjet-hub-url", hub.url)

    result.assert_outcomes(failed=1)
    text = result.stdout.str()
    assert "ValueError: invalid literal for int() with base 10" in text
    assert re.search(r"\(\d+ lines of the hub at TRACE and DEBUG are left out\)", text)
    assert re.findall(r"^(?:TRACE|DEBUG) .*", text, re.MULTILINE) == ["DEBUG mine at debug"]


LOG = [
    ({"level": "DEBUG", "msg": "mine", "from": "PythonRunner"}, "DEBUG mine"),
    (
        {"level": "DEBUG", "msg": "mine", "from": "Sequence", "data": ["x", {"a": 1}]},
        "DEBUG mine x {'a': 1}",
    ),
    (
        {"level": "ERROR", "msg": "Traceback:\n  ValueError", "from": "PythonRunner"},
        "ERROR Traceback:\n  ValueError",
    ),
    (
        {"level": "INFO", "msg": "Handshake", "from": "CSIController", "data": ["x" * 900]},
        "INFO Handshake xxx...",
    ),
    ({"level": "DEBUG", "msg": "PING received", "from": "CSIController"}, None),
    ({"level": "TRACE", "msg": "any", "from": "Runner"}, None),
    ({"level": "DEBUG", "msg": "Control message received: 4004 {}", "from": "PythonRunner"}, None),
    ({"level": "DEBUG", "msg": "Decoding input stream...", "from": "PythonRunner"}, None),
    ({"msg": "no level"}, '{"msg": "no level"}'),
    ([1], "[1]"),
    ("not JSON at all", '"not JSON at all"'),
]
"""Records of logs, and what a report shows of them; None is nothing."""


@pytest.mark.parametrize(("record", "shown"), LOG)
def test_records_of_a_log_are_readable(record: object, shown: str | None) -> None:
    """The program's records are shown at any level, the platform's from INFO on, and cut where they are long."""
    text = readable_log(f"{json.dumps(record)}\nlast")

    if shown is None:
        assert text == "(1 lines of the hub at TRACE and DEBUG are left out)\nlast"
    elif shown.endswith("..."):
        assert text.startswith(shown[:-3])
        assert len(text) < 220
    else:
        assert text == f"{shown}\nlast"


def test_report_says_how_an_instance_ended(project: pytest.Pytester) -> None:
    """The section of a program that crashed has its exit code, and its traceback."""
    project.makepyfile("""
        def program(context, input):
            raise LookupError("no such thing")

        def test_it(scramjet_instance):
            instance = scramjet_instance(program)
            instance.wait(60)
            assert False
    """)

    result = run(project)

    result.stdout.re_match_lines([r"-+ scramjet \w+ of instance \S+ \(crashed, exit code \d+\) -+"])
    assert "LookupError: no such thing" in result.stdout.str()


def test_passed_test_says_nothing(project: pytest.Pytester) -> None:
    """The report of a test that passed has no such sections, even where pytest shows all."""
    project.makepyfile(FAILING.replace("assert False", "assert True"))

    result = run(project, "-rA")

    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*scramjet stderr*")


@pytest.mark.parametrize("collect", [True, False], ids=["collected", "run"])
def test_nothing_is_imported_unless_used(project: pytest.Pytester, collect: bool) -> None:
    """A project that does not use the plugin pays for no import and no thread of it."""
    project.makeconftest("""
        import sys, threading

        def pytest_unconfigure():
            heavy = {"requests", "urllib3", "aiohttp", "attrs", "scramjet"} & set(sys.modules)
            ours = sorted(name for name in sys.modules if name.startswith("scramjet_client"))
            print("heavy:", sorted(heavy), "ours:", ours, "threads:", threading.active_count())
    """)
    project.makepyfile("def test_it(): pass")

    result = run(project, *(["--co"] if collect else []))

    result.stdout.fnmatch_lines([
        "heavy: [[]] ours: *'scramjet_client',"
        " 'scramjet_client.pytest_plugin'] threads: 1"
    ])  # fmt: skip


def test_it_can_be_left_out(project: pytest.Pytester) -> None:
    """With `-p no:scramjet_client` there are no fixtures, and pytest works as ever."""
    project.makepyfile("def test_without(): pass\ndef test_with(scramjet_hub): pass")

    result = run(project, "-p", "no:scramjet_client")

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*fixture 'scramjet_hub' not found*"])


def test_fixtures_are_listed_with_their_sentences(project: pytest.Pytester) -> None:
    """`pytest --fixtures` tells a user what there is."""
    result = run(project, "--fixtures")

    result.stdout.fnmatch_lines(
        ["scramjet_hub*", "*The hub of this run*", "scramjet_host*", "scramjet_instance*"]
    )


@pytest.mark.parametrize("way", ["option", "variable", "ini"])
def test_hub_can_be_given(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """An option, a variable or the ini file names a hub, and then no other is started."""
    project.makepyfile("""
        import threading

        def test_it(scramjet_hub, scramjet_host):
            assert "scramjet-local-hub" not in [each.name for each in threading.enumerate()]
            assert scramjet_host.get_version().api_version == "v1"
            print(scramjet_hub.url)
    """)
    with open_hub() as hub:
        given: list[str] = []
        if way == "option":
            given = ["--scramjet-hub-url", hub.url]
        elif way == "variable":
            monkeypatch.setenv("SCRAMJET_TEST_HUB_URL", hub.url)
        else:
            project.makeini(f"[pytest]\nscramjet_hub_url = {hub.url}\n")
        result = run(project, "-s", *given)

        result.assert_outcomes(passed=1)
        result.stdout.fnmatch_lines([f"*{hub.url}*"])


def test_same_tests_run_on_a_real_hub(project: pytest.Pytester) -> None:
    """On a Transform Hub from npm the tests pass as well; what was there before them stays, the rest is gone."""
    project.makepyfile(USE.split("def test_left")[0])
    with RealHub() as hub, HostClient(hub.url) as host:
        own = host.send_sequence(project.makepyfile(mine="def run(context, input): return input"))
        instance = own.start()
        run(project, "--scramjet-hub-url", hub.url).assert_outcomes(passed=1)

        assert [each.id for each in host.list_sequences()] == [own.id]
        assert instance.get_info().terminated is None


def test_topics_of_a_test_are_gone_after_it(project: pytest.Pytester) -> None:
    """A topic that a test has made is deleted, on LocalHub and on a hub that was given."""
    project.makepyfile("""
        def test_make(scramjet_host):
            scramjet_host.create_topic("numbers")

        def test_gone(scramjet_host):
            assert [each.name for each in scramjet_host.get_topics()] == []
    """)
    with open_hub() as hub:
        given = run(project, "--scramjet-hub-url", hub.url)

    given.assert_outcomes(passed=2)
    run(project).assert_outcomes(passed=2)


def test_every_worker_of_xdist_has_a_hub(project: pytest.Pytester) -> None:
    """Under pytest-xdist each worker starts a LocalHub of its own, so tests do not meet."""
    project.makepyfile(f"""
        import pytest
        from pathlib import Path
        {SHOUT.replace(chr(10), chr(10) + "        ")}
        @pytest.mark.parametrize("number", range(4))
        def test_it(number, worker_id, scramjet_hub, scramjet_instance):
            Path({str(project.path)!r}, f"{{worker_id}}.url").write_text(scramjet_hub.url)
            instance = scramjet_instance(shout)
            assert instance.run("a", type="text/plain", timeout=60).output == b"A"
    """)

    run(project, "-n", "2").assert_outcomes(passed=4)

    urls = [path.read_text() for path in project.path.glob("gw*.url")]
    assert len(urls) == len(set(urls)) == 2


def test_missing_extra_is_a_sentence(project: pytest.Pytester) -> None:
    """Without what LocalHub needs, the error names the pip command, and the way without it."""
    project.makeconftest("import sys; sys.modules['aiohttp'] = None")
    project.makepyfile("def test_it(scramjet_hub): pass")

    result = run(project)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*pip install 'scramjet_client[[]hub[]]'*--scramjet-hub-url*"]
    )  # fmt: skip


@pytest.mark.long
def test_oldest_pytest_works(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """The release of pytest that the extra names as the lowest runs the plugin, sections included."""
    folder = installed("pytest-releases", OLDEST[0], OLDEST, "pytest")
    project.makepyfile(test_use=USE, test_failing=FAILING)
    environment = {
        **os.environ,
        "PYTHONPATH": folder,
        # Plugins beside the tests may need a newer one.
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "scramjet_client.pytest_plugin", str(project.path)],
        env=environment, cwd=project.path, capture_output=True, text=True, check=False, timeout=250,
    )  # fmt: skip

    assert "pytest-7.0.0" in done.stdout
    assert "1 failed, 2 passed" in done.stdout, done.stdout + done.stderr
    assert "this went wrong" in done.stdout


def test_report_shows_the_lines_of_the_test_alone(project: pytest.Pytester) -> None:
    """A refusal is shown at the test's own line, without a line of the package; --full-trace shows all of them."""
    project.makepyfile(
        SHOUT
        + """
def crash(context, input):
    raise ValueError("no number")

def test_wrong(scramjet_instance):
    scramjet_instance(shout).run("a", timeouts=3)

def test_limit(scramjet_instance):
    scramjet_instance(shout).run(timeout=1)

def test_check(scramjet_instance):
    scramjet_instance(crash).run(b"", check=True)

def test_no_program(scramjet_instance, tmp_path):
    (tmp_path / "prog.py").write_text("x = 1")
    scramjet_instance(tmp_path / "prog.py")
"""
    )

    said = str(run(project, "-p", "no:xdist").stdout)

    assert "4 failed" in said
    places = re.findall(r"^(\S+\.py):\d+: ?\w*", said, re.MULTILINE)
    assert {Path(each).name for each in places} == {f"{Path(places[0]).name}"}
    # On the program's stderr; not in its log too.
    assert said.count("raise ValueError(") == 1
    assert "(the traceback that stderr has)" in said
    assert "if it waits for the end of its input, run(input=...)" in said
    assert "/_common/names.py:" in str(run(project, "-p", "no:xdist", "--full-trace").stdout)
