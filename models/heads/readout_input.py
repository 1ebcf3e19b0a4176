"""What the readouts get of an event, and its score where no circuit sees it."""

import numpy as np
from numpy.typing import NDArray


def readout_input(
    outputs: NDArray[np.floating],
    wires: NDArray[np.float32],
    is_open: NDArray[np.bool_],
    above: NDArray[np.float64],
) -> NDArray[np.float32]:
    """What a readout gets (n, 2 wires + 1): outputs (n, wires) of circuit or twin, what open wires hold,
    and the prefilter's logit less its threshold (n,).
    """
    gated = np.where(is_open, wires, np.float32(0.0))
    return np.concatenate([outputs, gated, readout_prior(above)[:, None]], axis=1).astype(np.float32)


def readout_prior(above: NDArray[np.float64]) -> NDArray[np.float32]:
    """The prefilter's logit less its threshold as the readouts see it, in [0, 1]."""
    return np.clip(above / 10.0, 0.0, 1.0).astype(np.float32)


def unscored(
    logit: NDArray[np.float64], threshold: float, in_force: NDArray[np.float64] | float = -np.inf
) -> NDArray[np.float64]:
    """The score of events that no circuit sees: the prefilter's, at most that of one just let through.

    threshold: the bundle's, which scores count from; in_force (n,): at each event, where it had moved.
    """
    return np.minimum(logit, np.maximum(in_force, threshold)) - threshold
