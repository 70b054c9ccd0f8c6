"""Topics: created, listed, written, read, and joined to instances."""

from __future__ import annotations

import pytest

from tests.hub.programs import IDLE
from tests.hub.wire import Wire, ask, info, log, opened, package, run, start, upload
from tests.support.waiting import eventually

TEXT = {"Content-Type": "text/plain"}
CHUNKED = {**TEXT, "Transfer-Encoding": "chunked"}

PRODUCER = """
from scramjet.streams import Stream
provides = {"provides": "made", "contentType": "text/plain"}
async def run(context, input):
    async for chunk in input:
        yield chunk
"""

CONSUMER = """
requires = {"requires": "made", "contentType": "text/plain"}
async def run(context, input):
    async for chunk in input:
        yield "got " + chunk
"""


def test_create_list_delete(url: str):
    """A topic is made, listed and removed with the answers of a 1.0 hub."""
    made = ask(url, "POST", "topics", {"id": "t1", "content-type": "text/plain"})

    assert (made.status, made.json) == (
        200,
        {
            "id": "t1",
            "origin": {"id": "127.0.0.1", "type": "hub"},
            "state": "flowing",
            "contentType": "text/plain",
        },
    )
    assert ask(url, "GET", "topics").json == [
        {"contentType": "text/plain", "localProvider": "", "topic": "t1", "topicName": "t1"}
    ]
    assert ask(url, "DELETE", "topics/t1").json == {"message": "Topic t1 removed"}
    gone = ask(url, "DELETE", "topics/t1")
    assert (gone.status, gone.json) == (404, {"error": "Topic t1 not found"})


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, "Missing body param: id"),
        ({"id": "x"}, "Missing body param: content-type"),
        ({"id": "x", "content-type": "a/b"}, "Unsupported content-type"),
        ({"id": "x.y", "content-type": "text/plain"}, "Topic id incorrect format"),
        ({"id": "taken", "content-type": "text/plain"}, "Topic with given id already exist"),
    ],
)
def test_bad_creations(url: str, body: dict[str, str], error: str):
    """Mistakes are 400, each with its word."""
    ask(url, "POST", "topics", {"id": "taken", "content-type": "text/plain"})
    answer = ask(url, "POST", "topics", body)

    assert (answer.status, answer.json) == (400, {"error": error})


def test_written_and_read(url: str):
    """The answer comes after the body; every reader gets all from its coming; bytes are untouched."""
    octets = {"Content-Type": "application/octet-stream"}
    assert ask(url, "POST", "topic/t", raw=b"\xff\x00", headers=octets).json == {}
    with opened(url, "topic/t", octets) as first:
        assert first.read(2) == b"\xff\x00"
        with opened(url, "topic/t", octets) as second, Wire(url) as writer:
            writer.request("POST", "topic/t", {**octets, "Transfer-Encoding": "chunked"})
            writer.send_chunk(b"x")
            assert (first.chunk(), second.chunk()) == (b"x", b"x")
            assert writer.silent(0.1)
            writer.send_chunk(b"")
            head = writer.head()
            assert (head.status, writer.body(head)) == (200, b"{}")
            assert first.silent(0.1)


def test_writers_take_turns(url: str):
    """The second writer's interim answer, and its data, wait for the end of the first body."""
    with opened(url, "topic/t", TEXT) as reader, Wire(url) as first, Wire(url) as second:
        first.request("POST", "topic/t", CHUNKED)
        first.send_chunk(b"1")
        assert reader.chunk() == b"1"
        second.request("POST", "topic/t", {**CHUNKED, "Expect": "100-continue"})
        assert second.silent()
        first.send_chunk(b"")
        assert first.head().status == 200
        assert second.head().status == 100
        second.send_chunk(b"2")

        assert reader.chunk() == b"2"


def test_missing_newline_is_added(url: str):
    """A body of JSON lines ends with one."""
    ndjson = {"Content-Type": "application/x-ndjson"}
    ask(url, "POST", "topic/t", raw=b'{"a":1}', headers=ndjson)
    ask(url, "POST", "topic/t", raw=b'{"b":1}\n', headers=ndjson)

    with opened(url, "topic/t") as reader:
        assert reader.read(16) == b'{"a":1}\n{"b":1}\n'


def test_types_and_names(url: str):
    """A reader's mismatch is 415, a writer's 500; bad types and names are told apart."""
    ask(url, "POST", "topics", {"id": "t", "content-type": "text/plain"})
    read_other = ask(url, "GET", "topic/t")
    write_other = ask(
        url, "POST", "topic/t", raw=b"{}", headers={"Content-Type": "application/x-ndjson"}
    )
    write_bad = ask(url, "POST", "topic/t", raw=b"", headers={"Content-Type": "a/b"})
    read_name = ask(url, "GET", "topic/a.b", headers=TEXT)
    write_name = ask(url, "POST", "topic/a.b", raw=b"", headers=TEXT)

    assert (read_other.status, read_other.reason) == (415, "Unsupported content-type")
    assert (write_other.status, write_other.reason, write_other.body) == (
        500,
        "Internal error occurred",
        b"",
    )
    assert (write_bad.status, write_bad.json) == (400, {"error": "Unsupported content-type"})
    assert (read_name.status, read_name.reason) == (400, "Topic id incorrect format")
    assert (write_name.status, write_name.json) == (400, {"error": "Topic id incorrect format"})


def test_instances_write_and_read_topics(url: str):
    """What one provides, another requires; the output of both is there too."""
    producer, consumer = run(url, PRODUCER), run(url, CONSUMER)
    eventually(lambda: info(url, producer).get("provides") == "made")
    eventually(lambda: info(url, consumer).get("requires") == "made")
    refused = ask(url, "POST", f"instance/{consumer}/input", raw=b"x", headers=TEXT)
    assert (refused.status, refused.json) == (405, {"error": "Input provided in other way"})

    with (
        opened(url, f"instance/{consumer}/output") as output,
        opened(url, f"instance/{producer}/output") as made,
    ):
        ask(
            url,
            "POST",
            f"instance/{producer}/input",
            raw=b"x\n",
            headers={**TEXT, "x-end-stream": "false"},
        )

        assert output.chunk() == b"got x\n"
        assert made.chunk() == b"x\n"
    with opened(url, f"instance/{consumer}/output") as output:
        ask(url, "POST", "topic/made", raw=b"from a client\n", headers=TEXT)
        assert output.chunk() == b"got from a client\n"


def test_topics_of_a_start(url: str):
    """A start's topics are joined only where the program names a type; an input topic blocks the input all the same."""
    typed = start(url, upload(url, package(PRODUCER)), outputTopic="other")
    untyped = start(url, upload(url, package(IDLE)), outputTopic="a", inputTopic="b")
    eventually(lambda: info(url, typed).get("provides") == "other")

    ask(
        url,
        "POST",
        f"instance/{typed}/input",
        raw=b"x\n",
        headers={**TEXT, "x-end-stream": "false"},
    )
    with opened(url, "topic/other", TEXT) as reader:
        assert reader.chunk() == b"x\n"
    found = info(url, untyped)
    assert (found["provides"], found["requires"]) == ("a", "b")
    assert ask(url, "POST", f"instance/{untyped}/input", raw=b"x", headers=TEXT).status == 405
    assert {each["topic"] for each in ask(url, "GET", "topics").json} == {"other"}


def test_topic_of_another_type(url: str):
    """An instance whose topic has another type is not joined, and its log says so."""
    ask(url, "POST", "topics", {"id": "made", "content-type": "application/x-ndjson"})
    instance = run(url, CONSUMER)

    assert log(url, instance, "topic 'made'")
