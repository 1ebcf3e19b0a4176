"""Which entities and sources of a topic are seen in several of its partitions: their history is torn."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

from schemas.events import UNKNOWN_SOURCE, EventBatch

__all__ = ["ENOUGH", "Finding", "Torn", "finding"]

MOST: Final = 10_000
"""Names that are remembered, of each kind; of more those that were not seen for longest are forgotten."""
ENOUGH: Final = 20  # names that are a sample
SHARE: Final = 0.1  # of them from which on it is worth a word


class _Names:
    """Names with the partition each was seen in, -1 for several; those first that were quiet longest."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}
        self.torn = 0

    def __len__(self) -> int:
        return len(self._seen)

    def see(self, partition: int, names: Iterable[str]) -> None:
        for name in names:
            before = self._seen.pop(name, partition)
            self._seen[name] = partition if before == partition else -1
            self.torn += before not in (partition, -1)
        while len(self._seen) > MOST:
            self.torn -= self._seen.pop(next(iter(self._seen))) == -1


class Torn:
    """The names of one topic, as far as this process reads its partitions."""

    def __init__(self) -> None:
        self.entities, self.sources = _Names(), _Names()

    def see(self, partition: int, events: EventBatch) -> None:
        """Take note of events of a partition."""
        self.entities.see(partition, set(events.entity) - {""})
        self.sources.see(partition, set(events.source) - {UNKNOWN_SOURCE})


class Finding(NamedTuple):
    """That names of a kind, entity or source, are torn: so many of so many."""

    kind: Literal["entity", "source"]
    torn: int
    seen: int

    @property
    def kinds(self) -> str:
        """The kind in the plural."""
        return "entities" if self.kind == "entity" else "sources"


def finding(torn: Torn) -> Finding | None:
    """What is worth a word; None where nothing is.

    Sources of a topic that is keyed by entity are in all partitions, as they should be: of these is spoken
    where there are no entities.
    """
    found = (
        Finding("entity", torn.entities.torn, len(torn.entities))
        if len(torn.entities)
        else Finding("source", torn.sources.torn, len(torn.sources))
    )
    return found if found.torn and found.torn >= SHARE * found.seen else None
