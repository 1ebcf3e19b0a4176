"""The way of a salient event to a suspicious one: circuit, readout, p-value.

No Kafka here: the worker and the replay of files call the same code.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

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
from schemas.suspicious import Suspicious, SuspiciousMessage, Unusual
from schemas.watermark import SalientMessage

__all__ = ["SalientEvaluation", "alert_id", "make_alert"]


class SalientEvaluation:
    """Scores salient events; knows nothing of those before.

    ``names``: the scores to compute, at least those that are published.
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
        # Told of every score, also of those that raise no alert; replay holds them against labels.
        self.on_scores: Callable[[Sequence[SalientEvent], EventScores], None] | None = None
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

    def process(self, messages: Sequence[SalientMessage]) -> list[SuspiciousMessage]:
        """Score a micro-batch of salient events and watermarks; what is to be told of them, in order.

        Watermarks are passed on. Each message has its own, too, so events that are as usual need not be told.
        The result does not depend on how messages were cut into micro-batches.
        """
        events = [message for message in messages if isinstance(message, SalientEvent)]
        scores = self.evaluator.score(events, self._names)
        if self.on_scores is not None:
            self.on_scores(events, scores)
        limits = self.limits(events)
        if audited := [row for row, event in enumerate(events) if event.audit]:
            missed = [self._missed(events[row], scores, row, float(limits[row])) for row in audited]
            self.on_audit(len(audited), sum(missed))
        found: list[SuspiciousMessage] = []
        row = 0
        for message in messages:
            if isinstance(message, SalientEvent):
                found += self._judge(message, scores, row, float(limits[row]))
                row += 1
            else:
                found.append(message)
        return found

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
        self, event: SalientEvent, scores: EventScores, row: int, limit: float
    ) -> list[SuspiciousMessage]:
        """What an event tells of incidents, if anything."""
        p_value = float(scores.p_values[ALERTS_BY][row])
        if p_value <= limit:
            p_values = {name: float(scores.p_values[name][row]) for name in PUBLISHED}
            alert = make_alert(event, p_values, limit, self._explainer.explain(event.features))
            return [
                Suspicious(
                    lane=event.lane, lanes=event.lanes, position=event.position,
                    watermark=event.watermark, time=alert.time, alert=alert,
                )
            ]  # fmt: skip
        if p_value <= UNUSUAL:
            return [
                Unusual(
                    lane=event.lane, lanes=event.lanes, position=event.position,
                    topic=event.topic, partition=event.partition, watermark=event.watermark,
                    time=event.time, source=event.source, entity=event.entity,
                )
            ]  # fmt: skip
        return []


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
        threshold=event.threshold,
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
