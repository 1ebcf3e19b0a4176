"""Entity patterns: the same answer from both engines, and no pattern that a crafted line can stop."""

import time

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from schemas.formats.patterns import SEARCHED_CHARS, entity_finder, is_bounded

BOUNDED = [
    r"blk_-?\d+",
    r"req-[0-9a-f-]{36}",
    r"id=(\S+)",
    r"\bvm-\w{4,8}",
    "abc",
    r"x.y",
    r"\[(\d+)",
    r"[^ :]+",
]
UNBOUNDED = [
    r"a+b",
    r"(a+)+b",
    r"(a|aa)+$",
    r"a*a*a*b",
    r"\d+\b",
    r".*x",
    r"^abc",
    r"(?i)abc",
    r"(ab)+",
    r"a+?",
    r"x{65}",
]


@pytest.mark.parametrize("pattern", BOUNDED)
def test_simple_patterns_go_to_re(pattern: str) -> None:
    assert is_bounded(pattern)


@pytest.mark.parametrize("pattern", UNBOUNDED)
def test_patterns_that_may_backtrack_go_to_re2(pattern: str) -> None:
    assert not is_bounded(pattern)


ATOMS = st.sampled_from(["a", "b", "-", " ", r"\d", r"\w", r"\S", "[ab]", "[^a]", "[0-9a]", ".", r"\.", "é"])
QUANTIFIERS = st.sampled_from(["", "", "?", "{2}", "+", "*", "{1,3}"])
PATTERNS = st.lists(st.tuples(ATOMS, QUANTIFIERS).map("".join), min_size=1, max_size=4).map("".join)
TEXTS = st.text(alphabet="ab-1 .é\nZ", max_size=40)


@given(PATTERNS, st.integers(0, 3), st.lists(TEXTS, max_size=5))
def test_both_engines_find_the_same(pattern: str, group_at: int, texts: list[str]) -> None:
    if group_at:
        pattern = pattern[:group_at] + "(" + pattern[group_at:] + ")"
    try:
        linear = re2.compile(pattern)
        find = entity_finder(pattern)
    except (re2.error, ValueError):
        return
    for text in texts:
        match = linear.search(text)
        assert find(text) == ((match[1 if linear.groups else 0] or "") if match else "")


@pytest.mark.parametrize(
    "pattern", [r"(a+)+b", r"(a|aa)+c", r"(.*)(.*)(.*)=(.*)x", r"a?a?a{40}b", r"\w{60}-+", r"a+b"]
)
def test_a_crafted_line_costs_little(pattern: str) -> None:
    find = entity_finder(pattern)
    began = time.process_time()
    assert find("a" * 1_000_000) == ""
    assert time.process_time() - began < 0.5


def test_only_the_start_of_a_message_is_searched_and_entities_are_short() -> None:
    for pattern in (r"id=(\S+)", r"(?:id)=(\S+)"):
        find = entity_finder(pattern)
        assert find(" " * (SEARCHED_CHARS - 5) + "id=78") == "78"
        assert find(" " * SEARCHED_CHARS + "id=78") == ""
        assert find("id=" + "x" * 1_000) == "x" * 256
        assert find("id=\ud800!").startswith(("\ud800", "?"))


@pytest.mark.parametrize("pattern", ["(", "(?=a)b", r"(a)\1", "a**", "[z-a]"])
def test_a_pattern_that_cannot_work_is_refused_with_advice(pattern: str) -> None:
    with pytest.raises(ValueError, match="RE2 syntax"):
        entity_finder(pattern)


@pytest.mark.parametrize("pattern", ["", r"\d*", "a?"])
def test_a_pattern_that_matches_nothing_at_all_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="empty text"):
        entity_finder(pattern)
