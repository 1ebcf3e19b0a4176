"""Dynamic quantisation of trained float32 models: what INT8 gives without training for it.

Weights are rounded once; the range of the inputs is taken from each batch anew (ONNX Runtime's
DynamicQuantizeLinear), so an output depends on what else is in its batch. Alerts go by the static scales of
models/int8/quantization.py; this is what they are compared with.
"""

import tempfile
from pathlib import Path

from models.int8.onnx_model import OnnxModel


def quantized_dynamically(model: bytes) -> bytes:
    """ONNX of the float32 model with every matrix product in uint8 x int8, run by OnnxModel.

    Weights have one scale for each output. Raises ValueError when the bytes are not a model that OnnxModel
    takes.
    """
    import onnx  # here, as onnxruntime.quantization: nothing that only runs models should load them
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    OnnxModel(model)  # refuses what is none of qualm's, before a library reads files that it names
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        quant_pre_process(
            onnx.load_from_string(model), path, skip_optimization=True, skip_symbolic_shape=True
        )
        # Weights in 7 bits, for the reason that stands beside WEIGHT_STEPS in models/int8/quantization.py.
        quantize_dynamic(path, path, per_channel=True, reduce_range=True, weight_type=QuantType.QInt8)
        quantized = onnx.load(path)
    del quantized.metadata_props[:], quantized.graph.value_info[:]  # notes that no session reads
    return bytes(quantized.SerializeToString())
