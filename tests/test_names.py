"""Names that people guess: refused with the right one, or taken."""

from __future__ import annotations

import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import scramjet_client
from scramjet_client import (
    CompletedInstance,
    Fleet,
    GetInstanceResponse,
    HostClient,
    HttpClient,
    InstanceClient,
    KillMessageData,
    ManagerClient,
    Multiplexer,
    Package,
    SendStreamOptions,
    Termination,
    Timeouts,
)
from scramjet_client._common.names import SYNONYMS, Guided
from scramjet_client.hub import LocalHub
from tests.support.cases import mostly_long
from tests.support.waiting import LIMIT

DONE = CompletedInstance(
    info=GetInstanceResponse(id="i", sequence="s", status="stopped"),
    returncode=0,
    output=b"",
    stdout=b"",
    stderr=b"",
    log=b"",
)
HOST = HostClient("http://127.0.0.1:1/api/v1", retries=0)
INSTANCE = HOST.get_instance_client("abc")
SEQUENCE = HOST.get_sequence_client("s")


def program(context: Any, input: Any) -> Any:
    """A program for what is refused before it is sent."""
    return input


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: HostClient(adress="x"), "HostClient() has no argument 'adress'; it is called 'api_base'"),
        (lambda: HostClient(api_key="x"), "'token'"),
        (lambda: HostClient(zzzzz="x"), "it has api_base, token"),
        (lambda: HostClient("a", "b"), "argument (api_base) but 2 were given; name the others: token="),
        (lambda: HostClient.from_env("a"), "from_env() takes no positional arguments but 1 was given; name"),
        (lambda: ManagerClient("a", "b"), "ManagerClient() takes 1 positional argument (api_base)"),
        (lambda: Timeouts(3), "Timeouts() takes no positional arguments but 1 was given"),
        (lambda: INSTANCE.get_log_stream(10), "1 was given; name the others: timeout=..., idle_timeout=..."),
        (lambda: INSTANCE.get_event("ready", 5), "(event_name) but 2 were given; name the others: timeout=..."),
        (lambda: INSTANCE.get_stream("output", 5), "name the others: timeout=..., idle_timeout=..., check=..."),
        (lambda: INSTANCE.wait(1, 2), "InstanceClient.wait() takes 1 positional argument (timeout) but 2 were given"),
        (lambda: INSTANCE.follow(print), "follow(output=print, log=True)"),
        (lambda: SEQUENCE.delete(True), "name the others: force=..."),
        (lambda: HOST.deploy(print, []), "name the others: requirements=..."),
        (lambda: HOST.deploy(print, pip=["x"]), "no argument 'pip'; it is called 'requirements' here"),
        (lambda: HOST.deploy(name="x"), "it is no decorator"),
        (lambda: INSTANCE.kill(9), "kill() takes no signal"),
        (lambda: HOST.doctor(3), "name the others: timeout=..."),
        (lambda: LocalHub("h", 1, 2), "LocalHub() takes 2 positional arguments (host, port) but 3 were given"),
        (lambda: INSTANCE.follow(log=True, timeout=3), "follow() returns at once, and its result has wait(timeout)"),
        (lambda: SEQUENCE.run(limit=5), "it is called 'timeout' here, in seconds"),
        (lambda: SEQUENCE.run(capture_output=True), "leave it out: the result always has .output"),
        (lambda: SEQUENCE.run(env={}), "app_config={...}"),
        (lambda: INSTANCE.run(env={}), "the instance has started already"),
        (lambda: INSTANCE.send_input("x", eof=True), "it is called 'end' here"),
        (lambda: HostClient(host="x"), "it is called 'api_base' here"),
        (lambda: HOST.deploy(print, app_config={}), "give it to start() or run()"),
        (lambda: HostClient("http://x", url="http://y"), "HostClient() has no argument 'url'"),
        (lambda: HttpClient(timeouts=3), "HttpClient() has no argument 'timeouts'; it is called 'timeout'"),
        (lambda: ManagerClient(tokn="x"), "ManagerClient() has no argument 'tokn'; it is called 'token'"),
        (lambda: InstanceClient("abc"), "InstanceClient() missing 1 required positional argument: 'host'"),
        (lambda: InstanceClient(idd="abc"), "InstanceClient() has no argument 'idd'; it is called 'id'"),
        (INSTANCE.get_stream, "InstanceClient.get_stream() missing"),
        (INSTANCE.inout, """'stream'; it sends a source and gives the output"""),
        (lambda: INSTANCE.stop(seconds=3), "'seconds'; its timeout= is in milliseconds: stop(timeout=5000)"),
        (lambda: INSTANCE.wait(time_out=3), "'timeout'"),
        (lambda: INSTANCE.follow(logs=print), "'log'"),
        (lambda: INSTANCE.run(stdn=b""), "'stdin'"),
        (lambda: SEQUENCE.start(configuration={}), "no argument 'configuration'; it is called 'app_config'"),
        (lambda: SEQUENCE.delete(forced=True), "'force'"),
        (lambda: HOST.create_topic("t", type_="text/plain"), "no argument 'type_'; it is called 'content_type'"),
        (lambda: HOST.deploy(func=print), "'function'"),
        (lambda: HOST.send_sequence("x", deps=[]), "'requirements'"),
        (lambda: HostClient.from_env(tokens="x"), "HostClient.from_env() has no argument 'tokens'"),
        (lambda: Timeouts(reads=3), "Timeouts() has no argument 'reads'; it is called 'read'"),
        (lambda: SendStreamOptions(typ="x"), "'type'"),
        (lambda: KillMessageData(now=True), "it has remove_immediately"),
        (lambda: INSTANCE.show(refresh=1), "no argument 'refresh'; it is called 'interval'"),
        (lambda: INSTANCE.show(zzzzz=1), "it has streams, lines, interval, widget"),
        (lambda: SEQUENCE.start(5), "but 1 was given; name the others: app_config="),
        (lambda: SEQUENCE.start(5), "; the program's arguments are args=[...]"),
        (lambda: LocalHub(prot=3), "LocalHub() has no argument 'prot'; it is called 'port'"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_refused_with_the_right_one(call, words):
    """A wrong keyword is refused by the user's own words: the public class, and the name that is meant."""
    with pytest.raises(TypeError) as caught:
        call()

    assert words in str(caught.value)
    assert not re.search(r"ApiClient|Handle\b|Topics|__init__", str(caught.value))


@pytest.mark.parametrize(
    ("make", "value"),
    [
        (lambda: HostClient(url="http://h/api/v1").api_base, "http://h/api/v1"),
        (lambda: HttpClient(base_url="http://h/api/v1").api_base, "http://h/api/v1"),
        (lambda: SendStreamOptions(content_type="text/plain").type, "text/plain"),
        (lambda: HOST.get_instance_client(instance_id="abc").id, "abc"),
        (lambda: HOST.get_sequence_client(sequence_id="s").id, "s"),
    ],
)
def test_synonyms_are_taken(make, value):
    """A word that other places use for the same thing works where there is no doubt."""
    assert make() == value


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: SEQUENCE.start(config=3), "app_config must be a mapping"),
        (lambda: HOST.create_topic("t", type="x"), "content_type must be one of"),
    ],
)
def test_synonyms_mean_the_documented_word(call, words):
    """What is wrong with the value of a synonym is said as of the word that is documented."""
    with pytest.raises((TypeError, ValueError), match=words):
        call()


