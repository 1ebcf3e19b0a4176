"""The compiled circuit: the QNode's function with frozen weights, for batches of events, on the processor.

For each set of open wires (a pattern) the variational part is fixed, so its diagonals and rotations are
worked out once, in float64, and kept. An event with k open wires costs 2^k amplitudes. Needs neither
PennyLane nor torch.
"""

from collections import OrderedDict
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.circuit_kernel import evaluate
from models.circuit_spec import THRESHOLD, CircuitSpec, checked_weights, pairs

MAX_COMPILED_WIRES: Final = 12  # beyond, PennyLane's simulators with their threads and GPUs do better
_CACHE_BYTES: Final = 64 * 2**20  # of tables kept; all 4,096 patterns of 12 wires and two layers take 9 MB


class _Pattern:
    """What is fixed for one set of open wires: the tables that models/circuit_kernel.py reads."""

    def __init__(self, spec: CircuitSpec, weights: NDArray[np.float64], wires: NDArray[np.int64]) -> None:
        n, k = spec.wires, len(wires)
        self.wires = wires
        z = 1.0 - 2.0 * (np.arange(2**k)[None, :] >> np.arange(k - 1, -1, -1)[:, None] & 1)  # (k, 2^k)
        position = {int(wire): i for i, wire in enumerate(wires)}
        both = [
            (index, position[i], position[j])
            for index, (i, j) in enumerate(pairs(n))
            if i in position and j in position
        ]
        pair, first, second = np.array(both, np.int64).reshape(-1, 3).T
        zz = z[first] * z[second]
        phases, turns = [], []
        before = np.zeros(k)  # RZ at the end of one layer merges with the diagonal of the next
        for layer in weights:
            phi, theta, omega = layer[: 3 * n].reshape(n, 3)[wires].T
            phase = (before + phi) @ z + layer[3 * n + pair] @ zz
            phases.append([np.cos(-0.5 * phase), np.sin(-0.5 * phase)])
            turns.append(np.stack([np.cos(0.5 * theta), np.sin(0.5 * theta)], axis=1))
            before = omega
        layers = len(weights)
        self.phases = np.array(phases, np.float32).reshape(layers, 2, 2**k)
        self.turns = np.array(turns, np.float32).reshape(layers, k, 2)
        self.nbytes = self.phases.nbytes + self.turns.nbytes


class CompiledCircuit:
    """Evaluates a micro-batch of events. An event's result never depends on the others in its batch.

    Raises ValueError for more than 12 wires and for weights that do not fit.
    """

    def __init__(self, spec: CircuitSpec, weights: NDArray[np.generic]) -> None:
        if spec.wires > MAX_COMPILED_WIRES:
            raise ValueError(f"circuits are compiled up to {MAX_COMPILED_WIRES} wires, not {spec.wires}")
        self.spec = spec
        self._weights = checked_weights(spec, weights)
        self._patterns: OrderedDict[int, _Pattern] = (
            OrderedDict()
        )  # by bits of the open wires, latest used last
        self._bytes = 0
        warm = np.ones((1, spec.wires), bool)
        self(warm.astype(np.float32), warm)  # machine code is made now and not at the first event

    def __call__(self, a: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Wires a (B, n) and open wires (B, n) to <Z> (B, n); 1 for a closed wire.

        Raises ValueError for shapes that do not fit and for an open wire that is no finite number.
        """
        if a.ndim != 2 or a.shape != mask.shape or a.shape[1] != self.spec.wires:
            raise ValueError(f"wires {a.shape} and mask {mask.shape}, want (B, {self.spec.wires}) twice")
        gated = np.where(mask, a, 0.0).astype(np.float64)  # so that angles are not rounded
        if not np.isfinite(gated).all():
            raise ValueError("an open wire holds a value that is no finite number")
        if self.spec.preset == "threshold":
            return _plain(gated)
        half = (0.5 * np.pi) * gated
        cosine, sine = np.cos(half).astype(np.float32), np.sin(half).astype(np.float32)
        out = np.ones(a.shape, np.float32)
        for code, rows in _groups(mask):
            pattern = self._pattern(code)
            evaluate(cosine, sine, rows, pattern.wires, pattern.phases, pattern.turns, out)
        return out

    def _pattern(self, code: int) -> _Pattern:
        pattern = self._patterns.pop(code, None)
        if pattern is None:
            wires = np.array([i for i in range(self.spec.wires) if code >> i & 1], np.int64)
            pattern = _Pattern(self.spec, self._weights, wires)
            self._bytes += pattern.nbytes
            while self._patterns and self._bytes > _CACHE_BYTES:
                self._bytes -= self._patterns.popitem(last=False)[1].nbytes
        self._patterns[code] = pattern
        return pattern


def _groups(mask: NDArray[np.bool_]) -> list[tuple[int, NDArray[np.int64]]]:
    """(pattern as bits, rows that have it) for every pattern with an open wire."""
    codes = mask @ (1 << np.arange(mask.shape[1]))
    order = np.argsort(codes, kind="stable")
    ends = np.flatnonzero(np.diff(codes[order])) + 1
    return [(int(codes[rows[0]]), rows) for rows in np.split(order, ends) if len(rows) and codes[rows[0]]]


def _plain(gated: NDArray[np.float64]) -> NDArray[np.float32]:
    """The preset "threshold" in closed form: back through a CNOT, Z of its target becomes Z Z of both wires.

    So <Z_i> of the product state is a product of cosines over the wires that Z_i spreads to.
    """
    batch, n = gated.shape
    above = np.abs(gated) > THRESHOLD
    cosine = np.where(above, np.cos(np.pi * gated), 1.0)
    spread = np.broadcast_to(np.eye(n, dtype=bool), (batch, n, n)).copy()  # [event, i, j]: Z_i holds Z_j
    for wire in reversed(range(n if n > 1 else 0)):
        spread[:, :, wire] ^= spread[:, :, (wire + 1) % n] & above[:, wire, None]
    products: NDArray[np.float64] = np.where(spread, cosine[:, None, :], 1.0).prod(axis=2)
    return products.astype(np.float32)
