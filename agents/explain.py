"""Explaining an alert: records are replayed up to the event that it was made of, which is then judged again.

No Kafka here, and no code path of its own: triage, evaluation and alert are those of the worker.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from agents.evaluate import SalientEvaluation, alert_id, make_alert
from agents.inputs.inputs import Inputs
from agents.inputs.merge import in_order
from agents.key import KeyBy
from agents.line_history import Line, LineHistory
from agents.partitions import TopicPartition
from agents.records import RecordBatch
from agents.rekeyed import rekeyed
from agents.triage import PartitionTriage, TriageOutput
from models.attribution import Attribution, attribute
from models.bundle import Bundle
from models.explanation import Explainer
from models.false_alarms import FalseAlarms
from models.scores import ALERTS_BY, PUBLISHED
from schemas.alert import Alert
from schemas.events import EventBatch
from schemas.formats.detection import TopicDecoder
from schemas.formats.options import ReadOptions
from schemas.salient import SalientEvent

__all__ = ["ExplainError", "Explained", "Found", "NotFoundError", "Wanted", "find", "judge"]

SAME: Final = 1e-6  # relative difference of p-values: another processor may round otherwise
_READING: Final = "--format, --line, --entity-field, --entity-pattern, --source-field, --time-field"


class ExplainError(Exception):
    """An alert that cannot be explained; the text says why and what to give instead."""


class NotFoundError(ExplainError):
    """These inputs, as they were read, do not give the alert; the text says what may be wrong."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The alert to explain: its id, and all of it where that is at hand."""

    id: str
    alert: Alert | None = None

    def check(self, bundle: Bundle) -> None:
        """Raises ExplainError for an alert that is not firing, or that another bundle has made."""
        if self.alert is None:
            return
        if self.alert.update in ("continues", "resolved"):
            raise ExplainError(
                f"alert {self.id} says that an incident goes on or is over, which no one record "
                f"says; give the one that it began with: {self.alert.incident}"
            )
        if self.alert.bundle != bundle.digest:
            raise ExplainError(
                f"the alert was made by bundle {self.alert.bundle[:16]}, and this one is "
                f"{bundle.digest[:16]}; name the folder of the former with --bundle"
            )

    def can_be_of(self, batch: RecordBatch) -> bool:
        """Whether the alert can come of the partition of a batch."""
        known = self.alert
        if known is None or batch.origins is not None:  # where it went by its key, the alert does not say
            return known is None or known.topic == batch.topic
        return (known.topic, known.partition) == (batch.topic, batch.partition)

    def is_passed_by(self, batch: RecordBatch) -> bool:
        """Whether a batch of its partition reaches to the record that the alert came of."""
        if self.alert is None or not len(batch):
            return False
        if batch.decoded is not None:  # merged files or partitions: offsets count its rows
            offsets = batch.decoded.events.offset
            partitions = batch.origins or [self.alert.partition] * len(offsets)
            return (self.alert.partition, self.alert.offset) in zip(partitions, offsets, strict=True)
        return batch.offsets[-1] >= self.alert.offset


@dataclass(frozen=True, slots=True)
class Found:
    """What an alert was made of.

    candidates: salient events whose alert has the id, each with the scale (2,) that its row was held
    against; several rows of one source at one record have one id. before: the lines of their entity, or of
    their source where they have none, before their record; line: that of their record, None where it is not
    known.
    """

    candidates: list[tuple[SalientEvent, Sequence[float]]]
    before: list[Line]
    line: Line | None


@dataclass(frozen=True, slots=True)
class Explained:
    """An alert made again, before it is part of an incident, and what argued for it.

    given: the alert as it was given, None for an id alone; limit: largest p-value that alerts.
    """

    alert: Alert
    event: SalientEvent
    attribution: Attribution
    limit: float
    given: Alert | None

    @property
    def reproduced(self) -> bool:
        """Whether the p-value is that of the alert given. An id alone is of this very event and bundle."""
        return self.given is None or math.isclose(self.given.p_value, self.alert.p_value, rel_tol=SAME)


class _Partition:
    """Triage of one partition, and its last lines."""

    def __init__(
        self,
        bundle: Bundle,
        reading: ReadOptions,
        topic: str,
        partition: int,
        partitions: int,
        false_alarms: FalseAlarms | None,
    ) -> None:
        self._decoded: list[EventBatch] = []  # until their lines are taken
        decoder = TopicDecoder(reading, lambda decoded, *_: self._decoded.append(decoded.events))
        self._triage = PartitionTriage(bundle, decoder, topic, partition, partitions, false_alarms)
        self._lines = LineHistory()
        self.events = 0

    def process(self, batch: RecordBatch, wanted: Wanted) -> Found | None:
        """Take in the next records; what the wanted alert was made of, if it is among them."""
        output = self._triage.process(batch)
        self.events += output.events
        candidates = _candidates(output, wanted)
        place = (candidates[0][0].offset, candidates[0][0].record) if candidates else None
        line = None
        decoded = [batch.decoded.events] if batch.decoded is not None else self._decoded
        if batch.origins is not None and batch.decoded is not None:  # offsets of partitions that are merged
            events = batch.decoded.events
            at = [*zip(batch.origins, events.offset, events.record, strict=True)]
            first = self.events - len(at)
            if candidates:
                place = (first + at.index((candidates[0][0].partition, *place)), 0) if place else None
            decoded = [replace(events, offset=list(range(first, first + len(at))), record=[0] * len(at))]
        for events in decoded:
            line = self._lines.add(events, place) or line
        self._decoded.clear()
        if not candidates:
            return None
        event = candidates[0][0]
        return Found(candidates, self._lines.of(event.source, event.entity), line)