_MADE_HERE = {"Upload", "UploadWriter", "OutputStream", "Follow", "FleetFollow"}
"""Handles, which users are given."""


def _constructors() -> list[tuple[str, Any]]:
    found = []
    for name in sorted(set(scramjet_client.__all__) - _MADE_HERE):
        cls = getattr(scramjet_client, name)
        if not isinstance(cls, type) or issubclass(cls, (BaseException, dict)):
            continue
        if cls.__init__ is not object.__init__ and not getattr(cls, "_is_protocol", False):
            found.append((name, cls))
    return found


@pytest.mark.parametrize(("name", "cls"), _constructors())
def test_every_constructor_names_its_public_class(name, cls):
    """A keyword that nothing has is refused by each constructor, without a word of what is inside."""
    with pytest.raises(TypeError) as caught:
        cls(no_such_argument_anywhere=1)

    assert f"{name}() has no argument 'no_such_argument_anywhere'" in str(caught.value)


@pytest.mark.parametrize(
    ("use", "words"),
    [
        (lambda: list(INSTANCE), """InstanceClient can't be iterated; get_stream("output") gives"""),
        (lambda: list(SEQUENCE), "SequenceClient can't be iterated; list_instances()"),
        (lambda: list(HOST), "HostClient can't be iterated; list_sequences()"),
        (lambda: _enter(INSTANCE), "InstanceClient needs no with block; kill() or stop() ends it"),
        (lambda: _enter(SEQUENCE), "SequenceClient needs no with block; delete()"),
        (lambda: INSTANCE.wait_for("ready"), "expect_event() wait for an event"),
        (lambda: INSTANCE.send_input("x", "y"), "request_init must be a mapping of headers"),
        (lambda: LocalHub(8000), "LocalHub(port=8000) names the port"),
        (lambda: LocalHub(port="8755"), "port must be an int, not str"),
        (lambda: LocalHub("http://h:1"), "host must be an address without scheme"),
        (lambda: HostClient(token=5), "token must be a str, not int"),
        (lambda: HostClient(verify=5), "verify must be True, False or the path of a CA bundle, not int"),
        (lambda: HostClient(cert=5), "cert must be a path"),
        (lambda: HostClient(proxies="x"), "proxies must be a mapping"),
        (lambda: HostClient(retries="x"), "retries must be a whole number, not str"),
        (lambda: HostClient.from_env(profile=5), "profile must be a str, not int"),
        (lambda: HostClient.from_env(api_base=5), "api_base must be a str, not int"),
        (lambda: InstanceClient("x", "http://h"), "host must be a HostClient, not str"),
        (lambda: Multiplexer(5), "streams must be a list of streams, not int"),
        (lambda: Multiplexer([5]), "a stream must be an OutputStream"),
        (lambda: Fleet([5]).get_hosts(), "hosts must be a mapping"),
        (lambda: Package(5), "path must be a str or a Path, not int"),
        (lambda: HOST.deploy("ticker.py"), "send_sequence(path) sends a file or folder"),
        (lambda: HOST.send_sequence("nope.py"), "it does not exist"),
        (lambda: HOST.deploy(program, requirements=True), "requirements must be a list of lines such as ['requests>"),
        (lambda: HOST.deploy(program, requirements={"a": "1"}), "a list of lines such as ['a==1'], not dict"),
        (lambda: HOST.deploy(program, requirements=[5]), "requirements must be a list of lines such as"),
        (lambda: HOST.deploy(program, include=5), "include must be a list of files, folders or patterns, not int"),
        (lambda: HOST.deploy(program, include=[5]), "include must be a list of files, folders or patterns; it has"),
        (lambda: HOST.deploy(program, env=5), "env must be a list of names of variables"),
        (lambda: HOST.deploy(program, source=5), "source must be the text of the definition, not int"),
        (lambda: HOST.deploy(program, name=5), "name must be a str, not int"),
        (lambda: HOST.deploy(program, name=""), "name must be a line of text"),
        (lambda: SEQUENCE.run(5), "a source must be"),
        (lambda: SEQUENCE.run([1, 2]), "item 0 of the source must be bytes or str, not int"),
        (lambda: HostClient("localhost:9"), "write it out, such as 'http://localhost:9/api/v1'"),
        (lambda: HostClient("localhost"), "write it out, such as 'http://localhost:8000/api/v1'"),
        (lambda: HostClient("9"), "write it out, such as 'http://127.0.0.1:9/api/v1'"),
        (lambda: HostClient("h.example.com"), "write it out, such as 'https://h.example.com/api/v1'"),
    ],
)  # fmt: skip
def test_wrong_values_are_refused_by_what_they_are(use, words):
    """A wrong value is refused before anything is sent, by the argument's name and with what to give instead."""
    with pytest.raises((TypeError, ValueError)) as caught:
        use()

    assert words in str(caught.value)


