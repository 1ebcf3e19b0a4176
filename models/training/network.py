"""The trainable detector behind the prefilter: encoder, gate, circuit and readout, and the twin."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from models.bundle import ENCODER, ENCODER_FLOAT, READOUT, READOUT_FLOAT, TWIN_READOUT, Arrays
from models.circuits.spec import CircuitSpec
from models.heads.quantum_encoder import SparseQuantumEncoder
from models.heads.readout import Readout, export_encoder_float, export_encoder_int8, export_float, export_int8
from models.heads.twin_layer import TwinLayer


@dataclass(frozen=True, slots=True)
class Output:
    """Corrections (B,) of both heads; expected number of open wires (B,); is_open (B, n)."""

    hybrid: Tensor
    twin: Tensor
    expected_open: Tensor
    is_open: Tensor


class Network(nn.Module):
    """x (B, d) and prior (B,) to what each head adds to the prefilter's logit.

    Twin and hybrid share encoder and gate and are trained by one loss, alike. They correct the prefilter
    instead of replacing it: what a handful of faults cannot teach them, the linear score already knows.
    """

    def __init__(self, spec: CircuitSpec, width: int, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.quantum = SparseQuantumEncoder(width, spec, seed, signed=False)
        self.twin = TwinLayer(spec, seed)
        self.readout = Readout(spec.wires)
        self.twin_readout = Readout(spec.wires)

    def forward(self, x: Tensor, prior: Tensor) -> Output:
        """Both heads on the same wires and the same open ones."""
        a, m = self.quantum.wires(x)
        hybrid = self.readout(self.quantum.circuit(a, m), m * a, prior)
        twin = self.twin_readout(self.twin(a, m), m * a, prior)
        return Output(hybrid, twin, self.quantum.gate.expected_open(a), m)

    def arrays(self) -> Arrays:
        """The weights that a bundle holds as arrays."""
        named = {
            "gate.tau": self.quantum.gate.tau,
            "gate.alpha": self.quantum.gate.alpha,
            "circuit.weights": self.quantum.circuit.get_parameter("weights"),
            "twin.weights": self.twin.weights,
        }
        return {name: np.asarray(tensor.detach().numpy()) for name, tensor in named.items()}

    def models(self) -> dict[str, bytes]:
        """The layers that a bundle holds as ONNX."""
        return {
            ENCODER: export_encoder_int8(self.quantum.encoder),
            ENCODER_FLOAT: export_encoder_float(self.quantum.encoder),
            READOUT: export_int8(self.readout),
            READOUT_FLOAT: export_float(self.readout),
            TWIN_READOUT: export_float(self.twin_readout),
        }
