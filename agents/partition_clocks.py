"""How far the partitions of one topic are in event time, and which of them is still to be waited for."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final

__all__ = ["SILENT_FOR", "PartitionClocks"]

SILENT_FOR: Final = 3600.0
"""Seconds of event time that the others go on before a partition that says nothing is not waited for."""


class PartitionClocks:
    """The event time that each partition has reached, in seconds."""

    def __init__(self) -> None:
        # By partition: its own time, and how far the first of all was when it last said something.
        self._clocks: dict[int, tuple[float, float]] = {}
        self._latest = float("-inf")  # of the partition that is first
        self._all = float("-inf")  # that all have reached but those left behind
        self._behind: Collection[int] = ()

    def advance(self, partition: int, watermark: float) -> None:
        """A partition says how far it is; it never goes back."""
        clock, _ = self._clocks.get(partition, (watermark, 0.0))
        self._latest = max(self._latest, watermark)
        self._clocks[partition] = max(clock, watermark), self._latest

    def pass_time(self, time: float, behind: Collection[int] = ()) -> None:
        """All partitions have come so far, but those left behind, whose own clock counts."""
        self._all, self._behind = time, behind
        self._latest = max(self._latest, time)

    def reached(self, partition: int) -> float:
        """Event time up to which a partition holds nothing up: its own, that of all, or where it fell silent
        that of the first; -inf where nothing is known.
        """
        clock, heard = self._clocks.get(partition, (float("-inf"), self._latest))
        if self._latest - heard > SILENT_FOR:
            return self._latest
        return clock if partition in self._behind else max(clock, self._all)

    def slowest(self, partitions: Iterable[int]) -> int:
        """The one of some partitions that the others wait for."""
        return min(partitions, key=lambda each: (self.reached(each), each))

    def snapshot(self) -> dict[str, Any]:
        """As JSON types."""
        return {
            "clocks": [[each, clock, heard] for each, (clock, heard) in self._clocks.items()],
            "all": self._all if self._all > float("-inf") else None,
            "latest": self._latest if self._latest > float("-inf") else None,
            "behind": list(self._behind),
        }

    def resume(self, content: dict[str, Any]) -> None:
        """From a snapshot. Raises KeyError, TypeError or ValueError for anything else."""
        self._clocks = {int(each): (float(clock), float(heard)) for each, clock, heard in content["clocks"]}
        self._all, self._latest = (
            float("-inf") if content[name] is None else float(content[name]) for name in ("all", "latest")
        )
        self._behind = list(map(int, content["behind"]))
