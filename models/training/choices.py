"""What training chooses by rule: when an entity has ended, whom to trust, what to learn, when to alert."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.heads.calibration import TRUSTED, Calibration
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


def trusted_rows(normal: NDArray[np.bool_], logit: NDArray[np.float64], labelled: bool) -> NDArray[np.bool_]:
    """The normal rows (n,) without those that look like faults nobody labelled; with labels, all of them."""
    if labelled:
        return normal
    trusted = normal.copy()
    trusted[normal] = Calibration.fit(logit[normal], unlabelled=True).p_values(logit[normal]) > TRUSTED
    return trusted


def highest_rows(bags: Bags, above: NDArray[np.float64]) -> tuple[Bags, NDArray[np.float64]]:
    """The highest BAG_ROWS rows of each bag whose logit is above the threshold, and by how much.

    A bag without any is lost to the circuit.
    """
    order = np.lexsort((-above, bags.bag))
    sorted_bags = bags.bag[order]
    start = np.searchsorted(sorted_bags, sorted_bags)
    chosen = order[(np.arange(len(order)) - start < BAG_ROWS) & (above[order] >= 0.0)]
    kept, numbered = np.unique(bags.bag[chosen], return_inverse=True)
    return Bags(bags.x[chosen], bags.trigger[chosen], numbered, bags.weight[kept]), above[chosen]


def best_rate(
    p: NDArray[np.float64], unit: NDArray[np.int64], truth: NDArray[np.bool_], present: NDArray[np.int64]
) -> float:
    """The false-alarm rate with the best F1 over the labelled units of the calibration part."""
    smallest = np.full(len(truth), np.inf)
    labelled = unit >= 0
    np.minimum.at(smallest, unit[labelled], p[labelled])
    present = present[present >= 0]
    smallest, positive = smallest[present], truth[present]
    if not positive.any():
        return DEFAULT_RATE
    candidates = np.unique(smallest[np.isfinite(smallest)])
    best = max(candidates, key=lambda rate: _f1(positive, smallest <= rate), default=DEFAULT_RATE)
    return float(best)


def _f1(truth: NDArray[np.bool_], flagged: NDArray[np.bool_]) -> float:
    return float(2 * (truth & flagged).sum() / max(1, truth.sum() + flagged.sum()))
