"""The circuit as a PennyLane QNode: the definition that every faster evaluation is held against.

"sparse", on wires a_i with openness m_i: RY(pi m_i a_i) on each wire; then per layer an entangler,
IsingZZ(m_i m_j w_ij) between every two wires, and a rotation Rot(m_i phi_i, m_i theta_i, m_i omega_i) on
every wire; read <Z_i>. Every angle is multiplied by the openness of the wires its gate touches, so a closed
wire is exactly the identity and reads 1: the circuit equals that of its open wires alone. The entangler comes
before the rotations because Z Z commutes with the measured Z: at the end it would change nothing.

"threshold": RY(pi m_i a_i) on each wire with |m_i a_i| > 0.1, then CNOT from each of these to its next wire,
the last to the first; no weights.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import pennylane as qml
from numpy.typing import NDArray

from models.circuit_spec import THRESHOLD, CircuitSpec, checked_weights, pairs

Qnode = Callable[..., Any]


@lru_cache(maxsize=16)  # making a QNode and its device takes longer than a small circuit
def make_qnode(
    spec: CircuitSpec,
    device: str = "default.qubit",
    diff_method: str = "best",
    interface: str = "auto",
    shots: int | None = None,
) -> Qnode:
    """The QNode (weights, a, m) -> list of n expectations; a and m are (n,), or (B, n) with results (B,).

    For the "threshold" preset m is a fixed pattern (n,) of the wires above threshold, not data.
    Raises pennylane.DeviceError when the device is not installed; models/devices.py says what to install.
    """
    quantum_function = _sparse if spec.preset == "sparse" else _threshold

    def circuit(weights: Any, a: Any, m: Any) -> list[Any]:
        quantum_function(spec, weights, a, m)
        return [qml.expval(qml.PauliZ(wire)) for wire in range(spec.wires)]

    node: Qnode = qml.QNode(
        circuit, make_device(device, spec.wires, shots), interface=interface, diff_method=diff_method
    )
    if shots is not None:
        node = qml.set_shots(node, shots=shots)
    return node


def make_device(name: str, wires: int, shots: int | None = None) -> Any:
    """A PennyLane device. Exact expectations from Aer need its state-vector simulator."""
    if name == "qiskit.aer" and shots is None:
        return qml.device(name, wires=wires, backend="aer_simulator_statevector")
    return qml.device(name, wires=wires)


def expectations(
    spec: CircuitSpec,
    weights: NDArray[np.generic],
    a: NDArray[np.floating],
    mask: NDArray[Any],
    device: str = "default.qubit",
    shots: int | None = None,
) -> NDArray[np.float64]:
    """<Z_i> of every wire, (B, n), for wires a (B, n) and openness mask (B, n).

    default.qubit takes the batch at once; lightning and Aer go through it one circuit at a time.
    Raises ValueError for weights or shapes that do not fit.
    """
    angles = checked_weights(spec, weights)
    values, openness = np.asarray(a, np.float64), np.asarray(mask, np.float64)
    if values.ndim != 2 or values.shape != openness.shape or values.shape[1] != spec.wires:
        raise ValueError(f"wires {values.shape} and mask {openness.shape}, want (B, {spec.wires}) twice")
    node = make_qnode(spec, device, shots=shots)
    if spec.preset == "sparse":
        return _stack(node(angles, values, openness), len(values)) if len(values) else values
    result = np.empty_like(values)
    gated = values * openness
    patterns, group = np.unique(np.abs(gated) > THRESHOLD, axis=0, return_inverse=True)
    for index, pattern in enumerate(patterns):
        rows = group.reshape(-1) == index
        result[rows] = _stack(node(angles, gated[rows], pattern), int(rows.sum()))
    return result


def _stack(outputs: Any, batch: int) -> NDArray[np.float64]:
    columns = [np.broadcast_to(np.asarray(column, np.float64), (batch,)) for column in outputs]
    return np.stack(columns, axis=1)


def _sparse(spec: CircuitSpec, weights: Any, a: Any, m: Any) -> None:
    n = spec.wires
    for wire in range(n):
        qml.RY(np.pi * m[..., wire] * a[..., wire], wires=wire)
    for layer in range(spec.layers):
        for index, (i, j) in enumerate(pairs(n)):
            qml.IsingZZ(m[..., i] * m[..., j] * weights[layer, 3 * n + index], wires=[i, j])
        for wire in range(n):
            angles = [m[..., wire] * weights[layer, 3 * wire + k] for k in range(3)]
            qml.Rot(*angles, wires=wire)


def _threshold(spec: CircuitSpec, weights: Any, a: Any, m: Any) -> None:
    n = spec.wires
    above = [wire for wire in range(n) if m[wire]]
    for wire in above:
        qml.RY(np.pi * a[..., wire], wires=wire)
    for wire in above if n > 1 else []:
        qml.CNOT(wires=[wire, (wire + 1) % n])
