"""Whether the tail that p-values are drawn out by holds for units that it was not fitted to.

It is fitted anew to the units of the first part of training and held against those of the calibration part.
If it holds, as many of these reach it as it says (a binomial test), and how far they are in it, in units of
its slope, is exponential (Kolmogorov & Smirnov's test). Both distributions are known beforehand, as nothing
is fitted to the units that are tested; the smaller of both p-values counts, twice (Bonferroni).
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binomtest, kstest

from models.heads.calibration import BODY, Calibration

LEAST_UNITS: Final = 50  # earlier ones, and
LEAST_EXCEEDANCES: Final = 10  # later ones in the tail, of fewer of which nothing is said
DOUBTED: Final = 0.01  # p-value below which the tail does not fit


@dataclass(frozen=True, slots=True)
class TailFit:
    """units, exceedances: how many were held against the tail, and how many of them are in it; expected: how
    many it says; excess: how far these are in it on average, in slopes, 1 where it holds; p_value: that it
    would be as far off by chance, None where too little is known to say.
    """

    units: int
    exceedances: int
    expected: float
    excess: float | None
    p_value: float | None

    @property
    def fits(self) -> bool | None:
        """None where too little is known to say."""
        return None if self.p_value is None else self.p_value >= DOUBTED

    @property
    def too_light(self) -> bool:
        """Whether it does not fit as units reach further into it, or more of them, than it says."""
        reached = self.exceedances * (self.excess or 0.0)
        return self.fits is False and reached > self.expected

    def figures(self) -> dict[str, Any]:
        """As JSON types, for a manifest."""
        return {
            "units": self.units, "exceedances": self.exceedances, "expected": round(self.expected, 1),
            "excess": None if self.excess is None else round(self.excess, 3),
            "p_value": self.p_value, "fits": self.fits, "too_light": self.too_light,
        }  # fmt: skip


def tail_fit(earlier: ArrayLike, later: ArrayLike, suspected: float, least_slope: float) -> TailFit:
    """The tail of the scores (n,) of earlier units against those (m,) of later ones.

    suspected, least_slope: as Calibration.fit takes them.
    """
    before, after = np.asarray(earlier, np.float64), np.asarray(later, np.float64)
    share = 1.0 - BODY[1]
    tail = Calibration.fit(before, suspected, least_slope).tail if len(before) else None
    if tail is None:
        return TailFit(len(after), 0, share * len(after), None, None)
    level, slope = tail
    excess = (after[after > level] - level) / slope
    mean = float(excess.mean()) if len(excess) else None
    p_value = None
    if len(before) >= LEAST_UNITS and max(len(excess), share * len(after)) >= LEAST_EXCEEDANCES:
        by_count = binomtest(len(excess), len(after), share).pvalue
        by_shape = kstest(excess, "expon").pvalue if len(excess) else 1.0
        p_value = float(min(1.0, 2.0 * min(by_count, by_shape)))
    return TailFit(len(after), len(excess), share * len(after), mean, p_value)