def _enter(thing: Any) -> None:
    with thing:
        pass


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("HostCleint", "did you mean HostClient?"),
        ("Hostclient", "did you mean HostClient?"),
        ("StopTimeoutErorr", "did you mean StopTimeoutError?"),
        ("LocalHb", "did you mean scramjet_client.hub.LocalHub?"),
        ("connect", "it is called HostClient(url)"),
    ],
)
def test_misspelt_imports_are_refused_with_the_right_name(name, words):
    """An import of a name with a slip names the right one; of a module of the package it works."""
    with pytest.raises(ImportError) as caught:
        exec(f"from scramjet_client import {name}")

    assert words in str(caught.value)
    assert not hasattr(scramjet_client, "nothing_like_it")
    exec("from scramjet_client import packages, errors, config")


def test_signatures_stay_true():
    """Editors, help() and type checkers see the arguments that there are."""
    assert list(inspect.signature(HostClient).parameters)[:3] == ["api_base", "token", "headers"]
    assert str(inspect.signature(INSTANCE.wait)).startswith("(timeout:")
    assert inspect.signature(Timeouts).parameters["read"].default == 60.0
    assert "**" not in str(inspect.signature(HOST.create_topic))


def _completed() -> CompletedInstance:
    info = GetInstanceResponse(
        id="abc", sequence="s", status="stopped", ports={}, created="", started=None, ended=None,
        terminated=None, raw={},
    )  # fmt: skip
    return CompletedInstance(info=info, returncode=0, output=b"", stdout=b"", stderr=b"", log=b"")


