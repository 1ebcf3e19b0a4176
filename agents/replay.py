"""Replay: files or topics through the very same triage and evaluation as the worker, then figures."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from math import isfinite, nan
from typing import Any, Final

import numpy as np

from agents.evaluate import SalientEvaluation
from agents.group import Grouping
from agents.inputs.inputs import Inputs
from agents.inputs.merge import in_order
from agents.inputs.tally import Tallies
from agents.key import KeyBy
from agents.partitions import PartitionStates
from agents.records import RecordBatch
from agents.rekeyed import rekeyed
from agents.triage import PartitionTriage, TriageOutput
from models import evaluation
from models.bundle import Bundle
from models.evaluation import Evaluation
from models.evidence_history import WorstUnits
from models.heads.readout_input import unscored
from models.labels import Labels
from models.options import EvaluateOptions
from models.scores import PUBLISHED, EventScores, ScoreName
from models.warm_up import warm_up
from schemas.alert import Alert
from schemas.dead_letter import DeadLetter
from schemas.formats.detection import TopicDecoder
from schemas.formats.options import ReadOptions
from schemas.salient import SalientEvent

MOST_ENTITIES: Final = 2_000_000  # told apart, in about 150 MB; metrics.json says when there were more


class EntityCount:
    """Distinct entities, exact up to MOST_ENTITIES; names are kept as 64-bit hashes."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self.exact = True

    def __len__(self) -> int:
        return len(self._seen)

    def add(self, names: Sequence[str]) -> None:
        """Take the entities of some events; "" is none."""
        if self.exact:
            self._seen.update(map(hash, filter(None, names)))
            self.exact = len(self._seen) < MOST_ENTITIES


@dataclass(slots=True)
class Totals:
    """What a replay counted."""

    events: int = 0
    rows: int = 0
    prefiltered: int = 0
    salient: int = 0
    circuits: int = 0
    open_wires: int = 0
    audited: int = 0
    missed: int = 0
    threshold: float = nan
    forgotten: int = 0
    alerts: int = 0
    incidents: int = 0
    pages: int = 0
    dead_letters: dict[str, int] = field(default_factory=dict)
    device_failures: Counter[str] = field(default_factory=Counter)
    entities: EntityCount = field(default_factory=EntityCount)
    seconds: float = 0.0

    def audit(self, audited: int, missed: int) -> None:
        """Count rejected rows that were evaluated, and those of them that are suspicious."""
        self.audited += audited
        self.missed += missed

    def gate(self) -> dict[str, Any]:
        """What prefilter and gate let through, and an estimate of what they miss; None where unknown."""
        missed, interval = evaluation.missed(self.missed, self.rows - self.salient)
        return {
            "prefilter_rate": self.prefiltered / self.rows if self.rows else None,
            "salient_rate": self.salient / self.rows if self.rows else None,
            "mean_open_wires": self.open_wires / self.salient if self.salient else None,
            "circuits": self.circuits,
            "threshold": self.threshold if isfinite(self.threshold) else None,
            "audited": self.audited,
            "missed_estimate": missed,
            "missed_interval95": interval,
        }

    def add(self, output: TriageOutput) -> None:
        """Count a triaged batch."""
        self.events += output.events
        self.rows += output.rows
        self.prefiltered += output.prefiltered
        self.open_wires += output.open_wires
        self.threshold = output.threshold
        self.forgotten += output.forgotten
        salient = output.salient
        self.salient += len(salient)
        self.circuits += sum(any(event.open_wires) for event in salient)
        for letter in output.dead:
            self.bury(letter)

    def bury(self, letter: DeadLetter) -> None:
        """Count a record that cannot be used."""
        reason = letter.reason.split(":")[0]
        self.dead_letters[reason] = self.dead_letters.get(reason, 0) + 1


def is_new(alert: Alert) -> bool:
    """Whether an alert is the first of its incident."""
    return alert.update == "opened"


