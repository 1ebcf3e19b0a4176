"""Templates that came with their events: taken as they are, and nothing changes for events without one."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.context.templates import CACHE_SIZE, TEXT_CHARS, TemplateMiner, scan
from tests.models.context.test_templates import MESSAGES

FIXED = settings(derandomize=True, deadline=None, max_examples=200, database=None)
TEMPLATES = st.sampled_from(
    ["", "user {name} paid <*>", "%s failed: %d", "a <*>", "9 of 10 \u65e5\u672c", "\ud800"]
)


def digest(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "big")


@FIXED
@given(st.lists(st.tuples(MESSAGES, TEMPLATES), min_size=1, max_size=8))
def test_given_ones_are_taken_and_the_others_are_as_without_them(pairs: list[tuple[str, str]]) -> None:
    messages, templates = [message for message, _ in pairs], [text for _, text in pairs]
    miner, plain = TemplateMiner(["<~> b"]), TemplateMiner(["<~> b"])
    ids, shapes = miner.mine(messages, templates)
    plain_ids, plain_shapes = plain.mine(messages)
    for row, text in enumerate(templates):
        expected = digest(text) if text else int(plain_ids[row])
        assert int(ids[row]) == expected
        assert miner.text(expected) == (text or plain.text(expected))
        words = scan([text]).words[0] if text else plain_shapes.words[row]
        np.testing.assert_array_equal(shapes.words[row], words)
    for name in ("values", "numbers", "measured"):
        np.testing.assert_array_equal(getattr(shapes, name), getattr(plain_shapes, name))


def test_one_of_the_same_text_as_a_masked_message_is_the_same_template() -> None:
    ids, _ = TemplateMiner().mine(["took 35 ms", "done after 3"], ["", "took <*> ms"])
    assert ids[0] == ids[1]


def test_an_endless_stream_of_new_ones_does_not_fill_the_memory() -> None:
    miner = TemplateMiner()
    for first in range(0, 3 * CACHE_SIZE, 10_000):
        batch = [f"template {i} " + "x" * 1000 for i in range(first, first + 10_000)]
        miner.mine(["m"] * len(batch), batch)
        assert len(miner._texts) <= CACHE_SIZE + 20_000
    assert max(map(len, miner._texts.values())) == TEXT_CHARS
