"""What every device promises alike: the compiled circuit, and those of PennyLane."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from models.circuits.devices import COMPILED, NAMES, device_problems
from models.circuits.runner import CircuitRunner
from models.circuits.spec import CircuitSpec, initial_weights, subcircuit
from models.options import PRESETS, EvaluateOptions

Make = Callable[..., CircuitRunner]
DEVICES = [name for name in NAMES if name != "auto"]


@pytest.fixture(params=DEVICES)
def make(request: pytest.FixtureRequest) -> Make:
    """Makes a circuit on the device."""
    if problem := device_problems()[request.param]:
        pytest.skip(problem)

    def on_the_device(spec: CircuitSpec, weights: NDArray[np.generic] | None = None) -> CircuitRunner:
        chosen = initial_weights(spec, 1) if weights is None else weights
        return CircuitRunner(spec, chosen, EvaluateOptions(device=request.param), pytest.fail)

    return on_the_device


def some(wires: int, count: int = 6, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    rng = np.random.default_rng(seed)
    a = rng.uniform(-1.0, 1.0, (count, wires)).astype(np.float32)
    return a, rng.random((count, wires)) < 0.6


def kron(*matrices: NDArray[np.complex128]) -> NDArray[np.complex128]:
    whole = np.eye(1, dtype=complex)
    for matrix in matrices:
        whole = np.kron(whole, matrix)
    return whole


def test_without_angles_an_open_wire_reads_the_cosine_of_what_it_holds(make: Make) -> None:
    spec = CircuitSpec(3, 1)
    a, is_open = some(3)
    found = make(spec, np.zeros((1, 12)))(a, is_open)
    expected = [
        [math.cos(math.pi * float(value)) if bit else 1.0 for value, bit in zip(row, bits, strict=True)]
        for row, bits in zip(a, is_open, strict=True)
    ]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_two_wires_with_all_their_angles_by_matrices(make: Make) -> None:
    """RY on both, exp(-i w Z Z / 2), then RZ(phi), RY(theta), RZ(omega) on each."""
    phi, theta, omega, w = (0.3, -0.7), (1.1, 0.4), (0.2, -1.3), 0.9
    weights = np.array([[phi[0], theta[0], omega[0], phi[1], theta[1], omega[1], w]])
    a = np.array([[0.35, -0.6]], np.float32)

    def ry(angle: float) -> NDArray[np.complex128]:
        c, s = math.cos(angle / 2), math.sin(angle / 2)
        return np.array([[c, -s], [s, c]], complex)

    def rz(angle: float) -> NDArray[np.complex128]:
        return np.diag([np.exp(-0.5j * angle), np.exp(0.5j * angle)])

    state = kron(ry(math.pi * float(a[0, 0])), ry(math.pi * float(a[0, 1])))[:, 0]
    state = np.exp(-0.5j * w * np.array([1, -1, -1, 1])) * state
    state = kron(*(rz(omega[i]) @ ry(theta[i]) @ rz(phi[i]) for i in (0, 1))) @ state
    probability = np.abs(state) ** 2
    expected = [probability @ [1, 1, -1, -1], probability @ [1, -1, 1, -1]]
    found = make(CircuitSpec(2, 1), weights)(a, np.ones((1, 2), bool))
    np.testing.assert_allclose(found[0], expected, atol=1e-6)


@pytest.mark.parametrize("preset", ["sparse", "reuploading"])
def test_closed_wires_make_it_the_smaller_circuit(make: Make, preset: str) -> None:
    spec, chosen = CircuitSpec(4, 2, preset), [0, 2]
    weights = initial_weights(spec, 3)
    a, _ = some(4)
    is_open = np.zeros(a.shape, bool)
    is_open[:, chosen] = True
    small, angles = subcircuit(spec, weights, chosen)
    found = make(spec, weights)(np.where(is_open, a, np.nan).astype(np.float32), is_open)
    np.testing.assert_allclose(
        found[:, chosen], make(small, angles)(a[:, chosen], is_open[:, chosen]), atol=1e-6
    )
    assert (found[:, [1, 3]] == 1.0).all()


@pytest.mark.parametrize("preset", PRESETS)
def test_an_event_gets_the_same_alone_in_any_batch_and_in_any_order(make: Make, preset: str) -> None:
    spec = CircuitSpec(3, 2, preset)
    circuit, (a, is_open) = make(spec), some(3)
    whole = circuit(a, is_open)
    assert whole.dtype == np.float32
    order = np.random.default_rng(5).permutation(len(a))
    np.testing.assert_allclose(circuit(a[order], is_open[order]), whole[order], atol=1e-6)
    for row in range(len(a)):
        np.testing.assert_allclose(
            circuit(a[row : row + 1], is_open[row : row + 1])[0], whole[row], atol=1e-6
        )
    assert circuit(a[:0], is_open[:0]).shape == (0, 3)


def test_the_threshold_preset_turns_and_flips_by_hand(make: Make) -> None:
    """Both wires above 0.1: <Z> of RY then CNOT 0 to 1 then CNOT 1 to 0."""
    a = np.array([[0.3, 0.2], [0.3, 0.05]], np.float32)
    c, d = math.cos(0.3 * math.pi), math.cos(0.2 * math.pi)
    found = make(CircuitSpec(2, 1, "threshold"))(a, np.ones((2, 2), bool))
    # Z_0 back through CNOT(1 to 0) is Z_0 Z_1, and that through CNOT(0 to 1) is Z_1; Z_1 becomes Z_0 Z_1.
    # In the second event wire 1 is below the threshold: it turns nothing, and only CNOT(0 to 1) acts.
    np.testing.assert_allclose(found, [[d, c * d], [c, c]], atol=1e-6)


def test_what_does_not_fit_is_refused_and_blames_no_device(make: Make) -> None:
    circuit, (a, is_open) = make(CircuitSpec(3, 1)), some(3)
    is_open[0] = True
    for wrong_a, wrong_open in ((a[:, :2], is_open[:, :2]), (a, is_open[:2]), (a[0], is_open[0])):
        with pytest.raises(ValueError, match="want"):
            circuit(wrong_a, wrong_open)
    for number in (1.5, -1.01, np.nan, np.inf):
        spoilt = a.copy()
        spoilt[0, 1] = number
        with pytest.raises(ValueError, match="outside"):
            circuit(spoilt, is_open)


def test_weights_that_do_not_fit_are_refused(make: Make) -> None:
    for weights in (np.zeros((1, 11)), np.zeros((2, 12)), np.full((1, 12), np.nan)):
        with pytest.raises(ValueError, match="circuit weights"):
            make(CircuitSpec(3, 1), weights)


def test_the_contract_is_held_by_the_compiled_circuit_at_least() -> None:
    assert COMPILED in DEVICES
    assert not device_problems()[COMPILED]
