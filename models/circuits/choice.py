"""Which device is to evaluate a circuit: the one that is named, or by measurement the fastest."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.circuits.compiled import CompiledCircuit, not_compiled
from models.circuits.devices import COMPILED, DEVICES, NAMES, DeviceError, problem
from models.circuits.spec import CircuitSpec
from models.options import EvaluateOptions

# A QNode takes longer than this for each gate however fast its device: lightning.qubit, the fastest, takes
# 30 us (docs/performance.md: 2.4 ms for the 80 gates of 8 wires). What the compiled circuit does in less, no
# device can do faster.
GATE_SECONDS: Final = 10e-6
_OPEN: Final = 12  # wires, at most, that are open in the timing
_LOOPED: Final = 4  # events that what loops over a batch is timed with
_AMPLITUDES: Final = 2**20  # of a batch, at most, in the timing
Evaluate = Callable[[NDArray[np.float32], NDArray[np.bool_]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Timing:
    """Events per second of a device, None where it cannot be used, and why not."""

    name: str
    rate: float | None
    problem: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.rate:,.0f}/s" if self.rate else f"{self.name}: {self.problem}"


@dataclass(frozen=True, slots=True)
class DeviceChoice:
    """Name of a device and why it was chosen."""

    name: str
    reason: str


def choose(
    spec: CircuitSpec, weights: NDArray[np.generic], options: EvaluateOptions = EvaluateOptions()
) -> DeviceChoice:
    """The device for a circuit and batches of some size, by name or "auto".

    "auto" times what is installed and takes the fastest. The devices of PennyLane are loaded and timed only
    if the compiled circuit leaves them a chance: by GATE_SECONDS, none can be faster than it is with a few
    wires. Raises DeviceError for an unknown name, for shots of a device that draws none, and where no device
    can be used.
    """
    name, batch, shots = options.device, options.batch, options.shots
    if name not in NAMES:
        raise DeviceError(f"no device {name!r}; there are {', '.join(NAMES)}")
    if shots is not None and (name not in DEVICES or not DEVICES[name].shots):
        able = ", ".join(device for device, can in DEVICES.items() if can.shots)
        raise DeviceError(f"{name} draws no shots; name one of {able}")
    if name != "auto":
        return DeviceChoice(name, "named in the settings")
    if not not_compiled(spec):
        compiled = time_device(COMPILED, spec, weights, batch)
        least = _gates(spec, _open(spec)) * GATE_SECONDS
        if compiled.rate and batch / compiled.rate < least:
            taken = f"{batch:,} events of {spec.wires} wires in {1e3 * batch / compiled.rate:.2f} ms"
            return DeviceChoice(COMPILED, f"{taken}; one QNode of them takes {1e3 * least:.1f} ms at least")
    timings = time_devices(spec, weights, batch)
    usable = [timing for timing in timings if timing.rate]
    if not usable:
        raise DeviceError("no device can be used: " + "; ".join(map(str, timings)))
    best = max(usable, key=lambda timing: timing.rate or 0.0)
    measured = "; ".join(map(str, timings))
    return DeviceChoice(best.name, f"fastest for {batch:,} events of {spec.wires} wires: {measured}")


def time_devices(spec: CircuitSpec, weights: NDArray[np.generic], batch: int) -> list[Timing]:
    """Every device, with half of the wires open, 12 at most. Takes seconds."""
    return [time_device(name, spec, weights, batch) for name in (COMPILED, *DEVICES)]


def time_device(name: str, spec: CircuitSpec, weights: NDArray[np.generic], batch: int) -> Timing:
    """One device, the best of three runs."""
    if reason := not_compiled(spec) if name == COMPILED else problem(name):
        return Timing(name, None, reason)
    loops = name != COMPILED and not DEVICES[name].batches
    size = min(batch, _LOOPED if loops else max(1, _AMPLITUDES >> _open(spec)))
    a = np.random.default_rng(0).uniform(-1.0, 1.0, (size, spec.wires)).astype(np.float32)
    is_open = np.zeros(a.shape, bool)
    is_open[:, : _open(spec)] = True
    try:
        evaluate = on_device(name, spec, weights)
        evaluate(a, is_open)  # loads and compiles what is needed
        seconds = min(_seconds(evaluate, a, is_open) for _ in range(3))
    except Exception as error:  # each plugin fails in its own way
        return Timing(name, None, first_line(error))
    return Timing(name, size / seconds)


def on_device(
    name: str, spec: CircuitSpec, weights: NDArray[np.generic], shots: int | None = None
) -> Evaluate:
    """The circuit with its weights as a function of wires (B, n) and open wires (B, n). Raises ValueError."""
    if name == COMPILED:
        return CompiledCircuit(spec, weights)
    from models.circuits.qnode import Execution, expectations  # PennyLane

    drawn = shots if DEVICES[name].shots else None
    seeds = count()  # new samples for every batch, and the same ones in every replay

    def evaluate(a: NDArray[np.float32], is_open: NDArray[np.bool_]) -> NDArray[np.float32]:
        return expectations(spec, weights, a, is_open, Execution(name, drawn, next(seeds))).astype(np.float32)

    return evaluate


def first_line(error: Exception) -> str:
    """What an exception says, or is called."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def _open(spec: CircuitSpec) -> int:
    return min(_OPEN, (spec.wires + 1) // 2)


def _gates(spec: CircuitSpec, wires: int) -> int:
    """Gates of the circuit over some of its wires."""
    if spec.preset == "threshold":
        return 2 * wires
    return wires + spec.layers * (wires * (wires - 1) // 2 + wires)


def _seconds(evaluate: Evaluate, a: NDArray[np.float32], is_open: NDArray[np.bool_]) -> float:
    start = time.perf_counter()
    evaluate(a, is_open)
    return time.perf_counter() - start
