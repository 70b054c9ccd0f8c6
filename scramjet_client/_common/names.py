"""Guessed names: a refusal of a wrong keyword or attribute gives the right one, and some synonyms work.

Correct calls are not affected: this code looks at a call only after Python has refused it.
"""

from __future__ import annotations

import functools
import inspect
import io
import re
import sys
from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import FunctionType
from typing import Any, ClassVar, NoReturn, TypeVar

from scramjet_client._common.tracebacks import PACKAGE, below, is_beneath, module_of, shorten

_T = TypeVar("_T", bound=type)
_F = TypeVar("_F", bound=Callable[..., Any])

# pytest leaves the frames of this module out of what it shows.
__tracebackhide__ = True

SYNONYMS = {
    "content_type": ("type",),
    "type": ("content_type",),
    "config": ("app_config",),
    "url": ("api_base",),
    "base_url": ("api_base",),
    "sequence_id": ("id",),
    "instance_id": ("id",),
}
"""Synonyms: a method that has one of the values as a keyword also accepts the key. Only its own name is documented."""

_MEANT = {
    "stream": "body buffer data file path payload source",
    "input": "body data",
    "message": "data payload",
    "value": "body",
    "app_config": "configuration params",
    "args": "arguments params",
    "event_name": "event name",
    "topic": "name",
    "stream_id": "name stream",
    "id": "name",
    "package": "file path",
    "target": "file path",
    "function": "func source",
    "program": "func",
    "progress": "callback on_progress",
    "on_gap": "callback",
    "type": "content_type encoding mime mimetype",
    "mimetype": "content_type mime",
    "api_base": "address api_url host hub hub_url port",
    "host": "address hub",
    "token": "access_token api_key auth",
    "verify": "ca ssl_verify",
    "end": "close close_input eof final finish last",
    "requirements": "dependencies deps install libraries libs modules packages pip pip_install pip_packages",
    "env": "env_vars environment",
    "include": "files",
    "idle_timeout": "idle",
    "retries": "max_retries",
    "limits": "memory",
    "interval": "refresh",
    "timeout": "seconds",
    "output": "stdout",
}
"""Wrong keywords by what they mean, for those that look like no name. The first name that a method has counts."""

_IN_CONFIG = "app_config={...} gives the program settings, as context.config; programs share the hub's environment"
_ALWAYS_COLLECTED = "leave it out: the result always has .output, .stdout, .stderr and .log"
_BY_START = "give it to start() or run() of the sequence that deploy() or send_sequence() returns"
_MILLISECONDS = "its timeout= is in milliseconds: stop(timeout=5000), or stop(timedelta(seconds=5))"
_AT_ONCE = "start() starts an instance and returns at once"
_BINARY = "a stream gives bytes: .text() yields str, and so does io.TextIOWrapper(stream)"
_OF_FOLLOW = "follow() returns at once, and its result has wait(timeout)"
_NAMES_STREAMS = "name the streams: follow(output=print, log=True)"

