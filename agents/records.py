"""What one fetch brings from one partition: the unit that moves through a worker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import nan
from typing import Final

from schemas.events import EventBatch
from schemas.formats.detection import Decoded, TopicDecoder

FILE_TOPIC: Final = "file"  # the topic of records of files
Headers = list[tuple[str, bytes]]


@dataclass(slots=True, eq=False)
class RecordBatch:
    """Consecutive records of one partition, in columns of equal length.

    Offsets rise but may have gaps: compaction and transactions leave some.
    """

    topic: str
    partition: int
    offsets: list[int]
    values: list[bytes | None]
    # Seconds since the epoch as the producer or broker stamped them; NaN where a source has none.
    timestamps: list[float]
    keys: list[bytes | None]
    headers: list[Headers]
    # Set by the transport, to learn that the batch is published; None for batches that are not committed
    # anywhere.
    confirm: Callable[[], None] | None = field(default=None, repr=False)
    # Set by the transport: whether reading has returned to an earlier record since the batch was read. What
    # is in it will come again then, behind records that are missing now.
    outdated: Callable[[], bool] | None = field(default=None, repr=False)
    # What came of the records where they were decoded before: of each either an event or, behind all events,
    # a failure.
    decoded: Decoded | None = None
    # Seconds since the epoch at which the last record of their file was written, NaN where that is unknown:
    # the year of lines without one comes from it. Never the time of an event.
    written: float = nan
    # Of events that were decoded before, the partition that each came from, where that is not this one; the
    # offsets of the batch then tell where they stand in it.
    origins: list[int] | None = None

    def published(self) -> None:
        """Everything that came of the batch is acknowledged by the broker: its offsets may be committed.

        Nothing else commits them. Whatever else ends the processing of a batch (an exception, a cancelled
        task, a rebalance) leaves the records to be read again.
        """
        if self.confirm is not None:
            self.confirm()

    @property
    def is_outdated(self) -> bool:
        """Whether the batch is not to be taken in: its records will come again, after others."""
        return self.outdated is not None and self.outdated()

    def __len__(self) -> int:
        return len(self.offsets)

    def extend(self, other: RecordBatch) -> None:
        """Take in what follows in the same partition; nothing where that is this very batch. Both are decoded
        alike: their events come one from each record.
        """
        if other is self:
            return
        for name in ("offsets", "values", "timestamps", "keys", "headers"):
            getattr(self, name).extend(getattr(other, name))
        if self.decoded is not None and other.decoded is not None:
            for name in EventBatch.__slots__:
                getattr(self.decoded.events, name).extend(getattr(other.decoded.events, name))
        if self.origins is not None and other.origins is not None:
            self.origins.extend(other.origins)

    def after(self, offset: int) -> RecordBatch:
        """The part of the batch from ``offset`` on; the batch itself when that is all of it."""
        if not self.offsets or self.offsets[0] >= offset:
            return self
        first = next((i for i, each in enumerate(self.offsets) if each >= offset), len(self.offsets))
        return self[first:]

    def __getitem__(self, part: slice) -> RecordBatch:
        return RecordBatch(
            topic=self.topic,
            partition=self.partition,
            offsets=self.offsets[part],
            values=self.values[part],
            timestamps=self.timestamps[part],
            keys=self.keys[part],
            headers=self.headers[part],
            decoded=self.decoded and _part(self.decoded, range(len(self))[part]),
            written=self.written,
            origins=self.origins and self.origins[part],
        )

    def decode(self, decoder: TopicDecoder) -> Decoded:
        """What comes of the records: by the decoder of their partition, or what came of them before."""
        if self.decoded is not None:
            return self.decoded
        if self.written == self.written:
            decoder.reference_time = self.written
        return decoder.decode(self.values, self.offsets, self.timestamps, self.headers, self.keys)


def _part(decoded: Decoded, rows: range) -> Decoded:
    """The events and failures of some of the records that were decoded before."""
    columns = (getattr(decoded.events, name)[rows.start : rows.stop] for name in EventBatch.__slots__)
    failures = [(index - rows.start, why) for index, why in decoded.failures if index in rows]
    return Decoded(EventBatch(*columns), failures)
