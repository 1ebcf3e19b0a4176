"""Every way in which a bundle can score the same salient events: other heads, other evaluations of the
circuits."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.bundle import READOUT, READOUT_FLOAT, TWIN_READOUT, Bundle
from models.circuits.compiled import CompiledCircuit
from models.circuits.qnode import AER, Execution, expectations
from models.heads.density import DensityMatrices
from models.heads.readout_input import readout_input
from models.heads.twin import Twin
from models.int8.dynamic import quantized_dynamically
from models.int8.onnx_model import OnnxModel
from models.scores import ALERTS_BY, ScoreName
from schemas.salient import SalientEvent

SHOTS: Final = (100, 1_000, 10_000)
NOISE: Final = "FakeHanoiV2"  # models/circuits/aer.py says what its errors are
_AT_ONCE: Final = 64  # circuits of one job, so that progress is seen
Floats = NDArray[np.float64]
Outputs = NDArray[np.floating]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a method makes of m salient events.

    scores and p_values (m,); seconds: that the expectations took, or what stands in their place, None for
    the prefilter, which needs neither; expectations: <Z> (m, n), None where no circuit is read out; shots,
    and noise: the device whose errors they have, None for exact expectations.
    """

    method: str
    scores: Floats
    p_values: Floats
    seconds: float | None = None
    expectations: Outputs | None = None
    shots: int | None = None
    noise: str | None = None


class Methods:
    """Scores the events (one or more) by one method after the other. "hybrid_int8" is what alerts go by, and
    its readout also that of the circuits on Aer.

    limits (m,): p-values up to which the density matrices do not learn events. Raises ValueError for a
    circuit that cannot be compiled, or has no states at hand (preset "threshold").
    """

    def __init__(
        self, bundle: Bundle, events: Sequence[SalientEvent], limits: NDArray[np.float64], progress: Progress
    ) -> None:
        self._bundle, self._limits, self._progress = bundle, limits, progress
        manifest = bundle.manifest
        self._spec = manifest.spec
        self._weights = bundle.weights["circuit.weights"]
        self._circuit = CompiledCircuit(self._spec, self._weights)
        self._wires = np.array([event.wires for event in events], np.float32)
        self.is_open = np.array([event.open_wires for event in events], bool)
        self._of_entity = np.array([bool(event.entity) for event in events])
        self._logit = np.array([event.prefilter for event in events])
        self.above = self._logit - manifest.prefilter_threshold
        self._int8 = OnnxModel(bundle.models[READOUT])
        self.exact = self._circuit(self._wires, self.is_open)  # (m, n); compiles the patterns, too

    def __iter__(self) -> Iterator[Outcome]:
        """All of them; seconds for exact ones, minutes with shots and noise."""
        yield Outcome("prefilter", self._logit, self._p_values(ScoreName.PREFILTER, self._logit))
        models = self._bundle.models
        twin = Twin(self._spec, self._bundle.weights["twin.weights"])
        yield self._read("twin", ScoreName.TWIN, OnnxModel(models[TWIN_READOUT]), twin)
        yield self._density("density", learns=False)
        yield self._density("density online", learns=True)
        yield self._read("hybrid", ScoreName.HYBRID, OnnxModel(models[READOUT_FLOAT]), self._circuit)
        dynamic = _row_by_row(OnnxModel(quantized_dynamically(models[READOUT_FLOAT])))
        yield self._read("hybrid int8 dynamic", ScoreName.HYBRID, dynamic, self._circuit)
        yield self._read("hybrid_int8", ALERTS_BY, self._int8, self._circuit)
        yield self._read("hybrid_int8, all <Z> 0", ALERTS_BY, self._int8, _mixed)
        yield self._on_aer()
        for noise in (None, NOISE):
            for shots in SHOTS:
                yield self._on_aer(shots, noise)

    def _p_value(self, score: ScoreName, value: float, row: int) -> float:
        of_entity = self._of_entity[row : row + 1]
        return float(self._bundle.calibrations[score].p_values([value], of_entity)[0])

    def _p_values(self, score: ScoreName, values: Floats) -> Floats:
        return self._bundle.calibrations[score].p_values(values, self._of_entity)

    def _read(
        self,
        method: str,
        calibration: ScoreName,
        readout: Callable[[NDArray[np.float32]], NDArray[np.float32]],
        evaluate: Callable[[NDArray[np.float32], NDArray[np.bool_]], Outputs],
        shots: int | None = None,
        noise: str | None = None,
    ) -> Outcome:
        """The scores by a readout of what takes the place of the circuits, as Evaluator makes them."""
        start = time.perf_counter()
        outputs = evaluate(self._wires, self.is_open)
        seconds = time.perf_counter() - start
        joined = readout_input(outputs, self._wires, self.is_open, self.above)
        scores = self.above + readout(joined)[:, 0].astype(np.float64)
        z = None if calibration == ScoreName.TWIN else outputs
        return Outcome(method, scores, self._p_values(calibration, scores), seconds, z, shots, noise)

    def _density(self, method: str, learns: bool) -> Outcome:
        """By the density matrices as trained, or learning on: each event is scored, and then learnt unless it
        alerts."""
        head = DensityMatrices.from_arrays(self._bundle.weights, self._spec.wires)
        scores, p_values = np.zeros(len(self.is_open)), np.ones(len(self.is_open))
        start = time.perf_counter()
        for part in self._circuit.evolved(self._wires, self.is_open):
            for row, state in zip(part.rows.tolist(), part.states[:, None], strict=True):
                scores[row] = self.above[row] + head.surprise(part.pattern, state)[0]
                p_values[row] = self._p_value(ScoreName.DENSITY, scores[row], row)
                if learns and p_values[row] > self._limits[row]:
                    head.update(part.pattern, state)
        return Outcome(method, scores, p_values, time.perf_counter() - start)

    def _on_aer(self, shots: int | None = None, noise: str | None = None) -> Outcome:
        def evaluate(wires: NDArray[np.float32], is_open: NDArray[np.bool_]) -> Floats:
            return self._aer_expectations(wires, is_open, shots, noise)

        return self._read(AER, ALERTS_BY, self._int8, evaluate, shots, noise)

    def _aer_expectations(
        self, wires: NDArray[np.float32], is_open: NDArray[np.bool_], shots: int | None, noise: str | None
    ) -> Floats:
        """Pattern by pattern, as `expectations` groups them; each job with a seed of its own."""
        name = f"{'noisy' if noise else 'aer'} {shots or ''}".strip()
        order = np.lexsort(is_open.T)
        ends = np.flatnonzero((is_open[order[1:]] != is_open[order[:-1]]).any(axis=1)) + 1
        jobs = [
            rows[at : at + _AT_ONCE] for rows in np.split(order, ends) for at in range(0, len(rows), _AT_ONCE)
        ]
        found, done = np.ones(is_open.shape), 0
        for seed, rows in enumerate(jobs):
            found[rows] = expectations(
                self._spec, self._weights, wires[rows], is_open[rows], Execution(AER, shots, seed, noise)
            )
            done += len(rows)
            self._progress(name, done, len(is_open))
        return found


def _mixed(wires: NDArray[np.float32], is_open: NDArray[np.bool_]) -> Outputs:
    """<Z> of circuits of which noise has left nothing."""
    return np.where(is_open, np.float32(0.0), np.float32(1.0))


def _row_by_row(model: OnnxModel) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """The model given one event at a time, as its scales are those of what it is given."""

    def call(x: NDArray[Any]) -> NDArray[np.float32]:
        return np.concatenate([model(row[None]) for row in x])

    return call
