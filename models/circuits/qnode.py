"""The circuit as a PennyLane QNode: the definition that every faster evaluation is held against.

"sparse", on wires a_i with openness m_i: RY(pi m_i a_i) on each wire; then per layer an entangler,
IsingZZ(m_i m_j w_ij) between every two wires, and a rotation Rot(m_i phi_i, m_i theta_i, m_i omega_i) on
every wire; read <Z_i>. Every angle is multiplied by the openness of the wires its gate touches, so a closed
wire is exactly the identity and reads 1: the circuit equals that of its open wires alone. The entangler comes
before the rotations because Z Z commutes with the measured Z: at the end it would change nothing.

"reuploading": the same, with RY(pi m_i a_i) on each wire again before the entangler of every further layer.

"threshold": RY(pi m_i a_i) on each wire with |m_i a_i| > 0.1, then CNOT from each of these to its next wire,
the last to the first; no weights.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

import numpy as np
import pennylane as qml
from numpy.typing import NDArray

from models.circuits.spec import (
    MAX_STATE_WIRES,
    THRESHOLD,
    CircuitSpec,
    check_shape,
    checked_weights,
    pairs,
    subcircuit,
)

Qnode = Callable[..., Any]
Floats = NDArray[np.float64]
TENSOR: Final = "default.tensor"
AER: Final = "qiskit.aer"
_SEEDED: Final = ("default.qubit", "lightning.qubit")  # lightning.gpu was not there to try


@dataclass(frozen=True, slots=True)
class Execution:
    """Where and how a circuit is run.

    device: a name of models.circuits.devices.DEVICES. shots: samples of an expectation, None for exact ones.
    seed: with shots, draws the same samples again (lightning.gpu may not). noise: a device of IBM that
    qiskit.aer imitates with shots (models/circuits/aer.py).
    """

    device: str = "default.qubit"
    shots: int | None = None
    seed: int | None = None
    noise: str | None = None


def make_qnode(
    spec: CircuitSpec,
    execution: Execution = Execution(),
    diff_method: str = "best",
    interface: str = "auto",
) -> Qnode:
    """The QNode (weights, a, m) -> list of n expectations; a and m are (n,), or (B, n) with results (B,).

    For the "threshold" preset m is a fixed pattern (n,) of the wires above threshold, not data.
    """
    quantum_function = _threshold if spec.preset == "threshold" else _trainable

    def circuit(weights: Any, a: Any, m: Any) -> list[Any]:
        quantum_function(spec, weights, a, m)
        return [qml.expval(qml.PauliZ(wire)) for wire in range(spec.wires)]

    made = make_device(execution, spec.wires)
    node: Qnode = qml.QNode(circuit, made, interface=interface, diff_method=diff_method)
    return node if execution.shots is None else qml.set_shots(node, shots=execution.shots)


def make_device(execution: Execution, wires: int) -> Any:
    """A PennyLane device of so many wires.

    Raises ValueError where noise does not fit, pennylane.DeviceError or ImportError when the device is not
    installed; models/circuits/devices.py says what to install.
    """
    name, seed = execution.device, execution.seed
    if execution.noise is not None and name != AER:
        raise ValueError(f"noise of {execution.noise} needs {AER}, not {name}")
    if name == AER:
        from models.circuits.aer import aer_device  # Qiskit

        return aer_device(wires, execution.shots is None, seed, execution.noise)
    if name == TENSOR:
        from models.circuits.tensor_network import tensor_device  # quimb

        return tensor_device(wires)
    if name not in _SEEDED:
        return qml.device(name, wires=wires)
    return qml.device(name, wires=wires, seed=seed)  # else it draws one from NumPy's global generator


def expectations(
    spec: CircuitSpec,
    weights: NDArray[np.generic],
    a: NDArray[np.floating],
    m: NDArray[Any],
    execution: Execution = Execution(),
) -> Floats:
    """<Z_i> of every wire, (B, n), for wires a (B, n) and openness m (B, n).

    A wire with openness 0 is closed and reads 1. Events with the same open wires are one batch of the circuit
    over these wires alone, so cost falls with every closed wire. default.qubit takes a batch at once; the
    others go through it one circuit at a time. Each pattern has a seed of its own, drawn from that of the
    execution. Raises ValueError for weights and shapes that do not fit, for values that are no finite
    numbers, and for more than 24 open wires on a device that keeps a state vector.
    """
    angles = checked_weights(spec, weights)
    values, openness = _checked_inputs(spec, a, m)
    threshold = spec.preset == "threshold"
    is_open = np.abs(values * openness) > THRESHOLD if threshold else openness != 0
    patterns, group = np.unique(is_open, axis=0, return_inverse=True)
    seeds = np.random.default_rng(execution.seed).integers(2**31, size=len(patterns)).tolist()
    result = np.ones_like(values)
    for index, pattern in enumerate(patterns):
        rows = np.flatnonzero(group.reshape(-1) == index)
        if not pattern.any():
            continue
        wires = np.arange(spec.wires) if threshold else np.flatnonzero(pattern)
        part, part_angles = (spec, angles) if threshold else subcircuit(spec, angles, wires)
        node = _node(part, replace(execution, seed=seeds[index]))
        for chunk in _chunks(rows, len(wires)):
            at = np.ix_(chunk, wires)
            inputs = (values[at] * openness[at], pattern) if threshold else (values[at], openness[at])
            result[at] = _stack(node(part_angles, *inputs), len(chunk))
    return result


def _node(spec: CircuitSpec, execution: Execution) -> Qnode:
    if spec.wires > MAX_STATE_WIRES and execution.device != TENSOR:
        raise ValueError(
            f"{execution.device} keeps a state vector, of {MAX_STATE_WIRES} open wires at most and not "
            f"{spec.wires}; {TENSOR} can go beyond"
        )
    if execution.shots is None:
        return _exact_node(spec, execution.device)
    return make_qnode(spec, execution)


def _chunks(rows: NDArray[np.int64], wires: int) -> list[NDArray[np.int64]]:
    """The rows in parts whose amplitudes fit into memory at once."""
    most = max(1, 2**MAX_STATE_WIRES >> wires)
    return [rows[start : start + most] for start in range(0, len(rows), most)]


@lru_cache(maxsize=32)  # making a QNode and its device takes longer than a small circuit
def _exact_node(spec: CircuitSpec, device: str) -> Qnode:
    return make_qnode(spec, Execution(device))


def _checked_inputs(spec: CircuitSpec, a: NDArray[np.floating], m: NDArray[Any]) -> tuple[Floats, Floats]:
    values, openness = np.asarray(a, np.float64), np.asarray(m, np.float64)
    check_shape(spec, values, openness)
    values = np.where(openness == 0, 0.0, values)
    if not (np.isfinite(values).all() and np.isfinite(openness).all()):
        raise ValueError("the openness or an open wire holds a value that is no finite number")
    return values, openness


def _stack(outputs: Any, batch: int) -> NDArray[np.float64]:
    columns = [np.broadcast_to(np.asarray(column, np.float64), (batch,)) for column in outputs]
    return np.stack(columns, axis=1)


def _trainable(spec: CircuitSpec, weights: Any, a: Any, m: Any) -> None:
    _encode(spec.wires, a, m)
    for layer in range(spec.layers):
        if layer > 0 and spec.preset == "reuploading":
            _encode(spec.wires, a, m)
        _layer(spec.wires, weights[layer], m)


def _encode(n: int, a: Any, m: Any) -> None:
    for wire in range(n):
        qml.RY(np.pi * m[..., wire] * a[..., wire], wires=wire)


def _layer(n: int, weights: Any, m: Any) -> None:
    for index, (i, j) in enumerate(pairs(n)):
        qml.IsingZZ(m[..., i] * m[..., j] * weights[3 * n + index], wires=[i, j])
    for wire in range(n):
        angles = [m[..., wire] * weights[3 * wire + k] for k in range(3)]
        qml.Rot(*angles, wires=wire)


def _threshold(spec: CircuitSpec, weights: Any, a: Any, m: Any) -> None:
    n = spec.wires
    above = [wire for wire in range(n) if m[wire]]
    for wire in above:
        qml.RY(np.pi * a[..., wire], wires=wire)
    for wire in above if n > 1 else []:
        qml.CNOT(wires=[wire, (wire + 1) % n])
