"""The way of log records to ``qualm.keyed``: decoded, and shared out again by what they speak about.

A topic whose producers use no key, or another one, has the records of an entity in several partitions. Triage
would see a part of its history in each. So events go through one more topic, whose partitions are chosen by
the entity or the source, as stream engines do (the shuffle of Dean & Ghemawat, MapReduce, OSDI 2004).

No Kafka here: the worker and the replay of topics call the same code.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import nan
from typing import Final, Literal
from zlib import crc32

import orjson

from agents.records import RecordBatch
from agents.triage import dead_letter
from schemas.dead_letter import DeadLetter
from schemas.events import EventBatch
from schemas.formats.detection import TopicDecoder
from schemas.keyed import KeyedEvents

__all__ = ["KeyBy", "Keyed", "PartitionKeying"]

KeyBy = Literal["entity", "source"]
AHEAD: Final = 60.0  # s that an event may be ahead of its record; else the time of that places it


@dataclass(slots=True)
class Keyed:
    """What came of one record batch: events for partitions of the keyed topic, and records without use."""

    parts: list[tuple[int, KeyedEvents]] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)


class PartitionKeying:
    """Keying of one input partition: its decoder, its clock and its position.

    Args:
        decoder: of the partition.
        topic: input topic.
        partition: partition of it.
        partitions: how many it has.
        by: what events of one partition of the keyed topic share.
        targets: partitions of the keyed topic.
    """

    def __init__(
        self, decoder: TopicDecoder, topic: str, partition: int, partitions: int, by: KeyBy, targets: int
    ) -> None:
        self._decoder = decoder
        self._topic, self._partition, self._partitions = topic, partition, partitions
        self._by: KeyBy = by
        self._targets = targets
        self._position = 0  # offset behind the last record that was taken in
        self._clock = self._tie = 0.0
        self._told = [-1.0] * targets  # second of event time that each target was last told

    def process(self, batch: RecordBatch) -> Keyed:
        """Take in the next records of the partition. Raises nothing for what is in a record."""
        output = Keyed()
        batch = batch.after(self._position)
        if not len(batch):
            return output
        decoded = batch.decode(self._decoder)
        output.dead = [dead_letter(batch, index, reason) for index, reason in decoded.failures]
        places, ties = self._places(batch, decoded.events)
        self._position = batch.offsets[-1] + 1
        for target, rows in enumerate(self._shared_out(decoded.events)):
            second = self._clock // 1.0
            if rows or second > self._told[target]:  # without any, that time has passed
                self._told[target] = second
                output.parts.append((target, self._events(decoded.events, places, ties, rows)))
        return output

    @property
    def clock(self) -> float:
        """Event time (s) that the partition has reached, 0 before its first event."""
        return self._clock

    def idle(self) -> list[tuple[int, KeyedEvents]]:
        """That the partition was read to its end."""
        notice = KeyedEvents(
            self._topic, self._partition, self._partitions, self._clock, self._tie, idle=True
        )
        return [(target, notice) for target in range(self._targets)]

    def snapshot(self) -> bytes:
        """All that later results depend on, as JSON."""
        content = {
            "decoder": self._decoder.snapshot().decode(),
            "position": self._position,
            "clock": self._clock,
            "tie": self._tie,
            "told": self._told,
        }
        return orjson.dumps(content)

    def resume(self, data: bytes) -> None:
        """Go on from a snapshot. Raises ValueError for anything else."""
        try:
            content = orjson.loads(data)
            self._decoder.resume(content["decoder"].encode())
            self._position = int(content["position"])
            self._clock, self._tie = float(content["clock"]), float(content["tie"])
            self._told = (list(map(float, content["told"])) + self._told)[: self._targets]
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"not a snapshot that this partition can go on from: {error}") from None

    def _places(self, batch: RecordBatch, events: EventBatch) -> tuple[list[float], list[float]]:
        """Event times that never fall, of a clock far ahead of its record the time of that; and what orders
        events of one time in several partitions: when their records were written.
        """
        stamps = dict(zip(batch.offsets, batch.timestamps, strict=True))
        clock, tie = self._clock, self._tie
        places, ties = list[float](), list[float]()
        for time, offset in zip(events.time, events.offset, strict=True):
            stamp = stamps.get(offset, nan)
            if time > clock:  # not where it is no number
                believed = stamp if time > stamp + AHEAD else time
                if believed > clock:
                    clock, tie = believed, 0.0
            if stamp > tie:
                tie = stamp
            places.append(clock)
            ties.append(tie)
        self._clock, self._tie = clock, tie
        return places, ties

    def _shared_out(self, events: EventBatch) -> list[list[int] | range]:
        """The rows for each target, in their order."""
        if self._targets == 1:
            return [range(len(events))]
        names = events.source
        if self._by == "entity":
            names = [entity or source for entity, source in zip(events.entity, events.source, strict=True)]
        rows: list[list[int] | range] = [[] for _ in range(self._targets)]
        for row, name in enumerate(names):
            rows[crc32(name.encode("utf-8", "replace")) % self._targets].append(row)  # type: ignore[union-attr]  # lists here
        return rows

    def _events(
        self, events: EventBatch, places: list[float], ties: list[float], rows: list[int] | range
    ) -> KeyedEvents:
        if len(rows) < len(events):
            columns = (getattr(events, name) for name in EventBatch.__slots__)
            events = EventBatch(*([column[row] for row in rows] for column in columns))
            places, ties = [places[row] for row in rows], [ties[row] for row in rows]
        return KeyedEvents(
            self._topic, self._partition, self._partitions, self._clock, self._tie,
            places=places, ties=ties, events=events,
        )  # fmt: skip
