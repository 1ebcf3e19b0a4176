"""The QNode, which defines the circuit, and its differentiable evaluation in torch."""

import numpy as np
import pennylane as qml
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.circuits import qnode
from models.circuits.devices import DEVICES, device_problems
from models.circuits.qnode import Execution, expectations, make_qnode
from models.circuits.spec import PRESETS, CircuitSpec, initial_weights, pairs, subcircuit, weight_shape
from models.circuits.torch_layer import CircuitLayer

TRAINABLE = ("sparse", "reuploading")
METHODS = [(name, method) for name, can in DEVICES.items() for method in can.gradients]
Inputs = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


def needs(device: str) -> None:
    """Skip where the device is not installed, and say what is missing."""
    if problem := device_problems()[device]:
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


def openness(batch: int, wires: int, seed: int = 0) -> NDArray[np.float64]:
    """Closed wires, open wires and wires between."""
    rng = np.random.default_rng(seed)
    return rng.choice([0.0, 0.0, 1.0, 0.6, 0.3], (batch, wires))


def defined(
    spec: CircuitSpec, weights: NDArray[np.float64], a: NDArray[np.float64], m: NDArray[np.float64]
) -> NDArray[np.float64]:
    """What the QNode over all wires says, event by event."""
    node = make_qnode(spec)
    if spec.preset == "threshold":
        a, m = a * m, (np.abs(a * m) > 0.1) * 1.0
    return np.array([node(weights, *event) for event in zip(a, m, strict=True)]).reshape(a.shape)


@pytest.mark.parametrize("preset", TRAINABLE)
@pytest.mark.parametrize("device", DEVICES)
def test_a_closed_wire_is_the_identity_and_the_rest_is_the_smaller_circuit(device: str, preset: str) -> None:
    needs(device)
    spec = CircuitSpec(4, 2, preset)
    weights, a, _ = inputs(spec, 3, seed=1)
    mask = np.array([[0.0, 0, 0, 0], [1, 0, 0.7, 1], [0, 0.4, 0, 1]])
    whole = make_qnode(spec, Execution(device))
    for wires_a, m in zip(a, mask, strict=True):
        result, wires = np.array(whole(weights, wires_a, m)), np.flatnonzero(m)
        np.testing.assert_allclose(result[m == 0], 1.0, atol=1e-12)
        if len(wires):
            alone, alone_weights = subcircuit(spec, weights, wires)
            want = make_qnode(alone)(alone_weights, wires_a[wires], m[wires])
            np.testing.assert_allclose(result[wires], want, atol=1e-9)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("preset", PRESETS)
def test_expectations_on_every_device_are_those_of_the_qnode(device: str, preset: str) -> None:
    needs(device)
    spec = CircuitSpec(3, 2, preset)
    weights, a, _ = inputs(spec, 6)
    m = openness(6, 3)
    np.testing.assert_allclose(
        expectations(spec, weights, a, m, Execution(device)), defined(spec, weights, a, m), atol=1e-9
    )


@settings(max_examples=30, deadline=None)
@given(
    wires=st.integers(1, 5),
    layers=st.integers(0, 3),
    preset=st.sampled_from(PRESETS),
    seed=st.integers(0, 999),
)
def test_only_open_wires_are_run_and_the_result_is_that_of_all(
    wires: int, layers: int, preset: str, seed: int
) -> None:
    spec = CircuitSpec(wires, layers, preset)
    weights, a, _ = inputs(spec, 4, seed)
    m = openness(4, wires, seed)
    np.testing.assert_allclose(expectations(spec, weights, a, m), defined(spec, weights, a, m), atol=1e-10)


@pytest.mark.parametrize("device", DEVICES)
def test_cost_is_that_of_the_open_wires_on_every_device(device: str) -> None:
    needs(device)
    spec = CircuitSpec(64, 1)  # 2^64 amplitudes would be needed for all
    weights, a, _ = inputs(spec, 2, seed=6)
    mask, wires = np.zeros((2, 64)), [3, 40, 63]
    mask[0, wires] = 1.0
    want = expectations(*subcircuit(spec, weights, wires), a[:1, wires], np.ones((1, 3)))
    result = expectations(spec, weights, a, mask, Execution(device))
    np.testing.assert_allclose(result[0, wires], want[0], atol=1e-9)
    assert (result[mask == 0] == 1.0).all()


