"""The classical twin: as many parameters as the circuit, and the same contract."""

import numpy as np
import pytest
import torch

from models.circuits.spec import CircuitSpec, weight_shape
from models.heads.twin import Twin
from models.heads.twin_layer import TwinLayer


def test_closed_wires_read_one_and_open_ones_stay_in_range() -> None:
    layer = TwinLayer(CircuitSpec(6))
    a = torch.rand(50, 6) * 2 - 1
    m = (torch.rand(50, 6) < 0.5).float()
    out = layer(a, m)
    assert (out[m == 0] == 1).all()
    assert (out[m == 1].abs() < 1).all()
    moved = layer(a + (1 - m) * 0.3, m)  # closed wires are not looked at
    assert (moved == out).all()


@pytest.mark.parametrize(("wires", "layers"), [(1, 1), (4, 2), (8, 1), (8, 2), (12, 3)])
def test_parameters_are_as_many_as_those_of_the_circuit(wires: int, layers: int) -> None:
    spec = CircuitSpec(wires, layers)
    layer = TwinLayer(spec)
    assert sum(parameter.numel() for parameter in layer.parameters()) == np.prod(weight_shape(spec))
    layer(torch.rand(30, wires), torch.ones(30, wires)).square().sum().backward()
    assert layer.weights.grad is not None
    assert (layer.weights.grad != 0).all()  # and each of them is used


def test_inference_equals_training_and_no_batch_matters() -> None:
    layer = TwinLayer(CircuitSpec(8), seed=3)
    twin = Twin(layer.spec, layer.weights.detach().numpy())
    rng = np.random.default_rng(0)
    a, mask = rng.uniform(-1, 1, (40, 8)).astype(np.float32), rng.random((40, 8)) < 0.5
    got = twin(a, mask)
    want = layer(torch.tensor(a), torch.tensor(mask).float()).detach().numpy()
    np.testing.assert_allclose(got, want, atol=1e-6)
    alone = np.concatenate([twin(a[i : i + 1], mask[i : i + 1]) for i in range(40)])
    assert (alone == got).all()


def test_seed_decides_the_weights_and_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(0)
    want = torch.rand(1)
    torch.manual_seed(0)
    first, second = TwinLayer(CircuitSpec(4), seed=5), TwinLayer(CircuitSpec(4), seed=5)
    assert (first.weights == second.weights).all()
    assert torch.rand(1) == want
