"""Events of several partitions of a topic, in order of event time, as if they had been read from one."""

from __future__ import annotations

from math import nan
from typing import Any, Final

from agents.records import RecordBatch
from agents.turns import Turns
from schemas.events import EventBatch, Row
from schemas.formats.detection import Decoded
from schemas.keyed import KeyedEvents

__all__ = ["MOST_EVENTS", "Lane"]

MOST_EVENTS: Final = 100_000
"""Events that wait for their turn, of one input topic in one partition of the keyed topic."""
_COLUMNS: Final = EventBatch.__slots__
_OFFSET, _RECORD = _COLUMNS.index("offset"), _COLUMNS.index("record")


class Lane:
    """The events of one input topic in one partition of the keyed topic.

    What is delivered again is left out: events of an input partition rise in offset.
    """

    def __init__(self, topic: str, number: int) -> None:
        self._topic, self._number = topic, number
        self._turns: Turns[Row] = Turns(most=MOST_EVENTS)
        # By partition, of the last event: offset, index in its record, and place.
        self._taken: dict[int, tuple[int, int, float]] = {}

    def __len__(self) -> int:
        """How many events wait."""
        return len(self._turns)

    @property
    def time(self) -> float:
        """Event time (s) up to which everything has come out."""
        return self._turns.time

    def tell(self, keyed: KeyedEvents, position: int, stamp: float = nan) -> RecordBatch:
        """The events that have their turn when a partition has told some.

        Args:
            keyed: what it tells.
            position: offset of its record in the keyed topic.
            stamp: time of that record (s), by which the wait for other partitions is bounded.
        """
        rows, ties = self._new(keyed)
        idle = keyed.idle and not rows
        due = self._turns.tell(
            keyed.partition, keyed.partitions, keyed.clock, rows, idle, stamp, ties, keyed.tie
        )
        return self._batch(due, position)

    def rest(self, position: int) -> RecordBatch:
        """All that waits: the input has ended."""
        return self._batch(self._turns.rest(), position)

    def snapshot(self) -> dict[str, Any]:
        """As JSON types."""
        return {
            "turns": self._turns.snapshot(list),
            "taken": [[partition, *at] for partition, at in self._taken.items()],
        }

    def resume(self, content: dict[str, Any]) -> None:
        """Go on from a snapshot. Raises KeyError, TypeError or ValueError for anything else."""
        self._turns.resume(content["turns"], _row)
        self._taken = {
            int(partition): (int(offset), int(record), float(place))
            for partition, offset, record, place in content["taken"]
        }

    def _new(self, keyed: KeyedEvents) -> tuple[list[tuple[float, Row]], list[float]]:
        """The events that were not taken in before, with their ties: what goes back in offset and on in event
        time is of a topic that was made anew.
        """
        events = keyed.events
        rows = list(
            zip(
                keyed.places,
                zip(*(getattr(events, name) for name in _COLUMNS), strict=True),
                strict=True,
            )
        )
        *at, furthest = self._taken.get(keyed.partition, (-1, 0, 0.0))
        taken, ties = tuple(at), keyed.ties
        if rows and (events.offset[0], events.record[0]) <= taken:
            new = [
                index
                for index, (place, row) in enumerate(rows)
                if (row[_OFFSET], row[_RECORD]) > taken or place > furthest
            ]
            rows, ties = [rows[index] for index in new], [ties[index] for index in new]
        if rows:
            place, last = rows[-1]
            self._taken[keyed.partition] = last[_OFFSET], last[_RECORD], max(furthest, place)
        return rows, ties

    def _batch(self, due: list[tuple[float, int, Row]], position: int) -> RecordBatch:
        n = len(due)
        columns: Any = ([row[column] for _, _, row in due] for column in range(len(_COLUMNS)))
        return RecordBatch(
            self._topic, self._number, [position] * n, [None] * n, [nan] * n, [None] * n, [[]] * n,
            decoded=Decoded(EventBatch(*columns)),
            origins=[partition for _, partition, _ in due],
        )  # fmt: skip


def _row(content: Any) -> Row:
    """An event of a snapshot; a time that is no number was null."""
    time, *rest = content
    return (nan if time is None else float(time), *rest)
