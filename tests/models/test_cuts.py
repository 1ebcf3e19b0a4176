"""Blocks of bytes: where they end, against the definition, and that an insertion changes few of them."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from models import cuts
from models.cuts import LEAST, MOST, blocks

BITS = 2**64 - 1


def naive(data: bytes) -> list[bytes]:
    """A block ends where the upper 14 bits of the hash of the last 64 bytes are 0, or where it is full."""
    found, start, rolling = [], 0, 0
    for position, byte in enumerate(data):
        rolling = (2 * rolling + int(cuts._GEAR[byte])) & BITS
        length = position + 1 - start
        if length == MOST or (length >= LEAST and not rolling >> 50):
            found.append(data[start : position + 1])
            start = position + 1
    return [*found, data[start:]] if start < len(data) else found


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32), st.integers(0, 200_000), st.sampled_from([1, 2, 256]))
def test_blocks_are_those_of_the_definition(seed: int, size: int, kinds: int) -> None:
    chance = random.Random(seed)
    data = bytes(chance.choices(range(kinds), k=size))
    found = [bytes(block) for block in blocks(data)]
    assert found == naive(data)
    assert b"".join(found) == data
    assert all(LEAST <= len(block) <= MOST for block in found[:-1])


def test_an_insertion_changes_the_blocks_around_it_alone() -> None:
    data = random.Random(3).randbytes(1_000_000)
    before = {bytes(block) for block in blocks(data)}
    after = [bytes(block) for block in blocks(data[:500_001] + b"inserted" + data[500_001:])]
    assert len(before) > 30
    assert sum(block not in before for block in after) <= 3
