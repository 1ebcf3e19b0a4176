"""The quantum circuit: what it is, and every way of evaluating it.

Start at `qnode.py`, the definition in PennyLane; `spec.py` has its size and weights. `compiled.py` and
`kernel.py` are the fast way on a processor, `torch_layer.py` the one that is trained. `runner.py` evaluates
on a device and goes on to the next when one fails, `choice.py` picks the first.
"""
