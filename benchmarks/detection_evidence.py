"""A baseline that adds up, line by line, what is new in an entity and what is overdue."""

import math
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.detection_data import Event, Unit
from benchmarks.detection_methods import IDLE, SHARE, STREAM, Floats, Verdict, normal

USUAL: Final = 0.5  # of training entities that show a template, for its absence to count
DUE: Final = 0.99  # quantile of the ages at which they first show it
LATE_SHARE, LATE_SECONDS = 1.05, 5.0  # by how much later than that it is overdue
TAIL: Final = 0.05  # of training entities, beyond which the tail is taken to be exponential
_SMALLEST: Final = 1e-6


class Due(NamedTuple):
    """A usual template: age of an entity (s) by which it has shown it, and nats when it has not."""

    age: float
    nats: float
    event: Event


class Tail(NamedTuple):
    """The upper tail of a sum in training entities: where it begins, its scale, and the threshold."""

    high: float
    scale: float
    limit: float


class Evidence:
    """Two sums of information content (-log p, Shannon 1948) that grow with an entity's lines, in nats.

    `new`: for each word of the entity's templates, at its first line, -log of the share of training entities
    that have the word. `overdue`: for each usual template that the entity has not shown by the age at which
    nearly all had, -log of the share that never show it; when the entity is over, for each not shown at all.
    Shares are smoothed, (k + 1/2) / (n + 1). Nothing is learnt of faults.
    """

    name = "evidence sums"
    sees = STREAM
    rule = (
        f"either sum beyond the {1 - SHARE:.1%} quantile of training entities, each against the others, by "
        f"an exponential tail from {1 - TAIL:.0%} on"
    )

    def __init__(self) -> None:
        self._n = 0
        self._units_with: Counter[str] = Counter()
        self._due: list[Due] = []
        self.tails: tuple[Tail, Tail] = (Tail(0.0, 1.0, 0.0), Tail(0.0, 1.0, 0.0))

    def fit(self, units: Sequence[Unit], truth: NDArray[np.bool_] | None) -> None:
        """Count words, time templates, then run over the training entities for the two thresholds."""
        usual = normal(units, truth)
        self._n, self._units_with = len(usual), Counter()
        ages: dict[Event, list[float]] = {}
        for unit in usual:
            first = _first_ages(unit)
            self._units_with.update({word for _, text in first for word in text.split()})
            for event, age in first.items():
                ages.setdefault(event, []).append(age)
        self._due = sorted(
            Due(
                float(np.quantile(found, DUE)) * LATE_SHARE + LATE_SECONDS,
                self._nats(self._n - len(found)),
                event,
            )
            for event, found in ages.items()
            if len(found) >= USUAL * self._n
        )
        highest = np.array([self._course(unit, own=1)[1].max(axis=0) for unit in usual])
        self.tails = (tail_of(highest[:, 0]), tail_of(highest[:, 1]))

    def judge(self, units: Sequence[Unit]) -> list[Verdict]:
        """Score: the larger sum at its highest, in scales beyond the tail's begin; alarm while above."""
        return [self._verdict(unit) for unit in units]

    def _verdict(self, unit: Unit) -> Verdict:
        times, sums = self._course(unit)
        beyond = [(sums[:, at] - tail.high) / tail.scale for at, tail in enumerate(self.tails)]
        above = (sums > [tail.limit for tail in self.tails]).any(axis=1)
        return Verdict(float(np.max(beyond)), tuple(times[above].tolist()))

    def _course(self, unit: Unit, own: int = 0) -> tuple[Floats, Floats]:
        """Times (n + 1,) and both sums (n + 1, 2): after each line, and when the entity is over.

        own: 1 for an entity of the training set, which then is not counted.
        """
        times = np.append(unit.times, unit.times[-1] + IDLE)
        return times, np.array(list(self._sums(unit, own)))

    def _sums(self, unit: Unit, own: int) -> Iterator[tuple[float, float]]:
        new = overdue = 0.0
        shown: set[Event] = set()
        words: set[str] = set()
        waiting = deque(self._due)
        for age, event in zip((unit.times - unit.times[0]).tolist(), unit.plain, strict=True):
            while waiting and waiting[0].age <= age:
                due = waiting.popleft()
                overdue += due.nats if due.event not in shown else 0.0
            if event not in shown:
                shown.add(event)
                fresh = set(event[1].split()) - words
                new += sum(self._nats(self._units_with[word] - own, own) for word in fresh)
                words |= fresh
            yield new, overdue
        yield new, sum(due.nats for due in self._due if due.event not in shown)

    def _nats(self, count: int, own: int = 0) -> float:
        """-log of the share that `count` training entities are, of all but `own` of them."""
        return -math.log((max(0, count) + 0.5) / (self._n - own + 1))


def tail_of(highest: Floats) -> Tail:
    """The tail of a sum's highest values (n,) in training entities (peaks over threshold, Pickands 1975).

    It begins at the (1 - TAIL) quantile, and its scale is the way there from the median. The limit is the
    (1 - SHARE) quantile of the exponential distribution that goes through these two.
    """
    middle, high = np.quantile(highest, [0.5, 1.0 - TAIL]).tolist()
    scale = high - middle
    limit = high + scale * math.log(TAIL / SHARE) / math.log(0.5 / TAIL)
    return Tail(high, max(scale, _SMALLEST), limit)


def _first_ages(unit: Unit) -> dict[Event, float]:
    """When an entity first shows each of its templates, in s since its first line."""
    ages = (unit.times - unit.times[0]).tolist()
    return dict(zip(reversed(unit.plain), reversed(ages), strict=True))
