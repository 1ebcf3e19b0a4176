"""Circuits too wide for a state vector, where the answer can be known."""

from importlib.util import find_spec

import numpy as np
import pytest
from numpy.typing import NDArray

from models.circuits import tensor_network as tensor
from models.circuits.qnode import Execution, expectations, make_qnode
from models.circuits.spec import CircuitSpec, pairs, subcircuit, weight_shape

pytestmark = pytest.mark.skipif(find_spec("quimb") is None, reason="pip install 'qualm[tensor]'")


def weights_within(spec: CircuitSpec, block: int) -> NDArray[np.float64]:
    """Random weights that entangle only the wires of one block of neighbours."""
    weights = np.random.default_rng(0).normal(0.0, 1.0, weight_shape(spec))
    for index, (i, j) in enumerate(pairs(spec.wires)):
        if i // block != j // block:
            weights[:, 3 * spec.wires + index] = 0.0
    return weights


@pytest.mark.parametrize(("wires", "preset"), [(28, "sparse"), (26, "reuploading")])
def test_independent_blocks_of_many_wires_are_the_circuits_of_the_blocks(wires: int, preset: str) -> None:
    spec = CircuitSpec(wires, 1, preset)
    weights = weights_within(spec, 2)
    a = np.random.default_rng(1).uniform(-1, 1, (1, wires))
    result = expectations(spec, weights, a, np.ones_like(a), Execution("default.tensor"))
    for first in range(0, wires, 2):
        block = [first, first + 1]
        want = expectations(*subcircuit(spec, weights, block), a[:, block], np.ones((1, 2)))
        np.testing.assert_allclose(result[:, block], want, atol=1e-6)


def test_a_circuit_that_is_too_entangled_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = CircuitSpec(8, 2)
    rng = np.random.default_rng(0)
    weights, a, m = rng.normal(0.0, 1.5, weight_shape(spec)), rng.uniform(-1, 1, 8), np.ones(8)
    exact = make_qnode(spec)(weights, a, m)
    np.testing.assert_allclose(make_qnode(spec, Execution("default.tensor"))(weights, a, m), exact, atol=1e-9)
    monkeypatch.setattr(tensor, "MAX_BOND", 3)
    with pytest.raises(ArithmeticError, match="8 open wires is too entangled"):
        make_qnode(spec, Execution("default.tensor"))(weights, a, m)
