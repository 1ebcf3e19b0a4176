"""The QNode, which defines the circuit, and its differentiable evaluation in torch."""

import numpy as np
import pennylane as qml
import pytest
import torch
from numpy.typing import NDArray

from models.circuit import CircuitLayer
from models.circuit_spec import CircuitSpec, initial_weights, pairs, weight_shape
from models.devices import DEVICES, installed
from models.qnode import expectations, make_qnode

Inputs = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


def needs(device: str) -> None:
    """Skip where the device is not installed, and say what is missing."""
    if problem := installed()[device]:
        pytest.skip(f"{device}: {problem}")


def inputs(spec: CircuitSpec, batch: int, seed: int = 0) -> Inputs:
    """Weights, wires and masks at random."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(0.0, 1.5, weight_shape(spec))
    return weights, rng.uniform(-1, 1, (batch, spec.wires)), (rng.random((batch, spec.wires)) < 0.6) * 1.0


def layer_with(spec: CircuitSpec, weights: NDArray[np.float64]) -> CircuitLayer:
    layer = CircuitLayer(spec).double()
    layer.weights.data = torch.tensor(weights)
    return layer


def smaller(spec: CircuitSpec, weights: NDArray[np.float64], wires: list[int]) -> NDArray[np.float64]:
    """The weights of some wires alone."""
    rot = [3 * wire + k for wire in wires for k in range(3)]
    both = [3 * spec.wires + i for i, pair in enumerate(pairs(spec.wires)) if set(pair) <= set(wires)]
    return weights[:, rot + both]


@pytest.mark.parametrize("device", DEVICES)
def test_a_closed_wire_is_the_identity_and_the_rest_is_the_smaller_circuit(device: str) -> None:
    needs(device)
    spec = CircuitSpec(4, 2)
    weights, a, mask = inputs(spec, 4, seed=1)
    mask[0], mask[1] = 0.0, [1, 0, 1, 1]
    result = expectations(spec, weights, a, mask, device)
    np.testing.assert_allclose(result[mask == 0], 1.0, atol=1e-12)
    for row, pattern in enumerate(mask):
        wires = np.flatnonzero(pattern).tolist()
        if wires:
            alone = CircuitSpec(len(wires), 2)
            want = expectations(
                alone, smaller(spec, weights, wires), a[row : row + 1, wires], np.ones((1, len(wires)))
            )
            np.testing.assert_allclose(result[row, wires], want[0], atol=1e-9)


@pytest.mark.parametrize("device", [name for name in DEVICES if name != "default.qubit"])
@pytest.mark.parametrize("preset", ["sparse", "threshold"])
def test_devices_agree(device: str, preset: str) -> None:
    needs(device)
    spec = CircuitSpec(3, 1, preset)
    weights, a, mask = inputs(spec, 3)
    want = expectations(spec, weights, a, mask)
    np.testing.assert_allclose(expectations(spec, weights, a, mask, device), want, atol=1e-9)


@pytest.mark.parametrize("device", [name for name, can in DEVICES.items() if can.shots])
def test_shots_estimate_the_expectation(device: str) -> None:
    needs(device)
    spec = CircuitSpec(2, 1)
    weights, a, mask = inputs(spec, 2, seed=3)
    exact = expectations(spec, weights, a, mask)
    estimate = expectations(spec, weights, a, mask, device, shots=20_000)
    assert 0 < np.abs(estimate - exact).max() < 0.05  # 7 standard deviations


def test_every_pair_of_open_wires_is_entangled() -> None:
    spec = CircuitSpec(3, 1)
    weights, a, _ = inputs(spec, 1, seed=2)
    mask = np.ones_like(a)
    before = expectations(spec, weights, a, mask)
    for index in range(len(pairs(3))):
        changed = weights.copy()
        changed[0, 9 + index] += 0.7
        moved = np.abs(expectations(spec, changed, a, mask) - before)[0] > 1e-3
        assert moved.sum() == 2  # both ends of the pair, and no other wire


@pytest.mark.parametrize("preset", ["sparse", "threshold"])
@pytest.mark.parametrize(("wires", "layers"), [(1, 1), (2, 0), (5, 3), (6, 2)])
def test_torch_layer_equals_the_qnode(preset: str, wires: int, layers: int) -> None:
    spec = CircuitSpec(wires, layers, preset)
    weights, a, mask = inputs(spec, 9)
    got = layer_with(spec, weights)(torch.tensor(a), torch.tensor(mask)).detach().numpy()
    np.testing.assert_allclose(got, expectations(spec, weights, a, mask), atol=1e-12)


def test_gradients_of_the_torch_layer_equal_those_of_the_qnode() -> None:
    spec = CircuitSpec(3, 2)
    arrays = [*inputs(spec, 5)]
    arrays[2] = np.random.default_rng(1).random((5, 3))  # openness between closed and open
    grads = []
    for use_qnode in (True, False):
        weights, a, m = (torch.tensor(array, requires_grad=True) for array in arrays)
        if use_qnode:
            out = torch.stack(
                tuple(make_qnode(spec, diff_method="backprop", interface="torch")(weights, a, m)), dim=1
            )
        else:
            out = torch.func.functional_call(CircuitLayer(spec).double(), {"weights": weights}, (a, m))
        (out * torch.arange(1.0, 4.0)).sum().backward()  # type: ignore[no-untyped-call]
        grads.append([tensor.grad for tensor in (weights, a, m)])
    for want, got in zip(*grads, strict=True):
        torch.testing.assert_close(got, want, atol=1e-6, rtol=0)


def test_gradients_equal_finite_differences() -> None:
    for preset in ("sparse", "threshold"):
        spec = CircuitSpec(3, 2, preset)
        weights, a, _ = inputs(spec, 2, seed=4)
        m = np.random.default_rng(4).uniform(0.5, 1.0, a.shape)
        layer = layer_with(spec, weights)
        points = [torch.tensor(array, requires_grad=True) for array in (a, m)]
        assert torch.autograd.gradcheck(layer, points, atol=1e-6)


@pytest.mark.parametrize(
    ("device", "method"), [(name, method) for name, can in DEVICES.items() for method in can.gradients]
)
def test_differentiation_methods_agree(device: str, method: str) -> None:
    needs(device)
    spec = CircuitSpec(2, 1)
    weights, a, _ = inputs(spec, 1, seed=5)
    mask = np.array([1.0, 0.8])
    angles = torch.tensor(weights, requires_grad=True)
    layer = CircuitLayer(spec).double()
    want = torch.autograd.functional.jacobian(
        lambda w: torch.func.functional_call(
            layer, {"weights": w}, (torch.tensor(a), torch.tensor(mask[None]))
        )[0],
        angles,
    ).numpy()
    assert np.abs(want).max() > 0.01
    node = make_qnode(spec, device, method, interface="autograd")
    point = qml.numpy.array(weights, requires_grad=True)
    gradient = qml.jacobian(lambda w: qml.numpy.stack(node(w, a[0], mask)))(point)
    np.testing.assert_allclose(gradient, want, atol=1e-9)


def test_threshold_preset_is_ry_then_cnot_to_the_next_wire() -> None:
    spec = CircuitSpec(3, preset="threshold")
    a = np.array([[0.6, 0.1, -0.3]])  # the second is not above the threshold
    c0, c2 = np.cos(0.6 * np.pi), np.cos(-0.3 * np.pi)
    # CNOT 0 -> 1, then CNOT 2 -> 0: wire 1 copies wire 0, and wire 0 takes the parity of both.
    got = expectations(spec, initial_weights(spec, 0), a, np.ones_like(a))
    np.testing.assert_allclose(got, [[c0 * c2, c0, c2]], atol=1e-12)


def test_layer_learns_inside_a_torch_model() -> None:
    torch.manual_seed(0)
    model = CircuitLayer(CircuitSpec(3, 2), seed=1)
    a, m = torch.rand(64, 3) * 2 - 1, torch.ones(64, 3)
    target = torch.sin(3 * a[:, 0] * a[:, 1])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    losses = []
    for _ in range(40):
        loss = (model(a, m)[:, 2] - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize(
    "arguments", [(0,), (25,), (8, -1), (8, 65), (8, 2, "other")], ids=["0", "25", "-1", "65", "preset"]
)
def test_spec_refuses_what_cannot_be_built(arguments: tuple[int, int, str]) -> None:
    with pytest.raises(ValueError, match=r"a circuit has|presets are"):
        CircuitSpec(*arguments)


def test_weights_and_inputs_that_do_not_fit_are_refused() -> None:
    spec = CircuitSpec(3, 1)
    weights, a, mask = inputs(spec, 2)
    with pytest.raises(ValueError, match="do not fit"):
        expectations(spec, weights[:, 1:], a, mask)
    with pytest.raises(ValueError, match="finite"):
        expectations(spec, weights * np.nan, a, mask)
    with pytest.raises(ValueError, match="want"):
        expectations(spec, weights, a[:, :2], mask)
    assert expectations(spec, weights, a[:0], mask[:0]).shape == (0, 3)


def test_initial_weights_depend_on_the_seed_alone() -> None:
    spec = CircuitSpec(4, 2)
    assert (initial_weights(spec, 1) == initial_weights(spec, 1)).all()
    assert (initial_weights(spec, 1) != initial_weights(spec, 2)).any()
