"""The steps of a worker whose events go through ``qualm.keyed``: keying, and triage of what was keyed.

input topics ─▶ key ─▶ qualm.keyed ─▶ triage ─▶ qualm.salient
                 └─▶ <topic>.dlq        └─▶ qualm.keyed.dlq
"""

from __future__ import annotations

from collections.abc import Callable

from agents.kafka.publisher import Outgoing
from agents.key import KeyBy, PartitionKeying
from agents.keyed_triage import KeyedOutput, KeyedTriage
from agents.partitions import PartitionStates
from agents.records import RecordBatch
from agents.settings import Settings
from agents.triage import PartitionTriage
from schemas.dead_letter import DeadLetter
from schemas.formats.detection import TopicDecoder
from schemas.keyed import KeyedEvents

__all__ = ["KeyedSteps"]


class KeyedSteps:
    """What both steps keep for their partitions.

    Args:
        settings: of the worker; key_by names an entity or a source.
        partitions: how many a topic has, as the broker told; None where it did not yet.
        decoder: of a partition of an input topic.
        triage: of an input topic in one of so many partitions of the keyed topic.
    """

    def __init__(
        self,
        settings: Settings,
        partitions: Callable[[str], int | None],
        decoder: Callable[[str, int], TopicDecoder],
        triage: Callable[[str, int, int], PartitionTriage],
    ) -> None:
        self._settings = settings
        self._partitions = partitions
        self._decoder = decoder
        self._make_triage = triage
        self.keying = PartitionStates(self._keying)
        self.triage = PartitionStates(self._triage)

    @property
    def lanes(self) -> int:
        """Partitions of the keyed topic that are used: no more than it has, where that is known."""
        asked = self._settings.keyed_partitions
        return min(asked, self._partitions(self._settings.keyed_topic) or asked)

    def key(self, batch: RecordBatch) -> tuple[list[Outgoing], list[DeadLetter]]:
        """Records for the keyed topic, and dead letters, of the next records of an input partition."""
        output = self.keying.of(batch.topic, batch.partition).process(batch)
        return [each for part in output.parts for each in self._outgoing(*part)], output.dead

    def take(self, batch: RecordBatch) -> KeyedOutput:
        """What comes of the next records of the keyed topic."""
        return self.triage.of(batch.topic, batch.partition).process(batch)

    def idle(self, topic: str, partition: int) -> list[Outgoing]:
        """Notices that an input partition was read to its end."""
        parts = self.keying.of(topic, partition).idle()
        return [each for part in parts for each in self._outgoing(*part)]

    def _outgoing(self, target: int, keyed: KeyedEvents) -> list[Outgoing]:
        topic = self._settings.keyed_topic
        return [Outgoing(topic, value, partition=target) for value in keyed.encode()]

    def _keying(self, topic: str, partition: int) -> PartitionKeying:
        by: KeyBy = "source" if self._settings.key_by == "source" else "entity"
        count = self._partitions(topic) or 1
        return PartitionKeying(self._decoder(topic, partition), topic, partition, count, by, self.lanes)

    def _triage(self, topic: str, partition: int) -> KeyedTriage:
        def make(name: str) -> PartitionTriage:
            if name not in self._settings.topics:
                raise ValueError(f"not keyed events: {name!r} is no topic of this worker")
            return self._make_triage(name, partition, self.lanes)

        return KeyedTriage(partition, make)
