"""The compiled circuit: the QNode's function with frozen weights, for batches of events, on the processor.

For each set of open wires (a pattern) the variational part is fixed, so its diagonals are worked out once, in
float64, and kept. An event with k open wires costs 2^k amplitudes. Needs neither PennyLane nor torch.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.circuits.kernel import Tables, evaluate, evolve, plan, tile_events
from models.circuits.spec import (
    THRESHOLD,
    CircuitSpec,
    check_range,
    check_shape,
    checked_weights,
    pairs,
    subcircuit,
)

MAX_COMPILED_WIRES: Final = 12  # beyond, PennyLane's simulators with their threads and GPUs do better
MAX_TABLE_BYTES: Final = 128 * 2**20  # of all patterns' diagonals; 12 wires and two layers take 9 MB
_SHARED_WORK: Final = 2**20  # amplitudes times layers: with fewer, waking threads takes longer than they save


class NotCompiledError(ValueError):
    """A circuit that is too large to be compiled; the text says why."""


@dataclass(frozen=True, slots=True)
class Evolved:
    """What m events with one pattern come to: pattern as bits, rows (m,) of the batch, their state vectors
    (m, 2^k) and expectations <Z> (m, n).

    States are those before the last layer's rotations, of "threshold" those before its CNOTs: what follows is
    a fixed unitary of each pattern, which changes no overlap of two states.
    """

    pattern: int
    rows: NDArray[np.int64]
    states: NDArray[np.complex64]
    expectations: NDArray[np.float32]


class CompiledCircuit:
    """Evaluates a micro-batch of events. An event's result never depends on the others in its batch.

    Raises NotCompiledError for more than 12 wires, or layers that need more tables than MAX_TABLE_BYTES, and
    ValueError for weights that do not fit.
    """

    def __init__(self, spec: CircuitSpec, weights: NDArray[np.generic]) -> None:
        if problem := not_compiled(spec):
            raise NotCompiledError(problem)
        self.spec = spec
        self._weights = checked_weights(spec, weights)
        self._tables = _empty_tables(spec, self._weights)
        warm = np.ones((1, spec.wires), bool)
        self(warm.astype(np.float32), warm)  # machine code is made now and not at the first event

    def __call__(self, a: NDArray[np.float32], is_open: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Wires a (B, n) in [-1, 1] and open wires (B, n) to <Z> (B, n); 1 for a closed wire.

        Raises ValueError for shapes that do not fit and for an open wire outside [-1, 1] or no number.
        """
        if self.spec.preset == "threshold":
            check_shape(self.spec, a, is_open)
            check_range(bool((np.abs(a[is_open]) <= 1.0).all()))
            return _plain(np.where(is_open, a, 0.0).astype(np.float64))
        values, codes, order = self._plan(a, is_open)
        out = np.ones(a.shape, np.float32)
        shares = self._shares(codes, order)
        run = _threads().map if len(shares) > 1 else map
        list(run(lambda share: evaluate(values, codes, share, self._tables, out), shares))
        return out

    def evolved(self, a: NDArray[np.float32], is_open: NDArray[np.bool_]) -> Iterator[Evolved]:
        """States and expectations of the events from one evolution, by pattern, at most 8,192 amplitudes or
        16 events at once.

        Expectations are those of a call, to the last bit. Events without an open wire are left out. Raises
        ValueError as a call does.
        """
        out, known = np.ones(a.shape, np.float32), None
        if self.spec.preset == "threshold":
            known = self(a, is_open)  # its CNOTs reach wires that no state here holds
            is_open = is_open & _above(np.where(is_open, a, 0.0))
        values, codes, order = self._plan(a, is_open)
        ends = np.flatnonzero(np.diff(codes[order])) + 1
        for rows in np.split(order, ends):
            code = int(codes[rows[0]]) if len(rows) else 0
            width = int(self._tables.width[code])
            for start in range(0, len(rows) if code else 0, tile_events(width)):
                batch = rows[start : start + tile_events(width)]
                parts = np.empty((2, 1 << width, len(batch)), np.float32)
                evolve(values, codes, batch, self._tables, parts, out)
                states = (parts[0] + 1j * parts[1]).T.astype(np.complex64)
                yield Evolved(code, batch, states, (out if known is None else known)[batch])

    def _plan(
        self, a: NDArray[np.float32], is_open: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
        """The wires, the pattern of each event and the events in order of their patterns, tables ready."""
        check_shape(self.spec, a, is_open)
        values = np.ascontiguousarray(a, np.float32)
        codes, order, valid, known = plan(values, np.ascontiguousarray(is_open, np.bool_), self._tables)
        check_range(valid)
        if not known:
            for code in np.unique(codes[~self._tables.ready[codes]]).tolist():
                self._compile(code)
        return values, codes, order

    def _compile(self, code: int) -> None:
        """Work out the diagonals of a pattern."""
        tables = self._tables
        wires = tables.position[code, : tables.width[code]]
        cells = np.array(list(_diagonals(*subcircuit(self.spec, self._weights, wires))), np.float32)
        tables.cells[tables.offset[code] :][: cells.size] = cells.reshape(-1)
        tables.ready[code] = True

    def _shares(self, codes: NDArray[np.int64], order: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """The events cut into stretches of equal work, one for each thread that it pays to use."""
        layers = max(1, len(self._weights))
        if len(order) << self.spec.wires < _SHARED_WORK // layers or (parts := _processors()) < 2:
            return [order]
        work = np.cumsum(1 << self._tables.width[codes[order]]) * layers
        if work[-1] < _SHARED_WORK:
            return [order]
        return np.split(order, np.searchsorted(work, work[-1] * np.arange(1, parts) / parts))


def not_compiled(spec: CircuitSpec) -> str:
    """Why a circuit is too large to be compiled, "" when it is not."""
    if spec.wires > MAX_COMPILED_WIRES:
        return f"circuits are compiled up to {MAX_COMPILED_WIRES} wires, this one has {spec.wires}"
    if 8 * _diagonal_count(spec) * 3**spec.wires > MAX_TABLE_BYTES:
        return f"{spec.layers} layers of {spec.wires} wires are too many to compile"
    return ""


def _diagonal_count(spec: CircuitSpec) -> int:
    """Re-uploading keeps the RZ between two layers apart, since the encoding comes in between."""
    if spec.preset == "threshold":
        return 0
    return max(0, 2 * spec.layers - 1) if spec.preset == "reuploading" else spec.layers


def _empty_tables(spec: CircuitSpec, weights: NDArray[np.float64]) -> Tables:
    n, patterns = spec.wires, np.arange(2**spec.wires)
    bits = patterns[:, None] >> np.arange(n) & 1
    width = bits.sum(axis=1)
    cells = 2 * _diagonal_count(spec) << width
    theta = weights[:, 1 : 3 * n : 3]
    half = 0.5 * theta
    half[-1:] = theta[-1:]
    ready = cells == 0
    ready[0] = True
    return Tables(
        width=width,
        position=np.argsort(1 - bits, axis=1, kind="stable"),
        rank=np.argsort(np.argsort(width, kind="stable")),
        ready=ready,
        offset=np.cumsum(cells) - cells,
        cells=np.empty(cells.sum(), np.float32),  # pages that no pattern needs are never touched
        turns=np.stack([np.cos(half), np.sin(half)], axis=2).astype(np.float32),
        again=spec.preset == "reuploading",
    )


def _diagonals(spec: CircuitSpec, weights: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    """Cosine and sine (2, 2^k) of each diagonal of a circuit, in the order in which they are applied."""
    k = spec.wires
    z = 1.0 - 2.0 * (np.arange(2**k)[None, :] >> np.arange(k - 1, -1, -1)[:, None] & 1)  # (k, 2^k)
    first, second = np.array(pairs(k), np.int64).reshape(-1, 2).T
    before = np.zeros(k)  # RZ at the end of one layer merges with the diagonal of the next
    for index, layer in enumerate(weights):
        phi, _, omega = layer[: 3 * k].reshape(k, 3).T
        phase = layer[3 * k :] @ (z[first] * z[second]) + phi @ z
        if spec.preset == "reuploading" and index > 0:
            yield _cosine_and_sine(before @ z)
        else:
            phase += before @ z
        yield _cosine_and_sine(phase)
        before = omega


def _cosine_and_sine(phase: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([np.cos(-0.5 * phase), np.sin(-0.5 * phase)])


def _processors() -> int:
    return len(os.sched_getaffinity(0))


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_processors(), "circuit")


def _above(gated: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Wires on which the preset "threshold" acts; float64 as in the QNode, for one that lies on the edge."""
    return np.asarray(np.abs(gated.astype(np.float64)) > THRESHOLD)


def _plain(gated: NDArray[np.float64]) -> NDArray[np.float32]:
    """The preset "threshold" in closed form: back through a CNOT, Z of its target becomes Z Z of both wires.

    So <Z_i> of the product state is a product of cosines over the wires that Z_i spreads to.
    """
    batch, n = gated.shape
    above = _above(gated)
    cosine = np.where(above, np.cos(np.pi * gated), 1.0)
    spread = np.broadcast_to(np.eye(n, dtype=bool), (batch, n, n)).copy()  # [event, i, j]: Z_i holds Z_j
    for wire in reversed(range(n if n > 1 else 0)):
        spread[:, :, wire] ^= spread[:, :, (wire + 1) % n] & above[:, wire, None]
    products: NDArray[np.float64] = np.where(spread, cosine[:, None, :], 1.0).prod(axis=2)
    return products.astype(np.float32)
