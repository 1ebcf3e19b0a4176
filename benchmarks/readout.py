"""`qualm bench readout`: microseconds for a batch through the readout, in INT8 and in float32."""

import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from models.onnx_graph import build
from models.onnx_model import OnnxModel
from models.quantization import QuantLinear
from models.readout import layer

SHAPES: Final = (
    (17, 16, 1),
    (64, 128, 1),
    (256, 512, 1),
)  # qualm's own readout of 8 wires, and two larger ones
BATCHES: Final = (1, 64, 256)
_CALLS: Final = 200


def run() -> list[dict[str, Any]]:
    """Rows {method, shape, batch, microseconds}: of one call, the median of many. A few seconds."""
    rows = []
    torch.set_num_threads(1)  # like the others
    for shape in SHAPES:
        methods = _methods(shape)
        for batch in BATCHES:
            x = np.random.default_rng(batch).uniform(-1.0, 1.0, (batch, shape[0])).astype(np.float32)
            for name, call in methods.items():
                rows.append(
                    {
                        "method": name,
                        "shape": "x".join(map(str, shape)),
                        "batch": batch,
                        "microseconds": _median(call, x),
                    }
                )
    return rows


def _methods(shape: tuple[int, int, int]) -> dict[str, Callable[[NDArray[np.float32]], Any]]:
    torch.manual_seed(0)
    first, second = QuantLinear(shape[0], shape[1]), QuantLinear(shape[1], shape[2], signed=False)
    second(torch.relu(first(torch.rand(256, shape[0]) * 2 - 1)))  # learns the ranges
    layers = [layer(first, "Relu"), layer(second, None)]
    plain = nn.Sequential(nn.Linear(shape[0], shape[1]), nn.ReLU(), nn.Linear(shape[1], shape[2])).eval()

    def in_torch(x: NDArray[np.float32]) -> Any:
        with torch.inference_mode():
            return plain(torch.from_numpy(x)).numpy()

    return {
        "onnxruntime int8": OnnxModel(build(layers, quantized=True)),
        "onnxruntime float32": OnnxModel(build(layers, quantized=False)),
        "torch float32": in_torch,
    }


def _median(call: Callable[[NDArray[np.float32]], Any], x: NDArray[np.float32]) -> float:
    times = []
    for _ in range(_CALLS):
        start = time.perf_counter()
        call(x)
        times.append(time.perf_counter() - start)
    return round(float(np.median(times)) * 1e6, 2)
