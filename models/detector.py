"""The detector: triage of every event of a partition, and evaluation of the salient ones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.bundle import ENCODER, READOUT, READOUT_FLOAT, SCORES, TWIN_READOUT, Bundle
from models.circuit_spec import CircuitSpec
from models.context import Context, Names, Rows
from models.context_kernel import ENTITY_END, EVENT
from models.devices import Circuit, open_circuit
from models.features import FEATURES, NAMES, Kind
from models.mask import open_wires
from models.onnx_model import OnnxModel
from models.prefilter import prefilter_logit
from models.templates import TemplateMiner
from models.twin import twin_outputs
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
        self._tau = bundle.weights["gate.tau"].astype(np.float32)
        self._encoder = OnnxModel(bundle.models[ENCODER])
        self._last_mark = -np.inf
        self._last_salient = -np.inf

    def process(self, events: EventBatch) -> TriageResult:
        """The salient ones among the next events of the partition."""
        rows = self.context.update(events)
        logits = prefilter_logit(rows.x, rows.trigger, self._weight, self._bias)
        kept = np.flatnonzero(logits >= self.bundle.manifest.prefilter_threshold)
        wires = np.clip(self._encoder(rows.x[kept]), -1.0, 1.0)  # ONNX Runtime's tanh can exceed 1 by an ulp
        is_open = open_wires(wires, self._tau)
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
        return self.p_values[SCORES.index("hybrid_int8")]

    @property
    def prefilter_p(self) -> float:
        """Of the prefilter alone."""
        return self.p_values[SCORES.index("prefilter")]

    @property
    def twin_p(self) -> float:
        """Of the classical twin."""
        return self.p_values[SCORES.index("twin")]


class Evaluator:
    """Circuit and readouts over micro-batches of salient events."""

    def __init__(self, bundle: Bundle, device: str = "auto") -> None:
        manifest = bundle.manifest
        spec = CircuitSpec(manifest.wires, manifest.layers, manifest.preset)
        self._circuit: Circuit = open_circuit(spec, bundle.weights["circuit.weights"], device)
        self._bundle = bundle
        self._twin = {name[5:]: array for name, array in bundle.weights.items() if name.startswith("twin.")}
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
        """The same for features (n, d), wires and mask (n, wires) and prefilter logits (n,)."""
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
        """Scores (n, len(SCORES)): logits of prefilter, twin, hybrid and INT8 hybrid."""
        gated = wires * mask
        above = logit - self._bundle.manifest.prefilter_threshold
        prior = readout_prior(above)[:, None]
        hybrid = np.concatenate([self._circuit(wires, mask), gated, prior], axis=1, dtype=np.float32)
        twin = np.concatenate([twin_outputs(self._twin, wires, mask), gated, prior], axis=1, dtype=np.float32)
        corrections = [
            readout(inputs)[:, 0].astype(np.float64)
            for readout, inputs in ((self._twin_readout, twin), (self._float, hybrid), (self._int8, hybrid))
        ]
        return np.stack([logit, *(above + correction for correction in corrections)], axis=1)

    def _explain(self, x: NDArray[np.float64]) -> tuple[list[tuple[str, float, float]], Kind]:
        weight = np.maximum(self._weight, 1e-3)
        drive = weight * np.maximum(x - self._typical, 0.0)
        if not drive.any():
            drive = weight * x
        order = np.argsort(-drive, kind="stable")[:DRIVERS].tolist()
        drivers = [(NAMES[i], float(x[i]), float(self._typical[i])) for i in order if drive[i] > 0.0]
        return drivers, FEATURES[order[0]].kind


def readout_prior(above: NDArray[np.float64]) -> NDArray[np.float32]:
    """The prefilter's logit less its threshold as the readouts see it, in [0, 1]."""
    return np.clip(above / 10.0, 0.0, 1.0).astype(np.float32)


def unscored(logit: NDArray[np.float64], threshold: float) -> NDArray[np.float64]:
    """The score of events that no circuit sees: the prefilter's, at most that of one just let through."""
    return np.minimum(logit - threshold, 0.0)
