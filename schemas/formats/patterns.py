"""Entity patterns: a regular expression of the operator, run on text of anyone, in linear time.

Python's ``re`` backtracks, so that a pattern such as ``(a+)+b`` stops a worker for good on one crafted line.
RE2 never does, but its Python binding costs ten times as much per search (4 against 0.4 microseconds on
HDFS lines). A pattern goes to ``re`` only when a small, conservative grammar shows that it cannot backtrack
further than a fixed number of steps per character, as ``blk_-?\\d+`` cannot; any other pattern goes to RE2.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import re2

from schemas.events import MAX_ENTITY_CHARS

__all__ = ["SEARCHED_CHARS", "entity_finder", "is_bounded"]

SEARCHED_CHARS = 4_096
"""Only this much of a message is searched."""

# One atom: a class escape, an escaped sign, a bracketed set without nesting, or a literal character.
_ATOM = r"(?:\\[dDwWsS]|\\[^\w\s]|\[\^?(?:\\[dDwWsS]|\\[^\w\s]|[^\[\]\\^])+\]|[^\\\[\](){}*+?|^$])"
_MIDDLE = re.compile(rf"{_ATOM}(?:(?P<maybe>\?)|\{{(?P<times>\d{{1,3}})\}})?(?![*+?{{])")
_LAST = re.compile(rf"{_ATOM}(?:[*+]|\{{(?P<times>\d{{1,3}})(?:,\d{{0,3}})?\}})?\Z")
_MAX_STEPS = 64


def is_bounded(pattern: str) -> bool:
    """Whether ``re`` needs at most 256 steps per character of text for this pattern, whatever the text.

    True only for: an optional ``\\b``, then atoms, each once, optional (two at most) or repeated a fixed
    number of times, then one last atom with any greedy quantifier; at most one group around part of it. The
    last quantifier cannot be backtracked into because nothing follows that could fail.
    """
    body = pattern.removeprefix(r"\b")
    plain = re.sub(r"(?<!\\)[()]", "", body)
    if body != plain and not re.fullmatch(r"[^()]*\((?!\?)[^()]+\)(?![*+?{])[^()]*", body):
        return False
    position, steps, optional = 0, 0, 0
    while match := _MIDDLE.match(plain, position):
        if match.end() == len(plain):
            break
        steps += int(match["times"] or 1)
        optional += match["maybe"] is not None
        position = match.end()
    last = _LAST.match(plain, position)
    if last is None and match is None:
        return False
    steps += int((last["times"] if last else None) or 1)
    return steps <= _MAX_STEPS and optional <= 2


def entity_finder(pattern: str) -> Callable[[str], str]:
    """A function from a message to the entity in it (``""`` where there is none), for one pattern.

    The entity is the first group that the pattern has, otherwise the whole match, cut to 256 characters.

    Raises:
        ValueError: the pattern is not a regular expression that RE2 accepts (it has no look-around and no
            back-references), or matches the empty text.

    """
    options = re2.Options()
    options.log_errors = False
    try:
        linear = re2.compile(pattern.encode(), options)
    except re2.error as error:
        reason = error.args[0] if error.args else error
        if isinstance(reason, bytes):
            reason = reason.decode("utf-8", "replace")
        raise ValueError(
            f"entity pattern {pattern!r} is not a regular expression that can be used: {reason}; "
            r"write it in RE2 syntax, for example blk_-?\d+ (look-around and back-references do not exist)"
        ) from None
    if linear.search(b"") is not None:
        raise ValueError(
            f"entity pattern {pattern!r} matches the empty text, so it would find nothing in every message; "
            "make at least one character of it mandatory"
        )
    group = 1 if linear.groups else 0
    return _by_re(pattern, group) if is_bounded(pattern) else _by_re2(linear, group)


def _by_re(pattern: str, group: int) -> Callable[[str], str]:
    search = re.compile(pattern, re.ASCII).search  # ASCII: RE2's \d, \w and \s are

    def find(message: str) -> str:
        match = search(message, 0, SEARCHED_CHARS)
        return match[group][:MAX_ENTITY_CHARS] if match else ""

    return find


def _by_re2(linear: Any, group: int) -> Callable[[str], str]:
    search = linear.search

    def find(message: str) -> str:
        # Bytes, because the binding counts characters for text; "replace" because no message may raise.
        match = search(message[:SEARCHED_CHARS].encode("utf-8", "replace"))
        found = match.group(group) if match else None
        return found.decode("utf-8", "replace")[:MAX_ENTITY_CHARS] if found else ""

    return find
