"""The compiled circuit is the QNode, only faster."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models import compiled
from models.circuit_spec import CircuitSpec, weight_shape
from models.compiled import CompiledCircuit
from models.qnode import expectations

Inputs = tuple[NDArray[np.float64], NDArray[np.float32], NDArray[np.bool_]]


def inputs(spec: CircuitSpec, batch: int, seed: int = 0) -> Inputs:
    rng = np.random.default_rng(seed)
    a = rng.uniform(-1, 1, (batch, spec.wires)).astype(np.float32)
    return rng.normal(0.0, 1.5, weight_shape(spec)), a, rng.random(a.shape) < rng.random()


@settings(max_examples=25, deadline=None)
@given(
    wires=st.integers(1, 7), layers=st.integers(0, 3), preset=st.sampled_from(["sparse", "threshold"]),
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


@pytest.mark.parametrize("preset", ["sparse", "threshold"])
def test_results_do_not_depend_on_the_batch(preset: str) -> None:
    spec = CircuitSpec(8, 2, preset)
    weights, a, mask = inputs(spec, 300, seed=7)
    mask[:150] = mask[0]  # more events of one pattern than a tile holds
    circuit = CompiledCircuit(spec, weights)
    together = circuit(a, mask)
    assert (together == np.concatenate([circuit(a[i : i + 1], mask[i : i + 1]) for i in range(300)])).all()
    assert (together[::-1] == circuit(a[::-1], mask[::-1])).all()


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
    for value in (np.nan, np.inf):
        wrong = a.copy()
        wrong[1, 2], mask[1, 2] = value, True
        with pytest.raises(ValueError, match="finite"):
            circuit(wrong, mask)
    with pytest.raises(ValueError, match="want"):
        circuit(a[:, :3], mask)
    with pytest.raises(ValueError, match="do not fit"):
        CompiledCircuit(spec, weights[:1])
    with pytest.raises(ValueError, match="up to 12 wires"):
        CompiledCircuit(CircuitSpec(13), weights)
    assert circuit(a[:0], mask[:0]).shape == (0, 4)


def test_kept_patterns_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = CircuitSpec(6, 2)
    weights, a, _ = inputs(spec, 64)
    mask = (np.arange(64)[:, None] >> np.arange(6) & 1).astype(bool)  # every pattern
    want = CompiledCircuit(spec, weights)(a, mask)
    monkeypatch.setattr(compiled, "_CACHE_BYTES", 4096)
    circuit = CompiledCircuit(spec, weights)
    for _ in range(2):
        assert (circuit(a, mask) == want).all()
        assert circuit._bytes == sum(pattern.nbytes for pattern in circuit._patterns.values()) <= 4096


def test_inference_needs_neither_torch_nor_pennylane() -> None:
    code = (
        "import sys, numpy as np; from models.circuit_spec import *; from models.devices import open_circuit;"
        "from models.mask import open_wires; from models.twin import twin_outputs; import models.onnx_model;"
        "spec = CircuitSpec(3); circuit = open_circuit(spec, initial_weights(spec, 0));"
        "circuit(np.ones((1, 3), np.float32), np.ones((1, 3), bool));"
        "print({'torch', 'pennylane', 'qiskit'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"
