"""The encoder as a layer in somebody's PyTorch model."""

import pytest
import torch
from torch import nn

from models.circuits.qnode_layer import QnodeLayer
from models.circuits.spec import CircuitSpec
from models.heads.quantum_encoder import SparseQuantumEncoder

SPEC = CircuitSpec(3, 2, "reuploading")


def model(circuit: nn.Module | None = None) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(SparseQuantumEncoder(5, SPEC, seed=1, circuit=circuit), nn.Linear(3, 1))


def test_it_learns_inside_a_model_in_batches() -> None:
    made = model()
    torch.manual_seed(1)
    x = torch.randn(256, 5) * 4.0
    y = (x[:, 0] * x[:, 1] > 0).float()
    optimiser = torch.optim.Adam(made.parameters(), lr=0.01)
    losses = []
    for step in range(300):
        part = slice(64 * (step % 4), 64 * (step % 4) + 64)
        loss = nn.functional.binary_cross_entropy_with_logits(made(x[part])[:, 0], y[part])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert sum(losses[-4:]) / 4 < 0.55  # a product of signs: nothing linear gets below log 2 = 0.69
    state = made.state_dict()
    again = model()
    again.load_state_dict(state)
    assert (again.eval()(x) == made.eval()(x)).all()


@pytest.mark.parametrize(
    ("device", "method"), [("default.qubit", "backprop"), ("lightning.qubit", "adjoint")]
)
def test_it_runs_on_a_device_of_pennylane_with_the_same_gradients(device: str, method: str) -> None:
    x = torch.randn(4, 5, generator=torch.Generator().manual_seed(2)) * 4.0
    ours, theirs = model(), model(QnodeLayer(SPEC, 1, device, method))
    for made in (ours, theirs):
        made(x).square().sum().backward()
    assert dict(ours.named_parameters()).keys() == dict(theirs.named_parameters()).keys()
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert one.grad is not None
        torch.testing.assert_close(one.grad, other.grad, atol=1e-4, rtol=1e-3)


def test_boring_events_open_no_wire_and_read_one() -> None:
    made = SparseQuantumEncoder(5, SPEC)
    assert (made(torch.zeros(2, 5)) == 1.0).all()
