"""What qualm is compared with: methods that look at lines, templates and pairs of templates.

`detection_counts.py` has those that look at counts, `detection_evidence.py` the one that adds up evidence.
All set their thresholds on training entities alone. What is new in a training entity is what no other one
has, so that it is scored as an entity of the test would be.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.detection_data import Event, Unit

IDLE: Final = 60.0  # s without a line after which an entity is taken to be over
SHARE: Final = 0.005  # of training entities that may be flagged
STREAM: Final = "stream"
WHOLE: Final = "whole unit"
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a method says of a unit: a score, higher for worse; when it raised alarm (s), in order."""

    score: float
    alarms: tuple[float, ...] = ()


class Method(Protocol):
    """name; sees: STREAM when the verdict is there while lines come in, WHOLE when the unit must be over;
    rule: how the threshold is set, in one line.
    """

    name: str
    sees: str
    rule: str

    def fit(self, units: Sequence[Unit], truth: NDArray[np.bool_] | None) -> None:
        """Learn from training units (n,); truth (n,): which are anomalies, None when it is not known."""

    def judge(self, units: Sequence[Unit]) -> list[Verdict]:
        """One verdict per unit, in their order."""


def normal(units: Sequence[Unit], truth: NDArray[np.bool_] | None) -> list[Unit]:
    """What a method learns from that knows no faults: all units, or those labelled normal."""
    return [unit for row, unit in enumerate(units) if truth is None or not truth[row]]


def limit_of(scores: Sequence[float] | Floats) -> float:
    """The (1 - SHARE) quantile of training scores, between two by straight line; above it is an alarm."""
    return float(np.quantile(scores, 1.0 - SHARE))


def at_end(unit: Unit, score: float, flagged: bool) -> Verdict:
    """The verdict of a method that waits until the unit is over."""
    return Verdict(score, (float(unit.times[-1]) + IDLE,) if flagged else ())


class ErrorLines:
    """Lines of level ERROR, CRITICAL or FATAL: what `grep` does."""

    name = "ERROR lines"
    sees = STREAM
    rule = "one line of level ERROR, CRITICAL or FATAL"

    def fit(self, units: Sequence[Unit], truth: NDArray[np.bool_] | None) -> None:
        """Nothing to learn."""

    def judge(self, units: Sequence[Unit]) -> list[Verdict]:
        """Score: the number of such lines."""
        return [Verdict(float(unit.errors.sum()), tuple(unit.times[unit.errors].tolist())) for unit in units]


class NewTemplates:
    """Distinct templates that no training entity showed (the "new event" of Landauer et al., A Critical
    Review of Common Log Data Sets Used for Evaluation of Sequence-Based Anomaly Detection, 2024).
    """

    name = "new templates"
    sees = STREAM
    rule = f"more than the {1 - SHARE:.1%} quantile of training entities, each against the others"

    def __init__(self) -> None:
        self._units_with: Counter[Hashable] = Counter()
        self.limit = 0.0

    def fit(self, units: Sequence[Unit], truth: NDArray[np.bool_] | None) -> None:
        """Learn which templates there are, and how many a training entity has that no other has."""
        usual = normal(units, truth)
        self._units_with = entities_with(unit.events for unit in usual)
        own = [sum(self._units_with[event] == 1 for event in set(unit.events)) for unit in usual]
        self.limit = limit_of(own)

    def judge(self, units: Sequence[Unit]) -> list[Verdict]:
        """Score: their number; alarm at each one past the limit."""
        return [self._verdict(unit) for unit in units]

    def _verdict(self, unit: Unit) -> Verdict:
        new: set[Event] = set()
        alarms = []
        for time, event in zip(unit.times.tolist(), unit.events, strict=True):
            if event not in self._units_with and event not in new:
                new.add(event)
                if len(new) > self.limit:
                    alarms.append(time)
        return Verdict(float(len(new)), tuple(alarms))


class NewPairs:
    """Share of an entity's 2-grams of templates that no training entity showed (n-grams of system calls:
    Forrest et al., A Sense of Self for Unix Processes, 1996; on logs: Landauer et al., 2024).
    """

    name = "new 2-grams"
    sees = WHOLE
    rule = f"above the {1 - SHARE:.1%} quantile of training entities, each against the others"

    def __init__(self) -> None:
        self._units_with: Counter[Hashable] = Counter()
        self.limit = 0.0

    def fit(self, units: Sequence[Unit], truth: NDArray[np.bool_] | None) -> None:
        """Learn which pairs there are, and what share of an entity's pairs no other has."""
        usual = normal(units, truth)
        self._units_with = entities_with(map(pairs, usual))
        self.limit = limit_of([self._share(unit, own=1) for unit in usual])

    def judge(self, units: Sequence[Unit]) -> list[Verdict]:
        """Score: the share, 0 for an entity of one line."""
        scores = [self._share(unit) for unit in units]
        return [at_end(unit, score, score > self.limit) for unit, score in zip(units, scores, strict=True)]

    def _share(self, unit: Unit, own: int = 0) -> float:
        """own: training entities with a pair that do not count, 1 for an entity of the training set."""
        found = pairs(unit)
        return sum(self._units_with[pair] <= own for pair in found) / len(found) if found else 0.0


def pairs(unit: Unit) -> list[tuple[Event, Event]]:
    """Templates that follow each other in an entity."""
    return list(zip(unit.events[:-1], unit.events[1:], strict=True))


def entities_with(things: Iterable[Iterable[Hashable]]) -> Counter[Hashable]:
    """In how many entities each thing is, given the things of each entity."""
    return Counter(thing for each in things for thing in set(each))
