"""The detector: triage of every event of a partition, and evaluation of the salient ones."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.bundle import ENCODER, READOUT, READOUT_FLOAT, SCORES, TWIN_READOUT, Bundle
from models.circuits.compiled import CompiledCircuit, not_compiled
from models.circuits.runner import CircuitRunner
from models.context.context import Context, Names, Rows
from models.context.features import FEATURES, NAMES, Kind
from models.context.kernel import ENTITY_END, EVENT
from models.context.templates import TemplateMiner
from models.heads.density import DensityMatrices
from models.heads.open_wires import open_wires
from models.heads.prefilter import prefilter_logit
from models.heads.twin import Twin
from models.int8.onnx_model import OnnxModel
from models.options import EvaluateOptions
from schemas.events import EventBatch
from schemas.salient import EXAMPLE_CHARS, SalientEvent, Trigger, event_id

MARK_EVERY: Final = 60.0  # s of event time between the notices that tell evaluate how far a partition is
MARK_FOR: Final = 3600.0  # s after its last salient event that a partition goes on to send them
DRIVERS: Final = 4  # features named in an alert
_TRIGGERS: Final[dict[int, Trigger]] = {EVENT: "event", ENTITY_END: "entity_end"}


@dataclass(frozen=True, slots=True)
class TriageResult:
    """What triage makes of a batch.

    salient: events for the circuit and watermark notices, in order; events, rows: counts of the input and of
    the feature rows (time adds some); prefiltered: rows past the prefilter; open_wires: their sum over
    salient events; watermark: event time reached (s); context: the feature rows, names: source and entity of
    each, logits (rows,): their prefilter scores, and salient_rows: which of them are salient.
    """

    salient: list[SalientEvent]
    events: int
    rows: int
    prefiltered: int
    open_wires: int
    watermark: float
    context: Rows
    names: Callable[[], Names]
    logits: NDArray[np.float64]
    salient_rows: NDArray[np.int64]


class InferenceGate:
    """INT8 encoder and gate: from features to wires, and which of them are open."""

    def __init__(self, models: Mapping[str, bytes], weights: Mapping[str, NDArray[np.generic]]) -> None:
        self._encoder = OnnxModel(models[ENCODER])
        self._tau = weights["gate.tau"].astype(np.float32)

    def __call__(self, x: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Features (B, d) to wires (B, n) in [-1, 1] and open wires (B, n)."""
        wires = np.clip(self._encoder(x), -1.0, 1.0)  # ONNX Runtime's tanh can exceed 1 by an ulp
        return wires, open_wires(wires, self._tau)


