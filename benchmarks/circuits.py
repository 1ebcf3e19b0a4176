"""`qualm bench circuits`: circuits per second, each way of evaluating the same circuit on the same inputs."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.salient import Salient
from models.bundle import READOUT, Bundle
from models.circuits.compiled import CompiledCircuit
from models.circuits.devices import DEVICES, device_problems
from models.circuits.qnode import Execution, make_qnode
from models.circuits.spec import THRESHOLD, CircuitSpec, initial_weights
from models.circuits.torch_layer import CircuitLayer
from models.detector import Evaluator
from models.heads.readout_input import readout_input
from models.int8.onnx_model import OnnxModel
from models.scores import ALERTS_BY, PUBLISHED

WIRES: Final = (4, 8, 12)
BATCHES: Final = (1, 64, 256, 4096)
LAYERS: Final = 2
_CHECKED: Final = 2**16  # amplitudes' worth of events whose deviation from the QNode is taken
_SECONDS: Final = 0.3  # that each row is timed for, in at least one run
_LOOPED: Final = 8  # events of a batch given to what loops: the rate does not depend on how many there are
_AMPLITUDES: Final = 2**20  # of the part of a batch given to simulators at once, 16 MB: larger is slower
Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
Evaluate = Callable[[Floats, Mask], NDArray[Any]]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class _Method:
    """most: events that it is timed with, None for the whole batch; alone: whether one by one."""

    name: str
    evaluate: Evaluate
    most: int | None = None
    alone: bool = False


@dataclass(frozen=True, slots=True)
class _Inputs:
    """Wires a and open wires (batch, n), and how the latter are called."""

    masks: str
    a: Floats
    is_open: Mask


def run(bundle: Bundle, salient: Salient, progress: Progress) -> list[dict[str, Any]]:
    """Rows {method, wires, batch, masks, mean_open_wires, circuits_per_second, max_deviation}.

    masks: "dense", all wires open; "replay", as they are in the salient events of a replay; "open k", any k
    of 8. circuits_per_second: by the median of the timed runs. max_deviation: from the QNode on
    default.qubit in float64, on as many events as that takes a moment for. What loops over a batch is timed
    event by event on a part of it, and a simulator on at most 2^20 amplitudes at once. Some minutes.
    """
    cases = list(_cases(salient))
    rows: list[dict[str, Any]] = []
    for done, (wires, inputs) in enumerate(cases):
        spec = CircuitSpec(wires, LAYERS)
        rows += _rows(spec, initial_weights(spec, seed=0), inputs)
        progress("circuits", done + 1, len(cases))
    return rows + list(_presets(salient)) + list(_one_event(bundle, salient))


def _cases(salient: Salient) -> Iterator[tuple[int, _Inputs]]:
    for wires in WIRES:
        for batch in BATCHES:
            a, is_open = _replayed(salient, wires, batch)
            yield wires, _Inputs("dense", a, np.ones_like(is_open))
            yield wires, _Inputs("replay", a, is_open)
    a, _ = _replayed(salient, 8, BATCHES[-1])
    places = np.random.default_rng(0).random(a.shape).argsort(axis=1)
    for k in range(9):
        yield 8, _Inputs(f"open {k}", a, places < k)


def _replayed(salient: Salient, wires: int, batch: int) -> tuple[Floats, Mask]:
    """Salient events in their order, again and again until there are enough: as they are with as many wires
    as the bundle has; the first of their wires with fewer; with more, those of the next event behind them.
    """
    rows = np.arange(batch) % len(salient.wires)
    following = (rows + 1) % len(salient.wires)
    parts = [
        np.concatenate([part[rows], part[following]], axis=1) for part in (salient.wires, salient.is_open)
    ]
    return parts[0][:, :wires], parts[1][:, :wires].astype(bool)


def _rows(spec: CircuitSpec, weights: Floats, inputs: _Inputs) -> Iterator[dict[str, Any]]:
    size = len(inputs.a)
    checked = min(size, _CHECKED >> spec.wires)
    exact = _broadcast(spec, weights)(inputs.a[:checked], inputs.is_open[:checked])
    curve = inputs.masks.startswith("open")
    for method in [_compiled(spec, weights)] if curve else _methods(spec, weights):
        count = size if method.most is None else min(size, method.most)
        seconds, result = _timed(method.evaluate, inputs.a[:count], inputs.is_open[:count], method.alone)
        compared = min(len(result), checked)
        rate = 1.0 / seconds if method.alone else count / seconds
        yield _row(spec.wires, inputs, method.name, rate, result[:compared] - exact[:compared])


def _row(
    wires: int, inputs: _Inputs, method: str, rate: float, deviation: NDArray[Any] | None
) -> dict[str, Any]:
    return {
        "method": method, "wires": wires, "batch": len(inputs.a), "masks": inputs.masks,
        "mean_open_wires": round(float(inputs.is_open.sum(axis=1).mean()), 2),
        "circuits_per_second": round(rate, 1),
        "max_deviation": None if deviation is None else float(np.abs(deviation).max()),
    }  # fmt: skip


def _methods(spec: CircuitSpec, weights: Floats) -> Iterator[_Method]:
    most = _AMPLITUDES >> spec.wires
    yield _compiled(spec, weights)
    yield _Method("torch cpu", _torch(spec, weights, "cpu"), most)
    if torch.cuda.is_available():
        yield _Method("torch cuda", _torch(spec, weights, "cuda"))
    yield _Method("default.qubit broadcast", _broadcast(spec, weights), most)
    yield _Method("seed-style loop (default.qubit)", _loop(spec, weights, "default.qubit"), _LOOPED, True)
    for name, capability in DEVICES.items():
        if not capability.batches and not device_problems()[name]:
            yield _Method(f"{name} loop", _loop(spec, weights, name), _LOOPED, True)
            if capability.shots:  # the tensor network takes no batch at all
                yield _Method(f"{name} broadcast", _broadcast(spec, weights, name), _LOOPED)


def _presets(salient: Salient) -> Iterator[dict[str, Any]]:
    """The other presets event by event and compiled; "threshold" is the original idea."""
    a, is_open = _replayed(salient, 8, 256)
    inputs = _Inputs("dense", a, np.ones_like(is_open))
    for preset in ("reuploading", "threshold"):
        spec = CircuitSpec(8, LAYERS, preset)
        weights = initial_weights(spec, 0)
        loop, compiled = _preset_loop(spec, weights), CompiledCircuit(spec, weights)
        exact = loop(a[:_LOOPED], inputs.is_open[:_LOOPED])
        alone, first = _timed(loop, a[:_LOOPED], inputs.is_open[:_LOOPED], True)
        yield _row(8, inputs, f"{preset} preset: seed-style loop", 1.0 / alone, first - exact[:1])
        seconds, result = _timed(compiled, a, inputs.is_open)
        yield _row(8, inputs, f"{preset} preset: qualm compiled", len(a) / seconds, result[:_LOOPED] - exact)


def _preset_loop(spec: CircuitSpec, weights: Floats) -> Evaluate:
    if spec.preset != "threshold":
        return _loop(spec, weights, "default.qubit")
    node = make_qnode(spec)
    return lambda a, is_open: np.array(
        [node(weights, x, np.abs(x) > THRESHOLD) for x in a.astype(np.float64)]
    )


def _compiled(spec: CircuitSpec, weights: Floats) -> _Method:
    return _Method("qualm compiled", CompiledCircuit(spec, weights))


def _torch(spec: CircuitSpec, weights: Floats, device: str) -> Evaluate:
    layer = CircuitLayer(spec).to(device)
    layer.load_state_dict({"weights": torch.from_numpy(weights)})

    def evaluate(a: Floats, is_open: Mask) -> NDArray[Any]:
        with torch.inference_mode():
            m = torch.from_numpy(is_open.astype(np.float32)).to(device)
            found: NDArray[Any] = layer(torch.from_numpy(a).to(device), m).cpu().numpy()
        return found

    return evaluate


def _loop(spec: CircuitSpec, weights: Floats, device: str) -> Evaluate:
    """One QNode call for each event, as the original idea has it."""
    node = make_qnode(spec, Execution(device))
    return lambda a, is_open: np.array([node(weights, x, m) for x, m in zip(a, is_open * 1.0, strict=True)])


def _broadcast(spec: CircuitSpec, weights: Floats, device: str = "default.qubit") -> Evaluate:
    """One QNode call for the whole batch, all wires in every circuit."""
    node = make_qnode(spec, Execution(device))
    angles = weights.astype(np.float64)
    return lambda a, is_open: np.stack(node(angles, a.astype(np.float64), is_open * 1.0), axis=1)


def _timed(evaluate: Evaluate, a: Floats, is_open: Mask, alone: bool = False) -> tuple[float, NDArray[Any]]:
    """Median seconds of a run, of the whole batch or of its events alone; <Z> of all or of the first."""
    result = first = evaluate(a[:1], is_open[:1])  # warm up
    parts = [slice(i, i + 1) for i in range(len(a))] if alone else [slice(None)]
    times: list[float] = []
    while not times or sum(times) < _SECONDS:
        part = parts[len(times) % len(parts)]
        start = time.perf_counter()
        result = evaluate(a[part], is_open[part])
        times.append(time.perf_counter() - start)
    return float(np.median(times)), first if alone else result


def _one_event(bundle: Bundle, salient: Salient) -> Iterator[dict[str, Any]]:
    """One event alone to its score: circuit and INT8 readout; and all scores that an alert shows."""
    evaluator, readout = Evaluator(bundle), OnnxModel(bundle.models[READOUT])
    spec = bundle.manifest.spec
    circuit = CompiledCircuit(spec, bundle.weights["circuit.weights"])
    above = salient.logit[:1] - bundle.manifest.prefilter_threshold

    def to_score(a: Floats, is_open: Mask) -> NDArray[Any]:
        return readout(readout_input(circuit(a, is_open), a, is_open, above))

    def to_scores(a: Floats, is_open: Mask) -> NDArray[Any]:
        return evaluator.score_arrays(a, is_open, salient.logit[:1], PUBLISHED)[ALERTS_BY]

    for masks in ("dense", "replay"):
        is_open = salient.is_open[:1] if masks == "replay" else np.ones_like(salient.is_open[:1])
        inputs = _Inputs(masks, salient.wires[:1], is_open)
        for name, evaluate in (
            ("qualm compiled + int8 readout", to_score),
            ("qualm published scores", to_scores),
        ):
            seconds, _ = _timed(evaluate, inputs.a, inputs.is_open)
            yield _row(spec.wires, inputs, name, 1.0 / seconds, None)
