"""The density-matrix head: the formula, learning online, bounds, and what a bundle may hold."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.circuits.compiled import CompiledCircuit
from models.circuits.spec import CircuitSpec, initial_weights
from models.heads import density
from models.heads.density import DensityMatrices


def random_states(count: int, wires: int, seed: int) -> NDArray[np.complex64]:
    rng = np.random.default_rng(seed)
    raw = rng.normal(size=(count, 2**wires)) + 1j * rng.normal(size=(count, 2**wires))
    normal: NDArray[np.complex64] = (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.complex64)
    return normal


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), wires=st.integers(1, 4), cut=st.integers(0, 30))
def test_score_is_one_minus_the_overlap_with_the_mean_state(seed: int, wires: int, cut: int) -> None:
    normal, other = random_states(30, wires, seed), random_states(5, wires, seed + 1)
    head = DensityMatrices()
    for part in (normal[:cut], normal[cut:]):
        head.update(3, part)
    mixed = np.eye(2**wires) / 2**wires
    rho = (np.einsum("bi,bj->ij", normal, normal.conj()) + mixed) / 31.0
    want = 1.0 - np.einsum("bi,ij,bj->b", other.conj(), rho, other).real
    np.testing.assert_allclose(head.scores(3, other), want, atol=1e-5)
    at_once = DensityMatrices()
    at_once.update(3, normal)
    assert (at_once.scores(3, other) == head.scores(3, other)).all()
    assert (head.scores(3, other[2:3]) == head.scores(3, other)[2:3]).all()


def test_what_is_usual_scores_low_and_is_learnt_online() -> None:
    head = DensityMatrices()
    usual, new = random_states(1, 3, 0), random_states(1, 3, 1)
    assert head.scores(7, usual) == pytest.approx(1 - 1 / 8)  # never seen
    head.update(7, np.repeat(usual, 500, axis=0))
    before = head.scores(7, new)
    assert head.scores(7, usual) < 0.01 < 0.3 < before
    assert head.scores(5, usual) == pytest.approx(1 - 1 / 8)  # another pattern knows nothing of it
    head.update(7, np.repeat(new, 500, axis=0))
    assert head.scores(7, new) < before / 1.5


def test_old_events_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(density, "MEMORY", 50)
    head = DensityMatrices()
    old, new = random_states(1, 2, 0), random_states(1, 2, 3)
    head.update(1, np.repeat(old, 5000, axis=0))
    head.update(1, np.repeat(new, 300, axis=0))
    assert head.scores(1, new) < 0.05


def test_sparse_overlaps_are_those_of_the_encoding_and_reuploading_ones_are_not() -> None:
    rng = np.random.default_rng(0)
    a, mask = rng.uniform(-1, 1, (40, 3)).astype(np.float32), np.ones((40, 3), bool)
    kernel = np.cos(0.5 * np.pi * (a[:, None] - a[None])).prod(axis=2) ** 2
    for preset, same in (("sparse", True), ("reuploading", False)):
        spec = CircuitSpec(3, 3, preset)
        circuit = CompiledCircuit(spec, 3 * initial_weights(spec, 0))
        (part,) = circuit.evolved(a, mask)
        rows, states = part.rows, part.states
        overlap = np.abs(states @ states.conj().T) ** 2
        assert (np.abs(overlap - kernel[np.ix_(rows, rows)]).max() < 1e-5) == same


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(density, "MOST_BYTES", 3 * 8 * 16)
    head = DensityMatrices()
    for pattern in range(1, 10):
        head.update(pattern, random_states(4, 2, pattern))
    assert len(head) == 3
    assert head.scores(9, random_states(1, 2, 0)) == pytest.approx(1 - 1 / 4)


def test_round_trip() -> None:
    head = DensityMatrices()
    for pattern, wires in ((1, 1), (6, 2), (7, 3)):
        head.update(pattern, random_states(20, wires, pattern))
    again = DensityMatrices.from_arrays(head.arrays(), 3)
    for pattern, wires in ((1, 1), (6, 2), (7, 3)):
        states = random_states(4, wires, 9)
        assert (again.scores(pattern, states) == head.scores(pattern, states)).all()
    empty = DensityMatrices.from_arrays(DensityMatrices().arrays(), 3)
    assert len(empty) == 0


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a | {"density.patterns": a["density.patterns"] + 8},
        lambda a: a | {"density.patterns": a["density.patterns"] - 1},
        lambda a: a | {"density.patterns": a["density.patterns"].astype(np.float64)},
        lambda a: a | {"density.counts": a["density.counts"] * 0},
        lambda a: a | {"density.counts": a["density.counts"][:1]},
        lambda a: a | {name: a[name][:, None] for name in ("density.patterns", "density.counts")},
        lambda a: a | {"density.matrices": a["density.matrices"][:-1]},
        lambda a: a | {"density.matrices": np.append(a["density.matrices"], np.float32(0))},
        lambda a: a | {"density.matrices": np.zeros(2**21, np.float32)},
    ],
)
def test_hostile_arrays_are_refused(change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    head = DensityMatrices()
    for pattern in (1, 3):
        head.update(pattern, random_states(5, pattern.bit_count(), pattern))
    with pytest.raises(ValueError, match="density"):
        DensityMatrices.from_arrays(change(head.arrays()), 3)
