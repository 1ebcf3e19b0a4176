"""Which offsets may be committed: those whose whole outcome is acknowledged, and none behind a gap in that.

No Kafka and no event loop here: what decides over lost records can be read, and tested, by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from typing import Generic, TypeVar

__all__ = ["Ledger"]

Partition = TypeVar("Partition", bound=Hashable)


class Ledger(Generic[Partition]):
    """Keeps, per partition, what was handed out to be processed and how far it is confirmed.

    Batches are handed out in the order in which they were read, and each is confirmed by whoever published
    what came of it, or never. An epoch lasts from one return to earlier records to the next. What this
    prevents:

    - A batch that failed is not lost: one counts as confirmed only if the batch before it, of the same
      partition and epoch, was. So a batch that is never confirmed holds back all behind it until they are
      read again.
    - A late confirmation does no harm: what is confirmed from an earlier epoch is ignored. By then another
      worker may have come further, or the same records may have been handed out again, cut differently.
    - Gaps do not hold up commits, nor are they filled with records that still wait: the position to commit is
      the last offset of the newest confirmed batch plus one, whatever lies between two batches.
    - Nothing is committed twice: taking a position takes it off the list until more is confirmed.
    """

    def __init__(self) -> None:
        self._epoch = 0
        # Last offset of the newest batch handed out, and of the newest one confirmed, in this epoch.
        self._handed_out: dict[Partition, int] = {}
        self._confirmed: dict[Partition, int] = {}
        self._first: dict[Partition, int] = {}  # offset that was handed out first in this epoch
        self._committable: dict[Partition, int] = {}

    def hand_out(
        self, partition: Partition, last_offset: int, first_offset: int | None = None
    ) -> Callable[[], None]:
        """Note that a batch goes out to be processed; the offsets are those of its last and first record.

        Returns:
            what to call once everything that came of the batch is acknowledged. A second call does nothing.
        """
        previous = self._handed_out.get(partition)
        self._handed_out[partition] = last_offset
        self._first.setdefault(partition, last_offset if first_offset is None else first_offset)
        return partial(self._confirm, partition, self._epoch, previous, last_offset)

    def outdated(self) -> Callable[[], bool]:
        """What tells later whether reading has returned since now."""
        epoch = self._epoch
        return lambda: epoch != self._epoch

    def _confirm(self, partition: Partition, epoch: int, previous: int | None, last_offset: int) -> None:
        if epoch == self._epoch and self._confirmed.get(partition) == previous:
            self._confirmed[partition] = last_offset
            self._committable[partition] = last_offset + 1

    def committable(self) -> list[Partition]:
        """The partitions of which there is something to commit."""
        return list(self._committable)

    def take(self, partition: Partition) -> int | None:
        """The position to commit, one past the last confirmed offset; None when there is nothing new."""
        return self._committable.pop(partition, None)

    def reached(self, partition: Partition, position: int) -> int:
        """The offset up to which all that was read is confirmed.

        Args:
            partition: one that is read.
            position: the offset that is read next. All below it was handed out or holds no record for us.
        """
        confirmed = self._confirmed.get(partition)
        if confirmed == self._handed_out.get(partition):
            return position
        return self._first[partition] if confirmed is None else confirmed + 1

    def start_afresh(self) -> None:
        """Begin a new epoch: reading returns to earlier records, and what was handed out is outdated."""
        self._epoch += 1
        self._handed_out.clear()
        self._confirmed.clear()
        self._first.clear()
        self._committable.clear()
