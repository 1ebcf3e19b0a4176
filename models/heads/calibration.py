"""Calibration: from scores to p-values.

With labels the normal events are known, and the p-value is conformal (Vovk, Gammerman & Shafer, Algorithmic
Learning in a Random World, 2005): the share of them that score at least as high. Without labels some events
taken as normal are faults nobody reported, and they are just the ones that score highest: a conformal
threshold lands among them. Then only the body of the scores is believed, and its tail is drawn out
exponentially, as peaks over a threshold are in extreme-value theory (Pickands, Annals of Statistics 3, 1975;
shape 0).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

# highest calibration scores kept, at least, and the share of them; below them a p-value is taken as 1
KEPT: Final = 5_000
KEPT_SHARE: Final = 0.02
# quantiles between which the scores of unlabelled events are believed to be of normal ones
BODY: Final = (0.9, 0.99)
# share of the events that may be unreported faults; bounds what a heavy tail can cost
MOST_SUSPECTED: Final = 0.005
TRUSTED: Final = 1e-3  # unlabelled events whose p-value is below this teach nothing in training


@dataclass(frozen=True, slots=True)
class Calibration:
    """What normal events score.

    scores (k,) float64 ascending: the highest scores of normal events; total: how many normal events there
    were; tail: None, or (level, slope) of an exponential tail that a share of 1 - BODY[1] of normal events
    reaches.
    """

    scores: NDArray[np.float64]
    total: int
    tail: tuple[float, float] | None = None

    @classmethod
    def fit(cls, scores: ArrayLike, unlabelled: bool) -> "Calibration":
        """From the scores of all events taken as normal; unlabelled: nobody has vouched for them."""
        values = np.sort(np.asarray(scores, np.float64))
        tail = None
        if unlabelled:
            low, high = np.quantile(values, BODY)
            tail = (float(high), float((high - low) / np.log((1.0 - BODY[0]) / (1.0 - BODY[1]))))
        kept = max(KEPT, int(KEPT_SHARE * len(values)))  # always more than the tail is drawn from
        return cls(values[-kept:], len(values), tail if tail and tail[1] > 0.0 else None)

    def p_values(self, scores: ArrayLike) -> NDArray[np.float64]:
        """Share (0, 1] of normal events that would score at least this high."""
        values = np.asarray(scores, np.float64)
        above = len(self.scores) - np.searchsorted(self.scores, values, side="left")
        p = np.where(values < self.scores[0], 1.0, (above + 1.0) / (self.total + 1.0))
        if self.tail is None:
            return p
        level, slope = self.tail
        drawn = (1.0 - BODY[1]) * np.exp(-np.maximum(values - level, 0.0) / slope)
        return np.where(values > level, np.maximum(np.maximum(drawn, p - MOST_SUSPECTED), 1e-12), p)

    @property
    def smallest(self) -> float:
        """The smallest p-value there can be; any rate below it means that nothing ever alerts."""
        return 1.0 / (self.total + 1.0) if self.tail is None else 1e-12
