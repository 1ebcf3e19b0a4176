"""Gate: hard forward, soft backward, and the mask of inference."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.heads.gate import Encoder, Gate, OpenWiresTarget
from models.heads.open_wires import open_wires


def test_gate_starts_at_alpha_10_and_tau_01() -> None:
    gate = Gate(3)
    assert gate.alpha.tolist() == [10.0] * 3
    torch.testing.assert_close(gate.tau.detach(), torch.full((3,), 0.1))


@given(st.lists(st.floats(-1, 1, width=32), min_size=4, max_size=4), st.integers(0, 100))
def test_training_opens_the_wires_that_inference_opens(values: list[float], seed: int) -> None:
    torch.manual_seed(seed)
    gate = Gate(4)
    gate.tau.data = torch.rand(4) * 0.5
    a = torch.tensor([values])
    mask = gate(a).detach().numpy()
    np.testing.assert_allclose(mask, open_wires(a.numpy(), gate.tau.detach().numpy()), atol=1e-6)


def test_a_wire_at_its_threshold_is_closed() -> None:
    gate = Gate(5)
    gate.tau.data = torch.tensor([0.25, 0.25, 0.25, 0.25, 0.0])
    above = float(np.nextafter(np.float32(0.25), np.float32(1.0)))
    a = torch.tensor([[0.25, -0.25, above, -above, 0.0]])
    want = [[False, False, True, True, False]]
    assert (gate(a) > 0.5).tolist() == want
    assert open_wires(a.numpy(), gate.tau.detach().numpy()).tolist() == want


def test_gradient_is_that_of_the_sigmoid() -> None:
    gate = Gate(2)
    a = torch.tensor([[0.15, -0.05]], requires_grad=True)
    gate(a).sum().backward()
    soft = torch.sigmoid(10.0 * (a.detach().abs() - 0.1))
    slope = 10.0 * soft * (1 - soft)
    torch.testing.assert_close(a.grad, slope * a.detach().sign())
    torch.testing.assert_close(gate.tau.grad, -slope[0])
    assert gate.alpha.grad is not None
    assert (gate.alpha.grad != 0).all()


def test_penalty_counts_open_wires_and_can_close_them() -> None:
    gate = Gate(3)
    a = torch.tensor([[0.9, 0.0, -0.9], [0.0, 0.0, 0.0]])
    # Hard concrete: P(open) = sigmoid(log alpha - beta log(-gamma / zeta)), here 10 (|a| - 0.1) + 1.6.
    shift = 2 / 3 * np.log(11.0)
    opened, closed = 1 / (1 + np.exp(-8.0 - shift)), 1 / (1 + np.exp(1.0 - shift))
    want = torch.tensor([2 * opened + closed, 3 * closed], dtype=torch.float32)
    torch.testing.assert_close(gate.expected_open(a).detach(), want)
    optimizer = torch.optim.SGD(gate.parameters(), lr=0.1)
    before = gate.tau.detach().clone()
    gate.expected_open(a).mean().backward()
    optimizer.step()
    assert (gate.tau > before).all()


def test_frozen_alpha_takes_no_gradient() -> None:
    gate = Gate(3)
    gate.freeze_alpha()
    gate(torch.rand(2, 3)).sum().backward()
    assert gate.alpha.grad is None
    assert gate.tau.grad is not None


def test_not_a_number_is_a_closed_wire() -> None:
    a = np.array([[np.nan, 0.5, -0.5]], np.float32)
    assert open_wires(a, np.full(3, 0.1, np.float32)).tolist() == [[False, True, True]]


def test_encoder_stays_within_the_wire_range_and_leaves_boring_events_closed() -> None:
    torch.manual_seed(0)
    encoder = Encoder(6, 4)
    assert (encoder(torch.rand(32, 6) * 30).abs() <= 1).all()
    assert (encoder(torch.zeros(2, 6)) == 0).all()


def test_thresholds_rise_when_too_many_wires_are_open_and_fall_when_too_few_are() -> None:
    gate = Gate(4)
    holder = OpenWiresTarget(gate, 1.0)
    expected = torch.tensor([3.0, 1.0])
    # Two wires too many: a price of 0.01 * 2 that stays, and 0.2 * 2 on top, for 2 wires expected.
    assert holder.penalty(expected, torch.ones(2, 4)[:, :3]).item() == pytest.approx(0.42 * 2.0)
    holder.adjust()
    assert gate.tau.tolist() == pytest.approx([0.1 + 0.005 * 2] * 4)
    # One too few: the price that stays falls to 0.01, and 0.2 comes off.
    assert holder.penalty(expected, torch.zeros(2, 4)).item() == pytest.approx((0.01 - 0.2) * 2.0)
    holder.adjust()
    assert gate.tau.tolist() == pytest.approx([0.11 - 0.005] * 4)
    # As many as wanted: nothing but the price that stays.
    assert holder.penalty(expected, torch.eye(4)[:2]).item() == pytest.approx(0.01 * 2.0)
    holder.adjust()
    assert gate.tau.tolist() == pytest.approx([0.105] * 4)


@pytest.mark.parametrize("target", [1.5, 4.0, 7.0])
def test_training_reaches_the_target_for_open_wires(target: float) -> None:
    """Also from wires that are wide open, for which the penalty has no gradient."""
    torch.manual_seed(0)
    encoder, gate = Encoder(6, 8), Gate(8)
    head = torch.nn.Linear(8, 1)
    x = torch.rand(400, 6) * 30.0
    y = (x[:, :1] > x[:, 1:2]).float()
    optimiser = torch.optim.Adam([*encoder.parameters(), *gate.parameters(), *head.parameters()], lr=0.01)
    holder = OpenWiresTarget(gate, target)
    for _ in range(300):
        a = encoder(x)
        mask = gate(a)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(head(mask * a), y)
        optimiser.zero_grad()
        (loss + holder.penalty(gate.expected_open(a), mask)).backward()
        optimiser.step()
        holder.adjust()
    mean = gate(encoder(x)).sum(dim=1).mean().item()
    assert mean == pytest.approx(target, abs=0.25)
