"""The way of a salient event to an alert: circuit, readout, p-value, incident.

No Kafka here: the worker and the replay of files call the same code.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection, Sequence

from agents.incidents import Incidents
from models.bundle import Bundle
from models.detector import Evaluator, Score
from models.options import EvaluateOptions
from schemas.alert import Alert, Driver, Scores, fingerprint
from schemas.events import severity_text
from schemas.salient import SalientEvent

__all__ = ["SalientEvaluation"]

# Salient events whose ids are remembered per input partition, to know one that was delivered twice.
REMEMBERED = 4096


class _Origin:
    """What evaluate keeps for one input partition: its incidents and the ids of its latest events."""

    def __init__(self, resolve_after: float) -> None:
        self.incidents = Incidents(resolve_after)
        self._ids: dict[str, None] = {}

    def seen(self, event_id: str) -> bool:
        """Whether an event was delivered before; takes note of it."""
        if event_id in self._ids:
            return True
        self._ids[event_id] = None
        if len(self._ids) > REMEMBERED:
            del self._ids[next(iter(self._ids))]
        return False


class SalientEvaluation:
    """Scores salient events and keeps the incidents of every input partition they come from.

    ``shard`` names where the events were read (the partition of the salient topic, 0 for a file): what is
    kept for an input partition belongs to a shard and is dropped with it.
    """

    def __init__(
        self,
        bundle: Bundle,
        options: EvaluateOptions = EvaluateOptions(),
        on_device_failure: Callable[[str], None] = lambda device: None,
    ) -> None:
        self._bundle = bundle
        self._evaluator = Evaluator(bundle, options, on_device_failure)
        self._rate = options.false_alarm_rate or bundle.false_alarm_rate
        self._resolve_after = options.resolve_after
        self._shards: dict[int, dict[tuple[str, int], _Origin]] = {}
        # Told of every score, also of those that raise no alert; replay holds them against labels.
        self.on_scores: Callable[[Sequence[SalientEvent], Sequence[Score]], None] | None = None

    @property
    def device(self) -> str:
        """The device that evaluates circuits."""
        return self._evaluator.device

    @property
    def reason(self) -> str:
        """Why it is that device."""
        return self._evaluator.reason

    def process(self, events: Sequence[SalientEvent], shard: int = 0) -> list[Alert]:
        """Score a micro-batch and return the alerts to publish, in order.

        The result does not depend on how events were cut into micro-batches. When scoring raises, nothing was
        changed, and the same events may be given again.
        """
        scored = [event for event in events if event.trigger != "watermark"]
        found = self._evaluator.score(scored) if scored else []
        if self.on_scores is not None:
            self.on_scores(scored, found)
        scores = iter(found)
        alerts: list[Alert] = []
        for event in events:
            score = next(scores) if event.trigger != "watermark" else None
            origin = self._origin(event, shard)
            if score is not None and not origin.seen(event.id) and score.p_value <= self._rate:
                alerts += origin.incidents.observe(make_alert(event, score))
            alerts += origin.incidents.advance(event.watermark)
        return alerts

    def keep(self, shards: Collection[int]) -> None:
        """Drop what is kept for all shards but these."""
        self._shards = {shard: origins for shard, origins in self._shards.items() if shard in shards}

    def _origin(self, event: SalientEvent, shard: int) -> _Origin:
        origins = self._shards.setdefault(shard, {})
        name = (event.topic, event.partition)
        if name not in origins:
            origins[name] = _Origin(self._resolve_after)
        return origins[name]


def make_alert(event: SalientEvent, score: Score) -> Alert:
    """The alert that one event argues for, before it is part of an incident."""
    time = event.time if math.isfinite(event.time) else event.watermark
    drivers = [Driver(name=name, value=value, expected=expected) for name, value, expected in score.drivers]
    return Alert(
        # The event's own digest, so that consumers can drop what is delivered twice.
        id=hashlib.blake2b(f"{event.id}:firing".encode(), digest_size=16).hexdigest(),
        fingerprint=fingerprint(event.source, score.kind, event.template_id),
        status="firing",
        time=time,
        first_seen=time,
        last_seen=time,
        count=1,
        source=event.source,
        entity=event.entity,
        severity=severity_text(event.severity),  # type: ignore[arg-type]  # one of those it names
        kind=score.kind,
        template=event.template,
        template_id=event.template_id,
        example=event.message,
        p_value=score.p_value,
        features=drivers,
        open_wires=list(event.open_wires),
        scores=Scores(prefilter=score.prefilter_p, twin=score.twin_p, hybrid=score.p_value),
        bundle=event.bundle,
        topic=event.topic,
        partition=event.partition,
        offset=event.offset,
        labels=_labels(event, score),
        annotations=_annotations(event, score),
    )


def _labels(event: SalientEvent, score: Score) -> dict[str, str]:
    return {
        "alertname": f"Qualm {score.kind}",
        "source": event.source,
        "severity": severity_text(event.severity).lower(),
        "kind": score.kind,
        "template_id": event.template_id,
    }


def _annotations(event: SalientEvent, score: Score) -> dict[str, str]:
    why = "; ".join(f"{name} {value:.3g}, expected {expected:.3g}" for name, value, expected in score.drivers)
    return {
        "summary": f"{event.source}: {score.kind}: {event.template}"[:300],
        "description": f"{event.message[:500]}\np-value {score.p_value:.3g}; {why}"[:1024],
    }
