"""Whether most of what comes on a topic cannot be used: one clear word about it, beside the dead letters."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Final

from agents.printable import printable

__all__ = ["MOST_DEAD", "Breaker"]

log = logging.getLogger("qualm.breaker")

WINDOW: Final = 10_000
"""Latest records of a topic that are looked at,"""
AT_LEAST: Final = 1_000
"""and how many there must be."""
MOST_DEAD: Final = 0.5
"""Share of dead letters above which the breaker opens;"""
FEW_DEAD: Final = 0.25
"""and below which it closes again: between the two nothing is said."""


class _Topic:
    """The latest batches of one topic: records and dead letters of each."""

    def __init__(self) -> None:
        self.batches: deque[tuple[int, int]] = deque()
        self.records = 0
        self.dead = 0
        self.is_open = False
        self.reason = ""

    def add(self, records: int, dead: int) -> None:
        self.batches.append((records, dead))
        self.records += records
        self.dead += dead
        while self.records - self.batches[0][0] >= WINDOW:
            records, dead = self.batches.popleft()
            self.records -= records
            self.dead -= dead


class Breaker:
    """Counts dead letters by topic, over the partitions that this worker reads; results do not depend on it.

    ``on_change`` is told of a topic and whether its breaker is open, first and at each change.
    """

    def __init__(self, on_change: Callable[[str, bool], None]) -> None:
        self._on_change = on_change
        self._topics: dict[str, _Topic] = {}

    def count(self, topic: str, records: int, dead: int, reason: str, goes_to: str) -> None:
        """Take note of a batch.

        Args:
            topic: where it was read.
            records: of the batch.
            dead: those of them that could not be used.
            reason: of one of these; "" where there are none.
            goes_to: the topic of its dead letters.
        """
        if topic not in self._topics:
            self._topics[topic] = _Topic()
            self._on_change(topic, False)
        known = self._topics[topic]
        known.add(records, dead)
        known.reason = reason or known.reason
        share = known.dead / max(known.records, 1)
        if not known.is_open and share > MOST_DEAD and known.records >= AT_LEAST:
            known.is_open = True
            log.error(
                "Most of topic %s cannot be used: %d of the latest %d records, such as: %s. They go to %s, "
                "and what they say is not judged. Correct how the topic is read, or who writes to it "
                "(`qualm doctor` says more); `qualm dlq retry` then sends them back.",
                topic, known.dead, known.records, printable(known.reason, 160), goes_to,
            )  # fmt: skip
            self._on_change(topic, True)
        elif known.is_open and share < FEW_DEAD:
            known.is_open = False
            log.warning("Topic %s can be used again: %d of the latest %d records are dead letters.",
                        topic, known.dead, known.records)  # fmt: skip
            self._on_change(topic, False)

    def forget(self) -> None:
        """Begin anew: other partitions are read from now on."""
        self._topics = {}
