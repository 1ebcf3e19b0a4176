"""How long things take, compiled: times counted in bins, and the time that few exceed."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.context.tables import AGE_BINS
from models.jit import jit_in_place

YOUNGEST: Final = 0.25  # s, upper end of the first bin of ages
AGE_RATIO: Final = 1.5  # from one bin of ages to the next


@jit_in_place
def learn_time(bins: NDArray[np.uint16], time: float) -> None:
    """Count an age or a gap (s) in its bin."""
    bin_ = 0
    edge = YOUNGEST
    while bin_ < AGE_BINS - 1 and time > edge:
        edge *= AGE_RATIO
        bin_ += 1
    if bins[bin_] == 65_535:
        for i in range(AGE_BINS):
            bins[i] //= 2
    bins[bin_] += 1


@jit_in_place
def _quantile(bins: NDArray[np.uint16], q: float) -> float:
    """Time (s) that a share q of those counted did not exceed; by interpolation within a bin."""
    total = 0.0
    for i in range(AGE_BINS):
        total += bins[i]
    rest = q * total
    upper = YOUNGEST
    for i in range(AGE_BINS):
        if rest <= bins[i]:
            lower = 0.0 if i == 0 else upper / AGE_RATIO
            return lower + (upper - lower) * rest / max(1.0, float(bins[i]))
        rest -= bins[i]
        upper *= AGE_RATIO
    return upper


@jit_in_place
def deadline(bins: NDArray[np.uint16]) -> float:
    """Time (s) that one unit in a thousand exceeds, if long times fall off like a power law.

    As far, as a ratio, beyond the 99% quantile as that is beyond the 90% one.
    """
    most, nearly_all = _quantile(bins, 0.9) + 1.0, _quantile(bins, 0.99) + 1.0
    return nearly_all * nearly_all / most
