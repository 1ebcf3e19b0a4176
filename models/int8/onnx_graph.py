"""ONNX graphs of small fully connected networks, in float32 or in INT8 with static scales."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models.int8.quantization import SIGNED_STEPS, UNSIGNED_STEPS, ZERO_POINT

_BIAS_MAX: Final = 2**30
OPSET, IR = 17, 8  # old enough for every ONNX Runtime that qualm allows


@dataclass(frozen=True, slots=True)
class Layer:
    """One linear layer.

    weight (o, i) and bias (o,) float32; integers (o, i) int8 with scale (o,) are the weights for inputs
    divided by limit (i,); signed: inputs may be negative; activation: an ONNX operator or None.
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    limit: NDArray[np.float32]
    signed: bool
    integers: NDArray[np.int8]
    scale: NDArray[np.float32]
    activation: str | None


class _Graph:
    """Nodes and constants so far, and the name of the value that the next node reads."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.value = "input"

    def constant(self, array: NDArray[np.generic]) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def add(self, operator: str, *inputs: str, axis: int | None = None) -> str:
        name = f"v{len(self.nodes)}"
        axes: dict[str, Any] = {} if axis is None else {"axis": axis}
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **axes))
        return name


def build(layers: Sequence[Layer], quantized: bool) -> bytes:
    """The serialized model: "input" (B, i) float32 to "output" (B, o) float32."""
    graph = _Graph()
    if quantized:
        _add_int8(graph, layers)
    else:
        _add_float(graph, layers)
    graph.nodes[-1].output[0] = "output"
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", size])
        for name, size in (("input", layers[0].weight.shape[1]), ("output", layers[-1].weight.shape[0]))
    ]
    proto = helper.make_graph(graph.nodes, "qualm", ends[:1], ends[1:], graph.constants)
    model = helper.make_model(proto, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _add_float(graph: _Graph, layers: Sequence[Layer]) -> None:
    """With the clipping of the quantised layers, so that both are one function but for rounding."""
    for layer in layers:
        graph.value = graph.add("Min", graph.value, graph.constant(layer.limit))
        if layer.signed:
            graph.value = graph.add("Max", graph.value, graph.constant(-layer.limit))
        product = graph.add("MatMul", graph.value, graph.constant(np.ascontiguousarray(layer.weight.T)))
        graph.value = graph.add("Add", product, graph.constant(layer.bias))
        if layer.activation:
            graph.value = graph.add(layer.activation, graph.value)


def _add_int8(graph: _Graph, layers: Sequence[Layer]) -> None:
    """Every product in QuantizeLinear and DequantizeLinear, which ONNX Runtime fuses into integer QGemm.

    Dividing by the next layer's limits is part of a layer's scales, and its ReLU part of the rounding to
    uint8, which cuts off below 0 anyway.
    """
    inverse = graph.constant((1.0 / layers[0].limit).astype(np.float32))
    graph.value = graph.add("Mul", graph.value, inverse)
    for layer, following in zip_longest(layers, layers[1:]):
        if following is not None and (layer.activation != "Relu" or following.signed):
            raise ValueError("between two quantised layers only ReLU can be folded away")
        _add_product(graph, layer, following.limit if following else np.ones_like(layer.scale))
        if following is None and layer.activation:
            graph.value = graph.add(layer.activation, graph.value)


def _add_product(graph: _Graph, layer: Layer, divisor: NDArray[np.float32]) -> None:
    steps, zero = (SIGNED_STEPS, ZERO_POINT) if layer.signed else (UNSIGNED_STEPS, 0)
    step = np.float32(1.0 / steps)
    scale = layer.scale / divisor
    # Only a bias in integers at the scale of the product lets the whole product be one of integers.
    product = (step * scale).astype(np.float32)
    bias = np.clip(np.rint(layer.bias / divisor / product.astype(np.float64)), -_BIAS_MAX, _BIAS_MAX)
    quantization = graph.constant(np.array(step)), graph.constant(np.array(zero, np.uint8))
    integer = graph.add("QuantizeLinear", graph.value, *quantization)
    x = graph.add("DequantizeLinear", integer, *quantization)
    weight = _dequantized(graph, np.ascontiguousarray(layer.integers.T), scale, axis=1)
    graph.value = graph.add("Gemm", x, weight, _dequantized(graph, bias.astype(np.int32), product, axis=0))


def _dequantized(graph: _Graph, integers: NDArray[np.integer], scale: NDArray[np.float32], axis: int) -> str:
    zero = np.zeros(len(scale), integers.dtype)
    constants = [graph.constant(array) for array in (integers, scale, zero)]
    return graph.add("DequantizeLinear", *constants, axis=axis)
