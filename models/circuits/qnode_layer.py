"""The circuit as a PyTorch module on any PennyLane device: for what models/circuits/torch_layer.py cannot do,
which is gradients as a simulator or hardware gives them.
"""

import torch
from torch import Tensor, nn

from models.circuits.devices import DEVICES
from models.circuits.qnode import Execution, make_qnode
from models.circuits.spec import THRESHOLD, CircuitSpec, initial_weights


class QnodeLayer(nn.Module):
    """a (B, n) in (-1, 1) and openness m (B, n) in [0, 1] to <Z_i> (B, n), differentiable in all.

    A drop-in layer with the contract of models.circuits.torch_layer.CircuitLayer and the same first weights
    for a seed. device is one of DEVICES, diff_method "best" or one of its gradients. Only backprop takes a
    batch at once; the others run event by event, and parameter-shift two circuits for each angle of a gate.
    """

    def __init__(
        self, spec: CircuitSpec, seed: int = 0, device: str = "default.qubit", diff_method: str = "best"
    ) -> None:
        super().__init__()
        self.spec = spec
        self.weights = nn.Parameter(torch.from_numpy(initial_weights(spec, seed)))
        self._node = make_qnode(spec, Execution(device), diff_method, interface="torch")
        self._batches = (
            spec.preset != "threshold" and DEVICES[device].batches and diff_method in ("best", "backprop")
        )

    def forward(self, a: Tensor, m: Tensor) -> Tensor:
        """Expectations (B, n) of Pauli Z on every wire, in the type of a."""
        if self.spec.preset == "threshold":
            a = m * a
            m = a.detach().abs() > THRESHOLD
        if self._batches:
            return torch.stack(tuple(self._node(self.weights, a, m)), dim=1).to(a.dtype)
        events = [torch.stack(tuple(self._node(self.weights, *event))) for event in zip(a, m, strict=True)]
        return torch.stack(events).to(a.dtype)
