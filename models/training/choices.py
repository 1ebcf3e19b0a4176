"""What training chooses by rule: when an entity has ended, whom to trust, what to learn, when to alert."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.heads.calibration import MOST_SUSPECTED, TRUSTED, Calibration
from models.training.bags import Bags
from schemas.events import EventBatch

TIMEOUTS: Final = (10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)  # s
DEFAULT_RATE: Final = 1e-3
BAG_ROWS: Final = 4  # of a bag that reach the circuit in training, those with the highest prefilter score


def entity_timeout(events: EventBatch) -> float:
    """Seconds without events after which an entity counts as ended: where pauses are rarest.

    Of TIMEOUTS, the one with the fewest pauses of half to twice its length, among those that most pauses are
    shorter than. A valley between the pauses within an episode and those between episodes.
    """
    last: dict[str, float] = {}
    pauses: list[float] = []
    for entity, time in zip(events.entity, events.time, strict=True):
        if entity:
            if entity in last:
                pauses.append(time - last[entity])
            last[entity] = time
    if len(pauses) < 100:
        return 300.0
    lengths = np.array(pauses)
    usable = [timeout for timeout in TIMEOUTS if (lengths < timeout).mean() > 0.5] or [TIMEOUTS[-1]]
    return min(usable, key=lambda t: (((lengths > t / 2) & (lengths < 2 * t)).sum(), t))


def highest_of(unit: NDArray[np.int64], logit: NDArray[np.float64]) -> NDArray[np.int64]:
    """The row (units,) with the highest logit (n,) of each unit (n,) that there is; of equals the first."""
    order = np.lexsort((np.arange(len(unit)), -logit, unit))
    first = np.ones(len(order), bool)
    first[1:] = unit[order[1:]] != unit[order[:-1]]
    return order[first]


def trusted(logit: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which units (n,) look like no fault that nobody labelled, by the highest logit (n,) of each."""
    return Calibration.fit(logit, MOST_SUSPECTED).p_values(logit) > TRUSTED


def highest_rows(bags: Bags, above: NDArray[np.float64]) -> tuple[Bags, NDArray[np.float64]]:
    """The highest BAG_ROWS rows of each bag whose logit is above the threshold, and by how much.

    A bag without any is lost to the circuit.
    """
    order = np.lexsort((-above, bags.bag))
    sorted_bags = bags.bag[order]
    start = np.searchsorted(sorted_bags, sorted_bags)
    chosen = order[(np.arange(len(order)) - start < BAG_ROWS) & (above[order] >= 0.0)]
    kept, numbered = np.unique(bags.bag[chosen], return_inverse=True)
    kept_rows = Bags(
        bags.x[chosen], bags.trigger[chosen], bags.of_entity[chosen], numbered, bags.weight[kept]
    )
    return kept_rows, above[chosen]


def best_rate(p: NDArray[np.float64], truth: NDArray[np.bool_]) -> float:
    """The false-alarm rate with the best F1 over labelled units: p (units,) is the smallest p-value of each.

    Between the last unit that it flags and the first that it does not, in the middle as ratios go: units to
    come are near those known, on both sides.
    """
    order = np.argsort(p, kind="stable")
    p, hits = p[order], np.cumsum(truth[order])
    f1 = 2 * hits / (np.arange(1, len(p) + 1) + truth.sum())
    f1[:-1][p[1:] == p[:-1]] = 0.0  # units alike are flagged together
    if not len(p) or not f1.max() > 0.0:
        return DEFAULT_RATE
    last = len(f1) - 1 - int(np.argmax(f1[::-1]))
    following = p[last + 1] if last + 1 < len(p) else p[last]
    return float(min(0.5, np.sqrt(p[last] * following)))
