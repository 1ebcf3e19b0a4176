"""The density-matrix head: how unlike the normal salient events of its wire pattern an event's state is.

For each set of open wires (a pattern) the mean state rho of normal events is kept; the score of a state psi
is 1 - <psi|rho|psi>. It is the kernel density estimate of the quantum kernel |<psi_i|psi_j>|^2 (Gonzalez et
al., Learning with Density Matrices and Random Features, 2021; Schuld & Killoran, Phys. Rev. Lett. 122,
040504, 2019), needs no labels and no gradient, and learns on with each event.

Where inputs are encoded once ("sparse"), all that follows is one unitary of the pattern, which changes no
overlap: the score then is that of the encoding alone, a product of cosines. Only "reuploading" makes it
depend on the trained circuit.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.jit import jit

MEMORY: Final = 10_000  # events after which older ones are forgotten as fast as newer ones come
MOST_BYTES: Final = 4 * 2**20  # of all matrices; every pattern of 8 wires takes 3 MB
Floats = NDArray[np.float32]


class DensityMatrices:
    """Mean states by pattern. A pattern for which MOST_BYTES leave no room stays unknown.

    Learning event by event gives the same matrices however the events are batched.
    """

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self._matrices: dict[int, Floats] = {}  # (2, 2^k, 2^k): real and imaginary part
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._matrices)

    def update(self, pattern: int, states: NDArray[np.complex64]) -> None:
        """Learn the states (B, 2^k) of normal events of a pattern, in their order."""
        side = states.shape[1]
        if pattern not in self._matrices:
            size = 8 * side * side
            if self._bytes + size > MOST_BYTES:
                return
            self._bytes += size
            self._matrices[pattern] = np.zeros((2, side, side), np.float32)
            self._counts[pattern] = 0
        _learn(self._matrices[pattern], *_parts(states), self._counts[pattern], MEMORY)
        self._counts[pattern] = min(MEMORY, self._counts[pattern] + len(states))

    def scores(self, pattern: int, states: NDArray[np.complex64]) -> NDArray[np.float64]:
        """1 - <psi|rho|psi> of states (B, 2^k), in [0, 1].

        rho is the mean of the events seen and of one that is nowhere in particular (the identity over 2^k),
        so that what few events say is not taken for certain: a pattern never seen scores 1 - 2^-k.
        """
        side = states.shape[1]
        seen = self._counts.get(pattern, 0)
        fidelity = np.zeros(len(states))
        if seen:
            fidelity = np.maximum(_fidelity(self._matrices[pattern], *_parts(states)), 0.0)
        mixed: NDArray[np.float64] = (seen * fidelity + 1.0 / side) / (seen + 1.0)
        return np.clip(1.0 - mixed, 0.0, 1.0)

    def surprise(self, pattern: int, states: NDArray[np.complex64]) -> NDArray[np.float64]:
        """-log <psi|rho|psi> of states (B, 2^k), in nats: the same order, in the units of other scores."""
        return -np.log1p(-self.scores(pattern, states))

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """patterns (p,), counts (p,), and all matrices one after another, for a bundle."""
        patterns = sorted(self._matrices)
        flat = [self._matrices[pattern].reshape(-1) for pattern in patterns]
        return {
            "density.patterns": np.array(patterns, np.int64),
            "density.counts": np.array([self._counts[pattern] for pattern in patterns], np.int64),
            "density.matrices": np.concatenate(flat) if flat else np.zeros(0, np.float32),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], wires: int) -> "DensityMatrices":
        """What arrays() wrote. Raises ValueError or KeyError for anything else."""
        made = cls()
        patterns, counts = arrays["density.patterns"], arrays["density.counts"]
        flat = arrays["density.matrices"]
        if patterns.dtype != np.int64 or counts.dtype != np.int64:
            raise ValueError("density patterns and counts are not int64")
        if patterns.ndim != 1 or patterns.shape != counts.shape:
            raise ValueError("density patterns and counts do not belong together")
        if flat.dtype != np.float32 or flat.ndim != 1 or flat.nbytes > MOST_BYTES:
            raise ValueError(f"density matrices are not float32, or take more than {MOST_BYTES} bytes")
        if (np.diff(patterns) <= 0).any() or (counts < 1).any() or (counts > MEMORY).any():
            raise ValueError("density patterns or counts are out of range")
        if len(patterns) and not (patterns[0] > 0 and int(patterns[-1]) < 1 << wires):
            raise ValueError(f"density patterns are not of {wires} wires")
        at = 0
        for pattern, count in zip(patterns.tolist(), counts.tolist(), strict=True):
            side = 1 << pattern.bit_count()
            size = 2 * side * side
            if at + size > len(flat):
                raise ValueError("density matrices are cut off")
            made._matrices[pattern] = flat[at : at + size].reshape(2, side, side).copy()
            made._counts[pattern] = count
            at += size
        if at != len(flat):
            raise ValueError("density matrices are more than their patterns need")
        made._bytes = flat.nbytes
        return made


def _parts(states: NDArray[np.complex64]) -> tuple[Floats, Floats]:
    return np.ascontiguousarray(states.real), np.ascontiguousarray(states.imag)


@jit
def _learn(rho: Floats, real: Floats, imaginary: Floats, seen: int, memory: int) -> None:
    """Running mean of |psi><psi|, event by event."""
    for event in range(len(real)):
        share = np.float32(1.0) / np.float32(min(seen + event + 1, memory))
        x, y = real[event], imaginary[event]
        for i in range(len(x)):
            p, q = x[i], y[i]
            row, other = rho[0, i], rho[1, i]
            for j in range(len(row)):
                row[j] += share * ((p * x[j] + q * y[j]) - row[j])
                other[j] += share * ((q * x[j] - p * y[j]) - other[j])


@jit
def _fidelity(rho: Floats, real: Floats, imaginary: Floats) -> NDArray[np.float64]:
    """<psi|rho|psi> of each event; rows of rho are added up, so that no order depends on the batch."""
    found = np.zeros(len(real))
    side = rho.shape[1]
    u, v = np.empty(side, np.float32), np.empty(side, np.float32)
    for event in range(len(real)):
        x, y = real[event], imaginary[event]
        u[:], v[:] = np.float32(0.0), np.float32(0.0)
        for i in range(side):  # (u + i v)[j] = sum over i of conj(psi_i) rho_ij
            p, q = x[i], y[i]
            row, other = rho[0, i], rho[1, i]
            for j in range(side):
                u[j] += p * row[j] + q * other[j]
                v[j] += p * other[j] - q * row[j]
        total = 0.0
        for j in range(side):
            total += np.float64(u[j]) * np.float64(x[j]) - np.float64(v[j]) * np.float64(y[j])
        found[event] = total
    return found