def test_too_many_open_wires_for_a_state_vector_are_refused() -> None:
    spec = CircuitSpec(25, 0)
    with pytest.raises(ValueError, match=r"24 open wires at most and not 25; default\.tensor can"):
        expectations(spec, initial_weights(spec, 0), np.zeros((1, 25)), np.ones((1, 25)))


def test_a_batch_too_large_for_memory_is_run_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = CircuitSpec(3, 1)
    weights, a, _ = inputs(spec, 5)
    want = expectations(spec, weights, a, np.ones_like(a))
    monkeypatch.setattr(qnode, "MAX_STATE_WIRES", 4)  # so 2 events of 3 wires at once
    monkeypatch.setattr(qnode, "_exact_node", lambda spec, _: at_most(2, make_qnode(spec)))
    np.testing.assert_allclose(expectations(spec, weights, a, np.ones_like(a)), want, atol=1e-12)


def at_most(batch: int, node: qnode.Qnode) -> qnode.Qnode:
    def run(weights: NDArray[np.float64], a: NDArray[np.float64], m: NDArray[np.float64]) -> object:
        assert len(a) <= batch
        return node(weights, a, m)

    return run


@pytest.mark.parametrize("device", [name for name, can in DEVICES.items() if can.shots])
def test_shots_estimate_the_expectation(device: str) -> None:
    needs(device)
    spec = CircuitSpec(2, 1)
    weights, a, mask = inputs(spec, 2, seed=3)
    exact = expectations(spec, weights, a, mask)
    estimate = expectations(spec, weights, a, mask, Execution(device, shots=20_000, seed=1))
    assert 0 < np.abs(estimate - exact).max() < 0.05  # 7 standard deviations


