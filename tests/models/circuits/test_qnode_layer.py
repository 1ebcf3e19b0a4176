"""The layer on PennyLane's devices against the layer in plain torch, inside a model."""

import pytest
import torch
from torch import Tensor, nn

from models.circuits.devices import DEVICES, device_problems
from models.circuits.qnode_layer import QnodeLayer
from models.circuits.spec import PRESETS, CircuitSpec
from models.circuits.torch_layer import CircuitLayer

METHODS = [(name, method) for name, can in DEVICES.items() for method in can.gradients]


class Model(nn.Module):
    def __init__(self, circuit: CircuitLayer | QnodeLayer) -> None:
        super().__init__()
        torch.manual_seed(0)
        n = circuit.spec.wires
        self.encoder, self.circuit, self.readout = nn.Linear(4, 2 * n), circuit, nn.Linear(n, 1)

    def forward(self, x: Tensor) -> Tensor:
        a, m = self.encoder(x).chunk(2, dim=1)
        return self.readout(self.circuit(torch.tanh(a), torch.sigmoid(m)))


def gradients(circuit: CircuitLayer | QnodeLayer, batch: int) -> tuple[Tensor, list[Tensor | None]]:
    model = Model(circuit).double()
    x = torch.randn(batch, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    out = model(x)
    out.square().sum().backward()  # type: ignore[no-untyped-call]
    return out.detach(), [parameter.grad for parameter in model.parameters() if parameter.numel()]


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize(("device", "method"), METHODS)
def test_gradients_inside_a_model_equal_those_of_the_layer_in_torch(
    device: str, method: str, preset: str
) -> None:
    if problem := device_problems()[device]:
        pytest.skip(f"{device}: {problem}")
    spec, batch = CircuitSpec(2, 2, preset), 1 if device == "qiskit.aer" else 4  # Aer: 36 circuits an event
    want, want_gradients = gradients(CircuitLayer(spec, seed=3), batch)
    if method == DEVICES[device].gradients[0]:
        method = "best"  # which is the first
    got, got_gradients = gradients(QnodeLayer(spec, 3, device, method), batch)
    assert got.dtype == torch.float64
    torch.testing.assert_close(got, want, atol=1e-6, rtol=0)  # lightning hands torch float32
    for ours, theirs in zip(got_gradients, want_gradients, strict=True):
        assert theirs is not None
        assert theirs.abs().max() > 1e-3
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)
