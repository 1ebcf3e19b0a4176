"""The detector: triage of every event of a partition, and evaluation of the salient ones."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models import audit
from models.bundle import ENCODER, READOUT, READOUT_FLOAT, TWIN_READOUT, Arrays, Bundle
from models.circuits.compiled import CompiledCircuit, not_compiled
from models.circuits.runner import CircuitRunner
from models.context.context import Context, Names, Rows, ToldClock
from models.context.features import WIDTH
from models.context.templates import TemplateMiner
from models.explanation import reasons
from models.false_alarms import FalseAlarms
from models.heads import prefilter
from models.heads.density import DensityMatrices
from models.heads.open_wires import open_wires
from models.heads.readout_input import readout_input, unscored
from models.heads.salience import SalienceThreshold, could_alert
from models.heads.twin import Twin
from models.int8.onnx_model import OnnxModel
from models.marks import Marks
from models.options import EvaluateOptions
from models.scores import PUBLISHED, EventScores, ScoreName
from schemas.events import EventBatch
from schemas.lane import Places
from schemas.notice import Notice
from schemas.salient import EXAMPLE_CHARS, SalientEvent, Trigger, event_id
from schemas.watermark import SalientMessage, Watermark

_TRIGGERS: Final = list(Trigger)  # by their code
_READOUTS: Final = {
    ScoreName.TWIN: TWIN_READOUT,
    ScoreName.HYBRID: READOUT_FLOAT,
    ScoreName.HYBRID_INT8: READOUT,
}


@dataclass(frozen=True, slots=True)
class TriageResult:
    """What triage makes of a batch.

    messages: salient and audited events, and watermarks, in order; event_count: events of the input;
    prefiltered: rows past the prefilter; open_wires: their sum over salient events; watermark: event time
    reached (s); forgotten: entities that lost something for want of room; rows: the feature rows (n,), of
    which time adds some, names: source and entity of each, logits (n,): their prefilter scores,
    salient_rows: which of them are salient, and audited_rows: which are sent though they are not; thresholds
    (n,): of the prefilter at each row, threshold: for what comes next, nats; text: of a template in rows.
    """

    messages: list[SalientMessage]
    event_count: int
    prefiltered: int
    open_wires: int
    watermark: float
    forgotten: int
    rows: Rows
    names: Callable[[], Names]
    logits: NDArray[np.float64]
    salient_rows: NDArray[np.int64]
    audited_rows: NDArray[np.int64]
    thresholds: NDArray[np.float64]
    threshold: float
    text: Callable[[int], str]

    @property
    def sent_rows(self) -> NDArray[np.int64]:
        """Rows of the events in messages, in their order."""
        return np.union1d(self.salient_rows, self.audited_rows)


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
    """Templates, surprise features, prefilter, INT8 encoder and gate for one input partition.

    partitions: how many the topic has. False alarms are asked for all of it, and a partition knows its own
    pace only: that of the topic is taken to be as many times as large.
    """

    def __init__(
        self,
        bundle: Bundle,
        topic: str,
        partition: int,
        partitions: int = 1,
        false_alarms: FalseAlarms | None = None,
    ) -> None:
        """false_alarms: how many are accepted, None for the bundle's; what could alert by it passes."""
        manifest = bundle.manifest
        self._partitions = partitions
        self.bundle, self.topic, self.partition = bundle, topic, partition
        line = prefilter.from_arrays(bundle.weights)
        self.context = Context(TemplateMiner(manifest.merges), manifest.entity_timeout, line=line)
        if bundle.context:
            self.context.restore(bundle.context)
            self.context.miner.remember({int(key, 16): text for key, text in manifest.texts.items()})
        self._gate = InferenceGate(bundle.models, bundle.weights)
        self._false_alarms = false_alarms or bundle.false_alarms
        self._salience = SalienceThreshold(manifest.prefilter_threshold, manifest.salience_budget)
        self._marks = Marks(topic, partition, partitions, bundle.digest)

    def process(self, events: EventBatch, places: Places | None = None) -> TriageResult:
        """The salient ones among the next events of the partition.

        places: where each event stands and comes from; None: at its offset, in this partition.

        Raises ValueError for features that give no finite score.
        """
        places = places or Places(events.offset, [self.partition] * len(events))
        forgotten_before = self.context.forgotten
        rows = self.context.update(events)
        rows.pace[:, 0] *= self._partitions
        logits = prefilter.logit(rows.x, rows.line)
        if not np.isfinite(logits).all():
            raise ValueError("a surprise feature is no finite number, so the event has no score")
        wires, is_open = self._gate(rows.x)
        always = could_alert(
            logits, rows.of_entity, self._false_alarms.limits(rows.pace, rows.learning, rows.severity),
            self.bundle.calibrations[ScoreName.PREFILTER], self.bundle.manifest.prefilter_threshold,
        )  # fmt: skip
        passed, thresholds = self._salience.take(logits, is_open, always)
        audited = self._sample(events, rows, places) & ~passed
        sent = np.flatnonzero(passed | audited)
        messages = [
            self._salient(events, rows, row, a, bits, logit, least, rejected, places)
            for row, a, bits, logit, least, rejected in zip(
                sent.tolist(), wires[sent], is_open[sent],
                logits[sent].tolist(), thresholds[sent].tolist(), audited[sent].tolist(), strict=True,
            )
        ]  # fmt: skip
        placed = self._with_notices(events, rows, messages, sent, places)
        return TriageResult(
            self._marks.among(*placed, rows, places.positions),
            len(events), int((logits >= thresholds).sum()), int(is_open[passed].sum()),
            self.context.watermark, self.context.forgotten - forgotten_before,
            rows, lambda: self.context.names(events, rows), logits, np.flatnonzero(passed),
            np.flatnonzero(audited), thresholds, self._salience.nats, self.context.miner.text,
        )  # fmt: skip

    def _with_notices(
        self,
        events: EventBatch,
        rows: Rows,
        salient: list[SalientEvent],
        chosen: NDArray[np.int64],
        places: Places,
    ) -> tuple[list[SalientEvent | Notice], NDArray[np.int64]]:
        """Salient events and what is to be told of clocks, in order, and the rows that they belong to."""
        told = self.context.told_clocks()
        if not told:
            return list(salient), chosen
        at = [int(np.searchsorted(rows.event, each.event)) for each in told]
        notices = [self._notice(events, rows, row, each, places) for row, each in zip(at, told, strict=True)]
        placed: list[tuple[int, SalientEvent | Notice]] = [*zip(at, notices, strict=True)]
        placed += zip(chosen.tolist(), salient, strict=True)
        placed.sort(key=lambda each: each[0])
        return [message for _, message in placed], np.array([row for row, _ in placed])

    def _notice(self, events: EventBatch, rows: Rows, row: int, told: ToldClock, places: Places) -> Notice:
        offset, record = events.offset[told.event], events.record[told.event]
        partition = places.partitions[told.event]
        name = event_id(
            self.topic, partition, offset, record, self.bundle.digest, Trigger.EVENT, f"clock {told.source}"
        )
        return Notice(
            lane=self.partition, lanes=self._partitions, position=places.positions[told.event],
            id=name, topic=self.topic, partition=partition, offset=offset, bundle=self.bundle.digest,
            watermark=float(rows.watermark[row]), source=told.source, ahead=told.ahead, state=told.state,
        )  # fmt: skip

    def _sample(self, events: EventBatch, rows: Rows, places: Places) -> NDArray[np.bool_]:
        """Which rows (n,) are audited, unless they are salient."""
        partition = np.array(places.partitions, np.int64)[rows.event]
        offset, record = (np.array(each, np.int64)[rows.event] for each in (events.offset, events.record))
        nth = np.arange(len(rows)) - np.searchsorted(rows.event, rows.event)
        return audit.sampled(self.topic, partition, offset, record, rows.trigger, nth)

    def snapshot(self) -> tuple[Arrays, dict[str, Any]]:
        """All that later results depend on: arrays, and what is best written as JSON."""
        arrays, rest = self.context.snapshot()
        arrays["marks"] = self._marks.snapshot()
        arrays["salience"] = self._salience.snapshot()
        return arrays, rest

    def resume(self, arrays: Mapping[str, NDArray[np.generic]], rest: Mapping[str, Any]) -> None:
        """Go on from a snapshot, with the same bundle, where nothing was processed yet.

        Raises ValueError or KeyError for anything else.
        """
        self.context.resume(arrays, rest)
        self._salience.resume(arrays["salience"])
        self._marks.resume(arrays["marks"])

    def _salient(
        self,
        events: EventBatch,
        rows: Rows,
        row: int,
        wires: NDArray[np.float32],
        is_open: NDArray[np.bool_],
        logit: float,
        threshold: float,
        audited: bool,
        places: Places,
    ) -> SalientEvent:
        index, template = int(rows.event[row]), int(rows.template[row])
        trigger = _TRIGGERS[rows.trigger[row]]
        is_event = trigger == Trigger.EVENT
        before = _of_same_source(rows, row) if trigger == Trigger.SOURCE else 0
        text = self.context.miner.text(template)
        entity = events.entity[index] if is_event else rows.name(row)
        source = events.source[index] if is_event else self.context.source_name(int(rows.source[row]))
        offset, record = events.offset[index], events.record[index]
        partition = places.partitions[index]
        return SalientEvent(
            id=event_id(
                self.topic, partition, offset, record, self.bundle.digest, trigger,
                "" if is_event else f"{source} {entity}" + (f" {before}" if before else ""),
            ),
            lane=self.partition, lanes=self._partitions, position=places.positions[index],
            topic=self.topic, partition=partition, offset=offset, record=record,
            bundle=self.bundle.digest,
            trigger=trigger, time=float(rows.time[row]), watermark=float(rows.watermark[row]),
            severity=int(rows.severity[row]), source=source, entity=entity,
            template_id=f"{template:016x}", template=text,
            message=(events.message[index] if is_event else text)[:EXAMPLE_CHARS],
            features=rows.x[row].tolist(), wires=wires.tolist(), open_wires=is_open.astype(int).tolist(),
            prefilter=logit, threshold=threshold, audit=audited,
            evidence=reasons(rows.why[row], self.context.miner.text),
            pace=rows.pace[row].tolist(), known=int(rows.known[row]), learning=bool(rows.learning[row]),
        )  # fmt: skip

    def reached(self, time: float, position: int) -> list[Watermark]:
        """The notice, where one is due, that the partition is complete up to a time (s) without any event."""
        return self._marks.of_lane(time, position)

    def idle(self, position: int) -> Watermark:
        """That the partition was read to its end, which is behind a position (-1 for the beginning)."""
        return self._marks.mark(self.context.watermark, position, idle=True)


