"""Encoder and gate in training: which learned features x becomes, and which of them are worth a qubit."""

from typing import Final

import torch
from torch import Tensor, nn

from models.quantization import QuantLinear

ALPHA: Final = 10.0
TAU: Final = 0.1
_INITIAL: Final = 0.1  # features reach 30: unit weights would leave every wire at +-1 from the start


class Encoder(nn.Module):
    """Features x (B, d), not negative, to wires a = tanh(W x + b), (B, n) in (-1, 1); quantisation-aware."""

    def __init__(self, width: int, wires: int) -> None:
        super().__init__()
        self.linear = QuantLinear(width, wires, signed=False)
        with torch.no_grad():
            self.linear.weight.mul_(_INITIAL)

    def forward(self, x: Tensor) -> Tensor:
        """a (B, n)."""
        return torch.tanh(self.linear(x))


class Gate(nn.Module):
    """Openness m_i = sigmoid(alpha_i (|a_i| - tau_i)) of each wire, with learnable alpha and tau.

    The forward pass uses the hard mask |a_i| > tau_i of inference and the backward pass the slope of the
    sigmoid (straight-through: Bengio, Leonard & Courville, 2013), so training and inference compute the same
    function.
    """

    def __init__(self, wires: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.full((wires,), ALPHA))
        self.tau = nn.Parameter(torch.full((wires,), TAU))

    def soft(self, a: Tensor) -> Tensor:
        """Openness (B, n) in (0, 1)."""
        return torch.sigmoid(self.alpha * (a.abs() - self.tau))

    def forward(self, a: Tensor) -> Tensor:
        """Mask (B, n) of 0 and 1 with the gradient of the openness."""
        soft = self.soft(a)
        hard = (a.abs() > self.tau).to(a.dtype)
        return hard.detach() + (soft - soft.detach())

    def expected_open(self, a: Tensor) -> Tensor:
        """Expected number of open wires (B,): the L0 penalty (Louizos, Welling & Kingma, ICLR 2018)."""
        return self.soft(a).sum(dim=1)

    def freeze_alpha(self) -> None:
        """Stop training alpha: once the gate is useful, only the thresholds move."""
        self.alpha.requires_grad_(False)