def find(
    wanted: Wanted,
    inputs: Inputs,
    bundle: Bundle,
    reading: ReadOptions,
    on_progress: Callable[[Inputs], None] = lambda inputs: None,
    false_alarms: FalseAlarms | None = None,
    keyed: tuple[KeyBy, int] | None = None,
) -> Found:
    """Read inputs up to the event that an alert was made of; partitions it cannot be of are passed over.

    false_alarms: how many are accepted, as where the alert was made; None for the bundle's. keyed: how the
    events of topics are keyed, and over how many partitions; None: as they are.

    Raises:
        NotFoundError: these inputs, so read, and this bundle do not give the alert.
        ExplainError: it is of another bundle, or says that an incident goes on or is over.
        InputError: as Inputs do.
    """
    wanted.check(bundle)
    partitions: dict[TopicPartition, _Partition] = {}
    passed = False
    inner = replace(wanted, alert=wanted.alert and inputs.within(wanted.alert))
    if keyed is None or inputs.files:
        batches = in_order(inputs.streams(), lambda _: TopicDecoder(reading))
    else:
        batches = rekeyed(inputs, lambda *_: TopicDecoder(reading), *keyed)
    for batch in batches:
        if inner.can_be_of(batch):
            name = (batch.topic, batch.partition)
            if name not in partitions:
                count = inputs.partitions(batch.topic) if batch.origins is None or not keyed else keyed[1]
                partitions[name] = _Partition(bundle, reading, *name, count, false_alarms)
            if found := partitions[name].process(batch, inner):
                return found
            passed = inner.is_passed_by(batch)
        on_progress(inputs)
        if passed:
            break
    events = sum(each.events for each in partitions.values())
    read = f"{inputs.records:,} records were read, and {events:,} log events understood in them"
    raise NotFoundError(
        f"no alert {wanted.id} in these inputs: {read}. {_advice(wanted, bundle, bool(partitions), passed)}"
    )


def judge(found: Found, given: Alert | None, bundle: Bundle, evaluation: SalientEvaluation) -> Explained:
    """Judge the event again that was found; given: the alert, where all of it is at hand."""
    events = [event for event, _ in found.candidates]
    evaluator, limits = evaluation.evaluator, evaluation.limits(events)
    scores = evaluator.score(events, PUBLISHED)
    row = int((scores.p_values[ALERTS_BY] <= limits).argmax())  # the first that is suspicious has the alert
    limit = float(limits[row])
    event, scale = found.candidates[row]
    p_values = {name: float(scores.p_values[name][row]) for name in PUBLISHED}
    alert = make_alert(event, p_values, limit, Explainer(bundle).explain(event.features))
    return Explained(alert, event, attribute(bundle, evaluator, event, scale), limit, given)


def _candidates(output: TriageOutput, wanted: Wanted) -> list[tuple[SalientEvent, Sequence[float]]]:
    """Salient events whose alert has the id."""
    found: list[tuple[SalientEvent, Sequence[float]]] = []
    for result in output.results:
        salient = [message for message in result.messages if isinstance(message, SalientEvent)]
        for event, row in zip(salient, result.sent_rows.tolist(), strict=True):
            if alert_id(event.id) == wanted.id:
                found.append((event, result.rows.scale[row].tolist()))
    return found


def _advice(wanted: Wanted, bundle: Bundle, began: bool, passed: bool) -> str:
    """What may be wrong where an alert was not found. began: whether its partition was among the inputs;
    passed: whether its record was read.
    """
    known = wanted.alert
    if known is None:
        return (
            "It may come from other inputs, or from these read from elsewhere or otherwise "
            f"({_READING}), be of another bundle than {bundle.digest[:16]} (--bundle), or say that an "
            "incident goes on or is over: that is no one record's"
        )
    place = f"topic {known.topic}, partition {known.partition}, offset {known.offset}"
    if not began:
        return f"It is of {place}, a partition that they do not have; a file's topic is called file"
    if not passed:
        return f"They end before its record ({place}); give what follows too"
    return (
        f"Its record ({place}) was read and gives none: the worker had read other records before it, or read "
        f"them otherwise ({_READING})"
    )
