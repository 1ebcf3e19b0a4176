"""The prefilter: a linear score on the surprise features that drops the boring majority."""

import numpy as np
from numpy.typing import NDArray


def prefilter_logit(
    x: NDArray[np.float32], trigger: NDArray[np.int8], weight: NDArray[np.float64], bias: NDArray[np.float64]
) -> NDArray[np.float64]:
    """x (n, d) times weight (d,) plus the bias of the row's trigger, (n,); bias (3,) for events, ends and
    silences.

    What time brings has few features, and all others at 0: without a bias of its own it would look very
    usual. Summed feature by feature and not by a matrix product, whose last bit depends on how many rows it
    is given.
    """
    logit = bias[trigger]
    for column, w in enumerate(weight):
        if w != 0.0:
            logit += x[:, column] * w
    return logit
