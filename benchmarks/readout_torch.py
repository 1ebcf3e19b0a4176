"""qualm's small float32 ONNX models in torch: in float32, and quantised dynamically by torch itself."""

import warnings

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import nn

_ACTIVATIONS = {"Relu": nn.ReLU, "Tanh": nn.Tanh}


class _Clip(nn.Module):
    """Inputs (B, i) cut off at a limit (i,)."""

    def __init__(self, operator: str, limit: torch.Tensor) -> None:
        super().__init__()
        self.cut = torch.minimum if operator == "Min" else torch.maximum
        self.limit = limit

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, i) to (B, i)."""
        return self.cut(x, self.limit)


class InTorch:
    """A module on arrays: (B, i) to (B, o), both float32."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module.eval()

    def __call__(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """(B, i) to (B, o)."""
        with torch.inference_mode():
            result: NDArray[np.float32] = self.module(torch.from_numpy(x)).numpy()
        return result


def float_module(model: bytes) -> nn.Sequential:
    """The same function as a float32 model of models/int8/onnx_graph.py, with its weights."""
    graph = onnx.load_from_string(model).graph
    constants = {t.name: torch.tensor(numpy_helper.to_array(t)) for t in graph.initializer}
    parts: list[nn.Module] = []
    for node in graph.node:
        if node.op_type == "MatMul":
            weight = constants[node.input[1]].T.contiguous()
            parts.append(nn.Linear(weight.shape[1], weight.shape[0]))
            parts[-1].weight = nn.Parameter(weight)
        elif node.op_type == "Add":
            parts[-1].bias = nn.Parameter(constants[node.input[1]])
        elif node.op_type in ("Min", "Max"):
            parts.append(_Clip(node.op_type, constants[node.input[1]]))
        else:
            parts.append(_ACTIVATIONS[node.op_type]())
    return nn.Sequential(*parts)


def dynamic_module(module: nn.Sequential) -> nn.Module | None:
    """The module with linear layers quantised by torch; None, with a warning, where torch cannot."""
    with warnings.catch_warnings():
        # That torch's own quantisation is going is known, and why it is here as a baseline only.
        warnings.filterwarnings("ignore", "torch.ao.quantization is deprecated", DeprecationWarning)
        warnings.filterwarnings("ignore", "torch.quantize_per_tensor", UserWarning)
        try:
            from torch.ao.quantization import quantize_dynamic

            made: nn.Module = quantize_dynamic(module, {nn.Linear}, dtype=torch.qint8)  # type: ignore[no-untyped-call]  # torch's own
        except (ImportError, RuntimeError) as error:  # gone from torch; no engine for this processor
            reason = str(error)
        else:
            return made
    warnings.warn(f"no rows for torch's dynamic quantisation: {reason}", stacklevel=2)
    return None
