"""How far the compiled circuit is from what the machine can do: `python -m benchmarks.machine`.

One core: what a circuit must compute and move, what the core computes in a large matrix product and moves
inside its second-level cache, and how many circuits there are in the end.
"""

import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import torch

from benchmarks.table import show
from models.circuits.compiled import CompiledCircuit
from models.circuits.spec import CircuitSpec, initial_weights
from models.jit import jit

LAYERS: Final = 2
_AMPLITUDES: Final = 2**16  # of the batch
_SIDE: Final = 512  # of the matrices: a product of 0.27 GFLOP
_CACHED: Final = 2**14  # float32 numbers of the array that is moved: 64 KB, as large as a tile
_RUNS: Final = 30


def run() -> list[dict[str, Any]]:
    """Rows {wires, operations, bytes, limit_by_operations, limit_by_bytes, circuits_per_second, share}.

    All wires open, two layers, sparse. operations: multiplications and additions of a circuit; bytes: read
    from and written to the tile by its passes. The limits are circuits per second; share: measured by the
    lower limit.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        computed, moved = _operations_per_second(), _bytes_per_second()
        return [_row(wires, computed, moved) for wires in (4, 8, 12)]
    finally:
        torch.set_num_threads(threads)


def _row(wires: int, computed: float, moved: float) -> dict[str, Any]:
    operations, size = operations_of(wires, LAYERS), bytes_of(wires, LAYERS)
    rate = _circuits_per_second(wires)
    limits = computed / operations, moved / size
    return {
        "wires": wires, "operations": operations, "bytes": size,
        "limit_by_operations": limits[0], "limit_by_bytes": limits[1],
        "circuits_per_second": rate, "share": rate / min(limits),
    }  # fmt: skip


def operations_of(k: int, layers: int) -> int:
    """Of models/circuits/kernel.py with k open wires, without the series for sine and cosine."""
    encoding = 2
    diagonals = 6 * layers
    rotations = 6 * k * (layers - 1)
    x = 2.25 * k  # products of neighbours and their sums
    z = 3 + 3
    return int(2**k * (encoding + diagonals + rotations + x + z))


def bytes_of(k: int, layers: int) -> int:
    """Read and written in all passes over a tile, for one event; float32 numbers for each amplitude."""
    encoding = 2 + 1
    diagonals = (2 + 6) * layers  # laid out, then applied
    rotations = (layers - 1) * (k // 2 + k % 2) * 4
    x = (k // 2 + k % 2) * (2 + 0.5 + 1)
    z = 3 + 4
    return int(4 * 2**k * (encoding + diagonals + rotations + x + z))


def _operations_per_second() -> float:
    """Of a float32 matrix product, which fuses multiplications and additions as the kernel does not."""
    a = torch.rand(_SIDE, _SIDE)
    return 2.0 * _SIDE**3 / _fastest(lambda: a @ a)


def _bytes_per_second() -> float:
    """Of reading and writing an array that fits the second-level cache."""
    x = np.ones(_CACHED, np.float32)
    return 2.0 * 100 * x.nbytes / _fastest(lambda: _scale(x, np.float32(1.0), 100))


@jit
def _scale(x: Any, factor: Any, times: int) -> None:
    for _ in range(times):
        for i in range(len(x)):
            x[i] = x[i] * factor


def _circuits_per_second(wires: int) -> float:
    """Of a batch that is too small to be shared among threads."""
    spec = CircuitSpec(wires, LAYERS)
    circuit = CompiledCircuit(spec, initial_weights(spec, 0))
    a = np.random.default_rng(0).uniform(-1.0, 1.0, (_AMPLITUDES >> wires, wires)).astype(np.float32)
    is_open = np.ones(a.shape, bool)
    return len(a) / _fastest(lambda: circuit(a, is_open))


def _fastest(call: Callable[[], Any]) -> float:
    """Seconds of the fastest of some runs: a limit, so not the median."""
    call()
    times = []
    for _ in range(_RUNS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


if __name__ == "__main__":
    show(run())
