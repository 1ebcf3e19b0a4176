"""Where circuits are evaluated: what can, what is installed, what to take. Imports PennyLane only when
asked."""

from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from models.circuit_spec import CircuitSpec, checked_weights
from models.compiled import MAX_COMPILED_WIRES, CompiledCircuit

COMPILED: Final = "compiled"


class DeviceError(Exception):
    """A device that is unknown or not installed; the text says what to install."""


@dataclass(frozen=True, slots=True)
class Capability:
    """install: what brings the device; batches: takes a batch at once instead of looping over it; shots: can
    estimate from a finite number of shots; gradients: PennyLane's differentiation methods that it allows.
    """

    install: str
    batches: bool
    shots: bool
    gradients: tuple[str, ...]


DEVICES: Final = {
    "lightning.gpu": Capability("pip install 'qualm[gpu]'", False, True, ("adjoint", "parameter-shift")),
    "lightning.qubit": Capability(
        "pip install pennylane-lightning", False, True, ("adjoint", "parameter-shift")
    ),
    "qiskit.aer": Capability("pip install 'qualm[aer]'", False, True, ("parameter-shift",)),
    "default.qubit": Capability(
        "pip install pennylane", True, True, ("backprop", "adjoint", "parameter-shift")
    ),
}
NAMES: Final = ("auto", COMPILED, *DEVICES)
_PREFERENCE: Final = ("lightning.gpu", "lightning.qubit", "default.qubit")


@dataclass(frozen=True, slots=True)
class DeviceChoice:
    """Name of a device and why it was chosen."""

    name: str
    reason: str


class Circuit(Protocol):
    """Evaluates the circuit of a bundle; device and reason say where and why there."""

    device: str
    reason: str

    def __call__(self, a: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Wires a (B, n) and open wires (B, n) to <Z> (B, n)."""


def installed() -> dict[str, str]:
    """What keeps each device from use, "" when nothing does: found out by making it."""
    return {COMPILED: "", **{name: _problem(name) for name in DEVICES}}


def choose(name: str, wires: int) -> DeviceChoice:
    """The device to evaluate `wires` wires on, by name or "auto". Raises DeviceError."""
    if name not in NAMES:
        raise DeviceError(f"no device {name!r}; there are {', '.join(NAMES)}")
    if name == "auto":
        return _best(wires)
    if name == COMPILED and wires > MAX_COMPILED_WIRES:
        raise DeviceError(
            f"circuits are compiled up to {MAX_COMPILED_WIRES} wires, this one has {wires}; use auto"
        )
    if name != COMPILED and (problem := _problem(name)):
        raise DeviceError(f"device {name} cannot be used: {problem}")
    return DeviceChoice(name, "named in the settings")


def open_circuit(spec: CircuitSpec, weights: NDArray[np.generic], device: str = "auto") -> Circuit:
    """The circuit with its weights on a device. Raises DeviceError, or ValueError for unfit weights."""
    choice = choose(device, spec.wires)
    kind = _OnProcessor if choice.name == COMPILED else _OnDevice
    return kind(spec, weights, choice)


class _OnProcessor:
    def __init__(self, spec: CircuitSpec, weights: NDArray[np.generic], choice: DeviceChoice) -> None:
        self.device, self.reason = choice.name, choice.reason
        self._circuit = CompiledCircuit(spec, weights)

    def __call__(self, a: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        return self._circuit(a, mask)


class _OnDevice:
    def __init__(self, spec: CircuitSpec, weights: NDArray[np.generic], choice: DeviceChoice) -> None:
        self.device, self.reason = choice.name, choice.reason
        self._spec, self._weights = spec, checked_weights(spec, weights)

    def __call__(self, a: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        from models.qnode import expectations  # PennyLane

        return expectations(self._spec, self._weights, a, mask, self.device).astype(np.float32)


def _best(wires: int) -> DeviceChoice:
    if wires <= MAX_COMPILED_WIRES:
        return DeviceChoice(COMPILED, f"exact and fastest up to {MAX_COMPILED_WIRES} wires")
    passed: list[str] = []
    for name in _PREFERENCE:
        if not (problem := _problem(name)):
            why = f"more than {MAX_COMPILED_WIRES} wires, the best device installed"
            return DeviceChoice(name, "; ".join([why, *passed]))
        passed.append(f"{name}: {problem}")
    raise DeviceError("no device can be used: " + "; ".join(passed))


@cache
def _problem(name: str) -> str:
    """Why a device cannot be made here, "" when it can."""
    install = DEVICES[name].install
    try:
        from models.qnode import make_device

        made: Any = make_device(name, 1)
    except Exception as error:  # each plugin fails in its own way where its library or hardware is missing
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return f"{first.rstrip('.')}; `{install}` brings it"
    return "" if made is not None else f"`{install}` brings it"
