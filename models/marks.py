"""When triage tells how far a partition has come in event time, where nothing is salient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.context.context import Rows
from schemas.notice import Notice
from schemas.salient import SalientEvent
from schemas.watermark import SalientMessage, Watermark

__all__ = ["Marks"]

EVERY: Final = 60.0  # s of event time between the notices that tell evaluate how far a partition is
# s after its last salient event that a partition goes on to send them: longer than an incident is quiet until
# it is over, which is an hour at most
FOR: Final = 3 * 3600.0
OF_LANES_EVERY: Final = 1.0  # s of event time between the notices for which other partitions wait


class Marks:
    """The notices of one partition, of so many, between its salient events."""

    def __init__(self, topic: str, partition: int, partitions: int, bundle: str) -> None:
        self._topic, self._partition, self._partitions = topic, partition, partitions
        self._bundle = bundle
        self._last_mark = self._last_salient = -np.inf

    def among(
        self,
        salient: Sequence[SalientEvent | Notice],
        chosen: NDArray[np.int64],
        rows: Rows,
        positions: Sequence[int],
    ) -> list[SalientMessage]:
        """The salient events of a batch, and the notices that go with them, in order.

        Where there is one partition, a notice for each minute while incidents may be open, at its place.
        Where others wait for this one, one for each second, at the end: all that comes of a batch is
        published together.

        Args:
            salient: the events.
            chosen: their rows.
            rows: all rows of the batch.
            positions: of each event of the batch, where in the partition it stands.
        """
        if self._partitions > 1:
            last = [(float(rows.watermark[-1]), positions[int(rows.event[-1])])] if len(rows) else []
            return [*salient, *(mark for each in last for mark in self.of_lane(*each))]
        minutes = np.floor(rows.watermark / EVERY)
        previous = np.concatenate(([self._last_mark], minutes[:-1]))
        crossed = np.flatnonzero(minutes > previous)
        if len(minutes) and np.isfinite(minutes[-1]):
            self._last_mark = float(minutes[-1])
        merged: list[SalientMessage] = []
        queue = list(zip(chosen.tolist(), salient, strict=True))[::-1]
        for row in crossed.tolist():
            while queue and queue[-1][0] < row:
                merged.append(queue.pop()[1])
                self._last_salient = merged[-1].watermark
            if rows.watermark[row] <= self._last_salient + FOR:
                merged.append(self.mark(float(rows.watermark[row]), positions[int(rows.event[row])]))
        merged += [event for _, event in reversed(queue)]
        if queue:
            self._last_salient = merged[-1].watermark
        return merged

    def of_lane(self, watermark: float, position: int) -> list[Watermark]:
        """The notice for those that wait for this partition, if it has come to another second."""
        second = np.floor(watermark / OF_LANES_EVERY)
        if self._partitions == 1 or not np.isfinite(second) or not second > self._last_mark:
            return []
        self._last_mark = float(second)
        return [self.mark(watermark, position)]

    def mark(self, watermark: float, position: int, idle: bool = False) -> Watermark:
        """A notice; idle: the partition was read to its end, which is behind this position."""
        return Watermark(
            lane=self._partition, lanes=self._partitions, position=position,
            topic=self._topic, partition=self._partition, bundle=self._bundle,
            watermark=watermark if np.isfinite(watermark) else 0.0, idle=idle,
        )  # fmt: skip

    def snapshot(self) -> NDArray[np.float64]:
        """What later notices depend on."""
        return np.array([self._last_mark, self._last_salient])

    def resume(self, array: NDArray[np.generic]) -> None:
        """Go on from a snapshot."""
        self._last_mark, self._last_salient = array.astype(np.float64).tolist()
