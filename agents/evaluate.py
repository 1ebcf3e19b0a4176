"""The way of a salient event to an alert: circuit, readout, p-value, incident.

No Kafka here: the worker and the replay of files call the same code.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from agents.incidents import Incidents
from agents.partitions import PartitionStates, TopicPartition
from models.bundle import Bundle
from models.context.features import Kind
from models.detector import Evaluator
from models.explanation import Explainer, Explanation
from models.false_alarms import UNUSUAL, FalseAlarms
from models.options import EvaluateOptions
from models.scores import ALERTS_BY, PUBLISHED, EventScores, ScoreName
from schemas.alert import Alert, Driver, Scores, fingerprint
from schemas.events import severity_text
from schemas.salient import SalientEvent
from schemas.watermark import SalientMessage

__all__ = ["SalientEvaluation", "alert_id", "make_alert"]

# Salient events whose ids are remembered per input partition, to know one that was delivered twice.
REMEMBERED = 4096


class _Origin:
    """What evaluate keeps for one input partition: its incidents and the ids of its latest events."""

    def __init__(self, options: EvaluateOptions) -> None:
        self.incidents = Incidents(options.resolve_after, options.pages_per_hour)
        self._ids: dict[str, None] = {}

    def seen(self, event_id: str) -> bool:
        """Whether an event was delivered before; takes note of it."""
        if event_id in self._ids:
            return True
        self._ids[event_id] = None
        if len(self._ids) > REMEMBERED:
            del self._ids[next(iter(self._ids))]
        return False

    def snapshot(self) -> dict[str, Any]:
        """As JSON types."""
        return {"ids": list(self._ids), "incidents": self.incidents.snapshot()}

    def resume(self, content: dict[str, Any]) -> None:
        """From a snapshot."""
        self._ids = dict.fromkeys(map(str, content["ids"]))
        self.incidents.resume(content["incidents"])


class _Origins:
    """What evaluate keeps for one partition of the salient topic: one _Origin per input partition in it."""

    def __init__(self, options: EvaluateOptions) -> None:
        self._options = options
        self._origins: dict[TopicPartition, _Origin] = {}

    def of(self, message: SalientMessage) -> _Origin:
        """That of the input partition that a message came from."""
        name = (message.topic, message.partition)
        if name not in self._origins:
            self._origins[name] = _Origin(self._options)
        return self._origins[name]

    def snapshot(self) -> bytes:
        """All that later alerts depend on, as JSON."""
        origins = [[*name, origin.snapshot()] for name, origin in self._origins.items()]
        return orjson.dumps({"origins": origins})

    def resume(self, data: bytes) -> None:
        """Go on from a snapshot. Raises ValueError for anything else."""
        try:
            for topic, partition, content in orjson.loads(data)["origins"]:
                origin = self._origins[str(topic), int(partition)] = _Origin(self._options)
                origin.resume(content)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"not a snapshot of incidents: {error}") from None


class SalientEvaluation:
    """Scores salient events and keeps the incidents of every input partition they come from.

    What is kept for an input partition belongs to the partition of the salient topic that it is read from
    (``states``), and is dropped with it. ``names``: the scores to compute, at least those that are published.
    """

    def __init__(
        self,
        bundle: Bundle,
        options: EvaluateOptions = EvaluateOptions(),
        on_device_failure: Callable[[str], None] = lambda device: None,
        names: Collection[ScoreName] = PUBLISHED,
    ) -> None:
        self.evaluator = Evaluator(bundle, options, on_device_failure)
        self._explainer = Explainer(bundle)
        self._names = names
        asked = options.false_alarms
        self.false_alarms = FalseAlarms.parse(asked) if asked else bundle.false_alarms
        self.states = PartitionStates(lambda topic, partition: _Origins(options))
        # Told of every score, also of those that raise no alert; replay holds them against labels.
        self.on_scores: Callable[[Sequence[SalientEvent], EventScores], None] | None = None
        # Told of every suspicious event, as an alert that knows nothing of its incident, and its id.
        self.on_suspicious: Callable[[Alert, str], None] | None = None
        # Told how many audited events were scored, and how many of them alert or would have, let through.
        self.on_audit: Callable[[int, int], None] = lambda audited, missed: None

    @property
    def device(self) -> str:
        """The device that evaluates circuits."""
        return self.evaluator.device

    @property
    def reason(self) -> str:
        """Why it is that device."""
        return self.evaluator.reason

    def check(self, event: SalientEvent) -> None:
        """Raises ValueError for an event that cannot be scored with this bundle."""
        self.evaluator.check(event)

    def process(self, messages: Sequence[SalientMessage], topic: str = "", partition: int = 0) -> list[Alert]:
        """Score a micro-batch and return the alerts to publish, in order.

        Args:
            messages: salient events and watermarks, in their order.
            topic: where they were read, "" for triage in this very process.
            partition: the partition of it.

        The result does not depend on how messages were cut into micro-batches. When scoring raises, nothing
        was changed, and the same messages may be given again.
        """
        events = [message for message in messages if isinstance(message, SalientEvent)]
        scores = self.evaluator.score(events, self._names)
        if self.on_scores is not None:
            self.on_scores(events, scores)
        limits = self.limits(events)
        if audited := [row for row, event in enumerate(events) if event.audit]:
            missed = [self._missed(events[row], scores, row, float(limits[row])) for row in audited]
            self.on_audit(len(audited), sum(missed))
        origins = self.states.of(topic, partition)
        alerts: list[Alert] = []
        row = 0
        for message in messages:
            origin = origins.of(message)
            alerts += origin.incidents.advance(message.watermark)
            if isinstance(message, SalientEvent):
                alerts += self._judge(origin, message, scores, row, float(limits[row]))
                row += 1
        return alerts

    def limits(self, events: Sequence[SalientEvent]) -> NDArray[np.float64]:
        """Largest p-value (n,) at which each event alerts."""
        return self.false_alarms.limits(
            np.array([event.pace for event in events], np.float64).reshape(len(events), 2),
            np.array([event.learning for event in events], bool),
            np.array([event.severity for event in events], np.int64),
        )

    @staticmethod
    def _missed(event: SalientEvent, scores: EventScores, row: int, limit: float) -> bool:
        """Whether an audited event is suspicious: by the prefilter's score where the gate opened no wire."""
        by = ALERTS_BY if any(event.open_wires) else ScoreName.PREFILTER
        return bool(scores.p_values[by][row] <= limit)

    def _judge(
        self, origin: _Origin, event: SalientEvent, scores: EventScores, row: int, limit: float
    ) -> list[Alert]:
        """What an event makes of the incidents of its input partition."""
        p_value = float(scores.p_values[ALERTS_BY][row])
        if p_value > limit:
            if p_value <= UNUSUAL:
                origin.incidents.keep(event.source, event.entity, event.time)
            return []
        if origin.seen(event.id):
            return []
        p_values = {name: float(scores.p_values[name][row]) for name in PUBLISHED}
        alert = make_alert(event, p_values, limit, self._explainer.explain(event.features))
        incident, published = origin.incidents.observe(alert)
        if self.on_suspicious is not None:
            self.on_suspicious(alert, incident)
        return published