def _of_same_source(rows: Rows, row: int) -> int:
    """How many rows of its source as a whole, at the same event, come before a row: many may end at once."""
    first = int(np.searchsorted(rows.event, rows.event[row]))
    alike = rows.trigger[first:row] == rows.trigger[row]
    return int((alike & (rows.source[first:row] == rows.source[row])).sum())


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
        self._bundle = bundle
        self._circuit = CircuitRunner(spec, bundle.weights["circuit.weights"], options, on_failure)
        self._twin = Twin(spec, bundle.weights["twin.weights"])
        self._readouts: dict[ScoreName, OnnxModel] = {}  # loaded when first asked for: a worker needs two

    @property
    def device(self) -> str:
        """Name of the device that runs the circuits."""
        return self._circuit.device

    @property
    def reason(self) -> str:
        """Why it was chosen."""
        return self._circuit.reason

    def check(self, event: SalientEvent) -> None:
        """Raises ValueError for an event that a bundle of another shape has triaged."""
        if len(event.wires) != self._bundle.manifest.wires or len(event.features) != WIDTH:
            raise ValueError("triaged by a bundle of another shape; give both roles the same bundle")

    def score(self, salient: Sequence[SalientEvent], names: Collection[ScoreName] = PUBLISHED) -> EventScores:
        """The named scores of salient events, in their order, with p-values.

        Raises ValueError for an event that `check` refuses.
        """
        for event in salient:
            self.check(event)
        shape = (len(salient), self._bundle.manifest.wires)
        wires = np.array([event.wires for event in salient], np.float32).reshape(shape)
        is_open = np.array([event.open_wires for event in salient], bool).reshape(shape)
        logit = np.array([event.prefilter for event in salient], np.float64)
        values = self.score_arrays(wires, is_open, logit, names)
        of_entity = np.array([bool(event.entity) for event in salient], bool)
        calibrations = self._bundle.calibrations
        return EventScores(
            values, {name: calibrations[name].p_values(values[name], of_entity) for name in names}
        )

    def score_arrays(
        self,
        wires: NDArray[np.float32],
        is_open: NDArray[np.bool_],
        logit: NDArray[np.float64],
        names: Collection[ScoreName],
    ) -> dict[ScoreName, NDArray[np.float64]]:
        """The named scores (n,) for wires and is_open (n, wires) and prefilter logits (n,).

        An event without an open wire runs no circuit: its score is what the prefilter makes of it. Raises
        ValueError for shapes that do not fit, and for a logit, or an open wire, that is no finite number.
        """
        shape = (len(logit), self._bundle.manifest.wires)
        if logit.ndim != 1 or wires.shape != shape or is_open.shape != shape:
            raise ValueError(f"wires {wires.shape} and open wires {is_open.shape}, want {shape} twice")
        if not np.isfinite(logit).all():
            raise ValueError("a prefilter score is no finite number")
        threshold = self._bundle.manifest.prefilter_threshold
        rows = np.flatnonzero(is_open.any(axis=1))
        heads = [name for name in names if name != ScoreName.PREFILTER]
        scores = {name: unscored(logit, threshold) for name in heads}
        if len(rows) and heads:
            found = self._head_scores(wires[rows], is_open[rows], logit[rows] - threshold, heads)
            for name in heads:
                scores[name][rows] = found[name]
        return {name: scores[name] if name in scores else logit.copy() for name in names}

    def _head_scores(
        self,
        wires: NDArray[np.float32],
        is_open: NDArray[np.bool_],
        above: NDArray[np.float64],
        heads: Collection[ScoreName],
    ) -> dict[ScoreName, NDArray[np.float64]]:
        """Scores (n,) by each head of events that all have an open wire."""
        found: dict[ScoreName, NDArray[np.float64]] = {}
        hybrids = [name for name in heads if name in (ScoreName.HYBRID, ScoreName.HYBRID_INT8)]
        if ScoreName.TWIN in heads:
            x = readout_input(self._twin(wires, is_open), wires, is_open, above)
            found[ScoreName.TWIN] = above + self._readout(ScoreName.TWIN)(x)[:, 0]
        if ScoreName.DENSITY in heads:
            expectations, surprise = self._with_surprise(wires, is_open)
            found[ScoreName.DENSITY] = above + surprise
        elif hybrids:
            expectations = self._circuit(wires, is_open)
        if hybrids:
            x = readout_input(expectations, wires, is_open, above)
            found |= {name: above + self._readout(name)(x)[:, 0] for name in hybrids}
        return found

    def _readout(self, name: ScoreName) -> OnnxModel:
        if name not in self._readouts:
            self._readouts[name] = OnnxModel(self._bundle.models[_READOUTS[name]])
        return self._readouts[name]

    def _with_surprise(
        self, wires: NDArray[np.float32], is_open: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Expectations (n, wires) of the circuit, and -log <psi|rho|psi> (n,) of its states in nats.

        Where the circuit is compiled both come from one evolution. The surprise is 0 where circuits are too
        large for their states to be at hand.
        """
        surprise = np.zeros(len(wires))
        circuit = self._circuit.compiled or self._states
        if circuit is None:
            return self._circuit(wires, is_open), surprise
        expectations = np.ones(wires.shape, np.float32)
        for part in circuit.evolved(wires, is_open):
            expectations[part.rows] = part.expectations
            surprise[part.rows] = self._density.surprise(part.pattern, part.states)
        if self._circuit.compiled is None:
            expectations = self._circuit(wires, is_open)
        return expectations, surprise

    @cached_property
    def _density(self) -> DensityMatrices:
        return DensityMatrices.from_arrays(self._bundle.weights, self._bundle.manifest.wires)

    @cached_property
    def _states(self) -> CompiledCircuit | None:
        """For the states of circuits that run on another device; None where they are too large."""
        spec = self._bundle.manifest.spec
        return None if not_compiled(spec) else CompiledCircuit(spec, self._bundle.weights["circuit.weights"])
