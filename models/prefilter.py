"""The prefilter: a linear score on the surprise features that drops the boring majority."""

import numpy as np
from numpy.typing import NDArray


def prefilter_logit(
    x: NDArray[np.float32], weight: NDArray[np.float64], bias: float
) -> NDArray[np.float64]:
    """x (n, d) times weight (d,) plus bias, (n,).

    Summed feature by feature and not by a matrix product, whose last bit depends on how many rows it is given.
    """
    logit = np.full(len(x), bias)
    for column, w in enumerate(weight):
        if w != 0.0:
            logit += x[:, column] * w
    return logit
