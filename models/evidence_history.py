"""How the evidence of labelled units grew, kept for the few that a report shows."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from models.context.context import Rows
from models.context.tables import REASON
from models.explanation import LEAST, reasons
from schemas.salient import Reason, Trigger

POINTS: Final = 8  # most of a unit
UNITS: Final = 20_000  # most whose points are kept, in at most 64 MB
TEXTS: Final = 100_000  # most templates whose text is kept; a miner cuts each
_TRIGGERS: Final = list(Trigger)  # by their code

# Event time (s), nats, trigger, template, and the row's `why` as bytes, empty without reasons. There are
# many, and the garbage collector passes over plain tuples of such values.
_Kept = tuple[float, float, int, int, bytes]


@dataclass(frozen=True, slots=True)
class Point:
    """A row that showed more evidence than any before it in its unit.

    time: event time (s); nats: what the prefilter makes of the row, at least LEAST; trigger, template: what
    brought the row, and the text of its template; reasons: what has added to the evidence since the point
    before.
    """

    time: float
    nats: float
    trigger: Trigger
    template: str
    reasons: list[Reason]


@dataclass(frozen=True, slots=True)
class UnitHistory:
    """A labelled unit and how its evidence grew.

    name: of the entity, or of the source; is_faulty: what the label says; began, last: event times of its
    first and its last row (s); fault: when the fault began (s), None where labels do not say; alert: time of
    its first alert (s), at least began, None without one; nats: the most evidence that a row showed; points:
    the rows that raised it, times ascending. Where they are more than POINTS the smallest steps are left out;
    where more than UNITS units have some, those of units that were neither among the worst nor rose lately.
    """

    name: str
    is_faulty: bool
    began: float
    last: float
    fault: float | None
    alert: float | None
    nats: float
    points: list[Point]


@dataclass(frozen=True, slots=True)
class WorstUnits:
    """The worst misses (labelled faulty, no alert; those that scored lowest first), the worst false alarms
    (labelled normal, with an alert; those that scored highest first), and how many there are of either.
    """

    misses: list[UnitHistory]
    false_alarms: list[UnitHistory]
    all_misses: int
    all_false_alarms: int


class EvidencePoints:
    """Points of units, by a number for each: at most POINTS of any; those that rose last come last."""

    def __init__(self) -> None:
        self._of: dict[int, list[_Kept]] = {}
        self._texts: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._of)

    def __iter__(self) -> Iterator[int]:
        return iter(self._of)

    def of(self, unit: int) -> list[Point]:
        """Its points, times ascending."""
        points: list[Point] = []
        before: dict[tuple[int, int], float] = {}
        for time, nats, trigger, template, raw in self._of.get(unit, []):
            why = np.frombuffer(raw, REASON)
            keys, heights = why[["kind", "template"]].tolist(), why["nats"].tolist()
            grown = [
                height >= before.get(key, 0.0) + LEAST for key, height in zip(keys, heights, strict=True)
            ]
            told = reasons(why[np.array(grown, bool)], self._text)
            points.append(Point(time, nats, _TRIGGERS[trigger], self._text(template), told))
            before = dict(zip(keys, heights, strict=True))
        return points

    def add(self, rises: Sequence[tuple[int, int, float]], rows: Rows, text: Callable[[int], str]) -> None:
        """Take rows of a batch: unit, index and nats of each, which are above all before it in its unit.

        text: of a template.
        """
        at = [row for _, row, _ in rises]
        why, times, triggers, templates = (
            rows.why[at], rows.time[at].tolist(), rows.trigger[at].tolist(), rows.template[at].tolist()
        )  # fmt: skip
        is_told = why["kind"] >= 0
        for template in {*templates, *why["template"][is_told].tolist()} - self._texts.keys():
            if len(self._texts) < TEXTS:
                self._texts[template] = text(template)
        told = np.any(is_told, axis=1).tolist()
        for i, (unit, _, nats) in enumerate(rises):
            points, time = self._of.pop(unit, []), times[i]
            if points:
                time = max(time, points[-1][0])  # a late line tells nothing before it is read
            points.append((time, nats, triggers[i], templates[i], why[i].tobytes() if told[i] else b""))
            if len(points) > POINTS:
                heights = [0.0, *(point[1] for point in points)]
                steps = [high - low for low, high in pairwise(heights)][:-1]  # the last point is the highest
                del points[steps.index(min(steps))]
            self._of[unit] = points

    def _text(self, template: int) -> str:
        return self._texts.get(template) or "…"

    def drop(self, unit: int) -> None:
        """Forget a unit's points."""
        self._of.pop(unit, None)

    def keep(self, units: Collection[int]) -> None:
        """Forget the points of all others."""
        self._of = {unit: points for unit, points in self._of.items() if unit in units}
