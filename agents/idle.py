"""When triage says that a partition was read to its end, so that others need not wait for it.

Where a topic has several partitions, incidents wait for the slowest of them (``agents.turns``). One that has
nothing more to read would hold up all the others, so its owner says so: once, and again now and then as a
sign of life, by which those are found whose owner says nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

__all__ = ["AGAIN", "QUIET", "IdlePartitions"]

QUIET: Final = 1.0  # s without a record until a partition is idle
AGAIN: Final = 30.0  # s after which it says so again

Partition = TypeVar("Partition", bound=Hashable)


@dataclass(slots=True)
class _Known:
    """position: the next offset to be taken in, None before the first record; since: when it was last at
    work, or said that it is idle (s); working: batches being processed; told: whether it has said so.
    """

    since: float
    position: int | None = None
    working: int = 0
    told: bool = False


class IdlePartitions(Generic[Partition]):
    """The partitions that this process reads, with what it has read of each.

    Times are of a clock of the process, in seconds.
    """

    def __init__(self) -> None:
        self._known: dict[Partition, _Known] = {}

    def keep(self, assigned: Collection[Partition], now: float) -> None:
        """Partitions are read from now on, others are not any more."""
        self._known = {each: self._known.get(each, _Known(now)) for each in assigned}

    def begin(self, partition: Partition, now: float) -> None:
        """A batch of a partition is being processed."""
        known = self._known.setdefault(partition, _Known(now))
        known.working += 1
        known.told = False

    def end(self, partition: Partition, position: int, now: float) -> None:
        """It is published, up to the offset before this."""
        known = self._known.setdefault(partition, _Known(now))
        known.working = max(0, known.working - 1)
        known.position, known.since = position, now

    def quiet(self, now: float) -> list[tuple[Partition, int | None]]:
        """Partitions that were quiet for long enough, with the next offset to be taken in, None where nothing
        was read yet: they are idle if nothing more is there.
        """
        return [
            (each, known.position)
            for each, known in self._known.items()
            if not known.working and now - known.since >= (AGAIN if known.told else QUIET)
        ]

    def tell(self, partition: Partition, now: float) -> bool:
        """A partition is about to say that it is idle; False where it is at work, or read elsewhere."""
        known = self._known.get(partition)
        if known is None or known.working:
            return False
        known.told, known.since = True, now
        return True
