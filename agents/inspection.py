"""What inputs hold, from their first records: for `qualm inspect` and `qualm init`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from agents.entities import Candidate, find_entity
from agents.inputs.inputs import Inputs
from agents.inputs.tally import Tallies
from agents.origins import COMPARED, Sample, event, origins
from agents.partitions import PartitionStates
from agents.records import RecordBatch
from agents.source_field import find_source_field
from schemas.events import EventBatch
from schemas.formats.confluent import seen
from schemas.formats.detection import TopicDecoder
from schemas.formats.options import ReadOptions
from schemas.missing import Missing

__all__ = ["MOST_RECORDS", "Found", "Inspection", "inspect"]

MOST_RECORDS: Final = 10_000  # that are read of all inputs together
MOST_BYTES: Final = 64 << 20  # of records that are held; reading ends there
EVENTS_SHOWN, RECORDS_SHOWN = 10, 3


@dataclass(frozen=True, slots=True)
class Found:
    """The format of some inputs, and why; doubt: what speaks against it, "" for nothing."""

    format: str
    why: str
    doubt: str
    names: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Inspection:
    """What was found. records: read; failed: those that are no log events. taken: where each column comes
    from; missing: what events lack. shown: a few events beside their records. said: sentences about what is
    not there and what that costs; failures: about what was not understood. entity: the one that training
    would take; None where there is none, or most events have one. source_field: one that may be the source,
    "" where there is none, or events have one.
    """

    found: list[Found]
    records: int
    failed: int
    events: EventBatch
    missing: Missing
    taken: dict[str, str]
    shown: list[Sample]
    said: list[str]
    failures: list[str]
    entity: Candidate | None
    source_field: str

    @property
    def format(self) -> str:
        """The format; of several all."""
        return ", ".join(dict.fromkeys(each.format for each in self.found)) or "unknown"

    @property
    def why(self) -> str:
        """Why it is that."""
        return "; ".join(dict.fromkeys(each.why for each in self.found if each.why))

    @property
    def not_understood(self) -> float:
        """Share of the records that are no log events; 0 where there are no records."""
        return self.failed / self.records if self.records else 0.0

    def as_object(self) -> dict[str, Any]:
        """As JSON types; time in Unix seconds, None where unknown."""
        rows = (event(self.events, row) for row in range(min(EVENTS_SHOWN, len(self.events))))
        return {
            "format": self.format,
            "why": self.why,
            "events_read": len(self.events),
            "not_understood": self.not_understood,
            "events": [
                each._asdict() | {"time": each.time if each.time == each.time else None} for each in rows
            ],
        }


class _Read:
    """What was read so far, side by side."""

    def __init__(self, inputs: Inputs, options: ReadOptions) -> None:
        self.inputs = inputs
        self.schema_of = options.schema_of
        self.tallies = Tallies(inputs, options)
        self.partitions = PartitionStates(self.tallies.of_partition)
        self.decoders: list[tuple[str, TopicDecoder]] = []
        self.values: list[bytes | None] = []
        self.rows: list[list[Any]] = [[] for _ in EventBatch.__slots__]
        self.record_of: list[int] = []  # index in values of each event
        self.times: list[float] = []  # of the records
        self.failed = self.bytes = 0

    def stream(self, number: int, stream: Iterator[RecordBatch]) -> None:
        """Take in a stream, until enough was read."""
        decoder = self.tallies.of_stream(number) if self.inputs.files else None
        if decoder:
            self.decoders.append((self.inputs.names[number], decoder))
        for batch in stream:
            self._add(batch, decoder or self._partition(batch))
            if self.bytes > MOST_BYTES:
                return

    def _partition(self, batch: RecordBatch) -> TopicDecoder:
        known = len(self.partitions)
        decoder = self.partitions.of(batch.topic, batch.partition)
        if len(self.partitions) > known:
            self.decoders.append((f"{batch.topic}[{batch.partition}]", decoder))
        return decoder

    def _add(self, batch: RecordBatch, decoder: TopicDecoder) -> None:
        decoded = batch.decode(decoder)
        index_of = {offset: len(self.values) + index for index, offset in enumerate(batch.offsets)}
        self.record_of += [index_of[offset] for offset in decoded.events.offset]
        values = [seen(value, self.schema_of) for value in batch.values]
        self.values += values
        self.times += batch.timestamps
        self.failed += len(decoded.failures)
        self.bytes += sum(len(value) for value in values if value)
        for column, name in zip(self.rows, EventBatch.__slots__, strict=True):
            column += getattr(decoded.events, name)

    def sample(self, events: EventBatch, row: int) -> Sample:
        """An event beside its record."""
        index = self.record_of[row]
        return Sample(self.values[index] or b"", self.times[index], event(events, row))

    def found(self) -> list[Found]:
        """The formats of the inputs, those of the same together."""
        groups: dict[tuple[str, str, str], Found] = {}
        for name, decoder in self.decoders:
            form, why, doubt = str(decoder.format), decoder.why, decoder.doubt
            if form == "auto":
                form, why, doubt = ("text" if self.rows[0] else "unknown"), doubt, ""
            groups.setdefault((form, why, doubt), Found(form, why, doubt)).names.append(name)
        return list(groups.values())


def inspect(inputs: Inputs, options: ReadOptions) -> Inspection:
    """Read the first records of inputs and say what is in them; inputs that were made with MOST_RECORDS.

    Raises InputError for an input that cannot be read.
    """
    read = _Read(inputs, options)
    for number, stream in enumerate(inputs.streams()):
        read.stream(number, stream)
    events = EventBatch(*read.rows)
    missing = Missing()
    missing.add(events)
    spread = [read.sample(events, row) for row in range(0, len(events), max(1, len(events) // COMPARED))]
    return Inspection(
        read.found(), inputs.records, read.failed, events, missing, origins(spread),
        [read.sample(events, row) for row in _to_show(events)],
        [text for text in (*read.tallies.missing(1), read.tallies.no_entity()) if text],
        list(read.tallies.failed()),
        find_entity(*_in_time(read, events), options),
        find_source_field(read.values) if missing.source == len(events) else "",
    )  # fmt: skip


def _to_show(events: EventBatch) -> list[int]:
    """Rows to look at: the first of different sources, and then the first ones."""
    by_source: dict[str, int] = {}
    for row, source in enumerate(events.source):
        by_source.setdefault(source, row)
    chosen = dict.fromkeys([*by_source.values(), *range(min(len(events), RECORDS_SHOWN))])
    return sorted(islice(chosen, RECORDS_SHOWN))


def _in_time(read: _Read, events: EventBatch) -> tuple[list[bytes | None], EventBatch]:
    """Records and events as training sees them: those of several inputs by time, a record for each event."""
    if len(read.decoders) < 2:
        return read.values, events
    order = sorted(
        range(len(events)), key=lambda row: (events.time[row] != events.time[row], events.time[row])
    )
    columns = ([getattr(events, name)[row] for row in order] for name in EventBatch.__slots__)
    return [read.values[read.record_of[row]] for row in order], EventBatch(*columns)
