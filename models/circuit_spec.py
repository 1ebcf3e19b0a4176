"""What a circuit is made of: its size, its preset and the layout of its weights."""

from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

MAX_WIRES: Final = 24  # 2^24 amplitudes are 128 MB; more belongs on a tensor network or on hardware
MAX_LAYERS: Final = 64
PRESETS: Final = ("sparse", "threshold")
THRESHOLD: Final = 0.1  # of the preset "threshold": a wire acts when the size of its input is above this
_INITIAL_SCALE: Final = (
    0.3  # rad; small angles keep gradients alive at the start (Grant et al., Quantum 3, 214, 2019)
)


@dataclass(frozen=True, slots=True)
class CircuitSpec:
    """wires: 1 to 24; layers: 0 to 64 trainable layers; preset: "sparse" or "threshold". Raises ValueError.

    "sparse" is the trainable circuit of models/qnode.py. "threshold" is the plain circuit without weights:
    RY, then CNOT to the next wire for every wire above THRESHOLD.
    """

    wires: int = 8
    layers: int = 2
    preset: str = "sparse"

    def __post_init__(self) -> None:
        if not 1 <= self.wires <= MAX_WIRES:
            raise ValueError(f"a circuit has 1 to {MAX_WIRES} wires, not {self.wires}")
        if not 0 <= self.layers <= MAX_LAYERS:
            raise ValueError(f"a circuit has 0 to {MAX_LAYERS} layers, not {self.layers}")
        if self.preset not in PRESETS:
            raise ValueError(f"circuit presets are {', '.join(PRESETS)}, not {self.preset!r}")


def pairs(wires: int) -> list[tuple[int, int]]:
    """The wires that are entangled with each other, in the order of their weights.

    All of them: a ring would have to be tied anew around every closed wire, and then its weights would mean
    something else for each set of open wires. One weight for each pair means the same in all of them.
    """
    return list(combinations(range(wires), 2))


def weight_shape(spec: CircuitSpec) -> tuple[int, int]:
    """(layers, 3 * wires + number of pairs): per layer Rot angles wire by wire, then one for each pair."""
    if spec.preset == "threshold":
        return (0, 0)
    return (spec.layers, 3 * spec.wires + len(pairs(spec.wires)))


def initial_weights(spec: CircuitSpec, seed: int) -> NDArray[np.float32]:
    """Small random angles (rad) of weight_shape(spec)."""
    return np.random.default_rng(seed).normal(0.0, _INITIAL_SCALE, weight_shape(spec)).astype(np.float32)


def checked_weights(spec: CircuitSpec, weights: NDArray[np.generic]) -> NDArray[np.float64]:
    """The weights in float64. Raises ValueError when they do not fit the spec or are not finite."""
    array = np.asarray(weights, np.float64)
    if array.shape != weight_shape(spec):
        raise ValueError(
            f"circuit weights of shape {array.shape} do not fit {spec}: want {weight_shape(spec)}"
        )
    if not np.isfinite(array).all():
        raise ValueError("circuit weights hold values that are no finite numbers")
    return array