_NOTES: dict[str, dict[str, str]] = {
    "HostClient": {
        "profile": "HostClient.from_env(profile=...) reads a profile",
        "port": "the port is a part of api_base: 'http://127.0.0.1:8000/api/v1'",
    },
    "deploy": {
        **dict.fromkeys(("app_config", "args", "config", "input", "limits"), _BY_START),
        **dict.fromkeys(("file", "package", "path"), "send_sequence(path) sends a file or a folder"),
    },
    "follow": {
        **dict.fromkeys(("timeout", "seconds", "duration", "idle_timeout"), _OF_FOLLOW),
        **dict.fromkeys(("callback", "stream", "streams", "target", "to"), _NAMES_STREAMS),
        "lines": "get_log_stream() gives lines, and itertools.islice takes some of them",
    },
    "get_log_stream": {
        **dict.fromkeys(("encoding", "text"), _BINARY),
        "follow": "leave it out: it is always live, and ends with the instance or after timeout= seconds",
        **dict.fromkeys(("lines", "n", "tail"), "itertools.islice(stream, n) takes some lines of it"),
    },
    "get_stream": {**dict.fromkeys(("encoding", "text"), _BINARY)},
    "kill": {
        "force": "leave it out: kill() asks nobody",
        "signal": "a hub can only kill; send_event() tells the program anything else",
        "timeout": "kill() waits for nothing, and stop(timeout) gives the program milliseconds",
    },
    "run": {
        **dict.fromkeys(("background", "detach", "wait"), _AT_ONCE),
        **dict.fromkeys(("capture", "capture_output", "stderr", "stdout"), _ALWAYS_COLLECTED),
        **dict.fromkeys(("encoding", "text", "universal_newlines"), "`.output.decode()` is the text"),
        **dict.fromkeys(("env", "env_vars", "environ", "environment"), _IN_CONFIG),
        **dict.fromkeys(("limit", "max_time", "time_limit"), "it is called 'timeout' here, in seconds"),
    },
    "InstanceClient.run": {
        **dict.fromkeys(
            ("app_config", "args", "config", "env", "environ", "environment"),
            "the instance has started already; start() or run() of its sequence takes args= and app_config=",
        ),
    },
    "send_sequence": {
        **dict.fromkeys(("app_config", "args", "config", "env", "input", "limits"), _BY_START),
        "name": "its package.json names it; a Python file is named by its file name",
    },
    "start": {
        **dict.fromkeys(("env", "env_vars", "environ", "environment"), _IN_CONFIG),
        **dict.fromkeys(("id", "name"), "it is called 'instance_id' here"),
        **dict.fromkeys(("input", "stdin"), "run(input=...) sends input, or send_input() of the started instance"),
    },
    "stop": {
        **dict.fromkeys(
            ("delay", "grace", "grace_period", "milliseconds", "ms", "seconds", "time", "timeout_ms", "wait"),
            _MILLISECONDS,
        ),
        "force": "kill() ends it at once",
        "signal": "kill() ends it at once, and send_event() tells the program anything else",
    },
}  # fmt: skip
"""What to say of a wrong keyword of one method; "Class.method" comes before "method"."""

_MISSING = {
    "deploy": "it is no decorator: deploy(function, name=...)",
    "inout": "it sends a source and gives the output: inout([b'...']); to read alone, get_stream(\"output\")",
    "send_event": "the event's name: send_event(name, message)",
    "send_input": "what to send: send_input(b'...'), text, a file, a Path or a generator",
    "send_stdin": "what to send: send_stdin(b'...'), text, a file, a Path or a generator",
}
"""What to say of an argument that a method needs and did not get."""

_EXTRA = {"follow": _NAMES_STREAMS, "start": "the program's arguments are args=[...]"}
"""What to say of an argument without a name, by method."""

_IO = frozenset((*dir(io.BufferedRandom), *dir(io.TextIOWrapper))) - {"close", "detach", "flush"}
"""Methods of files. They are called for each piece of data, and their names come from io."""

