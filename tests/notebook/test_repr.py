"""What a notebook shows of clients and answers: all of them, escaped, without the network and without secrets."""

from __future__ import annotations

import inspect
import pickle
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest

import scramjet_client
from scramjet_client import (
    CreateAccessKeyResponse,
    DoctorReport,
    FleetAnswer,
    GetConfigResponse,
    GetEntitiesResponse,
    GetEventResponse,
    GetInstanceResponse,
    HostClient,
    HubConnectionError,
    InstanceClient,
    SequenceClient,
    Termination,
)
from scramjet_client._base import Rows
from scramjet_client.api.answers import (
    access_keys_from,
    hubs_from,
    instances_from,
    managers_from,
    sequences_from,
    store_items_from,
    topics_from,
)
from scramjet_client.http.answers import JsonAnswer

HOSTILE = "</td><script>alert('x')</script>&amp;"

SHOWN = [
    name
    for name in scramjet_client.__all__
    if inspect.isclass(each := getattr(scramjet_client, name))
    and not issubclass(each, BaseException)
    and name not in ("ClientProvider", "RequestInit")  # a protocol, and a dict
]


class Text(HTMLParser):
    """The text of a piece of a page, cell by cell, and its tags."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.tags: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.cells.append(data)


@pytest.mark.parametrize("name", SHOWN)
def test_every_class_has_one(name: str):
    """Every client, stream, answer and option that the package exports can be shown."""
    assert callable(getattr(scramjet_client, name)._repr_html_)


def test_answer_is_a_table():
    """An answer is shown field by field; `raw` and `extra`, which `repr` leaves out, are not."""
    info = GetInstanceResponse(
        id="abc",
        sequence="def",
        status="stopped",
        terminated=Termination(exit_code=0, reason="Instance stopped"),
        extra={"args": "secret"},
        raw={"token": "secret"},
    )
    shown = Text(info._repr_html_())

    assert shown.cells[:5] == ["GetInstanceResponse", "id", "abc", "sequence", "def"]
    assert "Termination(exit_code=0, reason='Instance stopped')" in shown.cells
    assert "secret" not in info._repr_html_()


@pytest.mark.parametrize(
    "thing",
    [
        GetEventResponse(event_name=HOSTILE, data={HOSTILE: 1}, timestamp=""),
        FleetAnswer({HOSTILE: 1}, {"b": HubConnectionError(HOSTILE)}),
        InstanceClient(HOSTILE, HostClient()),
    ],
    ids=["event", "fleet", "client"],
)
def test_what_comes_from_outside_is_escaped(thing):
    """Nothing that a hub or a program says becomes markup."""
    shown = Text(thing._repr_html_())

    assert shown.tags <= {"table", "caption", "tr", "th", "td", "pre"}


UNSEEN = "a\x1b]52;c;eA==\x07\x9b2J\u202eb\x00c\u2066d\r\u200be"
"""What acts on a terminal, and what reorders or hides text in a page too."""


@pytest.mark.parametrize(
    "thing",
    [
        GetEventResponse(event_name=UNSEEN, data={UNSEEN: 1}, timestamp=UNSEEN),
        SequenceClient(UNSEEN, HostClient()),
        FleetAnswer({UNSEEN: 1}, {"b": HubConnectionError(UNSEEN)}),
        InstanceClient(UNSEEN, HostClient()),
        Rows([UNSEEN]),
    ],
    ids=["event", "sequence", "fleet", "instance", "rows"],
)
def test_what_comes_from_outside_reorders_nothing(thing):
    """Characters that nobody sees are shown as their escapes, as in a terminal."""
    shown = thing._repr_html_()

    assert [each for each in shown if not each.isprintable() and each not in "\n\t"] == []
    assert "u202e" in shown


def test_no_network_and_no_token(closed_port: int):
    """Clients of a hub that is not there are shown at once, and without their token."""
    with HostClient(f"http://127.0.0.1:{closed_port}/api/v1", token="t0ken-x") as host:
        pages = [
            each._repr_html_()
            for each in (
                host,
                host.client,
                InstanceClient("abc", host),
                SequenceClient("def", host),
                host.get_manager_client(),
                CreateAccessKeyResponse(description="mine", raw={"key": "t0ken-x"}),
                GetConfigResponse(id=None, runtime_adapter=None, extra={"key": "t0ken-x"}),
            )
        ]
        report = host.doctor(timeout=5)

    assert all(str(closed_port) in page for page in pages[:5])
    assert not any("t0ken-x" in page for page in [*pages, report._repr_html_()])


def test_report_is_shown_as_it_is_printed():
    """The doctor's report, made to be printed, keeps its lines."""
    report = HostClient("http://127.0.0.1:1/api/v1").doctor(timeout=1)

    assert isinstance(report, DoctorReport)
    assert Text(report._repr_html_()).cells[0] == str(report)


