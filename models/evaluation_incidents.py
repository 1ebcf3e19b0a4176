"""How many incidents a replay made of the faults there were, and of what was none."""

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from scipy.stats import chi2

from models.labels import Labels
from models.training.learnt import DAY

MINUTE: Final = 60.0  # s
RESAMPLES: Final = 1000


@dataclass
class IncidentFigures:
    """Collects which faults each incident is about.

    An incident is true when one of its suspicious events is of a unit that the labels call faulty. With
    labels of entities, an event of a source without one is when a faulty entity has logged there in that
    minute, after its fault began. It is false when it is not true, and one of its events is of a unit that
    they call normal; a source without entity is, in a minute in which no unlabelled entity has logged there.
    """

    labels: Labels
    _faults: dict[str, set[str]] = field(default_factory=dict)  # by incident; empty ones are false so far
    _sources: dict[str, set[tuple[str, int]]] = field(default_factory=dict)  # minutes, likewise
    _minutes: dict[tuple[str, int], set[str]] = field(default_factory=dict)  # faults by minute of a source
    _unlabelled: set[tuple[str, int]] = field(default_factory=set)  # minutes of a source, likewise
    _normal: set[str] = field(default_factory=set)  # incidents that are about a unit that is called normal
    _first: float = float("inf")
    _last: float = float("-inf")

    def passed(self, source: str, entity: str, time: float) -> None:
        """A row of features, suspicious or not: source, entity ("" for none) and event time (s)."""
        self._first, self._last = min(self._first, time), max(self._last, time)
        if entity and entity not in self.labels.entities and not self.labels.intervals:
            self._unlabelled.add((source, int(time // MINUTE)))
        if entity and self.labels.entities.get(entity) and time >= self.labels.starts.get(entity, time):
            self._minutes.setdefault((source, int(time // MINUTE)), set()).add(entity)

    def suspicious(self, incident: str, source: str, entity: str, time: float) -> None:
        """A suspicious event and its incident."""
        faults = self._faults.setdefault(incident, set())
        if self.labels.intervals or entity in self.labels.entities:
            self._normal.add(incident)
        if self.labels.intervals:
            faults.update(
                f"{source} {start}"
                for start, end in self.labels.intervals.get(source, ())
                if start <= time <= end
            )
        elif not entity:
            self._sources.setdefault(incident, set()).add((source, int(time // MINUTE)))
        elif self.labels.entities.get(entity) and time >= self.labels.starts.get(entity, time):
            faults.add(entity)

    def _is_normal(self, incident: str) -> bool:
        return incident in self._normal or any(
            each not in self._unlabelled for each in self._sources.get(incident, ())
        )

    def report(self) -> dict[str, Any]:
        """n incidents; true: how many are about a fault; per_fault: their mean number for a fault that has
        any; false_per_day: the others, a day of event time. None for what labels or times cannot give.

        With 95% intervals: of per_fault by bootstrap over faults (Efron, 1979), of false_per_day the exact
        one of a Poisson count (Garwood, Biometrika 28, 1936).
        """
        about = {
            incident: faults.union(*(self._minutes.get(each, ()) for each in self._sources.get(incident, ())))
            for incident, faults in self._faults.items()
        }
        counts: dict[str, int] = {}
        for faults in about.values():
            for fault in faults:
                counts[fault] = counts.get(fault, 0) + 1
        false = sum(not about[incident] and self._is_normal(incident) for incident in about)
        days = (self._last - self._first) / DAY
        per_fault = np.array(list(counts.values()), np.float64)
        return {
            "n": len(about),
            "true": sum(map(bool, about.values())),
            "per_fault": float(per_fault.mean()) if len(per_fault) else None,
            "false_per_day": false / days if days > 0.0 else None,
            "interval95": {
                **({"per_fault": _bootstrap(per_fault)} if len(per_fault) else {}),
                **({"false_per_day": [bound / days for bound in _poisson(false)]} if days > 0.0 else {}),
            },
        }


def _bootstrap(values: np.ndarray[Any, np.dtype[np.float64]]) -> list[float]:
    rng = np.random.default_rng(0)
    means = [float(rng.choice(values, len(values)).mean()) for _ in range(RESAMPLES)]
    low, high = np.percentile(means, [2.5, 97.5]).tolist()
    return [low, high]


def _poisson(count: int) -> list[float]:
    """95% interval of the mean of a Poisson count."""
    low = float(chi2.ppf(0.025, 2 * count)) / 2.0 if count else 0.0
    return [low, float(chi2.ppf(0.975, 2 * count + 2)) / 2.0]