@pytest.mark.parametrize(
    ("thing", "name", "right"),
    [
        (INSTANCE, "status", "get_info().status"),
        (INSTANCE, "logs", "get_log_stream()"),
        (INSTANCE, "output", 'get_stream("output")'),
        (INSTANCE, "wait_for_completion", "wait()"),
        (INSTANCE, "get_statuss", "get_info().status"),
        (INSTANCE, "send_inputs", "send_input()"),
        (HOST, "get_instances", "list_instances()"),
        (HOST, "start_sequence", "get_sequence_client(id).start()"),
        (HOST, "list_topics", "get_topics()"),
        (HOST, "send_sequnce", "send_sequence()"),
        (SEQUENCE, "instances", "list_instances()"),
        (ManagerClient("http://h/api/v1"), "list_hosts", "get_hosts()"),
        (ManagerClient("http://h/api/v1"), "list_store_items", "get_store_items()"),
        (object.__new__(LocalHub), "api_base", "url"),
        (_completed(), "exit_code", "returncode"),
        (INSTANCE, "talk", 'inout(source), or open_input() together with get_stream("output")'),
        (
            INSTANCE,
            "open_inout",
            'inout(source), or open_input() together with get_stream("output")',
        ),
        (INSTANCE, "chat", 'inout(source), or open_input() together with get_stream("output")'),
        (INSTANCE, "ask", 'inout(source), or open_input() together with get_stream("output")'),
        (INSTANCE, "wait_for_event", "get_next_event(name), or expect_event(name)"),
        (INSTANCE, "wait_event", "get_next_event(name), or expect_event(name)"),
        (INSTANCE, "stream_log", "get_log_stream()"),
        (INSTANCE, "send_line", "send_input(source)"),
        (INSTANCE, "get_events", "get_event_stream(name)"),
        (INSTANCE, "kil", "kill()"),
        (HOST, "list_sequence", "list_sequences()"),
        (INSTANCE, "tail_log", "follow(log=True)"),
        (INSTANCE, "live", "show() in a notebook, or follow(output=True)"),
        (INSTANCE, "fetch_info", "get_info()"),
        (INSTANCE, "getInfo", "get_info()"),
        (INSTANCE, "get_stauts", "get_info().status"),
        (INSTANCE, "write_stdin", "send_stdin()"),
        (INSTANCE, "is_alive", "get_info().status"),
        (INSTANCE, "stats", "get_health()"),
        (INSTANCE, "rm", "kill(remove_immediately=True)"),
        (
            INSTANCE,
            "exec_run",
            "send_event(name, message), or send_input(source): a hub runs no command in an instance",
        ),
        (SEQUENCE, "remote", "run(input=...)"),
        (SEQUENCE, "invoke", "run(input=...)"),
        (SEQUENCE, "spawn", "start()"),
        (SEQUENCE, "rm", "delete()"),
        (SEQUENCE, "local", "run(input=...), on a LocalHub to run it on this machine"),
        (HOST, "containers", "list_instances()"),
        (HOST, "ps", "list_instances()"),
        (HOST, "functions", "list_sequences()"),
        (HOST, "get", "get_sequence_client(id), or get_instance_client(id)"),
        (
            SEQUENCE,
            "map",
            "run(input=...) on the threads of a concurrent.futures.ThreadPoolExecutor",
        ),
        (
            SEQUENCE,
            "run_many",
            "run(input=...) on the threads of a concurrent.futures.ThreadPoolExecutor",
        ),
        (SEQUENCE, "show", "start(), and then show() or follow(output=True) of the instance"),
        (SEQUENCE, "close", "delete()"),
        (HOST, "show", "get_instance_client(id).show()"),
        (DONE, "reason", "cause, or info.terminated.reason"),
        (DONE, "json", "output, as in json.loads(result.output)"),
        (
            INSTANCE.expect_event("x"),
            "value",
            "value after a block: with instance.expect_event(name) as expected: ...",
        ),
        (HOST, "check", "doctor(), or get_version()"),
        (HOST, "is_alive", "doctor(), or get_version()"),
        (_completed().info, "returncode", "terminated.exit_code"),
        (_completed().info, "exit_code", "terminated.exit_code"),
        (Termination(exit_code=0, reason=""), "returncode", "exit_code"),
    ],
)
def test_guessed_attributes_are_refused_with_the_right_one(thing, name, right):
    """A likely guess is an AttributeError that says what the thing is called here."""
    with pytest.raises(AttributeError) as caught:
        getattr(thing, name)

    assert str(caught.value) == f"{type(thing).__name__} has no {name!r}; use {right}"


