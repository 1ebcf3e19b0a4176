"""How much of each topic is still being learnt, as gauges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from agents import metrics
from agents.keyed_triage import KeyedTriage
from agents.partitions import PartitionStates
from agents.triage import PartitionTriage
from models.context.learning import Learning

__all__ = ["tell_learning"]


def tell_learning(plain: PartitionStates[PartitionTriage], keyed: PartitionStates[KeyedTriage]) -> None:
    """Set ``qualm_learning`` and ``qualm_known`` of each input topic, over the partitions triaged here."""
    learning: Counter[tuple[str, str]] = Counter()
    known: Counter[tuple[str, str]] = Counter()
    for topic, found in _found(plain, keyed):
        learning[topic, "sources"] += found.learning_sources
        learning[topic, "kinds"] += found.learning_kinds
        known[topic, "sources"] += found.known_sources
        known[topic, "kinds"] += found.known_kinds
    for labels in known:
        metrics.LEARNING.labels(*labels).set(learning[labels])
        metrics.KNOWN.labels(*labels).set(known[labels])


def _found(
    plain: PartitionStates[PartitionTriage], keyed: PartitionStates[KeyedTriage]
) -> Iterator[tuple[str, Learning]]:
    for topic, partition in plain:
        yield topic, plain.of(topic, partition).learning
    for topic, partition in keyed:
        yield from keyed.of(topic, partition).learning