class Replay:
    """One run over inputs with a bundle; labels, if any, are used for the figures alone.

    keyed: how the events of topics are keyed, and over how many partitions; None: as they are.
    """

    def __init__(
        self,
        bundle: Bundle,
        options: ReadOptions,
        labels: Labels | None = None,
        evaluate: EvaluateOptions = EvaluateOptions(),
        keyed: tuple[KeyBy, int] | None = None,
    ) -> None:
        self._keyed = keyed
        self.bundle = bundle
        self.totals = Totals()
        self.evaluation = SalientEvaluation(
            bundle,
            evaluate,
            on_device_failure=lambda failed: self.totals.device_failures.update([failed]),
            names=PUBLISHED if labels is None else list(ScoreName),
        )
        self.evaluation.on_audit = self.totals.audit
        self.grouping = Grouping(evaluate)
        self._options = options
        self._figures = Evaluation(labels or Labels())
        self._labelled = labels is not None
        if self._labelled:
            self.evaluation.on_scores = self._score_salient
            self.grouping.on_suspicious = lambda alert, incident: self._figures.incidents.suspicious(
                incident, alert.source, alert.entity, alert.time
            )

    def run(
        self,
        inputs: Inputs,
        on_alert: Callable[[Alert], None],
        on_progress: Callable[[Inputs], None],
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        """Read all inputs, give every alert to on_alert in order; say gets sentences about what is not
        understood, and about what is missing as soon as it is noticed.
        """
        warm_up()  # compiling after an installation is no part of the speed
        start = time.perf_counter()
        tallies = Tallies(inputs, self._options, self.totals.entities.add)
        keyed = None if inputs.files else self._keyed

        def make(topic: str, partition: int) -> PartitionTriage:
            decoder = TopicDecoder(self._options) if keyed else tallies.of_partition(topic, partition)
            count = keyed[1] if keyed else inputs.partitions(topic)
            return PartitionTriage(
                self.bundle, decoder, topic, partition, count, self.evaluation.false_alarms
            )

        partitions = PartitionStates(make)
        if keyed is None:
            batches = in_order(inputs.streams(), tallies.of_stream)
        else:
            batches = rekeyed(inputs, tallies.of_partition, *keyed, self.totals.bury)
        for batch in batches:
            alerts = self._process(partitions.of(batch.topic, batch.partition), batch, inputs)
            for name in () if keyed else inputs.newly_ended():  # nobody is to wait for these
                notice = partitions.of(*name).idle()
                alerts += self.grouping.process(self.evaluation.process([notice]))
            for text in tallies.missing():
                say(text)
            self._tell(alerts, inputs, on_alert)
            on_progress(inputs)
        self._tell(self.grouping.rest(), inputs, on_alert)
        self.totals.seconds = time.perf_counter() - start
        for text in (*tallies.missing(1), tallies.no_entity(), *tallies.failed()):
            if text:
                say(text)

    def _tell(self, alerts: Sequence[Alert], inputs: Inputs, on_alert: Callable[[Alert], None]) -> None:
        for alert in alerts:
            self.totals.alerts += 1
            self.totals.incidents += is_new(alert)
            self.totals.pages += alert.page
            on_alert(inputs.located(alert))

    def _process(self, triage: PartitionTriage, batch: RecordBatch, inputs: Inputs) -> list[Alert]:
        output = triage.process(batch)
        if batch.origins is None:
            inputs.reached(batch.partition, output.watermark)
        self.totals.add(output)
        if self._labelled:
            self._score_rows(output)
        return self.grouping.process(self.evaluation.process(output.messages))

    def _score_rows(self, output: TriageOutput) -> None:
        """Hold every row's prefilter score against the labels."""
        prefilter = self.bundle.calibrations[ScoreName.PREFILTER]
        for result in output.results:
            if not len(result.rows):
                continue
            rows = result.rows
            sources, entities = zip(*result.names(), strict=True)
            p = prefilter.p_values(result.logits, np.array(entities) != "")
            salient = np.zeros(len(result.rows), bool)
            salient[result.salient_rows] = True
            self._figures.prefiltered(
                sources,
                entities,
                rows.time.tolist(),
                result.logits.tolist(),
                (p <= self.evaluation.false_alarms.limits(rows.pace, rows.learning, rows.severity)).tolist(),
                salient.tolist(),
                unscored(result.logits, self.bundle.manifest.prefilter_threshold, result.thresholds).tolist(),
                rows,
                result.text,
            )

    def _score_salient(self, events: Sequence[SalientEvent], scores: EventScores) -> None:
        self._figures.scored(events, scores, self.evaluation.limits(events))

    def _unlabelled(self) -> dict[str, Any]:
        """What takes the place of figures that only labels can give."""
        return {"false_alarms_per_10k_events": None, "incidents": {"n": self.totals.incidents}}

    def unmatched_labels(self) -> str:
        """That labels match none of the events, and what may be meant; "" where all do, or there are none."""
        return self._figures.unmatched() if self._labelled else ""

    def worst_units(self) -> WorstUnits:
        """The worst misses and false alarms, with how their evidence grew; none without labels."""
        return self._figures.worst_units()

    def metrics(self) -> dict[str, Any]:
        """The content of metrics.json."""
        totals = self.totals
        return {
            "events": totals.events,
            "entities": len(totals.entities),
            "entities_exact": totals.entities.exact,
            "entities_forgotten": totals.forgotten,
            "seconds": totals.seconds,
            "events_per_second": totals.events / totals.seconds if totals.seconds else None,
            "gate": totals.gate(),
            "alerts": totals.alerts,
            "pages": totals.pages,
            "dead_letters": totals.dead_letters,
            "device": self.evaluation.device,
            "device_reason": self.evaluation.reason,
            "device_failures": dict(totals.device_failures),
            **self._figures.report(totals.events),
            **({} if self._labelled else self._unlabelled()),
            "bundle": self.bundle.digest,
            "qualm": version("qualm"),
        }
