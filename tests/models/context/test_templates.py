"""Templates: two ways to the same answer (the compiled scan and the readable mask), and purity."""

import math
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.context import templates
from models.context.templates import MERGE_VALUES, TemplateMiner, apply_merges, find_merges, mask, scan

FIXED = settings(derandomize=True, deadline=None, max_examples=300, database=None)
# Few letters, so that equal masks are common; every kind of separator, digits, and characters of many bytes.
PIECES = st.sampled_from(
    [
        "a",
        "b",
        "x9",
        "7",
        "42",
        "-3.5ms",
        "é",
        "日本",
        " ",
        "  ",
        "\t",
        "\n",
        ",",
        ", ",
        "=",
        ":",
        ";",
        "(",
        ")",
        "[",
        "]",
        '"',
        "'",
        "|",
        "{",
        "}",
        "<",
        ">",
        ".",
        "%",
        "-",
        "\x00",
        "\x0b",
        "\ud800",
    ]
)
MESSAGES = st.lists(PIECES, max_size=12).map("".join)


@FIXED
@given(st.lists(MESSAGES, min_size=2, max_size=6))
def test_equal_shapes_are_equal_masks(messages: list[str]) -> None:
    shapes = scan(messages).shape.tolist()
    masked = [mask(message) for message in messages]
    for i, j in combinations(range(len(messages)), 2):
        assert (shapes[i] == shapes[j]) == (masked[i] == masked[j]), (messages[i], messages[j])


@pytest.mark.parametrize(
    ("message", "want"),
    [
        ("", ""),
        ("took 35 ms, peers: 10.0.0.1, 10.0.0.2", "took <*> ms, peers: <*>"),
        ("1, 2,3 4=5", "<*>=<*>"),
        ("a\t \n b", "a b"),
        ("ключ 7 日本", "ключ <*> 日本"),
        ("blk_-123 at [/10.1.2.3:50010]", "<*> at [<*>:<*>]"),
    ],
)
def test_known_masks(message: str, want: str) -> None:
    assert mask(message) == want


@pytest.mark.parametrize(
    ("token", "number", "measured"),
    [
        ("35ms", 35.0, True),
        ("12.5%", 12.5, True),
        ("-3", -3.0, False),
        ("1.5", 1.5, True),
        ("42", 42.0, False),
        ("1.2.3", math.nan, True),
        ("35msec", math.nan, True),
        ("x1", math.nan, False),
        ("1" * 19, math.nan, False),
        ("1e5", math.nan, False),
    ],
)
def test_numbers_and_units(token: str, number: float, measured: bool) -> None:
    shapes = scan([f"took {token} in all"])
    assert shapes.numbers[0, 0] == number or (math.isnan(number) and math.isnan(shapes.numbers[0, 0]))
    assert shapes.measured[0, 0] == measured
    assert shapes.values[0, 0] != 0
    assert shapes.values[0, 1] == 0


def test_a_megabyte_in_one_token_is_cut_alike_by_both() -> None:
    giant = "x" * 1_000_000
    ids, shapes = TemplateMiner().mine([giant, giant + "y", giant + " 1", "x" * templates.MESSAGE_BYTES])
    assert len(set(ids.tolist())) == len(set(shapes.shape.tolist())) == 1
    assert len(mask("é" * 100_000)) <= templates.MESSAGE_BYTES


@FIXED
@given(st.lists(MESSAGES, min_size=1, max_size=20), st.lists(MESSAGES, max_size=20))
def test_an_id_does_not_depend_on_what_came_before(messages: list[str], before: list[str]) -> None:
    merges = ["a <~>", "<~> b"]
    fresh, used = TemplateMiner(merges), TemplateMiner(merges)
    used.mine(before)
    want = fresh.mine(messages)[0].tolist()
    assert used.mine(messages)[0].tolist() == want
    assert [int(TemplateMiner(merges).mine([message])[0][0]) for message in messages] == want
    assert [used.text(identity) for identity in want] == [
        apply_merges(mask(message), frozenset(merges))[: templates.TEXT_CHARS] for message in messages
    ]


def test_positions_with_many_words_merge() -> None:
    names = [f"{first}{second}" for first in "abcd" for second in "xyz"]
    merges = find_merges(
        [f"user {name} logged in" for name in names] + ["user root was here", "disk is full"]
    )
    assert merges == ["user <~> logged in"]
    assert apply_merges("user zoe logged in", frozenset(merges)) == "user <*> logged in"
    miner = TemplateMiner(merges)
    ids = miner.mine(["user zoe logged in", "user kim logged in", "user zoe logged out"])[0].tolist()
    assert ids[0] == ids[1] != ids[2]
    assert miner.text(ids[0]) == "user <*> logged in"


def test_two_free_words_merge_and_few_do_not() -> None:
    pairs = [f"move {a}x to {b}y" for a in "abcdefgh" for b in "abcdefgh"]
    merged = frozenset(find_merges(pairs))
    assert {apply_merges(text, merged) for text in pairs} == {"move <*> to <*>"}
    assert find_merges([f"state {word}" for word in "abcdefghij"[: MERGE_VALUES - 1]]) == []


def test_the_cache_is_bounded_and_keeps_what_is_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(templates, "CACHE_SIZE", 100)
    miner = TemplateMiner()
    words = [f"{a}{b}{c}" for a in "abcdefgh" for b in "abcdefgh" for c in "abcdefgh"]
    first = int(miner.mine([words[0]])[0][0])
    for start in range(1, len(words), 10):
        miner.mine(words[start : start + 10])
        assert len(miner._ids) <= 110
        assert len(miner._texts) <= 110
    assert miner.text(first) == ""  # forgotten, yet
    assert int(miner.mine([words[0]])[0][0]) == first
    miner.forget({first})
    assert miner.text(first) == words[0]
