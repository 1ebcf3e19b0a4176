"""Snapshots: what is saved is found again, whatever is damaged, not finished, or written by a zombie."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.state.blocks import DamagedError, Manifest, digest, unpack
from agents.state.folder import FolderShelf
from agents.state.store import Shelf, Snapshot, Store, StoreError
from tests.agents.state.memory_shelf import MemoryShelf

NAME = "group/logs/0"
T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def some_bytes(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


def found(shelf: Shelf, refused: list[str] | None = None, name: str = NAME) -> list[tuple[int, bytes]]:
    """What a new worker finds, the first that it would take first."""
    reasons = [] if refused is None else refused
    load = Store(shelf).load([name], lambda _, why: reasons.append(why))
    return [(each.position, each.data) for each in run(load)[name]]


def save(store: Store, position: int, data: bytes) -> None:
    run(store.save(NAME, Snapshot(position, "made with", data)))


@pytest.mark.parametrize("kind", ["memory", "folder"])
@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 300_000)), min_size=1, max_size=5))
def test_what_is_saved_last_is_found_first(
    tmp_path_factory: pytest.TempPathFactory, kind: str, states: list[tuple[int, int]]
) -> None:
    shelf = MemoryShelf() if kind == "memory" else FolderShelf(tmp_path_factory.mktemp("state"))
    store = Store(shelf)
    saved = [(position, some_bytes(seed, size)) for position, (seed, size) in enumerate(states)]
    for each in saved:
        save(store, *each)
        assert found(shelf) == saved[each[0] : each[0] - 2 if each[0] > 1 else None : -1]
    assert found(shelf, name="group/logs/1") == []


def damaged(value: bytes, other: bytes) -> list[bytes | None]:
    """Ways in which a record may be broken: gone, cut, changed, another one, a bomb."""
    flipped = value[: len(value) // 2] + bytes([value[len(value) // 2] ^ 1]) + value[len(value) // 2 + 1 :]
    bomb = zstandard.compress(bytes(50_000_000))
    return [None, b"", value[:-1], flipped, other, bomb, b"\x80\x04cposix\nsystem\n."]


def test_any_record_that_is_damaged_leaves_the_newest_or_the_one_before() -> None:
    shelf = MemoryShelf()
    store = Store(shelf)
    base = bytearray(some_bytes(1, 150_000))
    saved = []
    for position in range(1, 5):
        base[position * 30_000] ^= 255  # little changes, so that most blocks are as they were
        saved.append((position, bytes(base)))
        save(store, *saved[-1])
    whole = dict(shelf.kept[NAME])
    for key, value in whole.items():
        other = next(each for name, each in whole.items() if name != key and each != value)
        told = []
        for bad in damaged(value, other):
            shelf.kept[NAME] = {name: each for name, each in whole.items() if name != key}
            if bad is not None:
                shelf.kept[NAME][key] = bad
            refused: list[str] = []
            outcome = found(shelf, refused)
            assert outcome in ([saved[3]], [saved[2]]), (key, bad)
            assert refused or (bad is None and key.startswith("m.")), "a damaged record is told"
            told.append(outcome)
        assert told.count(told[0]) == len(told)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=8), st.integers(1, 3))
def test_a_writer_that_was_thought_dead_damages_nothing_of_the_new_owner(
    turns: list[bool], before: int
) -> None:
    shelf = MemoryShelf()
    zombie, owner = Store(shelf), Store(shelf)
    run(zombie.load([NAME], lambda *_: None))
    data = bytearray(some_bytes(2, 60_000))
    for position in range(before):
        data[position] ^= 1
        save(zombie, position, bytes(data))
    taken = found(shelf)[0]
    run(owner.load([NAME], lambda *_: None))
    last_of_owner, position_of_zombie = taken, before
    for number, by_owner in enumerate(turns):
        data[1000 + number] ^= 1
        if by_owner:
            last_of_owner = (100 + number, bytes(data))
            save(owner, *last_of_owner)
        else:
            save(zombie, position_of_zombie, bytes(data))
            position_of_zombie += 1
        there = found(shelf)
        assert there[0][0] >= last_of_owner[0]
        if any(turns[: number + 1]):
            assert last_of_owner in there


def test_who_takes_over_removes_what_was_there_when_two_snapshots_of_its_own_stand() -> None:
    shelf = MemoryShelf()
    old, new = Store(shelf), Store(shelf)
    for position in (1, 2, 3):
        save(old, position, some_bytes(position, 100_000))
    theirs = set(shelf.kept[NAME])
    run(new.load([NAME], lambda *_: None))
    save(new, 4, some_bytes(4, 100_000))
    assert theirs <= shelf.kept[NAME].keys()
    assert [position for position, _ in found(shelf)] == [4, 3, 2]
    save(new, 5, some_bytes(5, 100_000))
    assert not theirs & shelf.kept[NAME].keys()
    assert [position for position, _ in found(shelf)] == [5, 4]


def test_a_snapshot_that_is_broken_off_anywhere_leaves_what_was_there() -> None:
    states = [(position, some_bytes(position, 100_000)) for position in (1, 2, 3)]
    broken_off = 0
    for room in range(200):
        shelf = MemoryShelf()
        store = Store(shelf)
        for each in states[:2]:
            save(store, *each)
        shelf.room = room
        try:
            save(store, *states[2])
        except StoreError:
            broken_off += 1
            first = found(shelf)[0]
            assert first in states[1:]
            shelf.room = None
            save(store, 4, some_bytes(4, 100_000))  # the writer goes on
            assert found(shelf)[0] == (4, some_bytes(4, 100_000))
        else:
            break
    assert found(shelf)[0] == states[2]
    assert broken_off > 10


def test_little_is_written_when_little_changed_wherever_that_is() -> None:
    shelf = MemoryShelf()
    store = Store(shelf)
    data = some_bytes(7, 2_000_000)
    for position in (1, 2):
        save(store, position, data)
    everything = shelf.written / 2
    changed = data[:700_000] + b"a few bytes more" + data[700_000:]  # all that follows stands elsewhere
    for position in (3, 4):
        shelf.written = 0
        save(store, position, changed)
        assert shelf.written < everything / 10
    assert found(shelf)[0] == (4, changed)
    assert len(shelf.kept[NAME]) < 2 * 2_000_000 / 4096, "blocks that nobody needs are removed"


def test_states_that_are_too_large_are_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.state.blocks.MAX_BYTES", 1000)
    with pytest.raises(StoreError, match="too large"):
        save(Store(MemoryShelf()), 1, bytes(1001))


@pytest.mark.parametrize(
    "content",
    [
        b"{}",
        b'{"format":1,"position":-1,"made_with":"","size":0,"blocks":[]}',
        b'{"format":2,"position":1,"made_with":"","size":0,"blocks":[]}',
        b'{"format":1,"position":1,"made_with":"","size":9999999999,"blocks":[]}',
        b'{"format":1,"position":"1","made_with":"","size":0,"blocks":[]}',
        b'{"format":1,"position":1,"made_with":"","size":0,"blocks":[],"more":1}',
        b'{"format":1,"position":1,"made_with":"","size":0,"blocks":["a",7]}',
    ],
)
def test_manifests_that_qualm_does_not_write_are_refused(content: bytes) -> None:
    with pytest.raises(DamagedError):
        Manifest.decode(digest(content).encode() + content)


def test_a_block_that_unpacks_to_more_than_it_may_is_refused() -> None:
    bomb = zstandard.compress(bytes(100_000_000))
    with pytest.raises(DamagedError):
        unpack(digest(bytes(100_000_000)), bomb)
    untold = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(100_000))
    with pytest.raises(DamagedError):
        unpack(digest(bytes(100_000)), untold)


def test_a_folder_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreError, match="cannot be written"):
        save(Store(FolderShelf(tmp_path / "file")), 1, b"state")