@pytest.mark.parametrize(
    ("thing", "name"),
    [
        (INSTANCE, "walk"),
        (INSTANCE, "stop_stream"),
        (INSTANCE, "kill_event"),
        (INSTANCE, "read_input"),
        (INSTANCE, "wait_for_evening"),
        (INSTANCE, "mend_input"),
        (INSTANCE, "spin"),
        (INSTANCE, "stage"),
        (HOST, "kill_sequence"),
        (HOST, "rename_topic"),
        (SEQUENCE, "staff"),
    ],
)
def test_no_name_is_better_than_a_wrong_one(thing, name):
    """A name that only looks like another one is refused without a suggestion."""
    with pytest.raises(AttributeError) as caught:
        getattr(thing, name)

    assert str(caught.value) == f"{type(thing).__name__} has no {name!r}"


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("LocalHub", "from scramjet_client.hub import LocalHub"),
        ("FaultProxy", "from scramjet_client.testing import FaultProxy"),
        ("TransferBar", "from scramjet_client.integrations.notebook import TransferBar"),
        ("Client", "it is called HostClient"),
        ("Hub", "HostClient (a client), or scramjet_client.hub.LocalHub (a hub)"),
        ("flask", "scramjet_client.integrations.flask"),
        ("notebook", "scramjet_client.integrations.notebook"),
    ],
)
def test_guessed_imports_are_refused_with_the_right_one(name, right):
    """An import of a likely guess says where the thing is; other names are missing as ever."""
    with pytest.raises(ImportError) as caught:
        exec(f"from scramjet_client import {name}")
    assert right in str(caught.value)

    with pytest.raises(ImportError, match="cannot import name"):
        exec("from scramjet_client import NothingOfTheKind")
    assert not hasattr(scramjet_client, "NothingOfTheKind")