def alert_id(event_id: str) -> str:
    """Id of the alert that one event argues for: the event's own digest, so that consumers can drop what is
    delivered twice.
    """
    return hashlib.blake2b(f"{event_id}:firing".encode(), digest_size=16).hexdigest()


def make_alert(
    event: SalientEvent, p_values: Mapping[ScoreName, float], limit: float, why: Explanation
) -> Alert:
    """The alert that one event argues for, before it is part of an incident.

    Args:
        event: the salient event.
        p_values: of all published scores.
        limit: largest p-value at which it alerts.
        why: what argued most for it.
    """
    p_value = p_values[ALERTS_BY]
    time = event.time if math.isfinite(event.time) else event.watermark
    drivers = [Driver(name=name, value=value, expected=expected) for name, value, expected in why.drivers]
    name = alert_id(event.id)
    return Alert(
        id=name,
        incident=name,
        fingerprint=fingerprint(event.source, why.kind, event.template_id),
        status="firing",
        time=time,
        first_seen=time,
        last_seen=time,
        count=1,
        source=event.source,
        entity=event.entity,
        severity=severity_text(event.severity),  # type: ignore[arg-type]  # one of those it names
        kind=why.kind,
        template=event.template,
        template_id=event.template_id,
        example=event.message,
        p_value=p_value,
        p_limit=limit,
        known=event.known,
        learning=event.learning,
        features=drivers,
        evidence=event.evidence,
        open_wires=list(event.open_wires),
        scores=Scores(prefilter=p_values[ScoreName.PREFILTER], twin=p_values[ScoreName.TWIN], hybrid=p_value),
        bundle=event.bundle,
        topic=event.topic,
        partition=event.partition,
        offset=event.offset,
        labels=_labels(event, why.kind),
        annotations=_annotations(event, p_value, why),
    )


def _labels(event: SalientEvent, kind: Kind) -> dict[str, str]:
    return {
        "alertname": f"Qualm {kind}",
        "source": event.source,
        "level": severity_text(event.severity).lower(),
        "kind": kind,
        "template_id": event.template_id,
    }


def _annotations(event: SalientEvent, p_value: float, why: Explanation) -> dict[str, str]:
    drivers = "; ".join(f"{name} {value:.3g}, expected {usual:.3g}" for name, value, usual in why.drivers)
    reasons = "".join(f"\n- {reason.sentence()}" for reason in event.evidence)
    return {
        "summary": f"{event.source}: {why.kind}: {event.template}"[:300],
        "description": f"{event.message[:500]}\np-value {p_value:.3g}; {drivers}{reasons}"[:1024],
    }
