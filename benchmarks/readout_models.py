"""The models that `qualm bench readout` measures, and what it gives them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.salient import Salient
from models.bundle import ENCODER, ENCODER_FLOAT, READOUT, READOUT_FLOAT, Bundle
from models.circuits.compiled import CompiledCircuit
from models.heads.readout import layer
from models.heads.readout_input import readout_input
from models.int8.onnx_graph import build
from models.int8.quantization import QuantLinear

RANDOM: Final = ((64, 128, 1), (256, 512, 1))  # larger than qualm's own
ROWS: Final = 1024  # inputs, at most, that outputs are compared on


@dataclass(frozen=True, slots=True)
class Measured:
    """A model by name, as ONNX in float32 and in INT8 with static scales, and inputs (n, i) for it."""

    name: str
    float32: bytes
    int8: bytes
    inputs: NDArray[np.float32]


def trained(bundle: Bundle, salient: Salient) -> Iterator[Measured]:
    """Readout and encoder of a bundle, with what they get in a replay."""
    models = bundle.models
    joined = _readout_inputs(bundle, salient)
    yield Measured("readout", models[READOUT_FLOAT], models[READOUT], joined[:ROWS])
    yield Measured("encoder", models[ENCODER_FLOAT], models[ENCODER], salient.x[:ROWS])


def _readout_inputs(bundle: Bundle, salient: Salient) -> NDArray[np.float32]:
    """What the readout gets (n, 2 wires + 1) of salient events."""
    manifest = bundle.manifest
    z = CompiledCircuit(manifest.spec, bundle.weights["circuit.weights"])(salient.wires, salient.is_open)
    return readout_input(z, salient.wires, salient.is_open, salient.logit - manifest.prefilter_threshold)


def random(shape: tuple[int, int, int]) -> Measured:
    """A readout of another shape (inputs, hidden, outputs) with random weights, on random inputs."""
    torch.manual_seed(0)
    x = torch.rand(ROWS, shape[0]) * 2 - 1
    first, second = QuantLinear(shape[0], shape[1]), QuantLinear(shape[1], shape[2], signed=False)
    second(torch.relu(first(x)))  # learns the ranges
    layers = [layer(first, "Relu"), layer(second, None)]
    return Measured("random", build(layers, quantized=False), build(layers, quantized=True), x.numpy())