@pytest.mark.parametrize("device", ["default.qubit", "lightning.qubit", "qiskit.aer"])
def test_shots_follow_the_seed(device: str) -> None:
    needs(device)
    spec = CircuitSpec(2, 1)
    weights, a, mask = inputs(spec, 3, seed=3)
    first, again, other = (
        expectations(spec, weights, a, mask, Execution(device, shots=500, seed=seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(again, first)
    assert (other != first).any()


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


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize(("wires", "layers"), [(1, 1), (2, 0), (5, 3), (6, 2)])
def test_torch_layer_equals_the_qnode(preset: str, wires: int, layers: int) -> None:
    spec = CircuitSpec(wires, layers, preset)
    weights, a, mask = inputs(spec, 9)
    got = layer_with(spec, weights)(torch.tensor(a), torch.tensor(mask)).detach().numpy()
    np.testing.assert_allclose(got, expectations(spec, weights, a, mask), atol=1e-12)


@pytest.mark.parametrize("preset", TRAINABLE)
def test_gradients_of_the_torch_layer_equal_those_of_the_qnode(preset: str) -> None:
    spec = CircuitSpec(3, 2, preset)
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
    for preset in PRESETS:
        spec = CircuitSpec(3, 2, preset)
        weights, a, _ = inputs(spec, 2, seed=4)
        m = np.random.default_rng(4).uniform(0.5, 1.0, a.shape)
        layer = layer_with(spec, weights)
        points = [torch.tensor(array, requires_grad=True) for array in (a, m)]
        assert torch.autograd.gradcheck(layer, points, atol=1e-6)


@pytest.mark.parametrize("preset", TRAINABLE)
@pytest.mark.parametrize(("device", "method"), METHODS)
def test_differentiation_methods_agree_with_finite_differences(device: str, method: str, preset: str) -> None:
    needs(device)
    spec = CircuitSpec(2, 1, preset) if preset == "sparse" else CircuitSpec(1, 2, preset)
    weights, a, _ = inputs(spec, 1, seed=5)
    arrays = [weights, a[0], np.array([0.9, 0.8])[: spec.wires]]
    node, reference = make_qnode(spec, Execution(device), method, interface="autograd"), make_qnode(spec)
    points = [qml.numpy.array(array, requires_grad=True) for array in arrays]
    gradients = qml.jacobian(lambda *point: qml.numpy.stack(node(*point)), argnums=(0, 1, 2))(*points)
    for index, gradient in enumerate(gradients):
        want = central_differences(reference, arrays, index)
        assert np.abs(want).max() > 0.01
        np.testing.assert_allclose(gradient, want, atol=1e-8)


def central_differences(
    node: qnode.Qnode, arrays: list[NDArray[np.float64]], index: int, step: float = 1e-4
) -> NDArray[np.float64]:
    """The derivative of every expectation by every number of one argument; fourth order in the step."""
    moved = []
    for place in np.ndindex(arrays[index].shape):
        values = []
        for distance in (-2, -1, 1, 2):
            point = [array.copy() for array in arrays]
            point[index][place] += distance * step
            values.append(np.array(node(*point)))
        moved.append((values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * step))
    return np.stack(moved, axis=1).reshape(-1, *arrays[index].shape)


@settings(max_examples=40, deadline=None)
@given(wires=st.integers(1, 7), layers=st.integers(0, 3), data=st.data())
def test_a_subcircuit_keeps_each_weight_of_its_wires(wires: int, layers: int, data: st.DataObject) -> None:
    spec = CircuitSpec(wires, layers, data.draw(st.sampled_from(TRAINABLE)))
    chosen = sorted(data.draw(st.sets(st.integers(0, wires - 1), min_size=1)))
    names = [(wire, k) for wire in range(wires) for k in range(3)] + pairs(wires)
    index = np.tile(np.arange(len(names)), (layers, 1))
    part, kept = subcircuit(spec, index, chosen)
    assert part == CircuitSpec(len(chosen), layers, spec.preset)
    want = [(wire, k) for wire in chosen for k in range(3)]
    want += [(chosen[i], chosen[j]) for i, j in pairs(len(chosen))]
    assert kept.shape == weight_shape(part)
    assert all([names[i] for i in row] == want for row in kept)


@pytest.mark.parametrize("wires", [[], [1, 0], [0, 0], [-1], [3]])
def test_a_subcircuit_of_no_such_wires_is_refused(wires: list[int]) -> None:
    spec = CircuitSpec(3, 1)
    with pytest.raises(ValueError, match="ascending indices below 3"):
        subcircuit(spec, initial_weights(spec, 0), wires)


def test_a_threshold_circuit_is_not_cut_down() -> None:
    spec = CircuitSpec(3, preset="threshold")
    with pytest.raises(ValueError, match="cannot be cut down"):
        subcircuit(spec, initial_weights(spec, 0), [0, 1])
    a = np.array([[0.6, 0.0, 0.0]])  # the CNOT turns a wire that is closed
    result = expectations(spec, initial_weights(spec, 0), a, np.array([[1.0, 0, 0]]))
    np.testing.assert_allclose(result, [[np.cos(0.6 * np.pi), np.cos(0.6 * np.pi), 1.0]], atol=1e-12)


def test_reuploading_encodes_before_every_layer() -> None:
    spec = CircuitSpec(1, 3, "reuploading")
    a, weights = np.array([[0.2]]), np.zeros(weight_shape(spec))
    np.testing.assert_allclose(
        expectations(spec, weights, a, np.ones_like(a)), [[np.cos(3 * 0.2 * np.pi)]], atol=1e-12
    )
    none = CircuitSpec(1, 0, "reuploading")
    result = expectations(none, initial_weights(none, 0), a, np.ones_like(a))
    np.testing.assert_allclose(result, [[np.cos(0.2 * np.pi)]], atol=1e-12)


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
    "arguments", [(0,), (65,), (8, -1), (8, 65), (8, 2, "other")], ids=["0", "65 wires", "-1", "65", "preset"]
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


def test_what_is_no_number_is_refused_where_a_wire_is_open() -> None:
    spec = CircuitSpec(3, 1)
    weights, a, _ = inputs(spec, 1)
    mask = np.array([[1.0, 0.0, 1.0]])
    want = expectations(spec, weights, a, mask)
    a[0, 1] = np.nan
    np.testing.assert_array_equal(expectations(spec, weights, a, mask), want)
    with pytest.raises(ValueError, match="no finite number"):
        expectations(spec, weights, a, np.ones_like(a))
    with pytest.raises(ValueError, match="no finite number"):
        expectations(spec, weights, np.ones((1, 3)), np.array([[1.0, 0.0, np.inf]]))


def test_initial_weights_depend_on_the_seed_alone() -> None:
    spec = CircuitSpec(4, 2)
    assert (initial_weights(spec, 1) == initial_weights(spec, 1)).all()
    assert (initial_weights(spec, 1) != initial_weights(spec, 2)).any()
