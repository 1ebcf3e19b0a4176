"""How well the outputs of one model stand for those of another."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr


def agreement(got: NDArray[np.float32], want: NDArray[np.float32]) -> dict[str, float]:
    """How well outputs (B, o) stand for others, B at least 1.

    Keys: max_difference, over all outputs; rank_agreement, of the output that is worst in this: Spearman's
    rho (American Journal of Psychology 15, 1904), 1 at best, where equal values share the mean of their
    ranks. rho is not defined for a constant output: 1 stands for one that is constant in both, 0 in one.
    """
    return {
        "max_difference": float(np.abs(got - want).max()),
        "rank_agreement": min(_spearman(a, b) for a, b in zip(got.T, want.T, strict=True)),
    }


def _spearman(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    constant = (np.ptp(a) == 0.0, np.ptp(b) == 0.0)
    return float(all(constant)) if any(constant) else float(spearmanr(a, b).statistic)
