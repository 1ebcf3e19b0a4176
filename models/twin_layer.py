"""The classical twin in training: same inputs, same outputs and about as many parameters as the circuit."""

import torch
from torch import Tensor, nn

from models.circuit_spec import CircuitSpec
from models.twin import twin_hidden


class TwinLayer(nn.Module):
    """a (B, n) and openness m (B, n) to (B, n) in [-1, 1], exactly 1 where m is 0."""

    def __init__(self, spec: CircuitSpec, seed: int = 0) -> None:
        super().__init__()
        hidden = twin_hidden(spec)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.inner = nn.Linear(spec.wires, hidden)
            self.outer = nn.Linear(hidden, spec.wires)

    def forward(self, a: Tensor, m: Tensor) -> Tensor:
        """The layer's outputs in place of <Z>."""
        out = torch.tanh(self.outer(torch.tanh(self.inner(m * a))))
        return 1.0 - m * (1.0 - out)
