"""Calibration: from scores to p-values, each the share of normal units that would reach as high a score.

A unit is as suspicious as its highest row. The p-value is conformal (Vovk, Gammerman & Shafer, Algorithmic
Learning in a Random World, 2005) in the body of the scores: the share of normal units that score at least as
high. Beyond it the tail is drawn out exponentially, as peaks over a threshold are in extreme-value theory
(Pickands, Annals of Statistics 3, 1975; shape 0), so that scores higher than any seen are told apart. With
labels the normal units are known, and no p-value is below the share of them that has shown as much. Without,
some units taken as normal are faults nobody reported, and they are just the ones that score highest: a share
of them is not believed.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

KEPT: Final = 20_000  # highest calibration scores kept; below them a p-value is taken as 1
# quantiles between which the scores of unlabelled units are believed to be of normal ones
BODY: Final = (0.5, 0.9)
# share of the units that may be unreported faults; bounds what a heavy tail can cost
MOST_SUSPECTED: Final = 0.1
TRUSTED: Final = 1e-3  # unlabelled units whose p-value is below this teach nothing in training


@dataclass(frozen=True, slots=True)
class Calibration:
    """What normal units score.

    scores (k,) float64 ascending: the highest scores of normal units; total: how many normal units there
    were; tail: None, or (level, slope) of an exponential tail that a share of 1 - BODY[1] of normal units
    reaches; suspected: share of the units taken as normal that may be none.
    """

    scores: NDArray[np.float64]
    total: int
    tail: tuple[float, float] | None = None
    suspected: float = 0.0

    @classmethod
    def fit(cls, scores: ArrayLike, suspected: float, least_slope: float = 0.0) -> "Calibration":
        """From the scores (n,) of all units taken as normal, of which a share `suspected` may be none.

        least_slope: score by which a nat of evidence raises a unit. The tail falls off no faster than
        evidence itself says, however alike the units of the body are.
        """
        values = np.sort(np.asarray(scores, np.float64))
        low, high = np.quantile(values, BODY)
        slope = max(least_slope, float((high - low) / np.log((1.0 - BODY[0]) / (1.0 - BODY[1]))))
        tail = (float(high), slope) if slope > 0.0 else None
        return cls(values[-KEPT:], len(values), tail, suspected if tail else 0.0)

    def p_values(self, scores: ArrayLike) -> NDArray[np.float64]:
        """Share (0, 1] of normal units that would score at least this high."""
        values = np.asarray(scores, np.float64)
        above = len(self.scores) - np.searchsorted(self.scores, values, side="left")
        p = np.where(values < self.scores[0], 1.0, (above + 1.0) / (self.total + 1.0))
        if self.tail is None:
            return p
        level, slope = self.tail
        drawn = (1.0 - BODY[1]) * np.exp(-np.maximum(values - level, 0.0) / slope)
        shown = above / (self.total + 1.0) - self.suspected
        return np.where(values > level, np.maximum(np.maximum(drawn, shown), 1e-12), p)


@dataclass(frozen=True, slots=True)
class UnitCalibration:
    """What normal units of each class score: entities, and sources over a minute."""

    entity: Calibration
    source: Calibration

    def p_values(self, scores: ArrayLike, of_entity: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Share (0, 1] of normal units like that of each score (n,) that would score at least this high."""
        return np.where(of_entity, self.entity.p_values(scores), self.source.p_values(scores))
