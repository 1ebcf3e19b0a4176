"""What a circuit is made of: its size, its preset and the layout of its weights."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from models.options import PRESETS

MAX_WIRES: Final = 64  # what schemas/salient.py carries
MAX_STATE_WIRES: Final = 24  # open wires for a state vector: 2^24 complex amplitudes are 256 MB
MAX_LAYERS: Final = 64
THRESHOLD: Final = 0.1  # of the preset "threshold": a wire acts when the size of its input is above this
_INITIAL_SCALE: Final = (
    0.3  # rad; small angles keep gradients alive at the start (Grant et al., Quantum 3, 214, 2019)
)
Number = TypeVar("Number", bound=np.generic)


@dataclass(frozen=True, slots=True)
class CircuitSpec:
    """wires: 1 to 64; layers: 0 to 64 trainable layers; preset: one of PRESETS. Raises ValueError.

    "sparse" is the trainable circuit of models/circuits/qnode.py: the inputs are encoded once, before the
    layers. "reuploading" encodes them again before every layer, which lets a circuit of the same weights
    express more frequencies of its inputs (Perez-Salinas et al., Quantum 4, 226, 2020; Schuld et al., Phys.
    Rev. A 103, 032430, 2021); without layers it is "sparse". "threshold" is the plain circuit without
    weights: RY, then CNOT to the next wire for every wire above THRESHOLD.
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


def subcircuit(
    spec: CircuitSpec, weights: NDArray[Number], wires: Sequence[int] | NDArray[np.integer]
) -> tuple[CircuitSpec, NDArray[Number]]:
    """The circuit over some wires (k,) alone, their indices ascending: its spec and weights.

    It is what the whole circuit is where the other wires are closed. Raises ValueError for indices that are
    not ascending wires of the spec, and for "threshold": its CNOTs reach wires that are below threshold, so
    it cannot be cut down.
    """
    if spec.preset == "threshold":
        raise ValueError("a threshold circuit acts on its closed wires too, so it cannot be cut down")
    chosen = np.asarray(wires, np.int64)
    if len(chosen) == 0 or chosen[0] < 0 or chosen[-1] >= spec.wires or (np.diff(chosen) <= 0).any():
        raise ValueError(f"want ascending indices below {spec.wires}, not {chosen.tolist()}")
    first, second = np.triu_indices(spec.wires, 1)  # the order of pairs()
    is_chosen = np.isin(np.arange(spec.wires), chosen)
    rot = (3 * chosen[:, None] + np.arange(3)).reshape(-1)
    both = 3 * spec.wires + np.flatnonzero(is_chosen[first] & is_chosen[second])
    return replace(spec, wires=len(chosen)), weights[:, np.concatenate([rot, both])]


def check_shape(spec: CircuitSpec, a: NDArray[np.generic], is_open: NDArray[np.generic]) -> None:
    """Raises ValueError unless the wires a and their openness are both (B, n)."""
    if a.ndim != 2 or a.shape != is_open.shape or a.shape[1] != spec.wires:
        raise ValueError(f"wires {a.shape} and open wires {is_open.shape}, want (B, {spec.wires}) twice")


def check_range(is_sound: bool) -> None:
    """Raises ValueError where some open wire is outside [-1, 1], as what is no number is, too."""
    if not is_sound:
        raise ValueError("an open wire holds a value outside [-1, 1], or one that is no finite number")


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
