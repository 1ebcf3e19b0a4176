"""What a gradient costs: `python -m benchmarks.gradients`, each way of differentiating the same circuit."""

import time
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.table import show
from models.circuits.devices import DEVICES, device_problems
from models.circuits.qnode_layer import QnodeLayer
from models.circuits.spec import CircuitSpec
from models.circuits.torch_layer import CircuitLayer

BATCH: Final = 4
_RUNS: Final = 3
_WIRES: Final = 4  # of devices that have parameter-shift alone: minutes with more


def run() -> list[dict[str, Any]]:
    """Rows {method, wires, layers, batch, milliseconds, max_difference}.

    milliseconds: of one pass forward and backward of a batch, with gradients for weights, wires and openness,
    the median of some runs; max_difference: of a gradient from that of the torch layer. A minute or two.
    """
    return [row for wires in (4, 8) for row in _rows(CircuitSpec(wires, 2))]


def _rows(spec: CircuitSpec) -> Iterator[dict[str, Any]]:
    want: list[Tensor] = []
    for name, layer in _layers(spec):
        milliseconds, gradients = _timed(layer.double(), spec)
        want = want or gradients
        difference = max(float((a - b).abs().max()) for a, b in zip(gradients, want, strict=True))
        yield {
            "method": name, "wires": spec.wires, "layers": spec.layers, "batch": BATCH,
            "milliseconds": milliseconds, "max_difference": difference,
        }  # fmt: skip


def _layers(spec: CircuitSpec) -> Iterator[tuple[str, nn.Module]]:
    yield "torch layer (backprop)", CircuitLayer(spec)
    for device, can in DEVICES.items():
        if not device_problems()[device] and (spec.wires <= _WIRES or "adjoint" in can.gradients):
            for method in can.gradients:
                yield f"{device} {method}", QnodeLayer(spec, 0, device, method)


def _timed(layer: nn.Module, spec: CircuitSpec) -> tuple[float, list[Tensor]]:
    """Median milliseconds, and the gradients of weights, wires and openness."""
    rng = np.random.default_rng(0)
    a = torch.tensor(rng.uniform(-1.0, 1.0, (BATCH, spec.wires)), requires_grad=True)
    m = torch.tensor(rng.uniform(0.0, 1.0, (BATCH, spec.wires)), requires_grad=True)
    inputs = [layer.get_parameter("weights"), a, m]
    times: list[float] = []
    for _ in range(_RUNS):
        start = time.perf_counter()
        gradients = torch.autograd.grad(layer(a, m).square().sum(), inputs)
        times.append(time.perf_counter() - start)
    return 1e3 * float(np.median(times)), list(gradients)


if __name__ == "__main__":
    show(run())
