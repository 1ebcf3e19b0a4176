"""Encoder and gate in training: which learned features x becomes, and which of them are worth a qubit."""

import math
from typing import Final

import torch
from torch import Tensor, nn

from models.int8.quantization import QuantLinear

ALPHA: Final = 10.0
TAU: Final = 0.1
_HARD_CONCRETE: Final = (2 / 3) * math.log(1.1 / 0.1)  # temperature 2/3, stretched to (-0.1, 1.1)
_PRICE: Final = 0.2  # of an open wire for each wire too many on average
_MULTIPLIER_GAIN: Final = 0.01  # by which the price rises with each step for each wire too many
_THRESHOLD_GAIN: Final = 0.005  # by which thresholds do
_INITIAL: Final = 0.1  # features reach 30: unit weights would leave every wire at +-1 from the start


class Encoder(nn.Module):
    """Features x (B, d) to wires a = tanh(W x + b), (B, n) in (-1, 1); quantisation-aware.

    signed: whether features can be negative; surprise features cannot.
    """

    def __init__(self, width: int, wires: int, signed: bool = False) -> None:
        super().__init__()
        self.linear = QuantLinear(width, wires, signed)
        with torch.no_grad():
            self.linear.weight.mul_(_INITIAL)

    def forward(self, x: Tensor) -> Tensor:
        """a (B, n)."""
        return torch.tanh(self.linear(x))


class Gate(nn.Module):
    """Openness m_i = sigmoid(alpha_i (|a_i| - tau_i)) of each wire, with learnable alpha and tau.

    The forward pass uses the hard step |a_i| > tau_i of inference and the backward pass the slope of the
    sigmoid (straight-through: Bengio, Leonard & Courville, 2013), so training and inference compute the same
    function.
    """

    def __init__(self, wires: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.full((wires,), ALPHA))
        self.tau = nn.Parameter(torch.full((wires,), TAU))

    def forward(self, a: Tensor) -> Tensor:
        """Mask (B, n) of 0 and 1 with the gradient of the openness."""
        soft = torch.sigmoid(self._logit(a))
        hard = (a.abs() > self.tau).to(a.dtype)
        return hard.detach() + (soft - soft.detach())

    def expected_open(self, a: Tensor) -> Tensor:
        """Expected number of wires (B,) that a hard-concrete gate of these logits would leave open: the L0
        penalty of Louizos, Welling & Kingma (ICLR 2018), with their stretch and temperature.
        """
        return torch.sigmoid(self._logit(a) + _HARD_CONCRETE).sum(dim=1)

    def _logit(self, a: Tensor) -> Tensor:
        return self.alpha * (a.abs() - self.tau)

    def freeze_alpha(self) -> None:
        """Stop training alpha: once the gate is useful, only the thresholds move."""
        self.alpha.requires_grad_(False)


class OpenWiresTarget:
    """Holds the mean number of open wires at a target while a gate is trained.

    The L0 penalty has a price that rises and falls with the distance from the target, below 0 too: an
    equality constraint with a Lagrange multiplier (Gallego-Posada et al., Controlled Sparsity via Constrained
    Optimization, NeurIPS 2022). Its gradient vanishes for a wire that is wide open, so after each step all
    thresholds also move towards the target by themselves.
    """

    def __init__(self, gate: Gate, target: float) -> None:
        self._gate, self._target = gate, target
        self._multiplier = self._distance = 0.0

    def penalty(self, expected: Tensor, is_open: Tensor) -> Tensor:
        """To add to the loss, from expected_open (B,) and is_open (B, n) of the same events."""
        self._distance = float(is_open.detach().sum(dim=1).mean()) - self._target
        self._multiplier += _MULTIPLIER_GAIN * self._distance
        price: Tensor = (self._multiplier + _PRICE * self._distance) * expected.mean()
        return price

    def adjust(self) -> None:
        """Raise or lower all thresholds, after a step of the optimiser."""
        with torch.no_grad():
            self._gate.tau.add_(_THRESHOLD_GAIN * self._distance)
