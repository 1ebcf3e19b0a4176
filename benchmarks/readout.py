"""`qualm bench readout`: what INT8 costs and saves, each way of it against float32 on the same inputs."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from benchmarks.agreement import agreement
from benchmarks.readout_models import RANDOM, Measured, random, trained
from benchmarks.readout_torch import InTorch, dynamic_module, float_module
from benchmarks.salient import Salient
from models.bundle import Bundle
from models.int8.dynamic import quantized_dynamically
from models.int8.onnx_model import OnnxModel

BATCHES: Final = (1, 64, 256)
_CALLS: Final = 500
Call = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class _Method:
    """size: bytes of the ONNX model; None for torch, which reads its weights from that in float32."""

    name: str
    call: Call
    size: int | None = None


def run(bundle: Bundle, salient: Salient) -> list[dict[str, Any]]:
    """Rows {method, shape, batch, microseconds, bytes, max_difference, rank_agreement, batch_change}.

    microseconds: of one call, the median of many, on one thread. max_difference and rank_agreement are of
    `agreement` with ONNX Runtime in float32, on up to 1,024 inputs given in batches. batch_change: how far
    that took an output from what the event gets alone. Some seconds.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # like the others
    try:
        return [row for model in (*trained(bundle, salient), *map(random, RANDOM)) for row in _rows(model)]
    finally:
        torch.set_num_threads(threads)


def _rows(model: Measured) -> Iterator[dict[str, Any]]:
    module = float_module(model.float32)
    sizes = [part.in_features for part in module if isinstance(part, nn.Linear)]
    methods = list(_methods(model, module))
    want = OnnxModel(model.float32)(model.inputs)
    shape = "x".join(map(str, (*sizes, want.shape[1])))
    for batch in BATCHES:
        for method in methods:
            got = _outputs(method.call, model.inputs, batch)
            yield {
                "method": method.name, "shape": f"{model.name} {shape}", "batch": batch,
                "microseconds": _median(method.call, model.inputs[:batch]), "bytes": method.size,
                **agreement(got, want),
                "batch_change": float(np.abs(got - _outputs(method.call, model.inputs, 1)).max()),
            }  # fmt: skip


def _methods(model: Measured, module: nn.Sequential) -> Iterator[_Method]:
    dynamic = quantized_dynamically(model.float32)
    yield _Method("qualm int8 (quantisation-aware, onnxruntime)", OnnxModel(model.int8), len(model.int8))
    yield _Method("onnxruntime int8 dynamic", OnnxModel(dynamic), len(dynamic))
    yield _Method("onnxruntime float32", OnnxModel(model.float32), len(model.float32))
    yield _Method("torch float32", InTorch(module))
    in_int8 = dynamic_module(module)
    if in_int8 is not None:
        yield _Method("torch int8 dynamic", InTorch(in_int8))


def _outputs(call: Call, inputs: NDArray[np.float32], batch: int) -> NDArray[np.float32]:
    return np.concatenate([call(inputs[i : i + batch]) for i in range(0, len(inputs), batch)])


def _median(call: Call, x: NDArray[np.float32]) -> float:
    times = []
    for _ in range(_CALLS):
        start = time.perf_counter()
        call(x)
        times.append(time.perf_counter() - start)
    return round(float(np.median(times)) * 1e6, 2)
