"""The readout: from expectation values, open wires and prefilter score to one logit; and its export to
ONNX."""

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.heads.gate import Encoder
from models.int8.onnx_graph import Layer, build
from models.int8.quantization import QuantLinear

HIDDEN: Final = 16


class Readout(nn.Module):
    """[<Z> (n), m*a (n), prior (1)] to a logit by one hidden layer of ReLU; quantisation-aware."""

    def __init__(self, wires: int) -> None:
        super().__init__()
        self.hidden = QuantLinear(2 * wires + 1, HIDDEN)
        self.out = QuantLinear(HIDDEN, 1, signed=False)

    def forward(self, z: Tensor, gated: Tensor, prior: Tensor) -> Tensor:
        """z, gated (B, n) and prior (B,) to logits (B,)."""
        joined = torch.cat([z, gated, prior.reshape(-1, 1)], dim=1)
        logit: Tensor = self.out(torch.relu(self.hidden(joined)))
        return logit.squeeze(1)


def export_int8(readout: Readout) -> bytes:
    """ONNX of the quantised readout: input (B, 2 n + 1) float32, output (B, 1) float32."""
    return build(_layers(readout), quantized=True)


def export_float(readout: Readout) -> bytes:
    """The same in float32 throughout: what the quantised one is compared with."""
    return build(_layers(readout), quantized=False)


def export_encoder_int8(encoder: Encoder) -> bytes:
    """ONNX of the quantised encoder: input x (B, d) float32, output a (B, n) float32."""
    return build([layer(encoder.linear, "Tanh")], quantized=True)


def export_encoder_float(encoder: Encoder) -> bytes:
    """The same in float32 throughout."""
    return build([layer(encoder.linear, "Tanh")], quantized=False)


def _layers(readout: Readout) -> list[Layer]:
    return [layer(readout.hidden, "Relu"), layer(readout.out, None)]


def layer(module: QuantLinear, activation: str | None) -> Layer:
    """A trained layer as it goes into an ONNX graph, with the operator that follows it."""
    integers, scale = module.integer_weight()
    return Layer(
        weight=_numpy(module.weight),
        bias=_numpy(module.bias),
        limit=_numpy(module.reach()),
        signed=module.signed,
        integers=_numpy(integers).astype(np.int8),
        scale=_numpy(scale),
        activation=activation,
    )


def _numpy(tensor: Tensor) -> NDArray[np.float32]:
    return np.asarray(tensor.detach().cpu().numpy(), np.float32)
