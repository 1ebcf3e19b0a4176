"""Files given together as one stream in order of event time.

Each stream of records keeps its own decoder, so its own format, and its own order; between streams, events go
by time, and at one time by the order in which the files were given. Of each stream one batch is held.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from heapq import heapify, heappop, heappush
from math import inf, isnan, nan
from typing import Final

from agents.records import FILE_TOPIC, RecordBatch
from schemas.events import EventBatch
from schemas.formats.detection import Decoded, TopicDecoder

_COLUMNS: Final = EventBatch.__slots__
_ROWS: Final = 4096  # of a merged batch, about


def in_order(
    streams: Sequence[Iterator[RecordBatch]], make: Callable[[int], TopicDecoder]
) -> Iterator[RecordBatch]:
    """The records of a single stream as they are; of several the decoded ones by event time, a row an event.

    make: the decoder of a stream, by its number. Offsets of merged batches count the rows, those of the
    events are of their files.
    """
    if len(streams) == 1:
        return iter(streams[0])
    return _merged([_Cursor(stream, make(number)) for number, stream in enumerate(streams)])


def places(times: Sequence[float], before: float = nan) -> list[float]:
    """The times by which the consecutive events of a stream are placed among others: they never fall.

    An event without a time goes with the one before it, the first ones with the first that has a time. One
    stamped later than the next one goes with that, unless it is the next one that falls behind: a single
    wrong clock does not hold up a stream. inf where there is no time at all: what cannot be placed is read
    after all others.

    Args:
        times: of the events, NaN for none.
        before: the place of the event before them, NaN for none.
    """
    known = next((time for time in (before, *times) if not isnan(time)), inf)
    filled = [known := known if isnan(time) else time for time in times]
    found: list[float] = []
    for time, following in zip(filled, [*filled, inf][1:], strict=True):
        place = following if following < time and not following < before else time
        before = max(place, found[-1]) if found else place
        found.append(before)
    return found


class _Cursor:
    """What was decoded of a stream and not given on yet: events, the record and the place of each."""

    def __init__(self, stream: Iterator[RecordBatch], decoder: TopicDecoder) -> None:
        self._stream = stream
        self._decoder = decoder
        self._before = nan
        self._ended = False
        self._events = EventBatch()
        self._values: list[bytes | None] = []
        self._places: list[float] = []
        self._at = 0
        self.failures: list[tuple[bytes | None, str]] = []

    def fill(self) -> bool:
        """Read on until there is an event and it is known what follows it; False at the end of the stream."""
        while len(self._places) - self._at < 2 and not self._ended:
            batch = next(self._stream, None)
            if batch is None:
                self._ended = True
            else:
                self._add(batch)
        return self._at < len(self._places)

    def _add(self, batch: RecordBatch) -> None:
        decoded = batch.decode(self._decoder)
        self.failures += [(batch.values[index], why) for index, why in decoded.failures]
        place_of = {offset: index for index, offset in enumerate(batch.offsets)}
        values = [batch.values[place_of[offset]] for offset in decoded.events.offset]
        if self._at:
            self._before = self._places[self._at - 1]
        left = _cut(self._events, self._at, len(self._values))
        for name in _COLUMNS:
            getattr(left, name).extend(getattr(decoded.events, name))
        self._events, self._values, self._at = left, self._values[self._at :] + values, 0
        self._places = places(left.time, self._before)

    @property
    def place(self) -> float:
        """Where the next event is placed."""
        return self._places[self._at]

    def take(self, limit: float, inclusive: bool) -> tuple[EventBatch, list[bytes | None]]:
        """The next events up to a place, at least one, and their records."""
        end = (bisect_right if inclusive else bisect_left)(self._places, limit, self._at)
        end = end if self._ended else min(end, len(self._places) - 1)  # what follows the last is not known
        start, self._at = self._at, max(end, self._at + 1)
        return _cut(self._events, start, self._at), self._values[start : self._at]


def _merged(cursors: Sequence[_Cursor]) -> Iterator[RecordBatch]:
    heap = [(cursor.place, number) for number, cursor in enumerate(cursors) if cursor.fill()]
    heapify(heap)
    events, values = EventBatch(), list[bytes | None]()
    given = 0
    while heap:
        _, number = heappop(heap)
        cursor = cursors[number]
        limit, other = heap[0] if heap else (inf, len(cursors))
        taken, records = cursor.take(limit, number < other)
        for name in _COLUMNS:
            getattr(events, name).extend(getattr(taken, name))
        values += records
        if cursor.fill():
            heappush(heap, (cursor.place, number))
        if len(values) >= _ROWS or not heap:
            batch = _batch(events, values, cursors, given)
            given += len(batch)
            yield batch
            events, values = EventBatch(), []
    if any(cursor.failures for cursor in cursors):  # where no record at all became an event
        yield _batch(events, values, cursors, given)


def _batch(
    events: EventBatch, values: list[bytes | None], cursors: Sequence[_Cursor], given: int
) -> RecordBatch:
    """Events with their records, and behind them the records that became none."""
    failures: list[tuple[int, str]] = []
    for cursor in cursors:
        for value, why in cursor.failures:
            failures.append((len(values), why))
            values.append(value)
        cursor.failures = []
    n = len(values)
    decoded = Decoded(events, failures)
    offsets = list(range(given, given + n))
    return RecordBatch(FILE_TOPIC, 0, offsets, values, [nan] * n, [None] * n, [[]] * n, decoded=decoded)


def _cut(events: EventBatch, start: int, end: int) -> EventBatch:
    return EventBatch(*(getattr(events, name)[start:end] for name in _COLUMNS))
