"""What is on ``qualm.keyed``: log events of one input partition, in columns, in a partition by key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Annotated, Final

import orjson
import zstandard
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from schemas.decoding import problems
from schemas.events import (
    MAX_ENTITY_CHARS,
    MAX_MESSAGE_CHARS,
    MAX_NAME_CHARS,
    MAX_NUMBERS,
    MAX_SOURCE_CHARS,
    MAX_TEMPLATE_CHARS,
    EventBatch,
)
from schemas.formats.errors import DecodeError
from schemas.formats.packed import unpacked
from schemas.lane import MOST_LANES
from schemas.timestamps import LATEST

__all__ = ["MOST_ROWS", "KeyedEvents", "decode_keyed"]

MOST_ROWS: Final = 4_096
"""Events of one record."""
_MOST_BYTES: Final = 512 * 1024  # of a record: brokers take a mebibyte, unless told otherwise
_MOST_UNPACKED: Final = 16 * 1024 * 1024
_COLUMNS: Final = EventBatch.__slots__
_LEVEL: Final = 1  # of Zstandard


@dataclass(frozen=True, slots=True, eq=False)
class KeyedEvents:
    """Events of a partition of an input topic, in their order, that share a partition of the keyed topic.

    Attributes:
        topic: input topic.
        partition: partition of it.
        partitions: how many it has.
        clock: event time (s) that the partition has reached: what follows has its place there or later.
        idle: it was read to its end, so that no other is to wait for it.
        tie: record time (s) that it has reached within that event time.
        places: event time (s) by which each event is placed among those of other partitions; never falling.
        ties: record time (s) that orders events of one place; never falling within it.
        events: the events, with the offsets of their records.
    """

    topic: str
    partition: int
    partitions: int
    clock: float
    tie: float = 0.0
    idle: bool = False
    places: list[float] = field(default_factory=list)
    ties: list[float] = field(default_factory=list)
    events: EventBatch = field(default_factory=EventBatch)

    def encode(self) -> Iterator[bytes]:
        """The values of Kafka records, in order: JSON in Zstandard; several where one would be large."""
        n = len(self.places)
        if n <= MOST_ROWS:
            content = self._json()
            if len(content) <= _MOST_UNPACKED:
                value = zstandard.ZstdCompressor(level=_LEVEL).compress(content)
                if len(value) <= _MOST_BYTES or n <= 1:
                    yield value
                    return
        half = n // 2
        yield from self._part(0, half, self.places[half - 1], self.ties[half - 1]).encode()
        yield from self._part(half, n, self.clock, self.tie).encode()

    def _part(self, start: int, end: int, clock: float, tie: float) -> KeyedEvents:
        events = EventBatch(*(getattr(self.events, name)[start:end] for name in _COLUMNS))
        return replace(
            self,
            clock=clock,
            tie=tie,
            places=self.places[start:end],
            ties=self.ties[start:end],
            events=events,
        )

    def _json(self) -> bytes:
        content = {
            "topic": self.topic, "partition": self.partition, "partitions": self.partitions,
            "clock": self.clock, "tie": self.tie, "idle": self.idle, "place": self.places, "ties": self.ties,
        }  # fmt: skip
        columns = {name: getattr(self.events, name) for name in _COLUMNS}
        try:
            return orjson.dumps(content | columns)  # of a time that is no number, null
        except TypeError:  # a text with half a surrogate pair
            return orjson.dumps(content | {name: _clean(column) for name, column in columns.items()})


Texts = Annotated[list[str], Field(max_length=MOST_ROWS)]
Counts = Annotated[list[int], Field(max_length=MOST_ROWS)]
Times = Annotated[list[float | None], Field(max_length=MOST_ROWS)]


class _Record(BaseModel):
    """A record as it must be; columns are checked as a whole, since each value is one of thousands."""

    model_config = ConfigDict(extra="forbid", strict=True)

    topic: Annotated[str, Field(max_length=249)]
    partition: Annotated[int, Field(ge=0, lt=MOST_LANES)]
    partitions: Annotated[int, Field(ge=1, le=MOST_LANES)]
    clock: Annotated[float, Field(ge=0.0, le=LATEST)]
    tie: Annotated[float, Field(ge=0.0, le=LATEST)]
    idle: bool
    place: Annotated[list[float], Field(max_length=MOST_ROWS)]
    ties: Annotated[list[float], Field(max_length=MOST_ROWS)]
    time: Times
    severity: Counts
    source: Texts
    entity: Texts
    message: Texts
    numbers: Annotated[list[dict[str, float] | None], Field(max_length=MOST_ROWS)]
    offset: Counts
    record: Counts
    template: Texts

    @model_validator(mode="after")
    def _check(self) -> _Record:
        if {len(getattr(self, name)) for name in (*_COLUMNS, "ties")} != {len(self.place)}:
            raise ValueError("columns must have one length")
        if any(time is not None and not 0.0 <= time <= LATEST for time in self.time):
            raise ValueError("time is outside the years 1970 to 9999")
        rising = [0.0, *self.place, self.clock]
        if any(not low <= high for low, high in pairwise(rising)):
            raise ValueError("place must rise to clock")
        if any(not 0.0 <= tie <= LATEST for tie in self.ties):
            raise ValueError("ties are outside the years 1970 to 9999")
        for name, most in _BOUNDS.items():
            if max(map(len, getattr(self, name)), default=0) > most:
                raise ValueError(f"{name} is too long")
        for name, limit in (("severity", 24), ("offset", 2**63 - 1), ("record", 2**31 - 1)):
            column = getattr(self, name)
            if column and not 0 <= min(column) <= max(column) <= limit:
                raise ValueError(f"{name} is out of range")
        at = list(zip(self.offset, self.record, strict=True))
        if any(not before < after for before, after in pairwise(at)):
            raise ValueError("offset and record must rise")
        named = [numbers for numbers in self.numbers if numbers]
        if any(len(each) > MAX_NUMBERS or max(map(len, each)) > MAX_NAME_CHARS for each in named):
            raise ValueError("numbers are too many, or their names too long")
        return self


_BOUNDS: Final = {
    "source": MAX_SOURCE_CHARS,
    "entity": MAX_ENTITY_CHARS,
    "message": MAX_MESSAGE_CHARS,
    "template": MAX_TEMPLATE_CHARS,
}


def decode_keyed(value: bytes) -> KeyedEvents:
    """What is in a record of the keyed topic.

    Raises:
        ValueError: not such a record; the text says what is wrong.

    """
    try:
        content = orjson.loads(unpacked(value, _MOST_UNPACKED)) if value else None
    except (DecodeError, orjson.JSONDecodeError) as error:
        raise ValueError(f"not keyed events: {error}") from None
    try:
        record = _Record.model_validate(content)
    except ValidationError as error:
        raise ValueError(f"not keyed events: {problems(error)}") from None
    columns = {name: getattr(record, name) for name in _COLUMNS}
    columns["time"] = [float("nan") if time is None else time for time in record.time]
    return KeyedEvents(
        record.topic, record.partition, record.partitions, record.clock, record.tie, record.idle,
        record.place, record.ties, EventBatch(**columns),
    )  # fmt: skip


def _clean(column: list[object]) -> list[object]:
    return [
        each.encode("utf-8", "replace").decode()
        if isinstance(each, str)
        else {name.encode("utf-8", "replace").decode(): number for name, number in each.items()}
        if isinstance(each, dict)
        else each
        for each in column
    ]
