"""Small ONNX models on ONNX Runtime's CPU provider."""

from typing import Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

_BYTES: Final = 16 * 1024 * 1024  # far more than an encoder or readout of qualm needs
_NODES: Final = 64
# What models/int8/dynamic.py adds.
_DYNAMIC: Final = frozenset(("Cast", "DynamicQuantizeLinear", "MatMulInteger"))
_OPERATORS: Final = _DYNAMIC | frozenset(
    ("Add", "DequantizeLinear", "Gemm", "MatMul", "Max", "Min", "Mul", "QuantizeLinear", "Relu", "Tanh")
)


class OnnxModel:
    """A model with one input (B, i) and one output (B, o), both float32.

    One thread: the models are far too small to share out. Raises ValueError when the bytes are not such a
    model, are larger than 16 MiB, or hold anything that qualm's own models do not (other operators, data in
    other files).
    """

    def __init__(self, data: bytes) -> None:
        _check(data)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4  # what is wrong is raised, not logged
        try:
            self._session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's own exceptions share no narrower base
            raise ValueError(f"not a usable ONNX model: {error}") from None
        (entry,), (exit_,) = self._session.get_inputs(), self._session.get_outputs()
        if not all(end.type == "tensor(float)" and len(end.shape) == 2 for end in (entry, exit_)):
            raise ValueError("not a usable ONNX model: want one (B, i) and one (B, o) float32")
        self._input, self._outputs = entry.name, [exit_.name]
        self.width = entry.shape[1]

    def __call__(self, x: NDArray[np.floating]) -> NDArray[np.float32]:
        """(B, i) to (B, o). Raises ValueError for another width."""
        if x.ndim != 2 or x.shape[1] != self.width:
            raise ValueError(f"input of shape {x.shape}, want (B, {self.width})")
        inputs = {self._input: np.ascontiguousarray(x, np.float32)}
        result: NDArray[np.float32] = self._session.run(self._outputs, inputs)[0]
        return result


def _check(data: bytes) -> None:
    import onnx  # only while loading: most of its size is tools for building models

    if len(data) > _BYTES:
        raise ValueError(f"an ONNX model of {len(data)} bytes, want at most {_BYTES}")
    try:
        model = onnx.load_from_string(data)
    except Exception as error:  # protobuf's exceptions differ by its back end
        raise ValueError(f"not an ONNX model: {error}") from None
    graph = model.graph
    foreign = {node.op_type for node in graph.node} - _OPERATORS
    if foreign or model.functions or any(node.domain for node in graph.node):
        raise ValueError(f"an ONNX model with operators that qualm does not use: {sorted(foreign)[:5]}")
    if not 1 <= len(graph.node) <= _NODES or len(graph.input) != 1 or len(graph.output) != 1:
        raise ValueError("an ONNX model that is not one of qualm's: too many nodes, inputs or outputs")
    if (
        any(tensor.data_location or tensor.external_data for tensor in graph.initializer)
        or graph.sparse_initializer
    ):
        raise ValueError("an ONNX model that keeps its weights in other files")
