"""The classical twin in training: same inputs, same outputs and as many parameters as the circuit."""

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, pad

from models.circuits.spec import CircuitSpec
from models.heads.twin import twin_layers, twin_padding, twin_size


class TwinLayer(nn.Module):
    """a (B, n) and openness m (B, n) to (B, n) in [-1, 1], exactly 1 where m is 0."""

    def __init__(self, spec: CircuitSpec, seed: int = 0) -> None:
        super().__init__()
        self.spec = spec
        parameters, _ = twin_size(spec)
        generator = torch.Generator().manual_seed(seed)
        size = spec.wires**-0.5  # as torch.nn.Linear has it
        self.weights = nn.Parameter((torch.rand(parameters, generator=generator) * 2.0 - 1.0) * size)

    def forward(self, a: Tensor, m: Tensor) -> Tensor:
        """The layer's outputs in place of <Z>."""
        padded = pad(self.weights, (0, twin_padding(self.spec)))
        weight, bias, outer, outer_bias, direct = twin_layers(self.spec, padded)
        gated = m * a
        skipped = direct[0] * gated + direct[1] * gated.roll(-1, dims=1)
        out = torch.tanh(linear(torch.tanh(linear(gated, weight, bias)), outer, outer_bias) + skipped)
        return 1.0 - m * (1.0 - out)