class Triage:
    """Templates, surprise features, prefilter, INT8 encoder and gate for one input partition."""

    def __init__(self, bundle: Bundle, topic: str, partition: int) -> None:
        manifest = bundle.manifest
        self.bundle, self.topic, self.partition = bundle, topic, partition
        self.context = Context(TemplateMiner(manifest.merges), manifest.entity_timeout)
        if bundle.context:
            self.context.restore(bundle.context)
        self._weight = bundle.weights["prefilter.weight"].astype(np.float64)
        self._bias = bundle.weights["prefilter.bias"].astype(np.float64)
        self._gate = InferenceGate(bundle.models, bundle.weights)
        self._last_mark = -np.inf
        self._last_salient = -np.inf

    def process(self, events: EventBatch) -> TriageResult:
        """The salient ones among the next events of the partition.

        Raises ValueError for features that give no finite score.
        """
        rows = self.context.update(events)
        logits = prefilter_logit(rows.x, rows.trigger, self._weight, self._bias)
        if not np.isfinite(logits).all():
            raise ValueError("a surprise feature is no finite number, so the event has no score")
        kept = np.flatnonzero(logits >= self.bundle.manifest.prefilter_threshold)
        wires, is_open = self._gate(rows.x[kept])
        passed = is_open.any(axis=1)
        chosen = kept[passed]
        salient = [
            self._salient(events, rows, row, a, mask, float(logits[row]))
            for row, a, mask in zip(chosen.tolist(), wires[passed], is_open[passed], strict=True)
        ]
        return TriageResult(
            self._with_marks(events, rows, chosen, salient),
            len(events), len(rows), len(kept), int(is_open[passed].sum()), self.context.watermark,
            rows, lambda: self.context.names(events, rows), logits, chosen,
        )  # fmt: skip

    def _salient(
        self,
        events: EventBatch,
        rows: Rows,
        row: int,
        wires: NDArray[np.float32],
        mask: NDArray[np.bool_],
        logit: float,
    ) -> SalientEvent:
        index, template = int(rows.event[row]), int(rows.template[row])
        trigger = _TRIGGERS.get(int(rows.trigger[row]), "silence")
        is_event = trigger == "event"
        text = self.context.miner.text(template)
        entity = events.entity[index] if is_event else rows.name(row)
        source = events.source[index] if is_event else self.context.source_name(int(rows.source[row]))
        offset, record = events.offset[index], events.record[index]
        return SalientEvent(
            id=event_id(
                self.topic, self.partition, offset, record, self.bundle.digest, trigger,
                "" if is_event else f"{source} {entity}",
            ),
            topic=self.topic, partition=self.partition, offset=offset, record=record,
            bundle=self.bundle.digest,
            trigger=trigger, time=float(rows.time[row]), watermark=float(rows.watermark[row]),
            severity=int(rows.severity[row]), source=source, entity=entity,
            template_id=f"{template:016x}", template=text,
            message=(events.message[index] if is_event else text)[:EXAMPLE_CHARS],
            features=rows.x[row].tolist(), wires=wires.tolist(), open_wires=mask.astype(int).tolist(),
            prefilter=logit,
        )  # fmt: skip

    def _with_marks(
        self, events: EventBatch, rows: Rows, chosen: NDArray[np.int64], salient: list[SalientEvent]
    ) -> list[SalientEvent]:
        """The salient events, and a notice for each minute of event time while incidents may be open."""
        minutes = np.floor(rows.watermark / MARK_EVERY)
        previous = np.concatenate(([self._last_mark], minutes[:-1]))
        crossed = np.flatnonzero(minutes > previous)
        if len(minutes) and np.isfinite(minutes[-1]):
            self._last_mark = float(minutes[-1])
        merged: list[SalientEvent] = []
        queue = list(zip(chosen.tolist(), salient, strict=True))[::-1]
        for row in crossed.tolist():
            while queue and queue[-1][0] < row:
                merged.append(queue.pop()[1])
                self._last_salient = merged[-1].watermark
            if rows.watermark[row] <= self._last_salient + MARK_FOR:
                merged.append(self._mark(events, rows, row))
        merged += [event for _, event in reversed(queue)]
        if queue:
            self._last_salient = merged[-1].watermark
        return merged

    def _mark(self, events: EventBatch, rows: Rows, row: int) -> SalientEvent:
        index, watermark = int(rows.event[row]), float(rows.watermark[row])
        offset, record = events.offset[index], events.record[index]
        return SalientEvent(
            id=event_id(self.topic, self.partition, offset, record, self.bundle.digest, "watermark"),
            topic=self.topic, partition=self.partition, offset=offset, record=record,
            bundle=self.bundle.digest,
            trigger="watermark", time=watermark, watermark=watermark,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Score:
    """How suspicious one salient event is.

    scores and p_values in the order of bundle.SCORES (logits, and shares of normal events scoring as high);
    drivers: (feature, value, expected) of what argued most for it; kind: what kind of alert it would be.
    """

    scores: tuple[float, ...]
    p_values: tuple[float, ...]
    drivers: list[tuple[str, float, float]]
    kind: Kind

    @property
    def p_value(self) -> float:
        """Of the score that alerts go by, the INT8 hybrid."""
        return self.p_values[-1]

    @property
    def prefilter_p(self) -> float:
        """Of the prefilter alone."""
        return self.p_values[SCORES.index("prefilter")]

    @property
    def twin_p(self) -> float:
        """Of the classical twin."""
        return self.p_values[SCORES.index("twin")]


class Evaluator:
    """Circuit and readouts over micro-batches of salient events.

    options and on_failure are those of models.circuits.runner.CircuitRunner.
    """

    def __init__(
        self,
        bundle: Bundle,
        options: EvaluateOptions = EvaluateOptions(),
        on_failure: Callable[[str], None] = lambda device: None,
    ) -> None:
        spec = bundle.manifest.spec
        weights = bundle.weights["circuit.weights"]
        self._circuit = CircuitRunner(spec, weights, options, on_failure)
        self._bundle = bundle
        self._twin = Twin(spec, bundle.weights["twin.weights"])
        self._density = DensityMatrices.from_arrays(bundle.weights, spec.wires)
        self._states = None if not_compiled(spec) else CompiledCircuit(spec, weights)
        self._int8 = OnnxModel(bundle.models[READOUT])
        self._float = OnnxModel(bundle.models[READOUT_FLOAT])
        self._twin_readout = OnnxModel(bundle.models[TWIN_READOUT])
        self._weight = bundle.weights["prefilter.weight"].astype(np.float64)
        self._typical = bundle.weights["typical"].astype(np.float64)

    @property
    def device(self) -> str:
        """Name of the device that runs the circuits."""
        return self._circuit.device

    @property
    def reason(self) -> str:
        """Why it was chosen."""
        return self._circuit.reason

    def score(self, salient: Sequence[SalientEvent]) -> list[Score]:
        """Scores of salient events (no watermark notices), in their order.

        Raises ValueError when an event was triaged by a bundle of another shape.
        """
        if not salient:
            return []
        wires = np.array([event.wires for event in salient], np.float32)
        mask = np.array([event.open_wires for event in salient], bool)
        x = np.array([event.features for event in salient])
        if wires.shape[1] != self._bundle.manifest.wires or x.shape[1] != len(NAMES):
            raise ValueError(
                "salient events come from a bundle of another shape; give both roles the same bundle"
            )
        logit = np.array([event.prefilter for event in salient])
        return self.score_arrays(x, wires, mask, logit)

    def score_arrays(
        self,
        x: NDArray[np.float64],
        wires: NDArray[np.float32],
        mask: NDArray[np.bool_],
        logit: NDArray[np.float64],
    ) -> list[Score]:
        """The same for features (n, d), wires and mask (n, wires) and prefilter logits (n,).

        Raises ValueError for features, logits or open wires that are no finite numbers.
        """
        if not np.isfinite(x).all():
            raise ValueError("features hold values that are no finite numbers")
        table = self.score_table(wires, mask, logit)
        p_values = [self._bundle.calibrations[name].p_values(table[:, i]) for i, name in enumerate(SCORES)]
        p_table = np.stack(p_values, axis=1)
        return [
            Score(tuple(scores), tuple(p), *self._explain(row))
            for scores, p, row in zip(table.tolist(), p_table.tolist(), x, strict=True)
        ]

    def score_table(
        self, wires: NDArray[np.float32], mask: NDArray[np.bool_], logit: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Scores (n, len(SCORES)): logits of prefilter, twin, hybrid and INT8 hybrid, and surprise in nats of
        the density matrices.

        An event without an open wire runs no circuit: its score is what the prefilter makes of it. Raises
        ValueError for a logit, or an open wire, that is no finite number.
        """
        if not np.isfinite(logit).all():
            raise ValueError("a prefilter score is no finite number")
        threshold = self._bundle.manifest.prefilter_threshold
        table = np.repeat(unscored(logit, threshold)[:, None], len(SCORES), axis=1)
        table[:, 0] = logit
        rows = np.flatnonzero(mask.any(axis=1))
        if len(rows):
            table[rows, 1:] = self._circuit_scores(wires[rows], mask[rows], logit[rows] - threshold)
        return table

    def _circuit_scores(
        self, wires: NDArray[np.float32], mask: NDArray[np.bool_], above: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Scores (n, len(SCORES) - 1), all but the prefilter's, of events with an open wire."""
        hybrid = readout_input(self._circuit(wires, mask), wires, mask, above)
        twin = readout_input(self._twin(wires, mask), wires, mask, above)
        table = np.empty((len(wires), len(SCORES) - 1))
        table[:, 0] = above + self._twin_readout(twin)[:, 0]
        table[:, 1] = self._surprise(wires, mask)
        table[:, 2] = above + self._float(hybrid)[:, 0]
        table[:, 3] = above + self._int8(hybrid)[:, 0]
        return table

    def _surprise(self, wires: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float64]:
        """-log <psi|rho|psi> (n,), in nats; 0 where circuits are too large to have their states at hand."""
        found = np.zeros(len(wires))
        if self._states is not None:
            for pattern, rows, states in self._states.states(wires, mask):
                found[rows] = self._density.surprise(pattern, states)
        return found

    def _explain(self, x: NDArray[np.float64]) -> tuple[list[tuple[str, float, float]], Kind]:
        weight = np.maximum(self._weight, 1e-3)
        drive = weight * np.maximum(x - self._typical, 0.0)
        if not drive.any():
            drive = weight * x
        order = np.argsort(-drive, kind="stable")[:DRIVERS].tolist()
        drivers = [(NAMES[i], float(x[i]), float(self._typical[i])) for i in order if drive[i] > 0.0]
        return drivers, FEATURES[order[0]].kind


def readout_input(
    outputs: NDArray[np.floating],
    wires: NDArray[np.float32],
    mask: NDArray[np.bool_],
    above: NDArray[np.float64],
) -> NDArray[np.float32]:
    """What a readout gets (n, 2 wires + 1): outputs (n, wires) of circuit or twin, what open wires hold,
    and the prefilter's logit less its threshold (n,).
    """
    gated = np.where(mask, wires, np.float32(0.0))
    return np.concatenate([outputs, gated, readout_prior(above)[:, None]], axis=1).astype(np.float32)


def readout_prior(above: NDArray[np.float64]) -> NDArray[np.float32]:
    """The prefilter's logit less its threshold as the readouts see it, in [0, 1]."""
    return np.clip(above / 10.0, 0.0, 1.0).astype(np.float32)


def unscored(logit: NDArray[np.float64], threshold: float) -> NDArray[np.float64]:
    """The score of events that no circuit sees: the prefilter's, at most that of one just let through."""
    return np.minimum(logit - threshold, 0.0)