_FUNCTION = re.compile(r"^[\w.<>]+\(\)")


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Return the known name that is most similar to a given one, or ""."""
    import difflib  # noqa: PLC0415 - for who guesses a name

    found = difflib.get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return found[0] if found else ""


_READING = {
    "all", "fetch", "find", "get", "list", "listen", "load", "open", "query", "read", "receive", "retrieve", "see",
    "show", "stream", "subscribe", "view", "wait", "watch",
}  # fmt: skip
_WRITING = {
    "emit", "feed", "open", "pipe", "post", "publish", "push", "put", "send", "submit", "upload", "write",
}  # fmt: skip
"""Verbs that are taken for each other, before one noun."""


def _of_another_verb(name: str, names: Sequence[str]) -> str:
    """Return the name that has another verb of the same meaning, such as "get_info" for "fetch_info", or ""."""
    verb, _, noun = name.partition("_")
    noun = noun[4:] if noun.startswith("for_") else noun
    for other, meaning in (
        ("get", _READING),
        ("list", _READING),
        ("send", _WRITING),
        ("open", _WRITING),
        ("submit", _WRITING),
    ):
        if not noun or verb in meaning:
            for each in (f"{other}_{noun or verb}", f"{other}_{noun or verb}s"):
                if each in names:
                    return each
    return ""


def misspelt(name: str, known: Sequence[str]) -> str:
    """Return the known name that has the same words, with slips of the fingers or in another order; or ""."""
    return next(iter(slips(name, known)), "")


def slips(name: str, known: Sequence[str]) -> list[str]:
    """Return the known names of which one is a slip of the fingers, the likeliest ones alone."""
    words = sorted(name.lower().split("_"))
    found: dict[int, list[str]] = {}
    for each in known:
        others = sorted(each.lower().split("_"))
        if len(others) == len(words):
            ranks = list(map(_slip, words, others))
            if all(ranks):
                found.setdefault(max(ranks), []).append(each)
    if found:
        return found[min(found)]
    joined = name.lower().replace("_", "")  # getInfo
    return [each for each in known if each.replace("_", "") == joined][:1]


_KEYS = "qwertyuiop asdfghjkl zxcvbnm"
"""The letters of a keyboard, row by row."""


def _slip(word: str, right: str) -> int:
    """Return 0 if a word is no slip of another one, or else how unlikely the slip is: 1 for none at all.

    A slip is two letters in the wrong order, a letter twice or missing, or the key beside the right one. Any other
    letter makes another word of a short one: start and state, top and stop. Of a long word, two letters may be wrong.
    """
    if word == right:
        return 1
    if len(right) < 2 or len(word) < 2:
        return 0
    if len(word) == len(right):
        wrong = [at for at, (one, other) in enumerate(zip(word, right)) if one != other]
        first, last = wrong[0], wrong[-1]
        if last - first == 1 and word[first] == right[last] and word[last] == right[first]:
            return 2
        if first == last and len(right) > 2 and _are_beside(word[first], right[first]):
            return 4
    elif len(right) - len(word) == 1 and len(right) > 2:
        at = next((at for at in range(len(word)) if word[at] != right[at]), len(word))
        if word[at:] == right[at + 1 :]:
            return 3 if at else 0
    elif len(word) - len(right) == 1:
        at = next((at for at in range(len(right)) if word[at] != right[at]), len(right))
        if right[at:] == word[at + 1 :] and word[at] in right[max(at - 1, 0) : at + 1]:
            return 3
    if len(word) > 2 and word[0] == right[0] and word[1:] == _without_vowels(right[1:]):
        return 4
    return 5 if _is_like(word, right) else 0


def _are_beside(one: str, other: str) -> bool:
    return one + other in _KEYS or other + one in _KEYS


def _without_vowels(word: str) -> str:
    return "".join(each for each in word if each not in "aeiou")


def _is_like(word: str, right: str) -> bool:
    """Whether a word of some length has a letter or, if it is long, two letters wrong."""
    import difflib  # noqa: PLC0415 - as above

    blocks = difflib.SequenceMatcher(None, word, right, autojunk=False).get_matching_blocks()
    wrong = max(len(word), len(right)) - sum(each.size for each in blocks)
    shorter = min(len(word), len(right))
    enough = 3 if len(word) != len(right) or sorted(word) == sorted(right) else 6
    return shorter >= enough and wrong <= (2 if shorter >= 8 else 1) and word[0] == right[0]


def advised(cls: _T) -> _T:
    """Make the constructor and the methods of a class refuse wrong arguments in terms that its users know.

    Signatures do not change, and `help()`, editors and type checkers see them as before.
    """
    for kind in cls.__mro__:
        if kind.__module__.partition(".")[0] == PACKAGE and not issubclass(kind, BaseException):
            for name, value in list(vars(kind).items()):
                if _is_public(kind, name):
                    advised_value = _advised(value, name)
                    if advised_value is not None:
                        setattr(kind, name, advised_value)
    return cls


_CALLED_BY_PYTHON = frozenset(("__enter__", "__exit__", "__next__"))
"""Methods without a name of ours whose errors the user sees at a line of the user's."""


