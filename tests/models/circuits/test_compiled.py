"""The compiled circuit is the QNode, only faster."""

import numpy as np
import pennylane as qml
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.circuits import compiled
from models.circuits.compiled import CompiledCircuit, NotCompiledError
from models.circuits.qnode import Execution, expectations, make_device, make_qnode
from models.circuits.spec import PRESETS, CircuitSpec, initial_weights, subcircuit, weight_shape

Inputs = tuple[NDArray[np.float64], NDArray[np.float32], NDArray[np.bool_]]


def inputs(spec: CircuitSpec, batch: int, seed: int = 0) -> Inputs:
    rng = np.random.default_rng(seed)
    a = rng.uniform(-1, 1, (batch, spec.wires)).astype(np.float32)
    return rng.normal(0.0, 1.5, weight_shape(spec)), a, rng.random(a.shape) < rng.random()


@settings(max_examples=25, deadline=None)
@given(
    wires=st.integers(1, 7), layers=st.integers(0, 3), preset=st.sampled_from(PRESETS),
    seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_compiled_equals_the_qnode(wires: int, layers: int, preset: str, seed: int) -> None:
    spec = CircuitSpec(wires, layers, preset)
    weights, a, mask = inputs(spec, 12, seed)
    got = CompiledCircuit(spec, weights)(a, mask)
    assert got.dtype == np.float32
    assert np.abs(got - expectations(spec, weights, a, mask)).max() <= 1e-6


def test_compiled_equals_the_qnode_at_its_largest() -> None:
    spec = CircuitSpec(12, 2)
    weights, a, mask = inputs(spec, 6)
    mask[0], mask[1] = True, False
    assert (
        np.abs(CompiledCircuit(spec, weights)(a, mask) - expectations(spec, weights, a, mask)).max() <= 1e-6
    )


@pytest.mark.parametrize("preset", PRESETS)
def test_results_do_not_depend_on_the_batch(preset: str) -> None:
    spec = CircuitSpec(8, 2, preset)
    weights, a, mask = inputs(spec, 300, seed=7)
    mask[:150] = mask[0]  # more events of one pattern than a tile holds
    circuit = CompiledCircuit(spec, weights)
    together = circuit(a, mask)
    assert (together == np.concatenate([circuit(a[i : i + 1], mask[i : i + 1]) for i in range(300)])).all()
    assert (together[::-1] == circuit(a[::-1], mask[::-1])).all()


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), size=st.integers(1, 400), patterns=st.integers(1, 12),
    preset=st.sampled_from(["sparse", "reuploading"]),
)  # fmt: skip
def test_any_order_and_any_neighbours_give_the_same_bits(
    seed: int, size: int, patterns: int, preset: str
) -> None:
    """Also where tiles change between one pattern and many: rare patterns beside common ones."""
    spec = CircuitSpec(6, 2, preset)
    weights, a, _ = inputs(spec, size, seed)
    rng = np.random.default_rng(seed)
    kinds = rng.random((patterns, 6)) < 0.6
    mask = kinds[np.minimum(rng.geometric(0.4, size) - 1, patterns - 1)]
    circuit = CompiledCircuit(spec, weights)
    together = circuit(a, mask)
    order = rng.permutation(size)
    assert (circuit(a[order], mask[order]) == together[order]).all()
    for row in rng.integers(0, size, 3):
        assert (circuit(a[row : row + 1], mask[row : row + 1]) == together[row]).all()


def test_results_do_not_depend_on_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = CircuitSpec(8, 2)
    weights, a, mask = inputs(spec, 500, seed=8)
    circuit = CompiledCircuit(spec, weights)
    want = circuit(a, mask)
    monkeypatch.setattr(compiled, "_SHARED_WORK", 1)
    monkeypatch.setattr(compiled, "_processors", lambda: 3)
    *_, order = circuit._plan(a, mask)
    assert len(circuit._shares(mask @ (1 << np.arange(8)), order)) == 3
    assert (circuit(a, mask) == want).all()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), preset=st.sampled_from(["sparse", "reuploading"]))
