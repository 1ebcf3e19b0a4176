"""Small networks in INT8: quantised in training, written as ONNX, run by ONNX Runtime.

Start at `quantization.py`, which trains them; `onnx_graph.py` writes and `onnx_model.py` runs them.
"""
