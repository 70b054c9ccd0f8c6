"""Secrets are hidden, and words are not."""

from __future__ import annotations

import pytest

from scramjet_client.http.secrets import Secrets

SAID = [
    # (secret, text, what is shown of it)
    ("a", "a hub at /api has a bad answer", "a hub at /api has a bad answer"),
    ("a", "instance 'a' not found", "instance 'a' not found"),
    ("a", "Authorization: Bearer a is wrong", "Authorization: Bearer *** is wrong"),
    ("a", "no such token: a", "no such token: ***"),
    ("a", '{"token":"a","name":"a"}', '{"token":"***","name":"a"}'),
    ("a", "?access_token=a&b=a", "?access_token=***&b=a"),
    ("a", "Bearer answers", "Bearer answers"),
    ("to", "GET to the hub TO to", "GET to the hub TO to"),
    ("to", "bearer%20to", "bearer%20***"),
    ("&;", "x &; y, key=%26%3B", "x &; y, key=***"),
    ("test", "the latest tests of test_x", "the latest tests of ***_x"),
    ("test", "token=test", "token=***"),
    ("test", "Bearer%20test", "Bearer%20***"),
    ("test", "line\\ntest\\r", "line\\n***\\r"),
    ("t0ken-long", "xt0ken-longx", "x***x"),
    ("t0ken-long", "Bearer t0ken-lo is wrong", "Bearer *** is wrong"),
    ("t0ken-long", "Bearer t0ken-lo... or token: t0ke", "Bearer ***... or token: ***"),
    ("t0ken-long", "Bearer%20T0KEN-LO%2E", "Bearer%20***%2E"),
    (
        "t0ken-long",
        "t0ken-lo is a part, and a token is t0ny",
        "t0ken-lo is a part, and a token is t0ny",
    ),
    ("scramjet-and-many-more", "a scramjet-and-many hub", "a *** hub"),
    ("scramjet-and-many-more", "'scramjet-and-man' scramjet-and-much", "'***' scramjet-and-much"),
    ("&" * 20, "Bearer &amp;&amp;&amp;", "Bearer ***"),
    (
        "x" * 20_000,
        "more than 16384 bytes: b'Bearer xxxxxxxxxx'...",
        "more than 16384 bytes: b'Bearer ***'...",
    ),
    ("", "nothing is hidden", "nothing is hidden"),
]


@pytest.mark.parametrize(("secret", "text", "shown"), SAID)
def test_secrets_and_words(secret: str, text: str, shown: str):
    """A short secret is hidden where it is one, and stays where it is a word or a part of one."""
    assert Secrets([secret]).hidden_in(text) == shown


def test_several_secrets():
    """Each is hidden by its own rule, the longer one first."""
    secrets = Secrets(["a", "Bearer a", "abcdefgh"])

    assert secrets.hidden_in("a: Bearer a, abcdefgh") == "a: ***, ***"
