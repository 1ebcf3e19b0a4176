"""The classical twin of the circuit at inference: what a layer of as many parameters makes of the same
wires."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.circuit_spec import CircuitSpec, weight_shape


def twin_hidden(spec: CircuitSpec) -> int:
    """Hidden units h for which the twin's h (2 n + 1) + n parameters are nearest to those of the circuit."""
    layers, per_layer = weight_shape(spec)
    return max(1, round((layers * per_layer - spec.wires) / (2 * spec.wires + 1)))


def twin_outputs(
    weights: Mapping[str, NDArray[Any]], a: NDArray[np.float32], mask: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Wires a (B, n) and mask (B, n) to (B, n) in [-1, 1]; like the circuit, 1 for a closed wire.

    weights: the state of models.twin_layer.TwinLayer by name. einsum and not a matrix product, whose last bit
    depends on how many rows it is given.
    """
    gated = np.ascontiguousarray(a * mask, np.float32)
    hidden = np.tanh(np.einsum("bi,hi->bh", gated, weights["inner.weight"]) + weights["inner.bias"])
    out = np.tanh(np.einsum("bh,oh->bo", hidden, weights["outer.weight"]) + weights["outer.bias"])
    return np.where(mask, out, 1.0).astype(np.float32)