def _is_public(cls: type, name: str) -> bool:
    if name in _CALLED_BY_PYTHON:
        return True
    if name == "__init__":
        # A Protocol's `__init__` comes from typing.
        return not getattr(cls, "_is_protocol", False)
    return not name.startswith("_") and not (issubclass(cls, io.IOBase) and name in _IO)


def _advised(value: object, name: str) -> object | None:
    """Return a method that gives advice; None if the value is not a method, or gives advice already."""
    if isinstance(value, (classmethod, staticmethod)):
        inner = _advised(value.__func__, name)
        return None if inner is None else type(value)(inner)  # type: ignore[arg-type]
    if not isinstance(value, FunctionType) or hasattr(value, "__wrapped__"):
        return None
    code = value.__code__
    if code.co_flags & inspect.CO_VARKEYWORDS:
        return None
    return _with_advice(value, name)


def advised_function(function: _F) -> _F:
    """Make a function refuse wrong arguments as the methods of an advised class do."""
    return _with_advice(function, function.__name__, of_class=False)  # type: ignore[return-value]


def _with_advice(
    function: Callable[..., Any], name: str, *, of_class: bool = True
) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*given: Any, **keywords: Any) -> Any:
        try:
            return function(*given, **keywords)
        except BaseException as error:
            # Without frames below this one, Python could not make the call.
            if not isinstance(error, TypeError) or below(error) is not None:
                # Drop the frame of this function, which does not help the user (effective on Python 3.11 and newer).
                error.__traceback__ = below(error) or error.__traceback__
                if not is_beneath(module_of(sys._getframe(1))):
                    # The user has called.
                    shorten(error)
                raise
            said = str(error)
        known = list(inspect.signature(function).parameters)
        renamed = _renamed(keywords, known, given)
        if renamed is not None:
            return function(*given, **renamed)
        of = _called(given, name) if of_class else name
        raise TypeError(refusal(function, of, given, keywords, said))

    return call


def _called(given: tuple[Any, ...], name: str) -> str:
    """Return the name of a method as its user writes it, with the user's class."""
    of = given[0] if given else None
    cls = of if isinstance(of, type) else type(of)
    return cls.__name__ if name == "__init__" else f"{cls.__name__}.{name}"


def _renamed(
    keywords: Mapping[str, Any], known: list[str], given: tuple[Any, ...]
) -> dict[str, Any] | None:
    """Return keywords with synonyms replaced, or None if that does not help."""
    free = [name for name in known[len(given) :] if name not in keywords]
    renamed: dict[str, Any] = {}
    for name, value in keywords.items():
        meant = (
            [each for each in SYNONYMS.get(name, ()) if each in free] if name not in known else []
        )
        if name not in known and not meant:
            return None
        key = meant[0] if meant else name
        if key in renamed:
            return None
        renamed[key] = value
    return None if list(renamed) == list(keywords) else renamed


def _meant(name: str, names: list[str]) -> str:
    """Return the name that a wrong keyword means, or ""."""
    guesses = {guess: right for guess, of in SYNONYMS.items() for right in of if right in names}
    for right in reversed(_MEANT):
        if right in names:
            guesses.update(dict.fromkeys(_MEANT[right].split(), right))
    if name in guesses:
        return guesses[name]
    bare = name.strip("_")
    found = misspelt(bare, [*names, *guesses]) or nearest(bare, [*names, *guesses], _SIMILAR)
    return found if found in names else guesses.get(found, "")


_SIMILAR = 0.7
"""How similar a wrong keyword is to the right one; "timeout" and "stdout" have 0.61."""


