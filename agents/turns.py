"""Whose turn it is: what several lanes tell, put in order of event time.

A lane is a partition of one topic. What it tells comes in its own order, with the event time that it has
reached; between lanes the order is whatever fetching made of it. Here a row is held until no lane that counts
can tell an earlier one, so that rows come out by (event time, lane, order in the lane), however the lanes
were interleaved. That costs a wait, which has bounds:

- A lane that says it is idle (read to its end) is waited for again when it says something else.
- One that says nothing for WAIT seconds is not waited for either: whoever reads it may be dead.
- A row that was held for WAIT seconds, and for as long as it was old when it came, leaves the slowest lane
  behind until that has caught up. So do more than ``most`` rows.

These seconds are those of record timestamps in the topic that is read, so what comes out is a function of
that topic alone. Waiting for the slowest clock is the low watermark of Akidau et al. (MillWheel, VLDB 2013).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from math import inf, isnan, nan
from operator import itemgetter
from typing import Any, Final, Generic, TypeVar

__all__ = ["MOST_HELD", "WAIT", "Turns"]

WAIT: Final = 60.0  # s of record timestamps
MOST_HELD: Final = 50_000  # rows

Row = TypeVar("Row")
Place = tuple[float, float]  # event time (s), and what orders rows of one time
_NOWHERE: Final[Place] = (-inf, 0.0)
_key: Final = itemgetter(0, 1, 2)


@dataclass(slots=True)
class _Lane:
    """clock: the place reached; heard: record time when it last spoke, NaN where records have none."""

    clock: Place = _NOWHERE
    heard: float = nan


class Turns(Generic[Row]):
    """The lanes of one topic, and the rows that wait for their turn."""

    def __init__(self, wait: float = WAIT, most: int = MOST_HELD) -> None:
        self._wait = wait
        self._most = most
        self._lanes: list[_Lane] = []
        # Lanes that were left behind: what they tell comes out of turn until they have caught up.
        self.behind: set[int] = set()
        # By lane, in its order: place, lane, number, row. No lane that has none.
        self._held: dict[int, list[tuple[Place, int, int, Row]]] = {}
        self._count = 0
        self._number = 0
        self._now = nan  # the newest record time
        self._first = -inf  # event time of the lane that is first of all
        # Of lanes that count, (clock, lane); entries that are out of date are passed over.
        self._slowest: list[tuple[Place, int]] = []
        self._heard: dict[int, float] = {}  # lanes that count, the one that was heard longest ago first
        self._deadlines: list[tuple[float, Place, int]] = []  # (record time, place, lane) of held rows

    def __len__(self) -> int:
        """How many rows are held."""
        return self._count

    @property
    def count(self) -> int:
        """How many lanes there are."""
        return len(self._lanes)

    @property
    def time(self) -> float:
        """Event time up to which everything has come out: of the slowest lane that counts, else the first."""
        time = self._front()[0][0]
        return time if time < inf else self._first

    def is_ahead(self, time: float) -> bool:
        """Whether an event time is too far ahead of its record to be believed: some clock is wrong."""
        return time > self._now + self._wait

    def tell(
        self,
        lane: int,
        lanes: int,
        time: float,
        rows: Sequence[tuple[float, Row]] = (),
        idle: bool = False,
        stamp: float = nan,
        ties: Sequence[float] = (),
        tie: float = 0.0,
    ) -> list[tuple[float, int, Row]]:
        """A lane, of so many, has reached an event time (s), with rows (event time, row) on the way there.

        Args:
            lane: from 0.
            lanes: the most that were told count.
            time: what it tells later is of this time or later.
            rows: in its order; one that goes back in time keeps its place behind the one before.
            idle: it has been read to its end.
            stamp: record time of what it tells (s), NaN for none: then nothing is bounded by time.
            ties: of each row, what orders it among those of other lanes at its event time; () for the lane.
            tie: the same of what it tells later at the event time that it has reached.

        Returns:
            what has its turn now, in order: (time, lane, row); the time is the event time it was taken by.
        """
        if not isnan(stamp):
            self._now = stamp if isnan(self._now) else max(self._now, stamp)
        self._grow(max(lanes, lane + 1))
        told = self._lanes[lane]
        self._hold(lane, told, rows, ties)
        told.clock = max(told.clock, (self._believed(time), tie))
        self._first = max(self._first, told.clock[0])
        self._take_part(lane, told, idle)
        self._leave_behind()
        return self._due()

    def rest(self) -> list[tuple[float, int, Row]]:
        """All that is held, in order: the input has ended."""
        self._deadlines = []
        held, self._held, self._count = self._held, {}, 0
        return _in_order([each for rows in held.values() for each in rows])

    def snapshot(self, encode: Callable[[Row], Any]) -> dict[str, Any]:
        """As JSON types; encode makes one of a row."""
        return {
            "lanes": [[_plain_place(each.clock), _plain(each.heard)] for each in self._lanes],
            "counting": list(self._heard),
            "behind": sorted(self.behind),
            "held": [
                [_plain_place(place), lane, number, encode(row)]
                for rows in self._held.values()
                for place, lane, number, row in rows
            ],
            "number": self._number,
            "now": _plain(self._now),
            "deadlines": [[each, _plain_place(place), lane] for each, place, lane in self._deadlines],
        }

    def resume(self, content: dict[str, Any], decode: Callable[[Any], Row]) -> None:
        """Go on from a snapshot. Raises KeyError, TypeError or ValueError for anything else."""
        self._lanes = [_Lane(_place(clock), _number(heard, nan)) for clock, heard in content["lanes"]]
        self.behind = set(map(int, content["behind"]))
        for place, lane, number, row in content["held"]:
            entry = (_place(place), int(lane), int(number), decode(row))
            self._held.setdefault(int(lane), []).append(entry)
        self._count = len(content["held"])
        self._number = int(content["number"])
        self._now = _number(content["now"], nan)
        self._deadlines = [
            (float(each), _place(place), int(lane)) for each, place, lane in content["deadlines"]
        ]
        self._first = max((each.clock[0] for each in self._lanes), default=-inf)
        self._heard = {int(lane): self._lanes[lane].heard for lane in content["counting"]}
        self._slowest = [(self._lanes[lane].clock, lane) for lane in self._heard]
        heapify(self._slowest)

    def _grow(self, lanes: int) -> None:
        for lane in range(len(self._lanes), lanes):
            self._lanes.append(_Lane(heard=self._now))
            heappush(self._slowest, (_NOWHERE, lane))
            self._heard[lane] = self._now

    def _believed(self, time: float) -> float:
        """An event time, or where a clock is far ahead of its record the time of that: others come there."""
        return self._now if self.is_ahead(time) else time

    def _hold(self, lane: int, told: _Lane, rows: Sequence[tuple[float, Row]], ties: Sequence[float]) -> None:
        if not rows:
            return
        place, latest = told.clock, inf if isnan(self._now) else self._now + self._wait
        held = self._held.setdefault(lane, [])
        for number, (time, row) in enumerate(rows, self._number):
            at = (
                time if time <= latest else self._believed(time),
                ties[number - self._number] if ties else 0.0,
            )
            if at > place:  # not one without a time, NaN: it has the place of the one before it
                place = at
            held.append((place, lane, number, row))
        self._number += len(rows)
        self._count += len(rows)
        told.clock = place
        if not isnan(self._now):
            age = max(0.0, self._now - place[0])
            heappush(self._deadlines, (self._now + self._wait + age, place, lane))

    def _take_part(self, lane: int, told: _Lane, idle: bool) -> None:
        """Whether a lane that has spoken is waited for from now on."""
        told.heard = self._now
        self._heard.pop(lane, None)
        if not idle and (lane not in self.behind or (told.clock, lane) >= self._front()):
            self.behind.discard(lane)
            heappush(self._slowest, (told.clock, lane))
            self._heard[lane] = self._now
        if len(self._slowest) > 4 * len(self._lanes) + 64:  # entries that are out of date
            self._slowest = [(self._lanes[each].clock, each) for each in self._heard]
            heapify(self._slowest)

    def _front(self) -> tuple[Place, int]:
        """Clock and lane of the slowest that counts: what is before it, or its own, can come out."""
        slowest = self._slowest
        while slowest:
            clock, lane = slowest[0]
            if lane in self._heard and self._lanes[lane].clock == clock:
                return slowest[0]
            heappop(slowest)
        return (inf, 0.0), -1

    def _leave_behind(self) -> None:
        """Wait no longer for lanes that are silent, and for those that hold up what was held long enough."""
        while self._heard and (silent := next(iter(self._heard.items())))[1] + self._wait < self._now:
            del self._heard[silent[0]]
        while self._deadlines and self._deadlines[0][0] < self._now:
            _, place, lane = self._deadlines[0]
            front = self._front()
            if (place, lane) <= front:
                heappop(self._deadlines)
            else:
                self._leave(front[1])
        while self._count > self._most and self._count - sum(map(self._ready, self._held)) > self._most:
            self._leave(self._front()[1])

    def _leave(self, lane: int) -> None:
        del self._heard[lane]
        self.behind.add(lane)

    def _ready(self, lane: int) -> int:
        """How many of the rows of a lane have their turn."""
        clock, slowest = self._front()
        return bisect_right(self._held[lane], (clock, slowest, inf), key=_key)

    def _due(self) -> list[tuple[float, int, Row]]:
        due: list[tuple[Place, int, int, Row]] = []
        for lane in list(self._held):
            if count := self._ready(lane):
                due += self._held[lane][:count]
                del self._held[lane][:count]
                if not self._held[lane]:
                    del self._held[lane]
        self._count -= len(due)
        if not self._held:
            self._deadlines = []
        elif len(self._deadlines) > 2 * self._most:
            front = self._front()
            self._deadlines = [each for each in self._deadlines if each[1:] > front]
            heapify(self._deadlines)
        return _in_order(due)


def _in_order(rows: list[tuple[Place, int, int, Any]]) -> list[tuple[float, int, Any]]:
    """Of several lanes, each in order."""
    rows.sort(key=_key)
    return [(place[0], lane, row) for place, lane, _, row in rows]


def _plain(value: float) -> float | None:
    """A number that JSON has, None for infinity and NaN."""
    return value if -inf < value < inf else None


def _plain_place(place: Place) -> list[float | None]:
    return [_plain(place[0]), place[1]]


def _place(content: Any) -> Place:
    time, tie = content
    return _number(time, -inf), float(tie)


def _number(value: Any, otherwise: float) -> float:
    return otherwise if value is None else float(value)
