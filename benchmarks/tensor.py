"""What the tensor network is good for: `python -m benchmarks.tensor`, seconds and error of one circuit."""

import time
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.table import show
from models.circuits.qnode import Execution, expectations
from models.circuits.spec import MAX_STATE_WIRES, CircuitSpec, initial_weights, pairs

_SCALE: Final = 5.0  # of the weights that are too large for it, in initial weights (0.3 rad)


def run() -> list[dict[str, Any]]:
    """Rows {wires, entangled, weights, seconds, max_error, refused}; a minute or two.

    entangled: "all", every two wires, or "pairs", each wire with one other. max_error: from lightning.qubit,
    None beyond its 24 wires; refused: why there is no result.
    """
    cases = [(12, "all", 1.0), (16, "all", 1.0), (18, "all", 1.0), (20, "all", _SCALE), (24, "pairs", 1.0)]
    return [_row(*case) for case in [*cases, (40, "pairs", 1.0), (60, "pairs", 1.0)]]


def _row(wires: int, entangled: str, scale: float) -> dict[str, Any]:
    spec = CircuitSpec(wires, 1)
    weights = scale * initial_weights(spec, 0)
    if entangled == "pairs":
        weights[:, 3 * wires + np.array(list(_apart(wires)))] = 0.0
    a, is_open = np.random.default_rng(0).uniform(-1.0, 1.0, (1, wires)), np.ones((1, wires))
    start = time.perf_counter()
    found, refused = _found(spec, weights, a, is_open)
    seconds = time.perf_counter() - start
    error = None
    if found is not None and wires <= MAX_STATE_WIRES:
        error = float(
            np.abs(found - expectations(spec, weights, a, is_open, Execution("lightning.qubit"))).max()
        )
    return {
        "wires": wires, "entangled": entangled, "weights": f"{0.3 * scale:.1f} rad", "seconds": seconds,
        "max_error": error, "refused": refused,
    }  # fmt: skip


def _found(
    spec: CircuitSpec, weights: NDArray[Any], a: NDArray[Any], is_open: NDArray[Any]
) -> tuple[NDArray[Any] | None, str]:
    try:
        return expectations(spec, weights, a, is_open, Execution("default.tensor")), ""
    except ArithmeticError as error:
        return None, str(error)


def _apart(wires: int) -> Iterator[int]:
    """Indices of the weights between wires that are not 0 and 1, 2 and 3, and so on."""
    return (index for index, (i, j) in enumerate(pairs(wires)) if not (i % 2 == 0 and j == i + 1))


if __name__ == "__main__":
    show(run())
