"""Which wires are open at inference. The differentiable form is models/heads/gate.py."""

import numpy as np
from numpy.typing import NDArray


def open_wires(a: NDArray[np.float32], tau: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(B, n) wires and (n,) thresholds to is_open (B, n): a wire is open iff |a_i| > tau_i. NaN is closed."""
    return np.asarray(np.abs(a) > tau)
