"""Quantisation-aware training: linear layers that compute in training what INT8 will compute at inference.

Scales are static, learnt in training. Scales taken from each batch ("dynamic" quantisation) would make a
score depend on what else is in its batch.
"""

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

# Weights use 7 of their 8 bits: where the processor has no VNNI, ONNX Runtime adds pairs of uint8 x int8
# products in 16 bits, which overflow beyond this, and then scores would depend on the machine.
WEIGHT_STEPS: Final = 64
SIGNED_STEPS, UNSIGNED_STEPS, ZERO_POINT = 127, 255, 128
_SMALLEST: Final = 1e-6  # of a range: an input that was always 0 in training


class QuantLinear(nn.Module):
    """y = W x + b with x in uint8 and W in int8, in training by fake quantisation (Jacob et al., CVPR 2018).

    Inputs are clipped at the largest size each had in training, `limit` (d,), and divided by it: what is more
    extreme than all that training saw counts like the most extreme of that. Weights have one scale for each
    output. signed=False is for inputs that are never negative. With `quantized = False` it clips and nothing
    is rounded.
    """

    def __init__(self, inputs: int, outputs: int, signed: bool = True) -> None:
        super().__init__()
        self.signed = signed
        self.quantized = True
        self.weight = nn.Parameter(torch.randn(outputs, inputs) * inputs**-0.5)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.limit: Tensor
        self.register_buffer("limit", torch.zeros(inputs))

    @property
    def steps(self) -> int:
        """Integer that stands for an input at its limit."""
        return SIGNED_STEPS if self.signed else UNSIGNED_STEPS

    def reach(self) -> Tensor:
        """The limits (d,), all above 0."""
        return self.limit.clamp(min=_SMALLEST)

    def integer_weight(self) -> tuple[Tensor, Tensor]:
        """Integer weights (outputs, inputs) for inputs divided by their limits; scales (outputs,)."""
        scaled = self.weight * self.reach()
        scale = scaled.detach().abs().amax(dim=1).clamp(min=_SMALLEST) / WEIGHT_STEPS
        return _round(scaled / scale[:, None]), scale

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs) to (B, outputs)."""
        if self.training:
            self.limit.copy_(torch.maximum(self.limit, x.detach().abs().amax(dim=0)))
        lowest = -1.0 if self.signed else 0.0
        if not self.quantized:
            return linear(torch.clamp(x, lowest * self.reach(), self.reach()), self.weight, self.bias)
        relative = x * (1.0 / self.reach())
        level = _round((relative * self.steps).clamp(lowest * self.steps, self.steps))
        weight, scale = self.integer_weight()
        step = scale / self.steps  # of the sums of products, in which the bias joins them
        return linear(level / self.steps, weight * scale[:, None], _round(self.bias / step) * step)


def _round(x: Tensor) -> Tensor:
    """Round to integers; the gradient passes straight through."""
    return x + (x.round() - x).detach()
