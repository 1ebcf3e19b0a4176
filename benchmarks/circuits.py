"""`qualm bench circuits`: circuits per second, each way of evaluating the same circuit on the same inputs."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.circuit_spec import CircuitSpec, initial_weights
from models.compiled import CompiledCircuit
from models.devices import DEVICES, installed
from models.qnode import expectations, make_qnode

LAYERS: Final = 2
CHECKED: Final = 16  # events whose deviation from default.qubit in float64 is taken
_SECONDS: Final = 0.4  # that each row is timed for, and at least once
_AMPLITUDES: Final = (
    2**18
)  # largest batch in amplitudes given to PennyLane's simulators, so that a row stays short
_LOOPED: Final = 16  # events given to what loops over a batch: the rate does not depend on how many there are
Evaluate = Callable[[NDArray[np.float32], NDArray[np.bool_]], NDArray[Any]]


@dataclass(frozen=True, slots=True)
class _Method:
    """loops: takes the events of a batch one after another."""

    name: str
    evaluate: Evaluate
    loops: bool


def run(quick: bool = False) -> list[dict[str, Any]]:
    """Rows {method, wires, batch, masks, circuits_per_second, max_deviation}; about a minute, a few seconds
    if quick.

    masks: "dense", all wires open, or "half", each wire open or closed by the toss of a coin.
    """
    rows = []
    for wires in (8,) if quick else (4, 8, 12):
        spec = CircuitSpec(wires, LAYERS)
        weights = initial_weights(spec, seed=0)
        for batch in (256,) if quick else (1, 64, 256, 4096):
            for masks in ("dense", "half"):
                a, mask = _inputs(wires, batch, masks)
                exact = expectations(spec, weights, a[:CHECKED], mask[:CHECKED])
                for method in _methods(spec, weights, batch, masks):
                    rate, result = _rate(method, a, mask)
                    deviation = np.abs(result[:CHECKED] - exact[: len(result)]).max()
                    rows.append(
                        {
                            "method": method.name, "wires": wires, "batch": batch, "masks": masks,
                            "circuits_per_second": rate, "max_deviation": float(deviation),
                        }
                    )  # fmt: skip
    return rows


def _methods(spec: CircuitSpec, weights: NDArray[np.float32], batch: int, masks: str) -> Iterator[_Method]:
    yield _Method("compiled", CompiledCircuit(spec, weights), False)
    if batch << spec.wires > _AMPLITUDES:
        return
    yield _Method("default.qubit broadcast", lambda a, m: expectations(spec, weights, a, m), False)
    if batch != (64 if spec.wires == 12 else 256) or masks != "dense":
        return  # what loops has one rate for every batch, and runs closed wires like open ones
    yield _Method("seed-style loop (default.qubit)", _loop(spec, weights, "default.qubit"), True)
    for name, capability in DEVICES.items():
        if not capability.batches and not installed()[name]:
            yield _Method(f"{name} loop", _loop(spec, weights, name), True)
            yield _Method(f"{name} broadcast", _broadcast(spec, weights, name), True)


def _loop(spec: CircuitSpec, weights: NDArray[np.float32], device: str) -> Evaluate:
    node = make_qnode(spec, device)

    def evaluate(a: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[Any]:
        return np.array([node(weights, x, m) for x, m in zip(a, mask.astype(np.float64), strict=True)])

    return evaluate


def _broadcast(spec: CircuitSpec, weights: NDArray[np.float32], device: str) -> Evaluate:
    return lambda a, m: expectations(spec, weights, a, m, device)


def _rate(method: _Method, a: NDArray[np.float32], mask: NDArray[np.bool_]) -> tuple[float, NDArray[Any]]:
    """Circuits per second of the fastest of the timed runs, and their result."""
    if method.loops:
        a, mask = a[:_LOOPED], mask[:_LOOPED]
    result = method.evaluate(a[:1], mask[:1])  # warm up
    best, spent = np.inf, 0.0
    while spent < _SECONDS:
        start = time.perf_counter()
        result = method.evaluate(a, mask)
        seconds = time.perf_counter() - start
        best, spent = min(best, seconds), spent + seconds
    return round(len(a) / best, 1), result


def _inputs(wires: int, batch: int, masks: str) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    rng = np.random.default_rng(batch)
    a = rng.uniform(-1.0, 1.0, (batch, wires)).astype(np.float32)
    return a, np.ones(a.shape, bool) if masks == "dense" else rng.random(a.shape) < 0.5
