"""When states are saved and taken up: only such as are published, often enough, and not too often."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from itertools import pairwise
from typing import Any, TypeVar

import pytest

from agents import metrics
from agents.partitions import PartitionStates
from agents.state.keeper import Keeper, Kept
from agents.state.store import Shelf, Store
from tests.agents.state.memory_shelf import MemoryShelf
from tests.troubleshooting import says

T = TypeVar("T")
LOGS, OTHER = ("logs", 0), ("logs", 1)


class Sum:
    """A state that says how many records it has taken in."""

    def __init__(self, cost: Callable[[], None]) -> None:
        self.taken = 0
        self._cost = cost

    def snapshot(self) -> bytes:
        self._cost()
        return b"%d" % self.taken

    def resume(self, data: bytes) -> None:
        self.taken = int(data)


class Worker:
    """What a worker does with its keeper, with a clock that a test moves."""

    def __init__(self, shelf: Shelf | None, seconds: float = 30.0, made_with: str = "this") -> None:
        self.now, self.cost = 1000.0, 0.0
        self.states = PartitionStates(lambda topic, partition: Sum(self._pay))
        store = None if shelf is None else Store(shelf)
        kinds = {"logs": Kept(self.states, lambda _: made_with)}
        self.keeper = Keeper(store, "group", seconds, kinds, lambda: self.now)

    def _pay(self) -> None:
        self.now += self.cost

    async def take(self, position: int, name: tuple[str, int] = LOGS, published: bool = True) -> None:
        """Records up to a position are taken in, one of each offset."""
        self.keeper.taking(*name)
        self.states.of(*name).taken = position
        if published:
            self.keeper.published(*name, position)
        if (task := self.keeper._task) is not None:
            await task

    async def found_by_another(
        self, shelf: MemoryShelf, name: tuple[str, int] = LOGS
    ) -> tuple[int, int] | None:
        """Position and state that a worker takes up which has the partition next."""
        other = Worker(shelf)
        positions = await other.keeper.take_up([name])
        return (positions[name], other.states.of(*name).taken) if name in positions else None


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def test_a_state_is_taken_up_with_its_position() -> None:
    async def story() -> None:
        shelf = MemoryShelf()
        worker = Worker(shelf)
        assert await worker.keeper.take_up([LOGS]) == {}
        await worker.keeper.begin({LOGS: 40})
        assert await worker.found_by_another(shelf) == (40, 0), "before anything was committed"
        await worker.take(70)
        assert await worker.found_by_another(shelf) == (40, 0), "the next is not due yet"
        await worker.keeper.save_all(5)
        assert await worker.found_by_another(shelf) == (70, 70)
        assert await worker.found_by_another(shelf, OTHER) is None

    run(story())


def test_what_is_taken_in_and_not_published_is_in_no_snapshot_and_dropped_with_the_assignment() -> None:
    async def story() -> None:
        shelf = MemoryShelf()
        worker = Worker(shelf)
        await worker.keeper.begin({LOGS: 0, OTHER: 0})
        await worker.take(10)
        await worker.take(10, OTHER)
        await worker.keeper.save_all(5)
        await worker.take(15)
        await worker.take(20, published=False)
        worker.now += 600
        worker.keeper.look()
        await worker.take(30, OTHER)
        await worker.keeper.save_all(5)
        assert await worker.found_by_another(shelf) == (10, 10)
        assert await worker.found_by_another(shelf, OTHER) == (30, 30)
        # It stays here: the one that was ahead is taken up again, the other one goes on as it is.
        assert await worker.keeper.take_up([LOGS, OTHER]) == {LOGS: 10, OTHER: 30}
        assert worker.states.of(*LOGS).taken == 10

    run(story())


def test_after_a_rebalance_everything_is_written_anew() -> None:
    async def story() -> None:
        shelf = MemoryShelf()
        worker, other = Worker(shelf), Worker(shelf)
        await worker.keeper.begin({LOGS: 0})
        for position in (10, 20):  # with the same bytes, in both generations
            worker.states.of(*LOGS).taken = 7
            worker.keeper.published(*LOGS, position)
            await worker.keeper.save_all(5)
        await other.keeper.take_up([LOGS])  # for a while it was thought to be dead
        for position in (21, 22):
            await other.take(position)
            await other.keeper.save_all(5)
        assert await worker.keeper.take_up([LOGS]) == {LOGS: 20}
        # They are the same again, and nothing of them is there any more.
        worker.keeper.published(*LOGS, 30)
        await worker.keeper.save_all(5)
        assert await worker.found_by_another(shelf) == (30, 7)

    run(story())


def test_a_snapshot_is_made_as_often_as_was_asked_for_and_takes_no_more_than_its_share() -> None:
    async def moments(cost: float) -> list[float]:
        shelf = MemoryShelf()
        worker = Worker(shelf, seconds=30.0)
        worker.cost = cost
        await worker.keeper.begin({LOGS: 0})
        began, saved = worker.now, []
        for second in range(1, 301):
            worker.now = max(worker.now, began + second)
            before = shelf.written
            await worker.take(second)
            if shelf.written > before:
                saved.append(worker.now - began)
        return saved

    assert run(moments(0.0)) == [30, 60, 90, 120, 150, 180, 210, 240, 270, 300]
    dear = run(moments(4.0))
    assert len(dear) == 2, "4 s of every 104"
    assert min(late - early for early, late in pairwise(dear)) >= 104


def test_partitions_take_turns_and_those_that_stand_still_are_not_saved_again() -> None:
    async def story() -> None:
        shelf = MemoryShelf()
        worker = Worker(shelf, seconds=10.0)
        await worker.keeper.begin({LOGS: 0, OTHER: 0})
        await worker.take(5)
        await worker.take(6, OTHER, published=False)
        worker.now += 60
        for _ in range(3):
            worker.keeper.look()
            assert worker.keeper._task is not None
            await worker.keeper._task
            worker.now += 60
        assert await worker.found_by_another(shelf) == (5, 5)
        assert await worker.found_by_another(shelf, OTHER) == (0, 0)
        worker.keeper.published(*OTHER, 6)
        await worker.keeper._task
        assert await worker.found_by_another(shelf, OTHER) == (6, 6)
        written = shelf.written
        worker.now += 60
        worker.keeper.look()
        await worker.keeper._task
        assert shelf.written == written

    run(story())


def test_a_snapshot_made_with_something_else_is_refused_and_said(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        shelf = MemoryShelf()
        worker = Worker(shelf, made_with="that")
        await worker.keeper.begin({LOGS: 7})
        refused = metrics.SNAPSHOTS_REFUSED.labels("logs")
        before = refused._value.get()
        assert await Worker(shelf).keeper.take_up([LOGS]) == {}
        assert refused._value.get() == before + 1

    with caplog.at_level(logging.WARNING):
        run(story())
    (said,) = caplog.messages
    says(
        said,
        "A snapshot was refused (made with another bundle, other settings or another version of qualm): …",
    )
    assert "logs[0] starts afresh from the committed offset" in said


def test_a_snapshot_that_is_damaged_is_said_and_the_one_before_is_taken_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story() -> None:
        shelf = MemoryShelf()
        worker = Worker(shelf)
        await worker.keeper.begin({LOGS: 3})
        await worker.take(9)
        await worker.keeper.save_all(5)
        records = shelf.kept["group/logs/0"]
        newest = max((key for key in records if key.startswith("m.")), key=lambda key: key[-1])
        records[newest] = records[newest][:-1]
        assert await worker.found_by_another(shelf) == (3, 0)

    with caplog.at_level(logging.WARNING):
        run(story())
    (said,) = caplog.messages
    says(said, "A snapshot was refused (…): … from offset ….")


def test_states_that_cannot_be_read_are_asked_for_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("agents.state.keeper.PAUSE_SECONDS", 0.0)

    async def story() -> None:
        shelf = MemoryShelf()
        await Worker(shelf).keeper.begin({LOGS: 3})
        shelf.readable = False
        shelf.failed = lambda: setattr(shelf, "readable", True)
        assert await Worker(shelf).keeper.take_up([LOGS]) == {LOGS: 3}

    with caplog.at_level(logging.WARNING):
        run(story())
    says(caplog.messages[0], "States cannot be read yet: …")


def test_a_store_that_fails_is_said_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        shelf = MemoryShelf()
        worker = Worker(shelf, seconds=10.0)
        await worker.keeper.begin({LOGS: 0})
        shelf.room = 0
        worker.now += 60
        await worker.take(5)
        assert await worker.found_by_another(shelf) == (0, 0)
        shelf.room = None
        worker.now += 60
        await worker.take(6)
        assert await worker.found_by_another(shelf) == (6, 6)

    with caplog.at_level(logging.WARNING):
        run(story())
    (said,) = caplog.messages
    says(said, "The state of … was not saved: …")


def test_without_a_store_a_state_lasts_as_long_as_its_partition_stays() -> None:
    async def story() -> None:
        worker = Worker(None)
        await worker.keeper.begin({LOGS: 3, OTHER: 4})
        await worker.take(9)
        assert await worker.keeper.take_up([LOGS]) == {LOGS: 9}
        assert await worker.keeper.take_up([LOGS, OTHER]) == {LOGS: 9}
        await worker.keeper.save_all(1)
        await worker.keeper.close()

    run(story())


def test_records_that_were_removed_before_they_were_read_are_counted_and_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lost = metrics.LOST_RECORDS.labels("logs")
    before = lost._value.get()
    with caplog.at_level(logging.WARNING):
        Worker(None).keeper.lost(LOGS, 100, 350)
    assert lost._value.get() == before + 250
    assert "offsets 100 to 349 of logs[0]" in caplog.text
    says(caplog.text, "Lost: offsets … were removed by its retention before they were read. …")


def test_the_state_of_a_partition_that_ends_before_it_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        worker = Worker(None)
        await worker.keeper.begin({LOGS: 100})
        worker.keeper.misplaced(LOGS, 100, 20)
        assert worker.keeper.known([LOGS]) == {}
        assert worker.keeper.position(*LOGS) == 0

    with caplog.at_level(logging.WARNING):
        run(story())
    assert "ends at 20" in caplog.text
