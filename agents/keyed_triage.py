"""Triage of a partition of ``qualm.keyed``: its events in order of event time, by input topic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import orjson
from safetensors import SafetensorError
from safetensors.numpy import load, save

from agents.lane import Lane
from agents.records import RecordBatch
from agents.triage import PartitionTriage, TriageOutput, dead_letter
from models.context.learning import Learning
from schemas.dead_letter import DeadLetter
from schemas.keyed import decode_keyed
from schemas.watermark import Watermark

__all__ = ["KeyedOutput", "KeyedTriage"]

_HEADER = "header"


@dataclass(slots=True)
class KeyedOutput:
    """What came of a record batch of the keyed topic: by input topic, and records that are of no use."""

    by_topic: dict[str, TriageOutput] = field(default_factory=dict)
    dead: list[DeadLetter] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Topic:
    lane: Lane
    triage: PartitionTriage


class KeyedTriage:
    """What is kept for one partition of the keyed topic.

    Args:
        number: of the partition.
        make: triage of an input topic in this partition. Raises ValueError for a topic that is none.
    """

    def __init__(self, number: int, make: Callable[[str], PartitionTriage]) -> None:
        self._number = number
        self._make = make
        self._topics: dict[str, _Topic] = {}
        self._position = 0  # offset behind the last record that was taken in

    def process(self, batch: RecordBatch) -> KeyedOutput:
        """Take in the next records.

        Raises nothing for what is in a record: those that cannot be used are dead letters.
        """
        output = KeyedOutput()
        batch = batch.after(self._position)
        if not len(batch):
            return output
        due: dict[str, RecordBatch] = {}
        for index, (value, offset) in enumerate(zip(batch.values, batch.offsets, strict=True)):
            try:
                keyed = decode_keyed(value or b"")
                topic = self._of(keyed.topic)
            except ValueError as error:
                output.dead.append(dead_letter(batch, index, str(error)))
                continue
            events = topic.lane.tell(keyed, offset, batch.timestamps[index])
            due.setdefault(keyed.topic, events).extend(events)
        self._position = batch.offsets[-1] + 1
        for name, events in due.items():
            topic = self._topics[name]
            output.by_topic[name] = topic.triage.process(events)
            output.by_topic[name].messages += topic.triage.reached(topic.lane.time, self._position - 1)
        return output

    def idle(self, position: int) -> list[Watermark]:
        """That the partition was read to its end, of each topic; position: offset of its next record."""
        return [each.triage.idle(position) for each in self._topics.values()]

    @property
    def learning(self) -> list[tuple[str, Learning]]:
        """How much of each topic is still being learnt."""
        return [(name, each.triage.learning) for name, each in self._topics.items()]

    def snapshot(self) -> bytes:
        """All that later results depend on."""
        header = {
            "position": self._position,
            "lanes": {name: each.lane.snapshot() for name, each in self._topics.items()},
        }
        parts = {f"of {name}": each.triage.snapshot() for name, each in self._topics.items()}
        parts[_HEADER] = orjson.dumps(header)
        return save({name: np.frombuffer(part, np.uint8) for name, part in parts.items()})

    def resume(self, data: bytes) -> None:
        """Go on from a snapshot. Raises ValueError for anything else."""
        try:
            parts = load(data)
            header = orjson.loads(parts[_HEADER].tobytes())
            self._position = int(header["position"])
            for name, content in header["lanes"].items():
                topic = self._of(name)
                topic.lane.resume(content)
                topic.triage.resume(parts[f"of {name}"].tobytes())
        except (SafetensorError, KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"not a snapshot that this partition can go on from: {error}") from None

    def _of(self, name: str) -> _Topic:
        if name not in self._topics:
            self._topics[name] = _Topic(Lane(name, self._number), self._make(name))
        return self._topics[name]
