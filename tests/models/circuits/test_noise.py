"""Aer as a real device: that circuits are routed over its couplings and that its errors are felt."""

from importlib.util import find_spec

import numpy as np
import pytest
from numpy.typing import NDArray

from models.circuits.qnode import Execution, expectations, make_device, make_qnode
from models.circuits.spec import CircuitSpec, initial_weights

pytestmark = pytest.mark.skipif(find_spec("pennylane_qiskit") is None, reason="pip install 'qualm[aer]'")
NAME = "FakeHanoiV2"
SPEC = CircuitSpec(4, 2)
WEIGHTS = initial_weights(SPEC, 0)
A = np.full((2, 4), 0.95)  # every wire reads nearly -1, and errors and decay draw it up


def run(shots: int, seed: int | None = 1, noise: str | None = None) -> NDArray[np.float64]:
    mask = np.array([[1.0, 1, 1, 1], [1, 0, 0, 0]])
    return expectations(SPEC, WEIGHTS, A, mask, Execution("qiskit.aer", shots, seed, noise))


def test_errors_grow_with_the_open_wires() -> None:
    exact = expectations(SPEC, WEIGHTS, A, np.array([[1.0, 1, 1, 1], [1, 0, 0, 0]]))
    ideal, noisy = run(4000), run(4000, noise=NAME)
    assert np.abs(ideal - exact).max() < 0.06
    lost = noisy - exact
    assert lost[0].mean() > 0.1  # some 33 CX at 0.6% each, and reading at 1%
    assert 0.005 < lost[1, 0] < 0.08  # no CX
    assert (noisy[1, 1:] == 1.0).all()


def test_shots_follow_the_seed() -> None:
    first = run(200, noise=NAME)
    np.testing.assert_array_equal(run(200, noise=NAME), first)
    assert (run(200, seed=2, noise=NAME) != first).any()


def test_circuits_run_in_the_gates_and_couplings_of_the_device() -> None:
    node = make_qnode(SPEC, Execution("qiskit.aer", shots=10, seed=1, noise=NAME))
    node(WEIGHTS, A[0], np.ones(4))
    device = node.device.target_device
    compiled = device.compile()
    assert set(compiled.count_ops()) <= {"rz", "sx", "x", "cx", "measure"}
    couplings = set(device.backend.coupling_map.get_edges())
    used = [
        tuple(compiled.find_bit(qubit).index for qubit in gate.qubits)
        for gate in compiled.get_instructions("cx")
    ]
    assert set(used) <= couplings
    assert len(used) > 24  # two for each of the twelve IsingZZ, and those of the SWAPs


def test_noise_that_does_not_fit_is_refused() -> None:
    for device, noise, shots, problem in (
        ("qiskit.aer", "FakeNowhere", 10, "no device 'FakeNowhere'"),
        ("qiskit.aer", "generic_backend", 10, "no device 'generic_backend'"),
        ("qiskit.aer", NAME, None, "needs shots"),
        ("lightning.qubit", NAME, 10, r"needs qiskit\.aer"),
    ):
        with pytest.raises(ValueError, match=problem):
            make_device(Execution(device, shots, noise=noise), 2)
    with pytest.raises(ValueError, match="maximum 27 wires"):
        make_device(Execution("qiskit.aer", 10, noise=NAME), 28)
