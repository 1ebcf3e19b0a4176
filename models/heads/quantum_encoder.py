"""The sparse quantum encoder as one layer for any PyTorch model: learned features, gate and circuit."""

from torch import Tensor, nn

from models.circuits.spec import CircuitSpec
from models.circuits.torch_layer import CircuitLayer
from models.heads.gate import Encoder, Gate


class SparseQuantumEncoder(nn.Module):
    """x (B, d) to <Z_i> (B, n), 1 for a wire that the gate closes; differentiable, in batches.

        model = nn.Sequential(SparseQuantumEncoder(20, CircuitSpec(wires=6)), nn.Linear(6, 2))

    signed: whether features can be negative. circuit: what evaluates it, by default the fast
    models.circuits.torch_layer.CircuitLayer; models.circuits.qnode_layer.QnodeLayer runs it on a device of
    PennyLane. What more open wires than wanted should cost is models.heads.gate.OpenWiresTarget.
    """

    def __init__(
        self,
        width: int,
        spec: CircuitSpec,
        seed: int = 0,
        signed: bool = True,
        circuit: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.encoder = Encoder(width, spec.wires, signed)
        self.gate = Gate(spec.wires)
        self.circuit: nn.Module = CircuitLayer(spec, seed) if circuit is None else circuit

    def wires(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Wires a (B, n) in (-1, 1) and their openness m (B, n)."""
        a = self.encoder(x)
        return a, self.gate(a)

    def forward(self, x: Tensor) -> Tensor:
        """Expectations (B, n) of Pauli Z."""
        z: Tensor = self.circuit(*self.wires(x))
        return z