def test_long_values_are_cut():
    """A megabyte in an answer does not fill the notebook."""
    event = GetEventResponse(event_name="e", data="x" * 1_000_000, timestamp="")

    assert len(event._repr_html_()) < 2000


def test_showing_needs_no_notebook():
    """Neither the package nor what it shows brings IPython or tqdm in, and show() says how to get them."""
    code = (
        "import sys; sys.modules['IPython'] = None\n"
        "from scramjet_client import *\n"
        "instance = HostClient().get_instance_client('abc'); instance._repr_html_()\n"
        "assert 'tqdm' not in sys.modules\n"
        "try: instance.show()\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.stdout == (
        "scramjet_client.integrations.notebook needs IPython: pip install 'scramjet_client[notebook]'\n"
    ), done.stderr


def test_show_outside_of_a_notebook():
    """In a script show() says what it needs, before it asks the hub anything."""
    with pytest.raises(RuntimeError, match="this is not one"):
        HostClient("http://127.0.0.1:1/api/v1").get_instance_client("abc").show()


LISTS: list[tuple[str, Callable[[], list[Any]]]] = [
    ("sequences", lambda: sequences_from([{"id": "a", "config": {"name": HOSTILE}}])),
    ("instances", lambda: instances_from([{"id": "a", "sequence": HOSTILE}])),
    ("ids", lambda: Rows([HOSTILE])),
    ("hubs", lambda: hubs_from(json_answer([{"id": HOSTILE}]))),
    ("topics", lambda: topics_from(json_answer([{"name": HOSTILE, "actors": [{}]}]))),
    ("store items", lambda: store_items_from(json_answer([{"id": HOSTILE}]))),
    ("managers", lambda: managers_from(json_answer([{"id": HOSTILE}]))),
    ("keys", lambda: access_keys_from(json_answer({"accessKeys": [{"description": HOSTILE}]}))),
]


def json_answer(value: Any) -> JsonAnswer:
    return JsonAnswer(status=200, reason="OK", value=value, text="")


@pytest.mark.parametrize(("name", "make"), LISTS, ids=[name for name, _ in LISTS])
def test_every_list_is_a_table(name: str, make: Callable[[], list[Any]]):
    """What a hub lists is a row each, escaped, and a list like any other for a program."""
    found = make()
    shown = Text(found._repr_html_())

    assert shown.tags == {"table", "caption", "tr", "th", "td"}
    assert HOSTILE in shown.cells or HOSTILE in "".join(shown.cells)
    assert shown.cells[0] == "1 item"
    assert found == list(found)
    assert repr(found) == repr(list(found))
    assert pickle.loads(pickle.dumps(found)) == found


def test_rows_of_a_list():
    """Columns are what any item has a value for, and of a long list the beginning is shown."""
    some = [GetInstanceResponse(id=f"i{n}", sequence="s", status="running") for n in range(150)]
    shown = Text(Rows(some)._repr_html_())

    assert shown.cells[:4] == ["150 items, the first 100 of them", "id", "sequence", "status"]
    assert "i99" in shown.cells
    assert "i100" not in shown.cells
    assert "started" not in shown.cells
    assert Text(Rows([])._repr_html_()).cells == ["0 items"]


def test_lists_inside_of_answers_are_tables():
    """The sequences and instances of a hub are tables in the table of its entities."""
    info = GetInstanceResponse(id="abc", sequence="def", status="running")
    page = GetEntitiesResponse(sequences=(), instances=(info,))._repr_html_()

    assert page.count("<table>") == 2
    assert "abc" in Text(page).cells


def test_text_is_in_a_font_for_it():
    """The doctor's report stands in columns, whatever the frontend does with `<pre>`."""
    report = HostClient("http://127.0.0.1:1/api/v1").doctor(timeout=1)

    assert report._repr_html_().startswith('<pre style="font-family:monospace">')
