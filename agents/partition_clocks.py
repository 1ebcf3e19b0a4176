"""How far the partitions of one topic are in event time, and which of them is still to be waited for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

__all__ = ["SILENT_FOR", "PartitionClocks"]

SILENT_FOR: Final = 3600.0
"""Seconds of event time that the others go on before a partition that says nothing is not waited for."""


class PartitionClocks:
    """The event time that each partition has reached, in seconds."""

    def __init__(self) -> None:
        # By partition: its own time, and how far the first of all was when it last said something.
        self._clocks: dict[int, tuple[float, float]] = {}
        self._latest = float("-inf")  # of the partition that is first

    def advance(self, partition: int, watermark: float) -> None:
        """A partition says how far it is; it never goes back."""
        clock, _ = self._clocks.get(partition, (watermark, 0.0))
        self._latest = max(self._latest, watermark)
        self._clocks[partition] = max(clock, watermark), self._latest

    def reached(self, partition: int) -> float:
        """Event time up to which a partition holds nothing up: its own, or where it fell silent that of the
        first; -inf where it never said anything.
        """
        clock, heard = self._clocks.get(partition, (float("-inf"), self._latest))
        return self._latest if self._latest - heard > SILENT_FOR else clock

    def slowest(self, partitions: Iterable[int]) -> int:
        """The one of some partitions that the others wait for."""
        return min(partitions, key=lambda each: (self.reached(each), each))

    def snapshot(self) -> list[tuple[int, float, float]]:
        """As JSON types."""
        return [(each, clock, heard) for each, (clock, heard) in self._clocks.items()]

    def resume(self, content: Iterable[tuple[int, float, float]]) -> None:
        """From a snapshot. Raises TypeError or ValueError for anything else."""
        self._clocks = {int(each): (float(clock), float(heard)) for each, clock, heard in content}
        self._latest = max((clock for clock, _ in self._clocks.values()), default=float("-inf"))