@pytest.mark.parametrize(
    ("module", "name", "right"),
    [
        ("hub", "HostClient", "from scramjet_client import HostClient"),
        ("hub", "FaultProxy", "from scramjet_client.testing import FaultProxy"),
        ("testing", "LocalHub", "from scramjet_client.hub import LocalHub"),
        ("integrations.flask", "LocalHub", "from scramjet_client.hub import LocalHub"),
        ("integrations.notebook", "HostClient", "from scramjet_client import HostClient"),
    ],
)
def test_imports_from_the_wrong_module(module, name, right):
    """A module says where a public name is that it does not have; other names are missing as ever."""
    with pytest.raises(ImportError) as caught:
        exec(f"from scramjet_client.{module} import {name}")
    assert str(caught.value).endswith(f"write: {right}")

    with pytest.raises(ImportError, match="cannot import name"):
        exec(f"from scramjet_client.{module} import NothingOfTheKind")


def test_modules_that_imports_are_led_to_are_there():
    """Each name that an import is led to is where it says."""
    for name, module in scramjet_client._ELSEWHERE.items():
        assert hasattr(importlib.import_module(f"scramjet_client.{module}"), name)
    for meant in scramjet_client._MEANT.values():
        first = re.match(r"[\w.]+", meant)
        assert first is not None
        if first[0].startswith("scramjet_client."):
            importlib.import_module(first[0])
        else:
            assert first[0] in scramjet_client.__all__


def test_a_hub_without_a_block():
    """A hub that is not started says how it is; `start()` gives the hub."""
    hub = LocalHub()
    for use in (lambda: hub.url, hub.client, lambda: hub.add_sequence("x", print)):
        with pytest.raises(RuntimeError, match=r"`with LocalHub\(\) as hub:`, or call start\(\)"):
            use()
    started = hub.start()
    try:
        assert started is hub
        with started.client() as host:
            host.get_version()
    finally:
        hub.stop()


def _guided() -> list[type[Guided]]:
    found, pending = [], [Guided]
    while pending:
        for each in pending.pop().__subclasses__():
            found.append(each)
            pending.append(each)
    return found


@pytest.mark.parametrize("cls", _guided(), ids=lambda cls: cls.__name__)
def test_advice_names_what_is_there(cls):
    """No guess is of a name that exists, and each piece of advice begins with one that does."""
    for guess, advice in vars(cls).get("_guesses", {}).items():
        assert guess not in dir(cls) or guess in getattr(cls, "__slots__", ()), guess
        first = re.match(r"\w+", advice)
        assert first is not None
        assert first[0] in {*dir(cls), *vars(cls).get("__annotations__", {}), "SequenceClient"}, (
            advice
        )


def test_probes_are_answered_as_ever():
    """What looks whether there is an attribute hears that there is none."""
    assert not hasattr(INSTANCE, "write")
    assert not hasattr(INSTANCE, "__fspath__")
    assert getattr(HOST, "zzz", None) is None


def test_synonyms_lead_to_no_name_that_is_taken():
    """No synonym is of a name that a method with both would mix up."""
    for name, meant in SYNONYMS.items():
        assert name not in meant


_WAITS = """
import os
import signal
import sys
import threading
import time
from scramjet_client.hub import LocalHub

def silent(context, input):
    context.emit("ready", "yes")
    yield from input

def interrupt(main):
    # Once the main thread is at the same place for some looks, it waits.
    seen, times = None, 0
    while times < 10:
        frame = sys._current_frames()[main]
        here = (frame.f_code, frame.f_lasti)
        seen, times = here, times + 1 if here == seen else 0
        time.sleep(0.02)
    os.kill(os.getpid(), signal.SIGINT)

with LocalHub() as hub, hub.client() as host:
    sequence = host.deploy(silent)
    instance = sequence.start()
    instance.get_event("ready")
    output = instance.get_stream("output")
    threading.Thread(target=interrupt, args=[threading.get_ident()], daemon=True).start()
    {call}
"""