def refusal(
    function: Callable[..., Any],
    of: str,
    given: Sequence[Any],
    keywords: Mapping[str, Any],
    said: str,
) -> str:
    """Return why Python could not make a call, in terms that the user knows.

    `of` is the name of what was called, as its user writes it, and `said` is what Python says.
    """
    parameters = list(inspect.signature(function).parameters.values())
    names = [each.name for each in parameters if each.name not in ("self", "cls")]
    for name in keywords:
        if name not in names:
            return f"{of}() has no argument {name!r}; {_right(of, name, names)}"
    bound = len(parameters) - len(names)
    if surplus := _surplus(of, parameters[bound:], given[bound:]):
        return surplus
    note = _MISSING.get(of.rpartition(".")[2])
    return _FUNCTION.sub(f"{of}()", said) + (f"; {note}" if note else "")


def _right(of: str, wrong: str, names: list[str]) -> str:
    for key in (of, of.rpartition(".")[2]):
        if note := _NOTES.get(key, {}).get(wrong):
            return note
    right = _meant(wrong, names)
    if right:
        return f"it is called {right!r} here"
    return f"it has {', '.join(names)}" if names else "it has none"


def _surplus(of: str, parameters: Sequence[inspect.Parameter], given: Sequence[Any]) -> str:
    """Return what is wrong with arguments that have no name and need one, or ""."""
    named = [each.name for each in parameters if each.kind is each.KEYWORD_ONLY]
    free = [each.name for each in parameters if each.kind is not each.KEYWORD_ONLY]
    if len(given) <= len(free):
        return ""
    some = "arguments" if len(free) != 1 else "argument"
    takes = (
        f"{len(free)} positional {some} ({', '.join(free)})" if free else "no positional arguments"
    )
    were = "were" if len(given) != 1 else "was"
    said = f"{of}() takes {takes} but {len(given)} {were} given"
    if named:
        said += f"; name the others: {', '.join(f'{each}=...' for each in named)}"
    note = _EXTRA.get(of.rpartition(".")[2])
    return f"{said}; {note}" if note else said


def guessed(guesses: Mapping[str, str]) -> dict[str, str]:
    """Return the right name for each guess, from the guesses of each right name with spaces between them."""
    return {guess: right for right, of in guesses.items() for guess in of.split()}


def refused(why: str) -> Callable[..., Any]:
    """Return a method for a part of the language that a class does not have, such as `__iter__`, which says why."""

    def refuse(self: object, *_: object) -> NoReturn:
        raise TypeError(f"{type(self).__name__} {why}")

    return refuse


def elsewhere(module: str) -> Callable[[str], NoReturn]:
    """Return the `__getattr__` of a module: it says where a name of this package is that somebody looks for there."""

    def refuse(name: str) -> NoReturn:
        top = sys.modules[PACKAGE]
        homes = {**top._ELSEWHERE, **dict.fromkeys(top.__all__, "")}
        if name in homes and not name.startswith("_"):
            home = ".".join(filter(None, (PACKAGE, homes[name])))
            raise ImportError(
                f"{module} has no {name!r}; write: from {home} import {name}", name=module
            )
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return refuse


class Guided:
    """Gives a class an AttributeError that names the right attribute for a guessed name."""

    __slots__ = ()

    _guesses: ClassVar[Mapping[str, str]] = {}
    """The right name for each guessed name."""

    def _advice_on(self, name: str) -> str:
        """Return the right name for a missing one, or ""."""
        guesses = ChainMap(*(vars(cls).get("_guesses", {}) for cls in type(self).__mro__))
        if name in guesses:
            return str(guesses[name])
        names = [each for each in dir(type(self)) if not each.startswith("_")]
        found = misspelt(name, names) or _of_another_verb(name, names)
        if found:
            return found + ("()" if callable(getattr(type(self), found)) else "")
        return str(guesses.get(misspelt(name, sorted(guesses)), ""))


def _getattr(self: Guided, name: str) -> NoReturn:
    advice = "" if name.startswith("_") else self._advice_on(name)
    kind = type(self).__name__
    error = AttributeError(f"{kind} has no {name!r}" + (f"; use {advice}" if advice else ""))
    # Without this, Python adds its own guess to ours.
    error.name, error.obj = name, None
    raise error


# Set from outside, so that type checkers still refuse missing attributes.
Guided.__getattr__ = _getattr  # type: ignore[attr-defined]
