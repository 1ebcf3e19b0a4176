"""When a worker makes snapshots of its partitions' states, and takes them up again.

A state and its position belong together: a snapshot is only made where everything that came of the records up
to the position is acknowledged, and who takes it up reads on from the position, not from the committed
offset. That may be ahead; the records in between are read again and give the same results.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from agents import metrics
from agents.partitions import PartitionStates, Positions, TopicPartition
from agents.state.store import Found, Snapshot, Store, StoreError

__all__ = ["Keeper", "Kept"]

log = logging.getLogger("qualm.state")

SHARE: Final = 0.04  # of a worker's time that snapshots may take
LOOK_SECONDS: Final = 1.0  # between looks whether one is due, where no records come
LOAD_SECONDS: Final = 60.0  # for all that is kept: Faust waits for 90
BEGIN_SECONDS: Final = 15.0  # for the first snapshots of all partitions
PAUSE_SECONDS: Final = 2.0  # before another attempt to read it


@dataclass(frozen=True, slots=True)
class Kept:
    """States of one kind: where they are, and what a snapshot of one can be taken up by."""

    states: PartitionStates[Any]
    made_with: Callable[[str], str]  # of a topic


@dataclass(slots=True)
class _Entry:
    """What is known of the state of a partition.

    position: offset behind the last record whose outcome is acknowledged; settled: whether the state is that
    of the position, and not ahead of it; saved: position of the last snapshot; at: when that was, seconds.
    """

    position: int
    settled: bool
    saved: int
    at: float


class Keeper(Positions):
    """Makes and takes up the snapshots of one worker.

    Args:
        store: where they are kept; None: nowhere, so that a state lasts as long as its partition stays here.
        group: consumer group of the worker; others keep states of the same partitions.
        seconds: between two snapshots of a partition, at least.
        kinds: what is kept, by topic.
        clock: seconds, for tests.
    """

    def __init__(
        self,
        store: Store | None,
        group: str,
        seconds: float,
        kinds: dict[str, Kept],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._group = group
        self._seconds = seconds
        self._kinds = kinds
        self._clock = clock
        self._entries: dict[TopicPartition, _Entry] = {}
        self._next = clock()  # before then no snapshot begins
        self._writing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self.takes_up = False  # whether states are being made: until then nothing is known of what was read

    def position(self, topic: str, partition: int) -> int:
        """Offset behind the last record that the state of a partition has taken in; 0 before the first."""
        entry = self._entries.get((topic, partition))
        return entry.position if entry else 0

    def taking(self, topic: str, partition: int) -> None:
        """Records of a partition are about to be taken in: until `published` its state is ahead."""
        if topic in self._kinds:
            self._entry((topic, partition)).settled = False

    def published(self, topic: str, partition: int, position: int) -> None:
        """What came of all records before this offset is acknowledged."""
        if topic not in self._kinds:
            return
        entry = self._entry((topic, partition))
        entry.position, entry.settled = max(entry.position, position), True
        self.look()

    def keep(self, assigned: Collection[TopicPartition]) -> None:
        """Drop the states of all partitions but these, and those that are ahead of what is published."""
        for name in [each for each, it in self._entries.items() if each not in assigned or not it.settled]:
            self._forget(*name)

    def look(self) -> None:
        """Begin the snapshot that is due, if one is and there is time for it."""
        now = self._clock()
        if self._store is None or now < self._next or self._writing.locked():
            return
        due = [
            (entry.at, name)
            for name, entry in self._entries.items()
            if entry.position > entry.saved and entry.settled and now >= entry.at + self._seconds
        ]
        if due:
            _, name = min(due)
            # Of this very moment: before the snapshot is written the state has gone on.
            self._next = now + self._seconds  # until it is known what it takes
            self._task = asyncio.ensure_future(self._write(name, *self._snapshot(name)))

    async def run(self) -> None:
        """Look for snapshots that are due, for ever: those of partitions that fell silent among them."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.look()

    async def take_up(self, assigned: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """Make the states of partitions that this worker now has, where it has none of them yet.

        Returns:
            where to read on, by partition: of those whose state is known.
        """
        self.keep(assigned)
        self.takes_up = True
        missing = {
            self._name(each): each
            for each in assigned
            if each[0] in self._kinds and each not in self._entries
        }
        if self._store is not None:
            async with self._writing:
                for each in self._entries:  # another worker may have had it for a while
                    self._store.start_afresh(self._name(each))
            refused: dict[str, list[str]] = {name: [] for name in missing}
            for name, found in (await self._load(missing, refused)).items():
                self._resume(missing[name], found, refused[name])
                await asyncio.sleep(0)  # each takes a while
            self._tell({missing[name]: reasons for name, reasons in refused.items()})
        return self.known(assigned)

    async def begin(self, starts: Mapping[TopicPartition, int]) -> None:
        """Note from where partitions are read whose states have seen nothing, and save that: who takes one
        over before there is another snapshot of it begins there, too.
        """
        for name, start in starts.items():
            if name[0] in self._kinds:
                self._entries[name] = _Entry(start, True, -1, self._clock())
        await self.save(starts.keys(), BEGIN_SECONDS)
        self.takes_up = False

    def known(self, assigned: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """Where to read on, by partition: of those whose state is known."""
        return {each: self._entries[each].position for each in assigned if each in self._entries}

    def misplaced(self, partition: TopicPartition, position: int, end: int) -> None:
        """Drop the state of a partition that ends before its position."""
        log.warning(
            "The state of %s[%d] is of offset %d, but the partition ends at %d: it starts afresh.",
            *partition, position, end,
        )  # fmt: skip
        self._forget(*partition)

    def lost(self, partition: TopicPartition, position: int, first: int) -> None:
        """Say that records were removed before they were read."""
        topic, number = partition
        metrics.LOST_RECORDS.labels(topic).inc(first - position)
        log.warning(
            "Lost: offsets %d to %d of %s[%d] were removed by its retention before they were read. "
            "Give the topic a longer retention than a worker may be away.",
            position, first - 1, topic, number,
        )  # fmt: skip

    def _forget(self, topic: str, partition: int) -> None:
        """Drop the state of a partition."""
        if topic not in self._kinds:
            return
        self._entries.pop((topic, partition), None)
        self._kinds[topic].states.drop(topic, partition)
        for gauge in (metrics.SNAPSHOT_POSITION, metrics.SNAPSHOT_TIME):
            with suppress(KeyError):  # there may have been no snapshot
                gauge.remove(topic, str(partition))

    async def save(self, names: Collection[TopicPartition], seconds: float) -> None:
        """Make snapshots of all of these that have gone on since their last one, within so many seconds."""
        if self._store is None:
            return
        mine = set(names) & self._entries.keys()
        try:
            async with asyncio.timeout(seconds):
                if self._task is not None:
                    await asyncio.wait({self._task})
                for name in sorted(mine, key=lambda each: self._entries[each].at):
                    entry = self._entries[name]
                    if entry.settled and entry.position > entry.saved:
                        await self._write(name, *self._snapshot(name))
        except TimeoutError:
            log.warning("Not all states were saved within %.1f s: more is read again for it.", seconds)

    async def save_all(self, seconds: float) -> None:
        """Make snapshots of all states that have gone on since their last one, within so many seconds."""
        await self.save(set(self._entries), seconds)

    async def close(self) -> None:
        """Let go of the store, and of a snapshot that is on its way."""
        if self._task is not None:
            self._task.cancel()
        if self._store is not None:
            await self._store.close()

    def _entry(self, name: TopicPartition) -> _Entry:
        if name not in self._entries:
            self._entries[name] = _Entry(0, True, -1, self._clock())
        return self._entries[name]

    def _name(self, name: TopicPartition) -> str:
        """What its snapshots are kept under."""
        return f"{self._group}/{name[0]}/{name[1]}"

    def _snapshot(self, name: TopicPartition) -> tuple[Snapshot, float]:
        """A snapshot of a state as it is, and the seconds that took."""
        kept, began = self._kinds[name[0]], self._clock()
        data = kept.states.of(*name).snapshot()
        snapshot = Snapshot(self._entries[name].position, kept.made_with(name[0]), data)
        return snapshot, self._clock() - began

    async def _write(self, name: TopicPartition, snapshot: Snapshot, seconds: float) -> None:
        """Write one snapshot, which took so long to make; where that fails, the one before stands."""
        assert self._store is not None
        async with self._writing:
            began = self._clock()
            entry = self._entries.get(name) or _Entry(0, False, 0, 0.0)  # it may have gone to another worker
            entry.at = began
            try:
                written = await self._store.save(self._name(name), snapshot)
            except StoreError as error:
                metrics.SNAPSHOT_FAILURES.inc()
                log.warning("The state of %s[%d] was not saved: %s", *name, error)
                return
            except Exception:
                metrics.SNAPSHOT_FAILURES.inc()
                log.exception("The state of %s[%d] was not saved", *name)
                return
            entry.saved = snapshot.position
            # What it waited for the broker took nothing from the worker.
            self._next = self._clock() + (seconds + written.seconds) / SHARE
        metrics.SNAPSHOT_SECONDS.observe(seconds + self._clock() - began)
        metrics.SNAPSHOT_BYTES.inc(written.size)
        metrics.SNAPSHOT_POSITION.labels(name[0], str(name[1])).set(snapshot.position)
        metrics.SNAPSHOT_TIME.labels(name[0], str(name[1])).set_to_current_time()
        log.debug(
            "Saved the state of %s[%d] at offset %d: %d of %d blocks, %d bytes, %.3f s of computing.",
            *name, snapshot.position, written.new, written.blocks, written.size, seconds + written.seconds,
        )  # fmt: skip

    async def _load(self, names: Collection[str], refused: dict[str, list[str]]) -> dict[str, Found]:
        """What is kept under some names; tries again for a while where it cannot be read."""
        assert self._store is not None
        if not names:
            return {}
        try:
            async with asyncio.timeout(LOAD_SECONDS):
                while True:
                    try:
                        return await self._store.load(names, lambda name, why: refused[name].append(why))
                    except StoreError as error:
                        log.warning("States cannot be read yet: %s", error)
                        metrics.SNAPSHOT_FAILURES.inc()
                    await asyncio.sleep(PAUSE_SECONDS)
        except TimeoutError:
            log.error("States cannot be read: %d partitions start afresh.", len(names))
        return {}

    def _resume(self, name: TopicPartition, found: Iterable[Snapshot], refused: list[str]) -> None:
        """Make a state from the newest snapshot that it can be made from."""
        kept = self._kinds[name[0]]
        made_with = kept.made_with(name[0])
        for snapshot in found:
            if snapshot.made_with != made_with:
                refused.append("made with another bundle, other settings or another version of qualm")
                continue
            try:
                kept.states.resume(*name, snapshot.data)
            except ValueError as error:
                refused.append(str(error))
                continue
            self._entries[name] = _Entry(snapshot.position, True, snapshot.position, self._clock())
            return

    def _tell(self, refused: Mapping[TopicPartition, Sequence[str]]) -> None:
        """Say what came of taking up the states of partitions, given why snapshots of each were refused."""
        goes_on: list[str] = []
        for name, reasons in sorted(refused.items()):
            topic, number = name
            where = f"{topic}[{number}] starts afresh from the committed offset"
            if name in self._entries:
                where = f"{topic}[{number}] from offset {self._entries[name].position}"
                goes_on.append(where)
                metrics.RESTORES.labels(topic).inc()
            metrics.SNAPSHOTS_REFUSED.labels(topic).inc(len(reasons))
            if reasons:
                why = "; ".join(dict.fromkeys(reasons))
                log.warning(f"A snapshot was refused ({why}): {where}.")  # of each partition
        if goes_on:
            log.info("States go on: %s", ", ".join(goes_on))
