"""Where circuits can be evaluated, and what is installed. Imports PennyLane only when asked."""

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

COMPILED: Final = "compiled"


class DeviceError(Exception):
    """A device that is unknown, or none that can be used; the text says what to do."""


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
    "default.tensor": Capability("pip install 'qualm[tensor]'", False, False, ("parameter-shift",)),
}
NAMES: Final = ("auto", COMPILED, *DEVICES)


def device_problems() -> dict[str, str]:
    """What keeps each device from use, "" when nothing does: found out by making it."""
    return {COMPILED: "", **{name: problem(name) for name in DEVICES}}


@cache
def problem(name: str) -> str:
    """Why a device cannot be made here, "" when it can."""
    install = DEVICES[name].install
    try:
        from models.circuits.qnode import Execution, make_device

        made: Any = make_device(Execution(name), 1)
    except Exception as error:  # each plugin fails in its own way where its library or hardware is missing
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return f"{first.rstrip('.')}; `{install}` brings it"
    return "" if made is not None else f"`{install}` brings it"