@pytest.mark.parametrize(
    ("call", "last"),
    mostly_long(
        [
            ('instance.get_event("never")', "in get_event"),
            ("instance.wait()", "in wait"),
            ("sequence.run()", "in run"),
            ("instance.run()", "in run"),
            ("output.readline()", "in read"),
            ("for line in output: pass", "in _batches"),
            ("instance.follow(output=print).wait()", "in wait"),
            (
                "instance.send_input(time.sleep(0.01) or b'x' for _ in iter(int, 1))",
                "in send_input",
            ),
        ],
        but=[
            ('instance.get_event("never")', "in get_event"),
            ("instance.run()", "in run"),
            ("output.readline()", "in read"),
        ],
    ),
)
def test_interrupt_shows_the_users_line(tmp_path: Path, call: str, last: str):
    """The traceback of Ctrl-C has the user's line and the call, and nothing of where this package waited."""
    script = tmp_path / "waits.py"
    script.write_text(_WAITS.format(call=call))

    done = subprocess.run(
        [sys.executable, "-W", "ignore", script], capture_output=True, text=True, check=False, timeout=LIMIT
    )  # fmt: skip

    said = done.stderr
    frames = [line.strip() for line in said.splitlines() if line.startswith("  File ")]
    assert "KeyboardInterrupt" in said
    assert "During handling" not in said
    assert not re.search(r"urllib3|requests/|/http/", said)
    assert any(line.endswith(last) for line in frames), frames
    assert len([line for line in frames if "_common/names.py" not in line]) <= 2
    if sys.version_info >= (3, 11) and call == "instance.run()":
        assert (
            "run() sent no input; if the program waits for the end of its input, input=b'' ends it"
            in said
        )


TAKES_ANYTHING = {
    *(f"{cls}.over(client)" for cls in ("HostClient", "ManagerClient")),  # for the package itself
    *(
        "InstanceClient.run(type)",
        "InstanceClient.run(json)",
        "InstanceClient.run(progress)",
    ),  # of no input
    "InstanceClient.send_event(message)",
    # These look at the hub, or whether this is a notebook, first.
    *(f"InstanceClient.show({name})" for name in ("lines", "interval", "widget")),
    *(f"HostClient.get_audit_stream({name})" for name in ("timeout", "idle_timeout")),
    *(f"InstanceClient.get_event_stream({name})" for name in ("timeout", "idle_timeout")),
    *(f"InstanceClient.attach({name})" for name in ("stdin", "stdout", "stderr", "output", "log")),
}
"""Arguments that are not refused by their type at once."""

GIVEN: dict[str, Any] = {
    "function": program,
    "package": b"",
    "path": "x",
    "program": program,
    "reconnect": None,
    "status": "running",
    "stream_id": "output",
}
"""What the other arguments of a method get, if they need a value that is not "x"."""


CLIENTS = (HOST, SEQUENCE, INSTANCE, ManagerClient("http://127.0.0.1:1/api/v1", retries=0))


def _arguments(client: Any) -> Iterator[tuple[str, Any, str, dict[str, Any]]]:
    """Yield each argument of each method: a label, the method, its name, and what the method needs besides."""
    for name in dir(type(client)):
        method = getattr(client, name)
        if name.startswith("_") or not callable(method):
            continue
        parameters = [
            each
            for each in inspect.signature(method).parameters.values()
            if each.kind is not each.VAR_KEYWORD
        ]
        needed = {
            each.name: GIVEN.get(each.name, "x")
            for each in parameters
            if each.default is each.empty
        }
        if "stream_id" in needed and ("send" in name or "submit" in name or "open" in name):
            needed["stream_id"] = "stdin"
        for each in parameters:
            label = f"{type(client).__name__}.{name}({each.name})"
            if label not in TAKES_ANYTHING:
                yield label, method, each.name, needed


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: type(client).__name__)
def test_every_argument_is_refused_by_its_name(client: Any):
    """A value of no use is refused before anything is sent, and the error names the argument."""
    wrong = []
    for label, method, name, needed in _arguments(client):
        with pytest.raises(Exception) as caught:  # noqa: PT011 - which one it is says the list
            method(**{**needed, name: object()})
        said = str(caught.value)
        if not isinstance(caught.value, (TypeError, ValueError)) or not re.search(
            rf"\b{name}\b|a source|only a Python function", said
        ):
            wrong.append(f"{label}: {caught.value!r}")

    assert wrong == []