def test_states_overlap_like_those_of_the_qnode(seed: int, preset: str) -> None:
    spec = CircuitSpec(4, 2, preset)
    weights, a, mask = inputs(spec, 9, seed)
    seen: set[int] = set()
    for part in CompiledCircuit(spec, weights).evolved(a, mask):
        code, rows, states = part.pattern, part.rows, part.states
        wires = np.flatnonzero(mask[rows[0]])
        assert code == (1 << wires).sum()
        assert (mask[rows] == mask[rows[0]]).all()
        small, angles = subcircuit(spec, weights, wires)
        want = state_vectors(small, angles, a[rows][:, wires])
        overlap = np.abs(states @ states.conj().T) ** 2
        np.testing.assert_allclose(overlap, np.abs(want @ want.conj().T) ** 2, atol=2e-6)
        seen.update(rows.tolist())
    assert seen == set(np.flatnonzero(mask.any(axis=1)).tolist())


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), preset=st.sampled_from(PRESETS))
def test_one_evolution_gives_the_expectations_of_a_call_to_the_last_bit(seed: int, preset: str) -> None:
    spec = CircuitSpec(5, 2, preset)
    weights, a, is_open = inputs(spec, 60, seed)
    circuit = CompiledCircuit(spec, weights)
    found = np.ones_like(a)
    for part in circuit.evolved(a, is_open):
        found[part.rows] = part.expectations
    assert found.tobytes() == circuit(a, is_open).tobytes()


def state_vectors(
    spec: CircuitSpec, weights: NDArray[np.float64], a: NDArray[np.floating]
) -> NDArray[np.complex128]:
    """The QNode's own states (B, 2^n), all wires open."""
    tape = qml.workflow.construct_tape(make_qnode(spec))
    device = make_device(Execution("default.qubit"), spec.wires)
    found = []
    for row in a.astype(np.float64):
        gates = tape(weights, row, np.ones(spec.wires)).operations
        script = qml.tape.QuantumScript(gates, [qml.state()])
        found.append(qml.execute([script], device)[0])
    return np.array(found)


def test_closed_wires_read_one_whatever_they_hold() -> None:
    spec = CircuitSpec(5, 2)
    weights, a, mask = inputs(spec, 40)
    mask[3] = False
    spoilt = np.where(mask, a, np.nan).astype(np.float32)
    circuit = CompiledCircuit(spec, weights)
    assert (circuit(spoilt, mask)[~mask] == 1.0).all()
    assert (circuit(spoilt, mask) == circuit(a, mask)).all()


def test_bad_input_is_refused() -> None:
    spec = CircuitSpec(4, 2)
    weights, a, mask = inputs(spec, 3)
    circuit = CompiledCircuit(spec, weights)
    for preset in PRESETS:
        spec = CircuitSpec(4, 2, preset)
        circuit = CompiledCircuit(spec, initial_weights(spec, 0))
        for value in (np.nan, np.inf, -1.001):
            wrong = a.copy()
            wrong[1, 2], mask[1, 2] = value, True
            with pytest.raises(ValueError, match="finite"):
                circuit(wrong, mask)
    with pytest.raises(ValueError, match="want"):
        circuit(a[:, :3], mask)
    with pytest.raises(ValueError, match="do not fit"):
        CompiledCircuit(spec, weights[:1])
    with pytest.raises(NotCompiledError, match="up to 12 wires"):
        CompiledCircuit(CircuitSpec(13), weights)
    assert circuit(a[:0], mask[:0]).shape == (0, 4)


def test_what_would_need_too_many_tables_is_not_compiled() -> None:
    spec = CircuitSpec(12, 60)
    with pytest.raises(NotCompiledError, match="60 layers of 12 wires"):
        CompiledCircuit(spec, initial_weights(spec, 0))
