"""The classical twin of the circuit at inference: what a layer of as many parameters makes of the same
wires."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.circuits.spec import CircuitSpec, weight_shape


def twin_size(spec: CircuitSpec) -> tuple[int, int]:
    """(parameters, hidden units): exactly as many parameters as the circuit has.

    Each output has a bias and each hidden unit 2 n + 1 parameters: n weights in, a bias, n weights out. What
    is left, 2 n at most, weighs each wire into its own output and into the one before it.
    """
    parameters = math.prod(weight_shape(spec))
    return parameters, max(0, parameters - spec.wires) // (2 * spec.wires + 1)


def twin_padding(spec: CircuitSpec) -> int:
    """Zeros that follow the parameters, so that twin_layers can cut them up."""
    parameters, hidden = twin_size(spec)
    return 3 * spec.wires + hidden * (2 * spec.wires + 1) - parameters


def twin_layers(spec: CircuitSpec, padded: Any) -> tuple[Any, Any, Any, Any, Any]:
    """Parameters and zeros, an array of numpy or torch, to weights (h, n) and biases (h,) of the hidden
    layer, weights (n, h) and biases (n,) of the outer one, and direct weights (2, n).
    """
    n = spec.wires
    units = padded[n : len(padded) - 2 * n].reshape(-1, 2 * n + 1)
    direct = padded[len(padded) - 2 * n :].reshape(2, n)
    return units[:, :n], units[:, n], units[:, n + 1 :].T, padded[:n], direct


class Twin:
    """The twin with its weights: wires (B, n) and open wires (B, n) to (B, n) in [-1, 1]; like the circuit, 1
    for a closed wire. parameters: those of models.heads.twin_layer.TwinLayer.
    """

    def __init__(self, spec: CircuitSpec, parameters: NDArray[Any]) -> None:
        padded = np.pad(parameters, (0, twin_padding(spec)))
        layers = twin_layers(spec, padded)
        self._weight, self._bias, self._outer, self._outer_bias, self._direct = (
            np.ascontiguousarray(part) for part in layers
        )
        self._following = (np.arange(spec.wires) + 1) % spec.wires

    def __call__(self, a: NDArray[np.float32], is_open: NDArray[np.bool_]) -> NDArray[np.float32]:
        """einsum and not a matrix product, whose last bit depends on how many rows it is given."""
        gated = np.where(is_open, a, np.float32(0.0))
        hidden = np.tanh(np.einsum("bi,hi->bh", gated, self._weight) + self._bias)
        skipped = self._direct[0] * gated + self._direct[1] * gated[:, self._following]
        out = np.tanh(np.einsum("bh,oh->bo", hidden, self._outer) + self._outer_bias + skipped)
        return np.where(is_open, out, np.float32(1.0)).astype(np.float32)
